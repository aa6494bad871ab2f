//! Filters of the listing and bulk endpoints: all fields must hold, and of one field (repeated or comma separated) any of
//! its values; dates are unix milliseconds.

use super::instructions::Refusal;
use super::ledger::events::{ACTIVE, CANCELED, ERROR, RETRY};
use super::message::{Headers, Millis, Record};

/// The largest page.
const PAGE_MAX: usize = 100;

/// What a filter may ask of an object; what an object does not have matches no value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traits<'a> {
    pub message_id: &'a str,
    pub dlq_id: Option<&'a str>,
    pub url: &'a str,
    pub topic: Option<&'a str>,
    pub schedule: Option<&'a str>,
    pub queue: Option<&'a str>,
    pub flow: Option<&'a str>,
    pub labels: &'a [String],
    pub caller_ip: Option<&'a str>,
    pub state: Option<&'a str>,
    pub status: Option<u16>,
    pub time: Millis,
}

impl<'a> Traits<'a> {
    pub fn of(record: &'a Record) -> Self {
        Self {
            message_id: &record.id,
            url: &record.spec.destination,
            topic: record.spec.topic.as_deref(),
            schedule: record.spec.schedule_id.as_deref(),
            queue: record.spec.queue.as_deref(),
            flow: record.spec.flow.as_ref().map(|flow| flow.key.as_str()),
            labels: &record.spec.labels,
            caller_ip: record.spec.caller_ip.as_deref(),
            time: record.created_at,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    MessageId,
    DlqId,
    Url,
    Label,
    CallerIp,
    State,
    Status,
    Topic,
    Schedule,
    Queue,
    Flow,
    Host,
    Path,
}

/// A filter and the page wanted of what it lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    wanted: Vec<(Field, Vec<String>)>,
    from: Option<Millis>,
    to: Option<Millis>,
    pub earliest_first: bool,
    /// After which `<time>-<number>` the page begins.
    pub cursor: Option<(Millis, u64)>,
    pub count: Option<usize>,
    /// Something was asked for that chooses nothing.
    ignoring: bool,
}

impl Filter {
    /// Of dead letters.
    pub fn read(query: &Headers) -> Result<Self, Refusal> {
        Self::read_for(query, false)
    }

    /// Live messages and lines of the log may be chosen by the host and the path of their destination, too.
    pub fn read_with_place(query: &Headers) -> Result<Self, Refusal> {
        Self::read_for(query, true)
    }

    fn read_for(query: &Headers, with_place: bool) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for (name, value) in query {
            let field = match name.as_str() {
                "messageId" | "messageIds" => Field::MessageId,
                "dlqId" | "dlqIds" => Field::DlqId,
                "url" => Field::Url,
                "label" => Field::Label,
                "callerIp" | "callerIP" => Field::CallerIp,
                "state" => Field::State,
                "responseStatus" => Field::Status,
                "topicName" => Field::Topic,
                "scheduleId" => Field::Schedule,
                "queueName" => Field::Queue,
                "flowControlKey" => Field::Flow,
                "host" if with_place => Field::Host,
                "path" if with_place => Field::Path,
                _ => {
                    filter.read_page(name, value)?;
                    continue;
                }
            };
            filter.want(field, value);
        }
        Ok(filter)
    }

    /// For deleting and the like: what was meant to choose a few must not choose all.
    pub fn to_change(self) -> Result<Self, Refusal> {
        if self.ignoring {
            Err(Refusal::new(400, "api is no filter any more: it would choose everything"))
        } else {
            Ok(self)
        }
    }

    /// Only these objects.
    #[must_use]
    pub fn ids(mut self, ids: &[String], dead: bool) -> Self {
        let field = if dead { Field::DlqId } else { Field::MessageId };
        self.wanted.push((field, ids.to_vec()));
        self
    }

    fn read_page(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let bad = || Refusal::new(400, format!("invalid {name}"));
        match name {
            "fromDate" => self.from = Some(value.parse().map_err(|_| bad())?),
            "toDate" => self.to = Some(value.parse().map_err(|_| bad())?),
            "order" => self.earliest_first = value.eq_ignore_ascii_case("earliestFirst"),
            // Once a filter; the official client says that it is ignored now.
            "api" => self.ignoring = true,
            "cursor" if value.is_empty() => {}
            "cursor" => self.cursor = Some(place(value).ok_or_else(bad)?),
            "count" => self.count = Some(value.parse::<usize>().map_err(|_| bad())?.max(1)),
            _ => return Err(Refusal::new(400, format!("unknown parameter {name}"))),
        }
        Ok(())
    }

    fn want(&mut self, field: Field, value: &str) {
        // A URL may contain a comma; the other values may not.
        let values: Vec<String> =
            if field == Field::Url { vec![value.to_owned()] } else { value.split(',').map(str::to_owned).collect() };
        match self.wanted.iter_mut().find(|(known, _)| *known == field) {
            Some((_, known)) => known.extend(values),
            None => self.wanted.push((field, values)),
        }
    }

    /// How many entries a page has at most.
    pub fn page_size(&self) -> usize {
        self.count.unwrap_or(PAGE_MAX).min(PAGE_MAX)
    }

    pub fn matches(&self, traits: &Traits<'_>) -> bool {
        self.from.is_none_or(|from| traits.time >= from)
            && self.to.is_none_or(|to| traits.time <= to)
            && self.wanted.iter().all(|(field, values)| values.iter().any(|value| field.has(traits, value)))
    }
}

impl Field {
    fn has(self, traits: &Traits<'_>, value: &str) -> bool {
        match self {
            Self::MessageId => traits.message_id == value,
            Self::DlqId => traits.dlq_id == Some(value),
            Self::Url => traits.url == value,
            Self::Label => traits.labels.iter().any(|label| label == value),
            Self::CallerIp => traits.caller_ip == Some(value),
            Self::State => traits.state.is_some_and(|state| match value {
                "IN_PROGRESS" => matches!(state, ACTIVE | RETRY | ERROR),
                // The service's own pages spell it both ways.
                "CANCELLED" => state == CANCELED,
                value => state == value,
            }),
            Self::Status => traits.status.is_some_and(|status| status.to_string() == value),
            Self::Topic => traits.topic == Some(value),
            Self::Schedule => traits.schedule == Some(value),
            Self::Queue => traits.queue == Some(value),
            Self::Flow => traits.flow == Some(value),
            Self::Host => {
                parsed(traits.url).is_some_and(|url| url.host_str() == Some(value) || authority(&url) == value)
            }
            Self::Path => parsed(traits.url).is_some_and(|url| url.path() == value),
        }
    }
}

fn parsed(url: &str) -> Option<url::Url> {
    url.parse().ok()
}

fn authority(url: &url::Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0))
}

/// Reads `<time>-<number>`, the form of cursors and of dead letters' ids.
pub fn place(text: &str) -> Option<(Millis, u64)> {
    let (time, number) = text.split_once('-')?;
    Some((time.parse().ok()?, number.parse().ok()?))
}
