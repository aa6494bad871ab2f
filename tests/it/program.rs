//! The program as a shell sees it: exit codes, and what is said where.

use std::process::{Command, Output};

/// Runs the program with these arguments and nothing but this environment.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cliprelay"));
    let elsewhere = tempfile::tempdir().unwrap();
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(&elsewhere);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// An address at which nothing listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn serving_without_a_configuration_tells_all_that_is_missing() {
    for arguments in [&["serve"][..], &[]] {
        let (code, stdout, stderr) = run(arguments, &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        for variable in [
            "PUBLIC_URL",
            "REDIS_URL",
            "QSTASH_TOKEN",
            "QSTASH_CURRENT_SIGNING_KEY",
            "QSTASH_NEXT_SIGNING_KEY",
            "WORKER_SECRET",
            "KLAP_API_KEY",
            "SUPABASE_URL",
            "SUPABASE_SERVICE_ROLE_KEY",
            "AUTH",
        ] {
            assert!(stderr.contains(&format!("\n  {variable} is missing")), "{variable}: {stderr}");
        }
    }
}

#[test]
fn what_is_not_available_yet_is_no_way_to_serve() {
    let environment =
        [("AUTH", "open"), ("KLAP_CONCURRENCY", "3"), ("QSTASH_TOKEN", "a-secret"), ("STEP_TIMEOUT", "x")];
    let (code, _, stderr) = run(&["serve"], &environment);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("  AUTH must be jwks, hs256, api-key or none"), "{stderr}");
    assert!(stderr.contains("  KLAP_CONCURRENCY is not available in this version yet"), "{stderr}");
    assert!(stderr.contains("  STEP_TIMEOUT must be a whole number"), "{stderr}");
    assert!(!stderr.contains("a-secret") && !stderr.contains("QSTASH_TOKEN"), "{stderr}");
}

#[test]
fn a_file_beside_it_configures_nothing_but_dev() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "KLAP_API_KEY=from-the-file\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cliprelay"));
    let output = command.arg("serve").env_clear().current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("KLAP_API_KEY is missing"));
}

#[test]
fn bad_usage_is_2() {
    for arguments in [&["serve", "--fast"][..], &["publish"], &["enqueue"], &["enqueue", "p1", "--server", "nowhere"]] {
        let (code, stdout, stderr) = run(arguments, &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(!stderr.is_empty());
    }
    let (code, _, stderr) = run(&["sweep", "--server", "https://clips.example.com"], &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("WORKER_SECRET"), "{stderr}");
}

#[test]
fn help_and_version_are_answers() {
    let (code, stdout, stderr) = run(&["--help"], &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for command in ["serve", "enqueue", "sweep", "Exit codes: 0 done"] {
        assert!(stdout.contains(command), "{command}: {stdout}");
    }
    let (code, stdout, _) = run(&["--version"], &[]);
    assert_eq!(code, Some(0));
    // What it was made from follows; a development build does not say.
    assert!(stdout.starts_with(&format!("cliprelay {} (", env!("CARGO_PKG_VERSION"))), "{stdout}");
    assert_eq!(run(&["enqueue", "--help"], &[]).0, Some(0));
}

#[test]
fn a_server_that_is_not_there_is_3() {
    let server = nobody();
    for arguments in [
        &["enqueue", "p1", "--video-url", "https://example.com/a.mp4", "--server", &server][..],
        &["enqueue", "p1", "--wait", "--server", &server],
        &["sweep", "--server", &server],
    ] {
        let (code, stdout, stderr) = run(arguments, &[]);
        assert_eq!((code, stdout.as_str()), (Some(3), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(&server) && stderr.contains("could not be reached"), "{stderr}");
    }
}

/// A server that answers one request with this status.
fn answering(status: &str) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4_096]);
        let _ = stream.write_all(answer.as_bytes());
    });
    url
}

#[test]
fn health_is_an_exit_code() {
    for (url, expected) in [(answering("200 OK"), 0), (answering("503 Service Unavailable"), 1), (nobody(), 3)] {
        let (code, stdout, stderr) = run(&["health", "--url", &url], &[]);
        assert_eq!((code, stdout.as_str()), (Some(expected), ""), "{stderr}");
    }
    // Without an address it asks the service that this environment would start.
    let here = answering("200 OK");
    let port = here.rsplit(':').next().unwrap().trim_end_matches('/');
    assert_eq!(run(&["health"], &[("PORT", port)]).0, Some(0));
    let (code, _, stderr) = run(&["health"], &[("PORT", "many")]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("PORT must be a whole number"), "{stderr}");
}

#[test]
fn the_version_tells_the_commit_or_that_it_is_unknown() {
    let (code, stdout, stderr) = run(&["--version"], &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let start = concat!("cliprelay ", env!("CARGO_PKG_VERSION"), " (");
    let commit = stdout.trim().strip_prefix(start).and_then(|rest| rest.strip_suffix(')'));
    let commit = commit.unwrap_or_else(|| panic!("{stdout}"));
    let is_one = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_one || commit == "unknown", "{stdout}");
}
