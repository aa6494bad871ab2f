//! Our own program as real processes: started with an environment of their own, waited for, killed, told to stop, started
//! again on the same port, and always gone with the test. What they wrote is shown when the test fails.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cliprelay");
/// Far more than anything here takes on a busy machine, less than the test runner's own patience.
pub const PATIENCE: Duration = Duration::from_secs(100);
const PAUSE: Duration = Duration::from_millis(20);
/// Of a failed test's logs, this much is shown of each.
const SHOWN: usize = 6_000;

/// Waits until `condition` gives something; `what` is told if it never does.
pub async fn until<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, condition).await
}

/// The same with a patience of one's own.
pub async fn until_within<T>(patience: Duration, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(started.elapsed() < patience, "{what}: not within {} s", patience.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
}

/// A port that nobody listens on, below those that the system gives to outgoing connections, so that it is still free
/// when a process is started on it again.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mine = 12_000 + u16::try_from(std::process::id() % 1_000).expect("below 1000") * 20;
    for _ in 0..20 {
        let port = mine + NEXT.fetch_add(1, Ordering::Relaxed) % 20;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {mine} on");
}

/// The program with nothing of our own environment but what it needs to run.
pub fn program() -> Command {
    bare(PROGRAM)
}

/// Another one, likewise.
fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// What a command that ends by itself came to.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end; not longer than [`PATIENCE`].
pub async fn run(command: &mut Command) -> Ended {
    run_within(PATIENCE, command).await
}

/// The same with a patience of one's own.
pub async fn run_within(patience: Duration, command: &mut Command) -> Ended {
    let folder = tempfile::TempDir::new().expect("a folder for what a command says");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let file = |path: &Path| File::create(path).expect("a file for what a command says");
    let child = command.stdout(file(&out)).stderr(file(&err)).spawn().expect("the command starts");
    let mut reaped = Reaped(child);
    let code =
        until_within(patience, "the command ends", async || reaped.0.try_wait().expect("our own child")).await.code();
    Ended { code, stdout: text(&out), stderr: text(&err) }
}

/// A child that does not outlive us.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One role of the program, up or down.
pub struct Process {
    name: String,
    /// What is run, and with which arguments before the others.
    program: Vec<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    folder: PathBuf,
    /// Its disk can be made to be full: writes then fail, and do not kill.
    fillable: bool,
    child: Option<Reaped>,
}

/// Starts the program so that a write beyond its file size limit is an error like that of a full disk.
const FILLABLE: &str = r#"trap "" XFSZ; exec "$0" "$@""#;

impl Process {
    /// Starts it; its logs are `<name>.out` and `<name>.err` in `folder`, where it also runs.
    pub fn start(name: &str, args: &[&str], env: &[(String, String)], folder: &Path) -> Self {
        let mut process = Self::new(name, args, env, folder, false);
        process.again();
        process
    }

    /// The same for another program than ours, or for ours inside of another.
    pub fn start_as(program: &[&str], name: &str, args: &[&str], env: &[(String, String)], folder: &Path) -> Self {
        let mut process = Self::new(name, args, env, folder, false);
        process.program = program.iter().map(|&word| word.to_owned()).collect();
        process.again();
        process
    }

    /// The same for a process whose disk is going to be full.
    pub fn start_fillable(name: &str, args: &[&str], env: &[(String, String)], folder: &Path) -> Self {
        let mut process = Self::new(name, args, env, folder, true);
        process.again();
        process
    }

    fn new(name: &str, args: &[&str], env: &[(String, String)], folder: &Path, fillable: bool) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let (name, program) = (name.to_owned(), vec![PROGRAM.to_owned()]);
        Self { name, program, args, env: env.to_vec(), folder: folder.to_owned(), fillable, child: None }
    }

    /// From now on, until it is started again, none of its files can grow beyond so many bytes.
    pub fn fill_disk(&self, bytes: u64) {
        assert!(self.fillable, "{} would be killed by it", self.name);
        let (id, limit) = (self.id().to_string(), format!("--fsize={bytes}:unlimited"));
        let set = Command::new("prlimit").args(["--pid", &id, &limit]).status().expect("prlimit is there, on Linux");
        assert!(set.success(), "the disk of {} could not be filled", self.name);
    }

    /// Starts it again as it was started before; its logs go on.
    pub fn again(&mut self) {
        assert!(self.child.is_none(), "{} is up", self.name);
        let log = |kind| OpenOptions::new().create(true).append(true).open(self.path(kind)).expect("a log file");
        let mut command = bare(&self.program[0]);
        command.args(&self.program[1..]);
        if self.fillable {
            let plain = command;
            command = Command::new("sh");
            command.env_clear().stdin(Stdio::null()).args(["-c", FILLABLE, PROGRAM]);
            command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        }
        command.args(&self.args).envs(self.env.iter().cloned()).current_dir(&self.folder);
        let child = command.stdout(log("out")).stderr(log("err")).spawn().expect("the program starts");
        self.child = Some(Reaped(child));
    }

    /// `kill -9`, and gone when this returns.
    pub fn kill(&mut self) {
        drop(self.child.take().expect("it is up"));
    }

    /// Sends a signal by name: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it is up").0.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), pid.as_str()]).status().expect("kill is there");
        assert!(sent.success(), "{} could not be sent {name}", self.name);
    }

    /// Its number, while it is up.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it is up").0.id()
    }

    /// The most memory it ever held, in KiB, as Linux counts it.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a Linux that tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak is told");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// How it ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let child = self.child.as_mut().expect("it is up");
        let status = until(&what, async || child.0.try_wait().expect("our own child")).await;
        self.child = None;
        status
    }

    /// Whether it ended although nobody told it to.
    pub fn is_down(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.0.try_wait().is_ok_and(|ended| ended.is_some()))
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        text(&self.path("out"))
    }

    /// What it logged so far.
    pub fn logged(&self) -> String {
        text(&self.path("err"))
    }

    /// Waits for a line on its standard output that has this in it, and answers all it printed.
    pub async fn says(&mut self, words: &str) -> String {
        let what = format!("{} says {words:?}", self.name);
        until(&what, async || {
            let printed = self.printed();
            let found = printed.lines().any(|line| line.contains(words));
            assert!(found || !self.is_down(), "{} ended: {}", self.name, self.logged());
            found.then_some(printed)
        })
        .await
    }

    /// Waits until it logged this so often.
    pub async fn logs(&mut self, words: &str, times: usize) {
        let what = format!("{} logs {words:?}", self.name);
        until(&what, async || (self.logged().matches(words).count() >= times).then_some(())).await;
    }

    /// Waits until the service it is answers.
    pub async fn healthy(&mut self, http: &reqwest::Client, base: &str) {
        let what = format!("{} is healthy", self.name);
        let url = format!("{base}/api/health");
        until(&what, async || {
            assert!(!self.is_down(), "{} ended: {}", self.name, self.logged());
            http.get(&url).send().await.ok().filter(|answer| answer.status() == 200)
        })
        .await;
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child = None;
        if std::thread::panicking() {
            for said in [self.printed(), self.logged()] {
                let from = said.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
                eprintln!("---- {}\n{}", self.name, &said[from..]);
            }
        }
    }
}

/// A log as far as it is written, colours and broken characters aside.
fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}
