//! The `sidetone` command: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidetone_cli::main()
}
