//! The command line: what is asked, who does it, and the exit code. Commands about jobs are clients of our own HTTP API.

/// A line for whoever reads the output. Nobody has to: a closed pipe is no failure.
macro_rules! out {
    ($($line:tt)*) => {{
        use std::io::Write;
        drop(writeln!(std::io::stdout(), $($line)*));
    }};
}

mod client;
#[cfg(feature = "local")]
mod demo;
mod end;
mod health;
#[cfg(feature = "local")]
mod local;
mod serve;
#[cfg(feature = "local")]
mod tuning;
mod watch;

use crate::config::environment;
use clap::{Args, Parser, Subcommand};
use end::End;
use std::process::ExitCode;
#[cfg(feature = "local")]
use std::{net::IpAddr, path::PathBuf};
use url::Url;

/// Dependable video-to-clips jobs: Klap behind QStash and Redis, or all of it on this machine.
#[derive(Parser)]
#[command(name = "cliprelay", version = crate::app::VERSION, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the work failed, 2 bad usage or configuration, 3 a server could not be \
                          reached.\nWithout a command it serves. Every setting of `serve` is an environment variable: see \
                          infra/env.example.";

#[derive(Subcommand)]
enum Command {
    /// Run the HTTP service; needs Redis, QStash, Klap and Supabase configured.
    Serve,
    /// Run the whole system on this machine: no account, no server.
    #[cfg(feature = "local")]
    Dev(Dev),
    /// Run one job from a real video through the whole system, and keep its clips.
    #[cfg(feature = "local")]
    Demo(Demo),
    /// Run the Klap and Supabase stand-ins alone.
    #[cfg(feature = "local")]
    Sandbox(Sandbox),
    /// Run the embedded QStash-compatible broker alone.
    #[cfg(feature = "local")]
    Broker(Broker),
    /// Enqueue a job on a running service.
    Enqueue(Enqueue),
    /// Run one round of the cron's work on a running service.
    Sweep(Sweep),
    /// Ask a running server whether it lives.
    Health(Health),
    /// Print the HTTP interface as `OpenAPI` 3.1, for generators of clients.
    Openapi,
}

#[cfg(feature = "local")]
#[derive(Args)]
struct Dev {
    /// Port of the service [default: PORT, also from .env, or 3000].
    #[arg(long)]
    port: Option<u16>,
    /// Port of the broker.
    #[arg(long, default_value_t = 8080)]
    broker_port: u16,
    /// Port of the stand-ins.
    #[arg(long, default_value_t = 9000)]
    sandbox_port: u16,
    /// Folder for everything that must survive a restart.
    #[arg(long, default_value = ".cliprelay")]
    data: PathBuf,
}

#[cfg(feature = "local")]
#[derive(Args)]
struct Demo {
    /// An MP4 (H.264 with closed groups of pictures, AAC or no sound); the sample that comes with the program if none.
    video: Option<PathBuf>,
    /// Folder for the clips.
    #[arg(long, default_value = "cliprelay-clips")]
    out: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[cfg(feature = "local")]
#[derive(Args)]
struct Sandbox {
    /// Address to listen on. Beyond this machine anybody can use it: it takes every key.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Folder for everything that must survive a restart.
    #[arg(long, default_value = ".cliprelay/sandbox")]
    data: PathBuf,
}

#[cfg(feature = "local")]
#[derive(Args)]
struct Broker {
    /// Address to listen on; beyond this machine only with a token and keys of your own.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Folder for messages; they survive a restart.
    #[arg(long, default_value = ".cliprelay/broker", conflicts_with = "memory")]
    data: PathBuf,
    /// Keep messages in memory only.
    #[arg(long)]
    memory: bool,
    #[command(flatten)]
    tuning: tuning::BrokerTuning,
}

#[derive(Args)]
struct Server {
    /// The service to talk to.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    server: Url,
}

#[derive(Args)]
struct Enqueue {
    /// The project to make clips for.
    project_id: String,
    /// The video; without it the project row's.
    #[arg(long)]
    video_url: Option<String>,
    /// Stay until the job has ended, showing its progress.
    #[arg(long)]
    wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
struct Sweep {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
struct Health {
    /// Where it answers [default: the service on this machine, at PORT or 3000].
    #[arg(long)]
    url: Option<Url>,
}

/// The program.
pub fn main() -> ExitCode {
    run(Cli::parse().command.unwrap_or(Command::Serve))
}

/// The service alone, for hosts that start one binary a function.
pub fn serve() -> ExitCode {
    run(Command::Serve)
}

fn run(command: Command) -> ExitCode {
    crate::app::install_providers();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return End::failed(error).tell(),
    };
    let ended = runtime.block_on(async {
        match command {
            Command::Serve => serve::serve().await,
            #[cfg(feature = "local")]
            Command::Dev(dev) => local::dev(dev).await,
            #[cfg(feature = "local")]
            Command::Demo(demo) => demo::demo(demo).await,
            #[cfg(feature = "local")]
            Command::Sandbox(sandbox) => local::sandbox(sandbox).await,
            #[cfg(feature = "local")]
            Command::Broker(broker) => local::broker(broker).await,
            Command::Enqueue(enqueue) => client::enqueue(enqueue).await,
            Command::Sweep(sweep) => client::sweep(sweep).await,
            Command::Health(health) => health::health(health).await,
            Command::Openapi => {
                let text = crate::http::openapi::text();
                out!("{}", text.trim_end());
                Ok(())
            }
        }
    });
    // Blocking reads of a terminal or a disk must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => end.tell(),
    }
}
