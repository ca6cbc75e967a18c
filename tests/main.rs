//! The API through the real router, the program through the real binary, and what holds of any input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod process;
mod properties;
