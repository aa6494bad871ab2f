//! The broker's one file over many times its retention.

use super::{Destination, again, call, options};
use cliprelay::embedded::broker::{self, Data};
use reqwest::Method;
use serde_json::{Value, json};

/// Half a day each; the log is kept for six of them, dead letters for fourteen.
const ROUNDS: usize = 64;
const SETTLED: usize = 24;
const MESSAGES: usize = 30;

#[tokio::test]
async fn the_file_stays_bounded_over_many_retentions() {
    let destination = Destination::start([]).await;
    let failing = Destination::start(std::iter::repeat_n(again(500), ROUNDS * MESSAGES)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().to_owned());
    let broker = broker::start(options(data.clone()).await).await.expect("starts");
    let size = || std::fs::metadata(folder.path().join("broker.redb")).expect("the file").len();
    let (mut settled, mut later) = (0, 0);
    for round in 0..ROUNDS {
        let items: Vec<Value> = (0..MESSAGES)
            .map(|n| {
                let to = if n % 5 == 0 { &failing } else { &destination };
                let headers = json!({"Upstash-Deduplication-Id": format!("{round}.{n}"), "Upstash-Retries": "0"});
                json!({"destination": to.at("w"), "headers": headers, "body": "x".repeat(16 << 10)})
            })
            .collect();
        assert_eq!(call(&broker, Method::POST, "v2/batch", &[], &json!(items).to_string()).await.0, 200);
        assert_eq!(call(&broker, Method::GET, "_broker/idle", &[], "").await.0, 200);
        assert_eq!(call(&broker, Method::POST, "_broker/advance?by=12h", &[], "").await.0, 200);
        let most = if round < SETTLED { &mut settled } else { &mut later };
        *most = size().max(*most);
    }
    println!("at most {settled} bytes while it filled, {later} over the {} rounds after", ROUNDS - SETTLED);
    assert!(later * 4 <= settled * 5, "{settled} bytes, then {later}");
}
