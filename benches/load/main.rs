//! The load programs of `make bench`.

fn main() {}
