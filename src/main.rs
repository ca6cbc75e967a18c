//! The program `bonafide`; see [`bonafide::cli`].

use std::process::ExitCode;

/// Requests make and drop many small pieces of memory on all threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bonafide::cli::main()
}
