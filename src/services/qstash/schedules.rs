//! Schedules of the account, and the service's own time.

use super::publish::{forward, seconds, value};
use super::wire::Schedule;
use super::{Error, QStash};
use reqwest::Method;
use reqwest::header::{DATE, HeaderMap, HeaderName};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// A call to be made again and again.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Another one of this name is overwritten whole.
    pub id: String,
    pub destination: Url,
    /// Five fields, UTC.
    pub cron: String,
    /// When one call is given up.
    pub timeout: Duration,
    /// How often one call is repeated.
    pub retries: u32,
    pub label: String,
    /// Headers for the destination. Secret: the service shows only their hashes.
    pub forward: Vec<(String, SecretString)>,
}

impl QStash {
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Error> {
        Ok(self.send(self.request(Method::GET, self.address(&["schedules"]))).await?.unwrap_or_default())
    }

    pub async fn schedule(&self, id: &str) -> Result<Option<Schedule>, Error> {
        self.send(self.request(Method::GET, self.address(&["schedules", id]))).await
    }

    /// Makes it, or overwrites the one of its name. One that was paused runs again.
    pub async fn put_schedule(&self, schedule: &NewSchedule) -> Result<(), Error> {
        // As with a publish, the destination stands raw in the path.
        let address = format!("{}v2/schedules/{}", self.root(), schedule.destination);
        let address = Url::parse(&address).map_err(|error| Error::unsendable(&error.to_string()))?;
        let request = self.request(Method::POST, address).headers(schedule.headers()?);
        let made: Option<serde_json::Value> = self.send(request).await?;
        made.ok_or_else(|| Error::Refused { status: 404, message: "no schedules at this address".to_owned() })?;
        if self.schedule(&schedule.id).await?.is_some_and(|made| made.is_paused) {
            let resume = self.request(Method::PATCH, self.address(&["schedules", &schedule.id, "resume"]));
            let _resumed: Option<serde_json::Value> = self.send(resume).await?;
        }
        Ok(())
    }

    /// False if there is none of that name.
    pub async fn delete_schedule(&self, id: &str) -> Result<bool, Error> {
        let gone: Option<serde_json::Value> =
            self.send(self.request(Method::DELETE, self.address(&["schedules", id]))).await?;
        Ok(gone.is_some())
    }

    /// What time the service says it is, in unix seconds; none if it does not say. Any answer will do.
    pub async fn clock(&self) -> Result<Option<i64>, Error> {
        let request = self.request(Method::GET, self.address(&["keys"]));
        let answer = self.exchange(request).await?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp().as_second()))
    }
}

impl NewSchedule {
    fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        let redacted: Vec<_> = self.forward.iter().map(|(name, _)| format!("header[{name}]")).collect();
        let texts = [
            ("upstash-schedule-id", self.id.clone()),
            ("upstash-cron", self.cron.clone()),
            ("upstash-method", "POST".to_owned()),
            ("upstash-timeout", seconds(self.timeout)),
            ("upstash-retries", self.retries.to_string()),
            ("upstash-label", self.label.clone()),
            ("upstash-redact-fields", redacted.join(",")),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            headers.insert(HeaderName::from_static(name), value(name, &text)?);
        }
        for (name, secret) in &self.forward {
            forward(&mut headers, "upstash-forward-", name, secret)?;
        }
        Ok(headers)
    }
}
