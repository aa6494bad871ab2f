//! What can go wrong on the way to Redis and back, sorted once: did anything change, or does nobody know?
//! The texts are the server's or the system's own; the address and its password occur in none of them.

use crate::store::Error;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Refusals after which nothing has changed. Anything else a server says to a script may have come halfway through.
const NOTHING_CHANGED: [&str; 14] = [
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];
/// The same, from servers that have no code of their own for it.
const NOTHING_CHANGED_IN_WORDS: [&str; 5] = [
    "max concurrent connections",
    "max daily request limit",
    "max number of clients",
    "script shebang",
    "unauthenticated",
];

#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// Nothing was sent.
    NotConnected(String),
    /// The server answered with an error.
    Refused { code: String, text: String },
    /// Sent, and not answered in time.
    TimedOut,
    /// Sent perhaps, and the connection broke or spoke nonsense.
    Lost(String),
}

impl Failure {
    pub(super) fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "NOSCRIPT")
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        let kind = error.kind();
        let text = error.to_string();
        // Pipelines hide their errors' codes one level down.
        let codes = error.into_server_errors().unwrap_or_default();
        match (codes.first(), kind) {
            (Some((_, server)), _) => Self::Refused { code: server.code().to_owned(), text: server.to_string() },
            (None, ErrorKind::Server(ServerErrorKind::NoScript)) => Self::Refused { code: "NOSCRIPT".to_owned(), text },
            (None, _) => Self::Lost(text),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotConnected(why) => Self::Unavailable(format!("no connection to Redis: {why}")),
            Failure::Refused { code, text } if changed_nothing(&code, &text) => {
                Self::Unavailable(format!("Redis refused: {text}"))
            }
            Failure::Refused { text, .. } => Self::Unknown(format!("Redis failed: {text}")),
            Failure::TimedOut => Self::Unknown("Redis did not answer in time".to_owned()),
            Failure::Lost(why) => Self::Unknown(format!("the connection to Redis was lost: {why}")),
        }
    }
}

fn changed_nothing(code: &str, text: &str) -> bool {
    NOTHING_CHANGED.contains(&code)
        || NOTHING_CHANGED_IN_WORDS.iter().any(|words| text.contains(words))
        // Before version 7 a script's error hides the command's own behind a dash.
        || (code == "ERR" && NOTHING_CHANGED.iter().any(|code| text.contains(&format!("-{code} "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(code: &str, text: &str) -> Error {
        Failure::Refused { code: code.to_owned(), text: text.to_owned() }.into()
    }

    #[test]
    fn refusals_change_nothing_and_the_rest_is_unknown() {
        for code in NOTHING_CHANGED {
            assert!(matches!(sorted(code, "…"), Error::Unavailable(_)), "{code}");
        }
        assert!(matches!(sorted("ERR", "ERR max number of clients reached"), Error::Unavailable(_)));
        assert!(matches!(
            sorted("ERR", "Error running script: @user_script:9: -OOM command not"),
            Error::Unavailable(_)
        ));
        assert!(matches!(sorted("ERR", "Error running script: attempt to index a nil"), Error::Unknown(_)));
        assert!(matches!(sorted("WRONGTYPE", "…"), Error::Unknown(_)));
        assert!(matches!(Error::from(Failure::TimedOut), Error::Unknown(_)));
        assert!(matches!(Error::from(Failure::Lost(String::new())), Error::Unknown(_)));
        assert!(matches!(Error::from(Failure::NotConnected(String::new())), Error::Unavailable(_)));
    }
}
