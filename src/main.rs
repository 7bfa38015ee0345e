//! The `corndogs` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    corndogs::cli::main()
}
