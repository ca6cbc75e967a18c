//! The program as a process: its command line, its sockets, its durability.

mod cli;
mod client;
mod dev;
mod environment;
mod journey;
mod keys;
mod kill;
mod power_loss;
mod race;
mod server;
