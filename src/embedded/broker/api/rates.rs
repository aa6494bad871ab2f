//! The rate limits' headers and refusals. Publishing knows no limit but the day's; everything else knows one by the second.

use super::super::clock::wall;
use super::super::instructions::Refusal;
use super::super::limits::Reading;
use super::super::post::Post;
use super::super::target::Route;
use super::Call;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Counts a call and says in `told` how far its limit is.
pub fn check(post: &Post, user: &str, route: &Route, told: &mut HeaderMap) -> Result<(), Refusal> {
    let publishing = matches!(route, Route::Publish { .. } | Route::Enqueue { .. } | Route::Batch);
    if publishing {
        if let Some(reading) = post.meters.messages(user, 0, wall()) {
            tell(["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"], reading, told);
            if reading.exceeded {
                return Err(Refusal::new(429, "Exceeded daily rate limit"));
            }
        }
    } else if !matches!(route, Route::Own(_))
        && let Some(reading) = post.meters.call(user, wall())
    {
        let names = ["burst-ratelimit-limit", "burst-ratelimit-remaining", "burst-ratelimit-reset"];
        tell(names, reading, told);
        if reading.exceeded {
            return Err(Refusal::new(429, "Exceeded burst rate limit"));
        }
    }
    Ok(())
}

fn tell(names: [&'static str; 3], reading: Reading, told: &mut HeaderMap) {
    let values = [reading.limit.into(), reading.remaining.into(), reading.reset];
    for (name, value) in names.into_iter().zip(values) {
        told.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

impl Call {
    /// Counts accepted messages against the day's.
    pub fn count_messages(&self, new: u32) {
        let _reading = self.post.meters.messages(&self.user, new, wall());
    }
}
