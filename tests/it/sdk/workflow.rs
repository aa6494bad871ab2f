//! `@upstash/workflow`: whole runs over the broker.

use super::{Broker, node};

#[tokio::test]
async fn workflows_run_to_their_end() {
    let broker = Broker::start(&["--speed", "next"]).await;
    node("workflow.test.mjs", &broker.clients).await;
}

/// Attempts are made twice, late and overtaken, and answers are lost: runs come to the same end, if not in the same number of
/// requests.
#[tokio::test]
#[ignore = "a long run"]
async fn workflows_run_to_their_end_under_faults() {
    for seed in ["1", "2", "3", "4", "5"] {
        let faults = "duplicate=0.2,delay=0.2,reorder=0.2,drop=0.1";
        let broker = Broker::start(&["--speed", "next", "--seed", seed, "--faults", faults]).await;
        let env = [broker.clients.as_slice(), &[("FAULTS".to_owned(), seed.to_owned())]].concat();
        node("workflow_faults.test.mjs", &env).await;
    }
}
