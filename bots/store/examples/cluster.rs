//! Runs a PostgreSQL of its own and prints its address, until its standard input ends:
//! `cargo run -p zaki-store --features testkit --example cluster [-- durable]`.

use std::env::args;
use std::io::{Read, Result, Write, stdin, stdout};

use zaki_store::testkit::{Cluster, Durability};

fn main() -> Result<()> {
    let durable = args().nth(1).is_some_and(|word| word == "durable");
    let cluster = Cluster::start(if durable { Durability::Full } else { Durability::Off })?;
    println!("{}", cluster.url());
    stdout().flush()?;
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
