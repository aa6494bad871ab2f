fn main() -> std::process::ExitCode {
    cliprelay::cli::serve()
}
