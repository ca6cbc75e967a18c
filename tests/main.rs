//! The API through the real router, and the program through the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod process;
