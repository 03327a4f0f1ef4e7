//! The edge as a hub meets it: signed requests in, events out. One binary for all suites.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approvals;
mod backups;
mod client;
mod contract;
mod echo;
mod model;
mod openclaw;
mod people;
mod process;
mod rest;
mod sandboxes;
mod scripted;
mod socket;
