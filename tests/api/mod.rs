//! The API through the real router, over a real store, at a fixed time and with foreseeable ids. This
//! is compiled twice: what the module is called decides which store it is.

mod bodies;
mod bulk;
mod compatibility;
mod console;
mod data;
mod documents;
mod emails;
mod events;
mod exports;
mod groups;
pub(crate) mod harness;
mod home;
pub(crate) mod imports;
mod invariants;
mod keys;
mod logs;
mod newer;
mod outbox;
mod pages;
mod passwords;
mod person;
mod phones;
mod problems;
mod proofs;
mod races;
mod repeats;
mod schemas;
mod search;
mod seeds;
mod sweep;
mod tags;
mod texts;
mod users;
