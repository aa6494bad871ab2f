//! Tokens that may only read, and what deliveries say of their region.

use super::{Destination, http, options, root};
use cliprelay::embedded::broker::region::Region;
use cliprelay::embedded::broker::{self, Account, Broker, DEV_USERS, Data, Tuning};
use reqwest::Method;
use serde_json::{Value, json};

async fn ask(broker: &Broker, token: &str, method: Method, target: &str) -> (u16, Value) {
    let request = http().request(method, format!("{}{target}", root(broker))).bearer_auth(token);
    let answer = request.send().await.expect("answered");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_read_only_token_reads_and_changes_nothing() {
    let destination = Destination::start([]).await;
    let broker = super::in_memory().await;
    let user = DEV_USERS[0];
    let waits = format!("v2/publish/{}?upstash-delay=1h", destination.at("w"));
    let (_, published) = ask(&broker, user.token, Method::POST, &waits).await;
    let message = format!("v2/messages/{}", published["messageId"].as_str().expect("an id"));
    assert_eq!(ask(&broker, user.token, Method::POST, "v2/queues").await.0, 400, "a full token is asked for a body");

    let readable = [&message, "v2/dlq", "v2/logs", "v2/events", "v2/queues", "v2/topics", "v2/schedules"];
    for target in readable.into_iter().chain(["v2/flowControl", "v2/globalParallelism", "_broker/idle?timeout=0s"]) {
        let (status, answer) = ask(&broker, user.read_only, Method::GET, target).await;
        assert!(matches!(status, 200 | 504), "{target}: {status} {answer}");
    }
    for (method, target) in [
        (Method::POST, waits.as_str()),
        (Method::POST, "v2/enqueue/q/http://127.0.0.1:9/"),
        (Method::POST, "v2/batch"),
        (Method::POST, "v2/schedules/http://127.0.0.1:9/"),
        (Method::DELETE, &message),
        (Method::DELETE, "v2/messages"),
        (Method::DELETE, "v2/dlq"),
        (Method::POST, "v2/dlq/retry"),
        (Method::POST, "v2/queues"),
        (Method::POST, "v2/topics/g/endpoints"),
        (Method::PATCH, "v2/schedules/s/pause"),
        (Method::POST, "v2/flowControl/k/pause"),
        (Method::POST, "v2/keys/rotate"),
        (Method::GET, "v2/keys"),
        (Method::POST, "_broker/advance"),
    ] {
        let answer = ask(&broker, user.read_only, method.clone(), target).await;
        assert_eq!(answer, (403, json!({"error": "the token is read-only"})), "{method} {target}");
    }
    assert_eq!(ask(&broker, user.token, Method::GET, &message).await.0, 200, "it is still there");
    let stranger = ask(&broker, DEV_USERS[1].read_only, Method::GET, &message).await;
    assert_eq!(stranger.0, 404, "it reads what is its user's");
    let in_query = format!("{}{message}?qstash_token={}", root(&broker), user.read_only);
    assert_eq!(http().get(in_query).send().await.expect("answered").status(), 200);
}

#[tokio::test]
async fn an_account_of_ones_own_may_have_one_and_need_not() {
    let own = |read_only: Option<&str>| Account::Own {
        token: "mine".into(),
        read_only: read_only.map(Into::into),
        current: "sig_mine".into(),
        next: "sig_next".into(),
    };
    for (read_only, status) in [(Some("peek"), 200), (None, 401)] {
        let options = broker::Options { account: own(read_only), ..options(Data::Memory).await };
        let broker = broker::start(options).await.expect("starts");
        assert_eq!(ask(&broker, "peek", Method::GET, "v2/dlq").await.0, status);
        assert_eq!(ask(&broker, DEV_USERS[0].read_only, Method::GET, "v2/dlq").await.0, 401);
        assert_eq!(ask(&broker, "mine", Method::GET, "v2/keys").await.0, 200);
    }
    assert!(own(Some(DEV_USERS[2].read_only)).is_published());
}

#[tokio::test]
async fn deliveries_say_the_region_the_broker_stands_for() {
    for (region, said) in [(Region::default(), "EU-CENTRAL-1"), (Region::UsEast1, "US-EAST-1")] {
        let mut destination = Destination::start([]).await;
        let tuning = Tuning { region, ..Tuning::default() };
        let options = broker::Options { tuning, ..options(Data::Memory).await };
        let broker = broker::start(options).await.expect("starts");
        let target = format!("v2/publish/{}", destination.at("w"));
        assert_eq!(ask(&broker, DEV_USERS[0].token, Method::POST, &target).await.0, 201);
        assert_eq!(destination.next().await.header("upstash-region"), said);
    }
    assert_eq!("us-east-1".parse(), Ok(Region::UsEast1));
    assert_eq!("EU_CENTRAL_1".parse(), Ok(Region::EuCentral1));
    assert!("mars".parse::<Region>().is_err());
}
