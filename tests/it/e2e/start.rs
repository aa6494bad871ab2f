//! How the service starts: it listens before it has read or asked anything that could take long.

use crate::support::processes::{Process, port};
use crate::support::system::http;
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_before_anything_slow_is_done() {
    let folder = TempDir::new().unwrap();
    // Whoever reads the machine's certificates waits here for ever.
    let certificates = folder.path().join("certificates");
    assert!(Command::new("mkfifo").arg(&certificates).status().unwrap().success());
    let (at, nobody) = (port(), port());
    let base = format!("http://127.0.0.1:{at}");
    let env = [
        ("SSL_CERT_FILE", certificates.display().to_string()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", at.to_string()),
        ("PUBLIC_URL", base.clone()),
        ("REDIS_URL", format!("redis://127.0.0.1:{nobody}")),
        ("QSTASH_URL", format!("http://127.0.0.1:{nobody}")),
        ("QSTASH_TOKEN", "a-token".to_owned()),
        ("QSTASH_CURRENT_SIGNING_KEY", "sig_current".to_owned()),
        ("QSTASH_NEXT_SIGNING_KEY", "sig_next".to_owned()),
        ("KLAP_API_KEY", "a-key".to_owned()),
        ("SUPABASE_URL", "https://ref.supabase.co".to_owned()),
        ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_key".to_owned()),
        ("AUTH", "api-key".to_owned()),
        ("API_KEYS", "shop:a-long-enough-key".to_owned()),
        ("WORKER_SECRET", "a-secret".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://127.0.0.1:{nobody}")),
    ];
    let started = Instant::now();
    let mut serve =
        Process::start("serve", &["serve"], &env.map(|(name, value)| (name.to_owned(), value)), folder.path());
    serve.logs("listening", 1).await;
    println!("{} ms from exec to listening, to the next look", started.elapsed().as_millis());
    serve.healthy(&http(), &base).await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await.code(), Some(0));
}
