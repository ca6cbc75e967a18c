//! The program as a process: its command line, its sockets, its durability.

mod backup;
mod cli;
mod client;
mod copy;
mod dev;
mod disk;
mod environment;
mod explain;
mod http;
mod journey;
mod keys;
mod kill;
mod limits;
mod links;
mod logs;
mod patience;
mod postgres;
mod power_loss;
mod proofs;
mod race;
mod raw;
mod raw_http2;
mod server;
mod signals;
mod system;
mod tls;
