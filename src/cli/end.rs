//! How a command ends badly: its exit code and its last words.

use crate::config::Problems;
use std::process::ExitCode;

/// A bad end. The message goes to stderr.
#[derive(Debug)]
pub(super) struct End {
    code: u8,
    message: String,
}

impl End {
    /// The work failed.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { code: 1, message: format!("{:#}", error.into()) }
    }

    /// Bad usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// A server could not be reached.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }

    /// Whether what was asked for failed, and not the asking.
    pub fn is_of_the_work(&self) -> bool {
        self.code == 1
    }

    /// The same end, with what went wrong before it.
    pub fn after(mut self, before: &[String]) -> Self {
        let lines = before.iter().map(String::as_str).chain([self.message.as_str()]);
        self.message = lines.collect::<Vec<_>>().join("\n");
        self
    }

    pub fn tell(&self) -> ExitCode {
        eprintln!("cliprelay: {}", self.message.trim_end());
        ExitCode::from(self.code)
    }
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Problems>() {
            Ok(problems) => problems.into(),
            Err(error) => Self::failed(error),
        }
    }
}

impl From<Problems> for End {
    fn from(problems: Problems) -> Self {
        Self::usage(problems.to_string())
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message.trim_end())
    }
}
