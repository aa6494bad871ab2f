//! A publish as the embedded broker reads it. Input: the request's target, then lines of `name: value`, an empty line and
//! the body. The same texts are given to the readers of durations, expressions and filters.

use bytes::Bytes;
use cliprelay::embedded::broker::duration::{go_millis, whole_seconds};
use cliprelay::embedded::broker::expression::Expression;
use cliprelay::embedded::broker::filter::Filter;
use cliprelay::embedded::broker::instructions::{Publishing, Quota, Refusal};
use cliprelay::embedded::broker::message::{Headers, New};
use cliprelay::embedded::broker::target::{Route, Target, read};

const NOW: i64 = 1_795_435_200_000;
const DAY_MS: i64 = 86_400_000;
const QUOTA: Quota = Quota { body_bytes: 64, ..Quota::PAY_AS_YOU_GO };
/// Never handed on, whatever is asked.
const HOP_BY_HOP: [&str; 6] = ["host", "connection", "transfer-encoding", "content-length", "upgrade", "te"];

pub fn check(data: &[u8]) {
    let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut lines = head.split('\n');
    let line = lines.next().unwrap_or_default();
    let (path, query) = line.split_once('?').map_or((line, None), |(path, query)| (path, Some(query)));
    let target = read(path, query);
    sorted(path, &target);
    let _ = Filter::read(&target.query);
    let mut headers: Headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    headers.extend(target.instructions);
    for (_, text) in &headers {
        times(text);
    }
    if let Route::Publish { destination } = &target.route {
        again(destination);
        let body = Bytes::copy_from_slice(body);
        let publishing = Publishing { user: "u", destination, headers: &headers, body: body.clone(), caller_ip: None };
        match publishing.read(QUOTA, NOW) {
            Ok(new) => accepted(&new, destination, &body),
            Err(Refusal { status, text }) => {
                assert!(matches!(status, 400 | 412) && !text.is_empty(), "{status} {text}");
            }
        }
    }
}

/// Instructions and the token are taken out of the query, and nothing else is.
fn sorted(path: &str, target: &Target) {
    let ours =
        |name: &str| name.to_ascii_lowercase().starts_with("upstash-") || name.eq_ignore_ascii_case("qstash_token");
    for (name, _) in &target.instructions {
        assert!(name.starts_with("upstash-") && *name == name.to_ascii_lowercase(), "{name}");
    }
    assert!(target.query.iter().all(|(name, _)| !ours(name)));
    if let Route::Publish { destination } = &target.route {
        let given = path.strip_prefix("/v2/publish/").expect("only these are publishes");
        let query = destination.strip_prefix(given).expect("the path stands as it was");
        assert!(query.is_empty() || query.starts_with('?'), "{query}");
        let left = url::form_urlencoded::parse(query.strip_prefix('?').unwrap_or_default().as_bytes());
        assert!(left.into_iter().all(|(name, _)| !ours(&name)), "an instruction is sent on: {query}");
        assert!(target.query.is_empty());
    }
}

/// What is left for the destination stays what it is.
fn again(destination: &str) {
    let (path, query) = destination.split_once('?').map_or((destination, None), |(path, query)| (path, Some(query)));
    let route = read(&format!("/v2/publish/{path}"), query).route;
    assert_eq!(route, Route::Publish { destination: destination.to_owned() });
}

fn times(text: &str) {
    let _ = (whole_seconds(text), go_millis(text));
    if let Ok(expression) = text.parse::<Expression>() {
        for retried in [0, 1, 2, 5, u32::MAX] {
            let millis = expression.millis(retried);
            assert!(millis.is_none_or(|millis| (0..=DAY_MS).contains(&millis)), "{text}: {millis:?}");
        }
    }
}

fn accepted(new: &New, destination: &str, body: &Bytes) {
    let spec = &new.spec;
    assert_eq!((spec.destination.as_str(), &new.body, new.created_at), (destination, body, NOW));
    let is_address =
        url::Url::parse(destination).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // Anything else that is accepted is a group's name.
    assert!(is_address || spec.topic.as_deref() == Some(destination), "{destination}: {:?}", spec.topic);
    assert!(body.len() <= QUOTA.body_bytes);
    let latest = NOW + i64::try_from(QUOTA.delay_s).expect("a year") * 1_000;
    assert!((NOW..=latest).contains(&new.not_before), "{}", new.not_before);
    assert!(spec.retries <= QUOTA.retries);
    let timeout = |seconds: Option<u64>| seconds.is_none_or(|seconds| (1..=QUOTA.timeout_s).contains(&seconds));
    let expression = |text: &Option<String>| text.as_ref().is_none_or(|text| text.parse::<Expression>().is_ok());
    assert!(timeout(spec.timeout_s) && expression(&spec.retry_delay));
    delivered(&spec.headers);
    assert!(spec.labels.iter().all(|label| !label.is_empty() && label.trim() == label));
    let id = new.deduplication.as_deref().map(|key| key.split_once(':').expect("its kind stands in front"));
    assert!(id.is_none_or(|(kind, id)| matches!(kind, "id" | "content") && !id.contains(':')), "{id:?}");
    for callback in spec.callback.iter().chain(&spec.failure_callback) {
        assert!(callback.url.starts_with("http://") || callback.url.starts_with("https://"));
        assert!(timeout(callback.timeout_s) && expression(&callback.retry_delay));
        assert!(callback.retries.is_none_or(|retries| retries <= QUOTA.retries));
        delivered(&callback.headers);
    }
}

fn delivered(headers: &Headers) {
    // A name that HTTP cannot carry is left out when the message is sent.
    let kept_back = headers.iter().find(|(name, _)| HOP_BY_HOP.contains(&name.as_str()));
    assert!(kept_back.is_none(), "{kept_back:?} is sent on");
}
