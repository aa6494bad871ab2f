//! A broker that ends without warning, and the one that starts after it.

use super::{Destination, Reply, client, message, options};
use cliprelay::embedded::broker::{self, Broker, Data, Error};
use std::collections::BTreeSet;
use std::time::Duration;

/// Starts once the former broker's file is free.
async fn start_when_free(data: &Data) -> Broker {
    super::within(async {
        loop {
            match broker::start(options(data.clone()).await).await {
                Ok(broker) => return broker,
                Err(Error::Held(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

/// A runtime whose end takes every task of the broker with it, mid-flight, as a killed process would.
fn doomed_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[tokio::test]
async fn everything_accepted_is_delivered_by_the_next_broker() {
    let mut destination = Destination::start(std::iter::repeat_n(Reply::Hang, 1_000)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().to_owned());
    let target = destination.at("w");
    let runtime = doomed_runtime();
    let (first_data, to) = (data.clone(), target.clone());
    let accepted = runtime.spawn(async move {
        let broker = broker::start(options(first_data).await).await.expect("starts");
        let qstash = client(&broker);
        let mut accepted = BTreeSet::new();
        for n in 0..60_u64 {
            let mut publish = message(&to, &n.to_string());
            publish.delay = Duration::from_secs(n % 2);
            accepted.insert(qstash.publish(&publish).await.expect("accepted").message_id);
        }
        let mut late = message(&to, "late");
        late.delay = Duration::from_hours(1);
        let late = qstash.publish(&late).await.expect("accepted").message_id;
        std::mem::forget(broker);
        (accepted, late)
    });
    let (accepted, late) = accepted.await.expect("published");
    destination.next().await;
    runtime.shutdown_background();
    // What comes from here on is answered.
    destination.script.lock().expect("unpoisoned").clear();

    let broker = start_when_free(&data).await;
    let mut arrived = BTreeSet::new();
    while arrived != accepted {
        arrived.insert(destination.next().await.header("upstash-message-id").to_owned());
        assert!(arrived.is_subset(&accepted), "nothing else may come");
    }
    let qstash = client(&broker);
    super::until(|| async {
        for id in &accepted {
            qstash.message(id).await.expect("answered").is_none().then_some(())?;
        }
        Some(())
    })
    .await;
    assert!(qstash.message(&late).await.expect("answered").is_some(), "what is not due still waits");
    let known = qstash.publish(&message(&target, "7")).await.expect("answered");
    assert!(known.deduplicated && accepted.contains(&known.message_id), "deduplication outlives the process");
}

#[tokio::test]
async fn one_folder_serves_one_broker() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().to_owned());
    let _first = broker::start(options(data.clone()).await).await.expect("starts");
    let second = broker::start(options(data).await).await;
    assert!(matches!(second, Err(Error::Held(_))), "{second:?}");
}
