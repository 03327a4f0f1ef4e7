//! The edge as a hub meets it: signed requests in, events out. One binary for all suites.

mod client;
mod echo;
mod openclaw;
mod process;
mod sandboxes;
