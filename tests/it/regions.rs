//! A running deployment moves from one region of QStash to another: what the old one still holds is believed and done.

use crate::doctor::{CURRENT, NEXT, Stand, TOKEN, broker};
use crate::support::processes::until;
use cliprelay::app::http_client;
use cliprelay::clock::unix_seconds;
use cliprelay::embedded::broker::Broker;
use cliprelay::embedded::broker::region::Region;
use cliprelay::embedded::klap::{Pace, Wait};
use cliprelay::services::qstash::signature::sign;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const US: [&str; 3] = ["planted-us-token-3a1c", "sig_planted_us_current_7b2d", "sig_planted_us_next_8c3e"];
const API_KEY: &str = "planted-api-key-7c6d";

/// How many attempts of a broker went well so far, and how many were refused.
async fn deliveries(broker: &Broker, token: &str) -> (usize, usize) {
    let url = format!("http://{}/v2/events?count=1000", broker.address);
    let answer = http_client().unwrap().get(url).bearer_auth(token).send().await.unwrap();
    let told: Value = answer.json().await.unwrap();
    let events = told["events"].as_array().unwrap();
    let delivered = events.iter().filter(|event| event["state"] == "DELIVERED").count();
    (delivered, events.iter().filter(|event| event["responseStatus"] == 401).count())
}

async fn status(stand: &Stand, job: &str) -> Value {
    let url = format!("{}/api/process-klap?jobId={job}", stand.env()["PUBLIC_URL"]);
    let answer = http_client().unwrap().get(url).bearer_auth(API_KEY).send().await.unwrap();
    answer.json().await.unwrap()
}

/// What the service answers to a push of a region, signed with this key.
async fn push(stand: &Stand, key: &str, region: &str) -> u16 {
    let url = format!("{}/api/worker/klap", stand.env()["PUBLIC_URL"]);
    let token = sign(&key.into(), &url, b"{}", unix_seconds(), "jwt_test");
    let request = http_client().unwrap().post(&url).header("upstash-signature", token);
    request.header("upstash-region", region).body("{}").send().await.unwrap().status().as_u16()
}

fn move_to_us(stand: &mut Stand, us: &Broker) {
    let values = [format!("http://{}", us.address), US[0].to_owned(), US[1].to_owned(), US[2].to_owned()];
    let names = ["URL", "TOKEN", "CURRENT_SIGNING_KEY", "NEXT_SIGNING_KEY"];
    stand.set("QSTASH_REGION", "US_EAST_1");
    for (name, value) in names.iter().zip(values) {
        stand.set(&format!("US_EAST_1_QSTASH_{name}"), &value);
    }
}

async fn restart(stand: &mut Stand) {
    let service = stand.service.take().unwrap();
    let address = service.address;
    service.stop().await;
    let listener = until("the port is free again", async || TcpListener::bind(address).await.ok()).await;
    stand.serve_on(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_began_in_one_region_ends_in_the_other() {
    let mut stand = Stand::start().await;
    let us = broker(US, Region::UsEast1).await;
    stand.sandbox.klap.set_pace(Pace { task: Wait::Looks(u32::MAX), ..Pace::IMMEDIATE });
    let body = json!({"projectId": "moving", "videoUrl": stand.sandbox.sample.as_str()});
    let url = format!("{}/api/process-klap", stand.env()["PUBLIC_URL"]);
    let answer = http_client().unwrap().post(url).bearer_auth(API_KEY).json(&body).send().await.unwrap();
    let job = answer.json::<Value>().await.unwrap()["jobId"].as_str().unwrap().to_owned();
    until("Klap is looked at", async || (deliveries(&stand.broker, TOKEN).await.0 >= 2).then_some(())).await;

    move_to_us(&mut stand, &us);
    let (before, _) = deliveries(&stand.broker, TOKEN).await;
    restart(&mut stand).await;
    until("the new region takes over", async || (deliveries(&us, US[0]).await.0 >= 1).then_some(())).await;
    let (after, refused) = deliveries(&stand.broker, TOKEN).await;
    assert!(after > before && refused == 0, "the old region is not believed: {before}, {after}, {refused}");
    stand.sandbox.klap.set_pace(Pace::IMMEDIATE);
    let ended = until("the job ends", async || {
        let told = status(&stand, &job).await;
        matches!(told["status"].as_str(), Some("completed" | "failed")).then_some(told)
    })
    .await;
    assert_eq!(ended["status"], "completed", "{ended:#}");
    // Nothing more goes through the old region, nothing was refused, and nothing paid twice.
    assert_eq!(deliveries(&stand.broker, TOKEN).await, (after, 0));
    assert_eq!(deliveries(&us, US[0]).await.1, 0);
    assert_eq!(stand.sandbox.klap.counts().await.unwrap().tasks, 1);
}

/// The old region's keys under their plain names, under the region's, and gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_regions_keys_are_believed_as_long_as_they_are_configured() {
    let mut stand = Stand::start().await;
    let us = broker(US, Region::UsEast1).await;
    let (believed, refused) = (489, 401);
    assert_eq!(push(&stand, CURRENT, "EU-CENTRAL-1").await, believed);
    assert_eq!(push(&stand, US[1], "US-EAST-1").await, refused);
    move_to_us(&mut stand, &us);
    restart(&mut stand).await;
    assert_eq!(push(&stand, US[1], "US-EAST-1").await, believed);
    assert_eq!(push(&stand, US[2], "US-EAST-1").await, believed);
    assert_eq!(push(&stand, CURRENT, "EU-CENTRAL-1").await, believed);
    // The header only chooses between keys: it makes no key good for the other region.
    assert_eq!(push(&stand, CURRENT, "US-EAST-1").await, refused);
    assert_eq!(push(&stand, US[1], "EU-CENTRAL-1").await, refused);

    for (name, value) in [("CURRENT", CURRENT), ("NEXT", NEXT)] {
        stand.unset(&format!("QSTASH_{name}_SIGNING_KEY"));
        stand.set(&format!("EU_CENTRAL_1_QSTASH_{name}_SIGNING_KEY"), value);
    }
    restart(&mut stand).await;
    assert_eq!(push(&stand, NEXT, "EU-CENTRAL-1").await, believed);
    assert_eq!(push(&stand, US[1], "US-EAST-1").await, believed);

    for name in ["CURRENT", "NEXT"] {
        stand.unset(&format!("EU_CENTRAL_1_QSTASH_{name}_SIGNING_KEY"));
    }
    restart(&mut stand).await;
    assert_eq!(push(&stand, CURRENT, "EU-CENTRAL-1").await, refused);
    assert_eq!(push(&stand, US[1], "US-EAST-1").await, believed);
    let report = stand.examine().await;
    let failed = report.findings.iter().find(|finding| finding.state == cliprelay::app::doctor::State::Fail);
    assert!(failed.is_none(), "{report:#?}");
}
