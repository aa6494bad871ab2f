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
mod doctor;
mod end;
mod health;
mod jobs;
mod letters;
#[cfg(feature = "local")]
mod local;
mod operator;
mod pages;
mod paging;
mod serve;
mod setup;
mod several;
mod span;
mod table;
#[cfg(feature = "local")]
mod tuning;
mod watch;

use crate::config::environment;
use clap::{Args, Parser, Subcommand};
use end::End;
#[cfg(feature = "local")]
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
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
    /// See to the jobs of a running service: list, show, cancel, retry, purge.
    Jobs(jobs::Jobs),
    /// See to its dead letters: list, show, replay, drop.
    Dlq(letters::Letters),
    /// Run one round of the cron's work on a running service.
    Sweep(Sweep),
    /// Ask a running server whether it lives.
    Health(Health),
    /// Check the configuration and each outside service, and say how to mend what is wrong.
    Doctor(Doctor),
    /// Make what a deployment needs outside: the sweep's schedule at QStash and the bucket at Supabase.
    Setup(SetUp),
    /// Print the HTTP interface as `OpenAPI` 3.1, for generators of clients.
    Openapi,
    /// Print a script that completes commands and options in a shell.
    Completions(Completions),
    /// Print the manual page, or write those of all commands into a folder.
    Man(Man),
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
    /// Port to listen on.
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
    /// Port to listen on.
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
#[command(after_help = DOCTOR)]
struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const DOCTOR: &str = "Reads the environment as `serve` does, asks Redis, QStash, Klap, Supabase and the service under \
                      PUBLIC_URL, and pays for nothing.\nExit codes: 0 nothing failed, 1 something did, 2 the \
                      configuration leaves nothing to check.";

#[derive(Args)]
#[command(after_help = SETUP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct SetUp {
    /// Minutes between two calls of the sweep: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60.
    #[arg(long, value_name = "MINUTES", default_value_t = 5, value_parser = setup::minutes)]
    every: u32,
    /// Make no schedule: something else wakes the sweep (Vercel Pro's cron, a service that runs as a process).
    #[arg(long, conflicts_with_all = ["remove", "every"])]
    no_schedule: bool,
    /// The schedule's name; one for each deployment of a QStash account.
    #[arg(long, value_name = "NAME", default_value = "cliprelay-sweep")]
    schedule_id: String,
    /// Change or remove a schedule of that name though it calls another host: this deployment's former one.
    #[arg(long)]
    take_over: bool,
    /// Leave the bucket alone.
    #[arg(long)]
    no_bucket: bool,
    /// The largest file the bucket is to take, in MiB; a limit that is there stays otherwise.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=500_000))]
    size_limit: Option<u64>,
    /// Take the schedule away, and change nothing else.
    #[arg(long)]
    remove: bool,
    /// Only show what would be done.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
    /// Do not check the whole afterwards.
    #[arg(long)]
    no_doctor: bool,
    /// Print JSON; needs --yes or --dry-run.
    #[arg(long)]
    json: bool,
}

const SETUP: &str = "Reads the environment as `serve` does. Shows what it would do and asks; what is right already is left \
                     alone, and so are a private bucket (unless SUPABASE_BUCKET_ACCESS says public) and a schedule that \
                     calls another host. The database's part is an SQL file for its owner to run: it tells which, and whether it was \
                     run.\nExit codes: 0 done and nothing failed in the check afterwards, 1 something did, 2 bad usage or \
                     configuration, 3 QStash or Supabase could not be reached.";

#[derive(Args)]
#[command(after_help = COMPLETIONS)]
struct Completions {
    /// The shell it is for.
    shell: clap_complete::Shell,
}

const COMPLETIONS: &str = "For this session of bash: source <(cliprelay completions bash). For good: put what is printed \
                           where the shell looks, as ~/.local/share/bash-completion/completions/cliprelay, \
                           ~/.config/fish/completions/cliprelay.fish, or _cliprelay in a folder of zsh's $fpath.";

#[derive(Args)]
struct Man {
    /// Write the pages of all commands here instead; `man -l cliprelay.1` shows one.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
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
            Command::Jobs(asked) => jobs::jobs(asked).await,
            Command::Dlq(asked) => letters::letters(asked).await,
            Command::Sweep(sweep) => client::sweep(sweep).await,
            Command::Health(health) => health::health(health).await,
            Command::Doctor(asked) => doctor::doctor(asked).await,
            Command::Setup(asked) => setup::setup(asked).await,
            Command::Completions(asked) => {
                pages::completions(&asked);
                Ok(())
            }
            Command::Man(asked) => pages::man(&asked),
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
