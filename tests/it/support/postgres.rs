//! A real Postgres of its own for a test: own folder, a socket in it and no port, gone on drop. A machine without one fails
//! the test; it does not skip it. Postgres refuses to run as root, so root runs it as nobody.

use super::processes::PATIENCE;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The superuser, named as on Supabase, where it is nobody's to use.
pub const SUPERUSER: &str = "supabase_admin";
/// The database everything is in.
pub const DATABASE: &str = "app";
/// `nobody` on every Linux.
const NOBODY: u32 = 65_534;

pub struct Server {
    child: Child,
    programs: PathBuf,
    // Last, so that it is there until the server is gone.
    folder: TempDir,
}

/// What the server did not do: the SQLSTATE and the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: String,
    pub message: String,
}

impl Server {
    pub fn start() -> Self {
        let programs = programs();
        let folder = TempDir::new().expect("a folder for PostgreSQL");
        let is_root = folder.path().metadata().expect("its owner").uid() == 0;
        if is_root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give its folder away");
        }
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(folder.path()).env("LC_ALL", "C").stdin(Stdio::null());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let data = folder.path().join("data");
        let made = command("initdb")
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--username", SUPERUSER, "--pgdata"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let log = || std::fs::File::options().create(true).append(true).open(folder.path().join("log")).expect("a log");
        let child = command("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=120"])
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("postgres runs");
        let mut server = Self { child, programs, folder };
        server.answers();
        server.run(SUPERUSER, "postgres", &format!("create database {DATABASE}")).expect("a database");
        server
    }

    /// Runs these statements as this login; what they print, one line a row.
    pub fn sql(&self, login: &str, statements: &str) -> Result<String, Refused> {
        self.run(login, DATABASE, statements)
    }

    /// The same as `PostgREST` does for a request: under the role that its key or token has.
    pub fn sql_as(&self, role: &str, statements: &str) -> Result<String, Refused> {
        self.sql("authenticator", &format!("set role {role};\n{statements}"))
    }

    /// A session whose statements are written to it as they come, and which ends when it is dropped.
    pub fn session(&self, login: &str) -> Child {
        self.psql(login, DATABASE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql runs")
    }

    /// How psql finds it, as this login.
    pub fn url(&self, login: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgresql://{login}@{folder}/{DATABASE}")
    }

    /// Everything in the database but rows, as SQL.
    pub fn schema(&self) -> String {
        let mut dump = Command::new(self.programs.join("pg_dump"));
        let dumped = dump.args(["--schema-only", "-U", SUPERUSER, "-d", DATABASE, "-h"]).arg(self.folder.path());
        let dumped = dumped.output().expect("pg_dump runs");
        assert!(dumped.status.success(), "pg_dump: {}", String::from_utf8_lossy(&dumped.stderr));
        // Newer releases guard what follows with a random word.
        let text = String::from_utf8(dumped.stdout).expect("text");
        let guard = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        text.lines().filter(|line| !guard(line)).collect::<Vec<_>>().join("\n")
    }

    fn run(&self, login: &str, database: &str, statements: &str) -> Result<String, Refused> {
        let mut child =
            self.psql(login, database).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("psql runs");
        let mut input = child.stdin.take().expect("its input");
        let statements = statements.to_owned();
        // It may print before it has read everything.
        let writing = std::thread::spawn(move || input.write_all(statements.as_bytes()));
        let output = child.wait_with_output().expect("psql ends");
        let written = writing.join().expect("its input is written");
        let (printed, said) = (text(&output.stdout), text(&output.stderr));
        if output.status.success() {
            written.expect("psql read everything");
            return Ok(printed.trim_end().to_owned());
        }
        Err(refused(&said))
    }

    fn psql(&self, login: &str, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-U", login, "-d", database, "-h"])
            .arg(self.folder.path())
            .stdin(Stdio::piped());
        psql
    }

    fn answers(&mut self) {
        let started = Instant::now();
        while self.run(SUPERUSER, "postgres", "select 1").is_err() {
            let ended = self.child.try_wait().expect("our own child");
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "PostgreSQL does not come up: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once, its own processes included; killed outright it would leave them behind.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Where the server's programs are: Debian keeps them out of the search path, a folder for each version.
pub fn programs() -> PathBuf {
    let has = |folder: &Path| folder.join("initdb").exists() && folder.join("postgres").exists();
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| has(folder))
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = folders.pop().or_else(|| std::env::split_paths(&path).find(|folder| has(folder)));
    found.expect("postgresql must be installed: infra/test does it, or `apt-get install postgresql`")
}

/// `ERROR:  42501: permission denied …`, as psql says it when asked to be verbose.
fn refused(said: &str) -> Refused {
    let line = said.lines().find_map(|line| line.split_once("ERROR:  ").or_else(|| line.split_once("FATAL:  ")));
    match line.and_then(|(_, rest)| rest.split_once(": ")) {
        Some((code, message)) => Refused { code: code.to_owned(), message: message.to_owned() },
        None => Refused { code: String::new(), message: said.to_owned() },
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
