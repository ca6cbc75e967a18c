//! The product: what the directory knows and the rules by which it changes, as plain types and
//! plain functions. Nothing here reads a clock, a database or a socket.

mod address;
pub mod api_key;
pub mod claims;
pub mod data;
pub mod email;
pub mod event;
pub mod figures;
pub mod filter;
pub mod group;
pub mod import;
pub mod log;
pub mod mail;
pub mod marking;
pub mod network;
pub mod password;
pub mod person;
pub mod phone;
pub mod proof;
pub mod rate;
pub mod repeat;
pub mod settings;
pub mod summary;
pub mod text;
pub mod unknown;
pub mod user;
pub mod username;
pub mod whole;

#[cfg(test)]
mod invariants;
