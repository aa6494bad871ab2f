//! The guides, followed to the letter: every block of commands marked `sh run` in them runs, from a copy of what is in the
//! repository, one shell a guide, against a real Redis, a real Postgres, our broker and the stand-ins.

use crate::support::postgres;
use crate::support::processes::{self, PROGRAM, Process, port, run_within};
use crate::support::redis;
use crate::support::system::{API_KEY, System, WORKER_SECRET};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// A guide is a whole setting-up, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// A fenced block of commands, and how it is marked.
struct Block {
    mark: String,
    /// What is said before it.
    before: String,
    line: usize,
    text: String,
}

fn blocks(guide: &str) -> Vec<Block> {
    let text = fs::read_to_string(Path::new(ROOT).join(guide)).expect("the guide");
    let mut blocks: Vec<Block> = Vec::new();
    let (mut inside, mut before) = (false, String::new());
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        if let Some(mark) = bare.strip_prefix("```") {
            inside = !inside && (mark.starts_with("sh"));
            let before = std::mem::take(&mut before);
            if inside {
                let mark = mark.trim_start_matches("sh").trim().to_owned();
                blocks.push(Block { mark, before, line: at + 1, text: String::new() });
            }
        } else if inside {
            let block = blocks.last_mut().expect("a block was begun");
            writeln!(block.text, "{bare}").expect("a string takes it");
        } else if !bare.is_empty() {
            bare.clone_into(&mut before);
        }
    }
    blocks
}

/// What a reader fills in, here with our own.
struct Values<'a>(&'a [(&'a str, &'a str)]);

impl Values<'_> {
    fn script(&self, block: &Block) -> String {
        let names = block.text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
        let sample = fs::read_to_string(Path::new(ROOT).join("infra/env.example")).expect("the sample file");
        names.fold(String::new(), |mut script, name| {
            assert!(sample.contains(&format!("{name}=")), "{name} is not in infra/env.example");
            let value = self.0.iter().find(|(known, _)| *known == name);
            let (_, value) = value.unwrap_or_else(|| panic!("line {}: no value for {name}", block.line));
            writeln!(script, "echo '{name}={value}' >> production.env").expect("a string takes it");
            script
        })
    }

    /// What is for the shell alone, and not for the service.
    fn exports(&self, block: &Block) -> String {
        let line = block.text.trim();
        let name = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')).map(|(name, _)| name);
        let value = self.0.iter().find(|(known, _)| Some(*known) == name);
        let (name, value) = value.unwrap_or_else(|| panic!("line {}: no value for {line}", block.line));
        format!("export {name}='{value}'\n")
    }
}

/// The whole guide as one script, each block told before it begins.
fn script(guide: &str, values: &Values<'_>) -> String {
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n".to_owned();
    for block in blocks(guide) {
        let text = match block.mark.split(' ').collect::<Vec<_>>()[..] {
            ["run"] => block.text,
            ["fill"] => values.script(&block),
            ["export"] => values.exports(&block),
            ["account"] => continue,
            _ => panic!("{guide}:{}: a block of commands is marked run, fill, export or account", block.line),
        };
        write!(script, "echo '== {guide}:{}'\n{text}", block.line).expect("a string takes it");
    }
    script
}

/// Follows a guide in a copy of the repository, and answers all that was said.
async fn follow(guide: &str, values: &Values<'_>, environment: &[(&str, &str)]) -> String {
    let copy = TempDir::new().expect("a folder for the copy");
    copied(Path::new(ROOT), copy.path());
    let programs = Path::new(PROGRAM).parent().expect("its folder").display().to_string();
    let path = format!("{programs}:{}:{}", postgres::programs().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-c", &script(guide, values)]).current_dir(copy.path()).env_clear();
    command.env("PATH", path).env("HOME", copy.path()).envs(environment.iter().copied());
    let ended = run_within(PATIENCE, &mut command).await;
    let service = fs::read_to_string(copy.path().join("serve.log")).unwrap_or_default();
    assert_eq!(ended.code, Some(0), "{}\n{}\n{service}", ended.stdout, ended.stderr);
    uploads_nothing_new(copy.path()).await;
    ended.stdout
}

/// Whatever a guide leaves in the clone, secrets above all, stays there with `vercel deploy`.
async fn uploads_nothing_new(copy: &Path) {
    let listing = "git init --quiet && infra/vercel-build --list";
    let listed = run_within(PATIENCE, Command::new("bash").args(["-c", listing]).current_dir(copy)).await;
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let new: Vec<&str> = listed.stdout.lines().filter(|file| !Path::new(ROOT).join(file).exists()).collect();
    assert!(listed.stdout.contains("Cargo.toml") && new.is_empty(), "{new:?} would be uploaded");
}

/// What git would have: no products, nothing installed.
fn copied(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder that can be listed") {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("an entry");
        if ["target", ".git", "node_modules", ".cliprelay", ".vercel"].iter().any(|left_out| name == *left_out) {
            continue;
        }
        if path.is_dir() {
            fs::create_dir(to.join(&name)).expect("a folder in the copy");
            copied(&path, &to.join(&name));
        } else {
            fs::copy(&path, to.join(&name)).expect("a file in the copy");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_it_up() {
    let redis = redis::Server::start();
    let database = postgres::Server::start();
    for part in [include_str!("postgres/surroundings.sql"), include_str!("postgres/today.sql")] {
        database.sql(postgres::SUPERUSER, part).expect("a Supabase project made today");
    }
    let folder = TempDir::new().expect("a folder");
    let [at_broker, at_sandbox, at_service] = [port(), port(), port()].map(|port| port.to_string());
    let keys = [
        ("QSTASH_TOKEN", "guide-token"),
        ("QSTASH_CURRENT_SIGNING_KEY", "sig_guide_current"),
        ("QSTASH_NEXT_SIGNING_KEY", "sig_guide_next"),
    ];
    let own: Vec<_> = keys.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let args = ["broker", "--memory", "--port", &at_broker];
    let mut broker = Process::start("broker", &args, &own, folder.path());
    broker.says("QSTASH_URL").await;
    let args = ["sandbox", "--data", "sandbox", "--port", &at_sandbox];
    let mut sandbox = Process::start("sandbox", &args, &[], folder.path());
    sandbox.says("a video to try").await;

    let [broker_url, service] = [&at_broker, &at_service].map(|port| format!("http://127.0.0.1:{port}"));
    let stand_ins = format!("http://127.0.0.1:{at_sandbox}");
    let redis_url = redis.url();
    let (supabase, klap) = (format!("{stand_ins}/supabase"), format!("{stand_ins}/klap/v2"));
    let video = format!("{stand_ins}/klap/videos/sample.mp4");
    let address = database.url("postgres");
    let values = [
        &keys[..],
        &[
            ("REDIS_URL", redis_url.as_str()),
            ("QSTASH_URL", &broker_url),
            ("SUPABASE_URL", &supabase),
            ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_sandbox"),
            ("KLAP_API_KEY", "kak_sandbox"),
            ("SPEND_LIMIT_DAY", "50"),
            ("AUTH", "api-key"),
            ("API_KEYS", "shop:a-long-random-key"),
            ("PUBLIC_URL", &service),
            ("DATABASE_URL", &address),
            ("VIDEO", &video),
        ],
    ]
    .concat();
    let private = format!("127.0.0.1:{at_sandbox}");
    // What a reader has no need of: where the stand-ins are, and that they may be reached.
    let environment = [
        ("PORT", at_service.as_str()),
        ("KLAP_API_URL", &klap),
        ("ALLOW_PRIVATE_ADDRESSES", &private),
        ("POLL_DELAY_MIN", "1"),
        ("POLL_DELAY_MAX", "1"),
    ];
    let before = database.schema();
    let said = follow("infra/setup.md", &Values(&values), &environment).await;

    assert!(said.contains("\"status\":\"completed\""), "the first job: {said}");
    assert!(said.contains("PONG") && said.contains("cliprelay-sweep"), "{said}");
    // The way back leads back: nothing of ours is left but the table that the guide made on purpose.
    let left: Vec<String> = redis::query(&redis, &["KEYS", "*"]);
    assert_eq!(left, Vec::<String>::new());
    database.sql("postgres", "drop table projects").expect("the guide's table");
    assert_eq!(database.schema(), before);
    assert_eq!(database.sql("postgres", "select count(*) from storage.buckets").expect("a count"), "0");
}

/// The one block of a guide that holds these words.
fn block_with(guide: &str, words: &str) -> String {
    let mut found: Vec<Block> = blocks(guide).into_iter().filter(|block| block.text.contains(words)).collect();
    assert_eq!(found.len(), 1, "{guide}: {words}");
    found.remove(0).text
}

/// Runs a block in a folder whose programs of these names note what they were told.
async fn run_block(folder: &Path, block: &str, stand_ins: &[&str]) -> String {
    let programs = folder.join("programs");
    fs::create_dir(&programs).expect("a folder");
    for name in stand_ins {
        // What comes in, and nothing of what the loop around it is reading.
        let note = "#!/bin/sh\n{ printf '%s' \"${0##*/} $*\"; case $* in *' add '*) printf ' <'; cat; printf '>';; esac; echo; } >> told\n";
        fs::write(programs.join(name), note).expect("a program");
        let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(programs.join(name), runs).expect("a program that runs");
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", block]).current_dir(folder).env("PATH", path);
    let ended = run_within(PATIENCE, &mut command).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    fs::read_to_string(folder.join("told")).unwrap_or_default()
}

/// Nothing of the file is left behind on the way to the host, by name or by value.
#[tokio::test]
async fn each_variable_is_handed_to_the_host_whole() {
    let folder = TempDir::new().expect("a folder");
    let sample = fs::read_to_string(Path::new(ROOT).join("infra/env.example")).expect("the sample file");
    let names = sample.lines().map(|line| line.trim_start_matches('#'));
    let names = names.filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let names: Vec<&str> = names.filter(is_name).collect();
    assert!(names.contains(&"AUTH_HS256_SECRET") && names.contains(&"US_EAST_1_QSTASH_TOKEN"), "{names:?}");
    // As tokens are: with what shells and splitting at `=` would eat.
    let file =
        names.iter().fold("#COMMENTED=1\nEMPTY=\n".to_owned(), |file, name| format!("{file}{name}=a=b {name}\\=\n"));
    fs::write(folder.path().join("production.env"), file).expect("a file");
    let block = block_with("infra/setup.md", "vercel env add");
    let told = run_block(folder.path(), &block, &["npm", "vercel"]).await;
    let expected = names.iter().filter(|name| !["PUBLIC_URL", "PORT", "HOST"].contains(name));
    let expected: Vec<_> =
        expected.map(|name| format!("vercel env add {name} production --force <a=b {name}\\=>")).collect();
    let added: Vec<_> = told.lines().filter(|line| line.starts_with("vercel env")).collect();
    assert_eq!(added, expected);
}

/// The cron of the plan whose crons run once a day.
#[tokio::test]
async fn the_one_line_is_changed_for_the_hobby_plan() {
    let folder = TempDir::new().expect("a folder");
    let file = || fs::read_to_string(folder.path().join("vercel.json")).expect("vercel.json");
    fs::copy(Path::new(ROOT).join("vercel.json"), folder.path().join("vercel.json")).expect("a copy");
    let before = file();
    run_block(folder.path(), &block_with("infra/vercel.md", "vercel.json.new"), &[]).await;
    assert_eq!(file(), before.replace("* * * * *", "0 4 * * *"));
    assert_ne!(file(), before);
    assert!(!folder.path().join("vercel.json.new").exists());
}

/// Keys hold what callers chose, as an `Idempotency-Key`: quotes and spaces are no end of one.
#[tokio::test]
async fn keys_of_any_name_are_taken_out_of_redis() {
    let server = redis::Server::start();
    for key in ["{cliprelay:}it's", "{cliprelay:}a \"b\" c", "{cliprelay:}\\", "other"] {
        let () = redis::query(&server, &["SET", key, "1"]);
    }
    let block = block_with("infra/setup.md", "xargs");
    let line = block.lines().find(|line| line.contains("xargs")).expect("the line");
    let folder = TempDir::new().expect("a folder");
    run_block(folder.path(), &format!("REDIS_URL={}\n{line}", server.url()), &[]).await;
    assert_eq!(redis::query::<Vec<String>>(&server, &["KEYS", "*"]), ["other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_over() {
    let system = System::start(&[]).await;
    let old = redis::Server::start();
    let record = json!({"id": "job_p_1", "projectId": "p", "status": "queued", "videoUrl": system.sample()});
    let () = redis::query(&old, &["SET", "klap:job:job_p_1", &record.to_string()]);
    let _: u64 = redis::query(&old, &["LPUSH", "klap:jobs:queue", "job_p_1"]);
    let url = old.url();
    let environment =
        [("OLD_REDIS_URL", url.as_str()), ("CLIPRELAY_URL", &system.base), ("CLIPRELAY_API_KEY", API_KEY)];
    let said = follow("infra/moving.md", &Values(&[]), &environment).await;
    assert!(said.contains("to move  job_p_1") && said.contains("moved    job_p_1 -> job_"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_night() {
    let system = System::start(&[]).await;
    // A job that has failed, to look at and to try again.
    system.klap_fault("create_task", 1, json!({"answer": {"status": 401, "body": "no"}})).await;
    let failed = system.enqueue(&json!({"projectId": "night", "videoUrl": system.sample()})).await;
    assert_eq!(system.ended(&failed).await["errorDetail"]["code"], "klap_unauthorized");
    let mut environment: Vec<(&str, &str)> =
        ["QSTASH_URL", "QSTASH_TOKEN", "REDIS_URL", "KLAP_API_URL", "KLAP_API_KEY"]
            .map(|name| (name, system.setting(name)))
            .into();
    environment.extend([("CLIPRELAY_URL", system.base.as_str()), ("WORKER_SECRET", WORKER_SECRET), ("JOB", &failed)]);
    let said = follow("infra/runbook.md", &Values(&[]), &environment).await;
    assert!(said.contains("\"status\":\"ok\"") && said.contains("PONG"), "{said}");
    processes::until("it was tried again", async || {
        let job = system.job(&failed).await?;
        (job["status"] == "completed").then_some(())
    })
    .await;
    system.keeps_secrets(&[], &[]);
}

#[test]
fn every_block_of_commands_says_if_it_is_not_run() {
    let mut count = 0;
    for guide in ["infra/setup.md", "infra/moving.md", "infra/runbook.md"] {
        for block in blocks(guide) {
            count += usize::from(block.mark == "run");
            // The mark is for us; readers see the line before.
            let told = block.before.contains("not run by our tests");
            assert_eq!(told, block.mark == "account", "{guide}:{}", block.line);
            assert!(
                ["run", "fill", "export", "account"].contains(&block.mark.as_str()),
                "{guide}:{}: `{}`",
                block.line,
                block.mark
            );
        }
    }
    assert!(count > 20, "{count} blocks run");
}
