//! The program as a process: its command line, its sockets, its durability.

mod client;
mod journey;
mod kill;
mod power_loss;
mod race;
mod server;
