//! `bench turns`: how much the hub adds to a turn. Under construction: see the next commit.
//! Prints figures, asserts nothing.

fn main() {}
