//! The API through the real router, the program through the real binary, and what holds of any input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alike;
#[expect(clippy::duplicate_mod, reason = "each test of the API is run on both stores")]
#[path = "api/mod.rs"]
mod api_on_postgres;
#[path = "api/mod.rs"]
mod api_on_sqlite;
mod moved;
mod postgres;
mod process;
mod properties;
