//! The page on the broker.

use super::in_a_browser;
use crate::support::processes::{Process, port};

#[tokio::test]
async fn messages_are_looked_at_and_acted_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = "a-token-of-ones-own";
    let own = [("QSTASH_TOKEN", token), ("QSTASH_CURRENT_SIGNING_KEY", "sig_1"), ("QSTASH_NEXT_SIGNING_KEY", "sig_2")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut roots = Vec::new();
    let mut processes = Vec::new();
    for (name, environment) in [("published", &[][..]), ("own", &own)] {
        let port = port().to_string();
        let mut process = Process::start(name, &["broker", "--memory", "--port", &port], environment, folder.path());
        let root = format!("http://127.0.0.1:{port}");
        process.says(&format!("{root}/_broker/")).await;
        roots.push(root);
        processes.push(process);
    }
    let environment = [("BROKER", &*roots[0]), ("BROKER_OWN", &*roots[1]), ("BROKER_TOKEN", token)];
    in_a_browser("broker.mjs", &environment).await;
}
