//! TLS as a client of ours speaks it: the machine's own authorities are believed, for the name they vouch for, and nobody else.
//! The certificates are made for these tests: `localhost` and, by the same authority, `elsewhere.example`.

use crate::support::processes::{program, run};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR")))
}

/// A server that shows this certificate and answers every request as a service that took a job; its port.
async fn server(name: &str) -> u16 {
    cliprelay::app::install_providers();
    let certificate = CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 8192]).await;
                let taken = json!({"success": true, "jobId": "job_over_tls", "projectId": "p1", "status": "queued",
                    "progress": 0, "deduplicated": false, "message": "Clip generation queued", "statusUrl": "/"});
                let body = taken.to_string();
                let head = "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\nconnection: close";
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

/// Enqueues over TLS, believing that authority; the exit code and what was printed.
async fn enqueue(port: u16, authority: &str) -> (Option<i32>, String) {
    let mut command = program();
    let server = format!("https://localhost:{port}");
    command.args(["enqueue", "p1", "--video-url", "https://example.com/a.mp4", "--json", "--server", &server]);
    let ended = run(command.env("SSL_CERT_FILE", fixture(authority))).await;
    (ended.code, ended.stdout + &ended.stderr)
}

#[tokio::test]
async fn whom_the_machines_authorities_vouch_for_is_believed() {
    let (code, printed) = enqueue(server("localhost").await, "authority.pem").await;
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["jobId"], "job_over_tls");
}

#[tokio::test]
async fn nobody_else_is() {
    for (shown, authority) in [("localhost", "another-authority.pem"), ("elsewhere", "authority.pem")] {
        let (code, printed) = enqueue(server(shown).await, authority).await;
        assert_eq!(code, Some(3), "{shown}, {authority}: {printed}");
    }
}
