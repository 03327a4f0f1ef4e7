//! The edge as a hub meets it: signed requests in, events out. One binary for all suites.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approvals;
mod backups;
mod client;
mod contract;
mod echo;
mod figures;
mod isolation;
mod model;
mod openclaw;
mod operate;
mod people;
mod process;
mod provider;
mod providers;
mod rest;
mod retired;
mod sandboxes;
mod scripted;
mod socket;
mod upgrade;
mod versions;
