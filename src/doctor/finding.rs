//! What was found: one line for each check, in the order of the checks, whatever order the answers came in.

use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// It works, and will not always.
    Warn,
    Fail,
    /// It was not looked at; `seen` says why.
    Skipped,
}

/// One check's result. Holds no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub state: State,
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

#[derive(Debug)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub took: Duration,
    /// The configuration leaves no service that could be asked.
    pub nothing_to_check: bool,
}

impl Report {
    pub fn count(&self, state: State) -> usize {
        self.findings.iter().filter(|finding| finding.state == state).count()
    }
}

/// The findings of one service as they come.
pub(super) struct Sheet {
    checks: &'static [&'static str],
    found: Mutex<Vec<Finding>>,
    why_not: Mutex<Option<String>>,
}

impl Sheet {
    pub fn new(checks: &'static [&'static str]) -> Self {
        Self { checks, found: Mutex::default(), why_not: Mutex::default() }
    }

    pub fn ok(&self, check: &'static str, seen: impl Into<String>) {
        self.put(check, State::Ok, seen.into(), None);
    }

    pub fn warn(&self, check: &'static str, seen: impl Into<String>, mend: impl Into<String>) {
        self.put(check, State::Warn, seen.into(), Some(mend.into()));
    }

    pub fn fail(&self, check: &'static str, seen: impl Into<String>, mend: impl Into<String>) {
        self.put(check, State::Fail, seen.into(), Some(mend.into()));
    }

    pub fn skip(&self, check: &'static str, why: impl Into<String>) {
        self.put(check, State::Skipped, why.into(), None);
    }

    /// Why what has no finding at the end was not looked at.
    pub fn skip_rest(&self, why: impl Into<String>) {
        *self.why_not.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.into());
    }

    pub fn out_of_time(&self, limit: Duration) {
        self.skip_rest(format!("no time was left of {} s; try again", limit.as_secs()));
    }

    fn put(&self, check: &'static str, state: State, seen: String, mend: Option<String>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.push(Finding { check, state, seen, mend });
    }

    /// All findings in the order of the checks; each check has one at least.
    pub fn close(self) -> Vec<Finding> {
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let why = self.why_not.into_inner().unwrap_or_else(PoisonError::into_inner);
        let failed = found.iter().find(|finding| finding.state == State::Fail).map(|finding| finding.check);
        let why = why.unwrap_or_else(|| match failed {
            Some(check) => format!("not worth asking before {check} is mended"),
            None => "it was not reached".to_owned(),
        });
        let missing = |check: &'static str| Finding { check, state: State::Skipped, seen: why.clone(), mend: None };
        let of = |check: &'static str| {
            let own: Vec<_> = found.iter().filter(|finding| finding.check == check).cloned().collect();
            if own.is_empty() { vec![missing(check)] } else { own }
        };
        self.checks.iter().flat_map(|check| of(check)).collect()
    }
}
