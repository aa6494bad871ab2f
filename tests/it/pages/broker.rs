//! The page on the broker.

use super::in_a_browser;
use crate::support::processes::{Process, port};
use std::path::Path;

/// A broker, and its address.
async fn broker(name: &str, environment: &[(&str, &str)], folder: &Path) -> (Process, String) {
    let environment: Vec<_> = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let port = port().to_string();
    let mut process = Process::start(name, &["broker", "--memory", "--port", &port], &environment, folder);
    let root = format!("http://127.0.0.1:{port}");
    process.says(&format!("{root}/_broker/")).await;
    (process, root)
}

#[tokio::test]
async fn messages_are_looked_at_and_acted_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = "a-token-of-ones-own";
    let own = [("QSTASH_TOKEN", token), ("QSTASH_CURRENT_SIGNING_KEY", "sig_1"), ("QSTASH_NEXT_SIGNING_KEY", "sig_2")];
    let (_published, root) = broker("published", &[], folder.path()).await;
    let (_own, own_root) = broker("own", &own, folder.path()).await;
    in_a_browser("broker.mjs", &[("BROKER", &root), ("BROKER_OWN", &own_root), ("BROKER_TOKEN", token)]).await;
}

#[tokio::test]
async fn it_is_for_everybody_and_for_ten_thousand_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_broker, root) = broker("broker", &[], folder.path()).await;
    in_a_browser("broker_looks.mjs", &[("BROKER", &root)]).await;
}
