//! `QSTASH_DEV=true`: the SDK looks for the vendor's local server and takes ours for it. It would otherwise download the
//! vendor's and start it, which the script forbids.

use super::{Broker, node};

#[tokio::test]
async fn dev_mode_takes_ours_for_the_vendors() {
    let broker = Broker::start(&[]).await;
    in_dev_mode(&[("QSTASH_DEV_PORT", broker.port.to_string())]).await;
}

/// Where it looks if no port is told. Somebody may well have that port, so this is no test of every run.
#[tokio::test]
#[ignore = "needs port 8080"]
async fn dev_mode_finds_ours_where_the_vendors_would_be() {
    let _broker = Broker::start_on(8080, &[]).await;
    in_dev_mode(&[]).await;
}

async fn in_dev_mode(more: &[(&str, String)]) {
    let env = [&[("QSTASH_DEV", "true".to_owned())], more].concat();
    let env: Vec<_> = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    node("dev_mode.test.mjs", &env).await;
}
