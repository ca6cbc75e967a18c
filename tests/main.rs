//! The API through the real router, and the program through the real binary.

mod api;
mod process;
