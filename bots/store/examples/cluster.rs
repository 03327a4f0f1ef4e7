//! Runs a PostgreSQL of its own and prints its address, until its standard input ends:
//! `cargo run -p zaki-store --features testkit --example cluster`.

use std::io::{Read, Result, Write, stdin, stdout};

use zaki_store::testkit::{Cluster, Durability};

fn main() -> Result<()> {
    let cluster = Cluster::start(Durability::Full)?;
    println!("{}", cluster.url());
    stdout().flush()?;
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
