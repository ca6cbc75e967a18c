//! The program `bonafide`; see [`bonafide::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bonafide::cli::main()
}
