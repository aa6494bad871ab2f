//! `qstash` for Python, its sync and its async client and its receiver.

use super::{Broker, python};

#[tokio::test]
async fn every_call_of_the_python_sdk_works() {
    let broker = Broker::start(&[]).await;
    python("test_qstash.py", &broker.clients).await;
}
