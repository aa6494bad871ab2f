//! `@upstash/qstash`, as a client and as a receiver.

use super::{Broker, node};

#[tokio::test]
async fn every_call_of_the_javascript_sdk_works() {
    let broker = Broker::start(&[]).await;
    node("qstash.test.mjs", &broker.clients).await;
}
