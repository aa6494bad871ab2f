//! A real `redis-server` of its own for a test: free port, own folder, append-only file, killed on drop. A machine
//! without one fails the test; it does not skip it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Somebody may take a free port before the server does.
const PORTS_TRIED: u32 = 5;

pub struct Server {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl Server {
    pub fn start() -> Self {
        for _ in 0..PORTS_TRIED {
            let folder = TempDir::new().expect("a folder for redis-server");
            let mut server = Self { child: None, port: free_port(), folder };
            if server.run() {
                return server;
            }
        }
        panic!("redis-server does not come up");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server; what it acknowledged is in its file.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Up again with the same port and data, and no memory of scripts.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.run(), "redis-server does not come up again on port {}", self.port);
    }

    /// Up again with the same port and nothing in it, as after a failover to a copy that had nothing yet.
    pub fn restart_empty(&mut self) {
        self.stop();
        self.folder = TempDir::new().expect("a folder for redis-server");
        assert!(self.run(), "redis-server does not come up again on port {}", self.port);
    }

    /// A connection of the test's own, to arrange things and look behind the store.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("a URL of ours");
        client.get_connection_with_timeout(START_TIMEOUT).expect("a connection to our own server")
    }

    fn run(&mut self) -> bool {
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            // Waiting for the disk, a server would acknowledge before it writes, and a kill lose what it acknowledged.
            .args(["--appendfsync", "no"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed: infra/test does it, or `apt-get install redis-server`");
        self.child = Some(child);
        self.answers()
    }

    /// Waits until the server takes commands; false if it ended instead.
    fn answers(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some())) {
                return false;
            }
            let client = redis::Client::open(self.url()).expect("a URL of ours");
            let pong = client.get_connection_with_timeout(START_TIMEOUT).and_then(|mut connection| {
                // Its process id, so that a stranger on this port is not taken for ours.
                let info: String = redis::cmd("INFO").arg("server").query(&mut connection)?;
                redis::cmd("PING").query::<String>(&mut connection).map(|_| info)
            });
            let ours = self.child.as_ref().map(|child| format!("process_id:{}\r", child.id()));
            match (pong, ours) {
                (Ok(info), Some(ours)) => return info.contains(&ours),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

/// One command on a connection of its own.
pub fn query<T: ::redis::FromRedisValue>(server: &Server, words: &[&str]) -> T {
    let mut command = ::redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    command.query(&mut server.connection()).expect("an answer of our own server")
}
