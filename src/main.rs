use std::process::ExitCode;

fn main() -> ExitCode {
    cliprelay::cli::main()
}
