//! The program as a process: its command line, its sockets, its durability.

mod backup;
mod browser;
mod cli;
mod client;
mod dev;
mod disk;
mod environment;
mod http;
mod journey;
mod keys;
mod kill;
mod limits;
mod links;
mod logs;
mod mail;
mod mail_server;
mod pages;
mod patience;
mod power_loss;
mod race;
mod raw;
mod raw_http2;
mod server;
mod signals;
mod tls;
