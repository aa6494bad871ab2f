//! Reading variables one by one, and keeping every problem for the end.

use secrecy::SecretString;
use std::fmt;
use std::str::FromStr;
use url::Url;

/// What is wrong with one variable. The message never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub variable: String,
    pub message: String,
}

/// Everything wrong with the configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "{count} problem{} with the configuration:", if count == 1 { "" } else { "s" })?;
        for problem in &self.0 {
            writeln!(f, "  {} {}", problem.variable, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Hands out variables and collects what is wrong with them. An empty variable counts as not set.
pub(super) struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get, problems: Vec::new() }
    }

    pub fn problem(&mut self, variable: &str, message: impl Into<String>) {
        self.problems.push(Problem { variable: variable.to_owned(), message: message.into() });
    }

    pub fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub fn required(&mut self, name: &str, what: &str) -> Option<String> {
        let text = self.text(name);
        if text.is_none() {
            self.problem(name, format!("is missing: {what}"));
        }
        text
    }

    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    pub fn required_secret(&mut self, name: &str, what: &str) -> Option<SecretString> {
        let text = self.required(name, what)?;
        if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
            self.problem(name, "holds characters that no header can carry");
            return None;
        }
        Some(text.into())
    }

    pub fn url(&mut self, name: &str, text: &str) -> Option<Url> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
            _ => {
                self.problem(name, "must be an http:// or https:// address");
                None
            }
        }
    }

    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, what: &str) -> T {
        let Some(text) = self.text(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.problem(name, what);
            default
        })
    }

    pub fn number(&mut self, name: &str, default: u64, min: u64, max: u64) -> u64 {
        let what = format!("must be a whole number from {min} to {max}");
        let number = self.parsed(name, default, &what);
        if (min..=max).contains(&number) {
            return number;
        }
        self.problem(name, what);
        default
    }
}
