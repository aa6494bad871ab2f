//! Whom the program in the image believes: the authorities whose certificates are there, and nobody else.

use super::Image;
use crate::support::processes::{port, run, until};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An authority, and a certificate of its for `localhost`.
const MAKING: &str = r#"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj "/CN=A test" &&
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout leaf.key -out leaf.csr -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE &&
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out leaf.pem
"#;

/// A server that speaks TLS, gone with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(folder: &Path, port: u16) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", &port.to_string(), "-cert", "leaf.pem", "-key", "leaf.key", "-www"]);
        let quiet = command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("openssl is there: ca-certificates needs it"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_believes_the_authorities_that_are_in_it_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::make(&folder.path().join("image"));
    std::fs::write(image.0.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let made = run(Command::new("sh").args(["-c", MAKING]).current_dir(&folder)).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let port = port();
    let _server = Server::start(folder.path(), port);
    until("the server accepts", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()).await;

    let url = format!("https://localhost:{port}/");
    let ask = async || run(&mut image.command(&["health", "--url", &url])).await;
    let stranger = ask().await;
    assert_eq!(stranger.code, Some(3), "{}", stranger.stderr);
    let authorities = image.0.join("etc/ssl/certs/ca-certificates.crt");
    let mut text = std::fs::read_to_string(&authorities).unwrap();
    text.push_str(&std::fs::read_to_string(folder.path().join("ca.pem")).unwrap());
    std::fs::write(&authorities, text).unwrap();
    let known = ask().await;
    assert_eq!(known.code, Some(0), "{}", known.stderr);
}
