//! The API through the real router, over a real store, at a fixed time and with foreseeable ids.

mod data;
mod documents;
mod emails;
mod events;
mod groups;
mod harness;
mod invariants;
mod keys;
mod outbox;
mod pages;
mod passwords;
mod phones;
mod problems;
mod proofs;
mod schemas;
mod search;
mod seeds;
mod sweep;
mod users;
