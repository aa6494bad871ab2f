//! The broker as a program of its own, for anyone's application and any client of QStash.

use super::local::bind;
use crate::config::{Problem, Problems};
use crate::embedded::broker::{self, Account, Broker, DEV_USERS, Data};
pub use crate::embedded::broker::{Tuning, faults, limits, quota, region, resolve};
use anyhow::Result;
use secrecy::ExposeSecret;
use std::net::IpAddr;
use std::path::PathBuf;

/// One that may only read; nobody needs it.
const READ_ONLY: &str = "QSTASH_READONLY_TOKEN";
const VARIABLES: [&str; 3] = ["QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"];

/// Where it listens and rests.
#[derive(Debug, Clone)]
pub struct Options {
    pub host: IpAddr,
    pub port: u16,
    /// `None`: in memory only.
    pub data: Option<PathBuf>,
    pub tuning: Tuning,
}

/// Starts it with the account that the environment names, or with the published one.
pub async fn start(options: Options, get: &dyn Fn(&str) -> Option<String>) -> Result<Broker> {
    let account = account(get)?;
    if matches!(account, Account::Dev) && !options.host.is_loopback() {
        let message = "is missing: beyond this machine the broker needs a token and keys of its own";
        return Err(problem(VARIABLES[0], message).into());
    }
    let listener = bind(options.host, options.port, "--port").await?;
    let data = options.data.map_or(Data::Memory, Data::Dir);
    let max_retries = options.tuning.plan.quota().retries;
    Ok(broker::start(broker::Options { listener, data, account, max_retries, tuning: options.tuning }).await?)
}

/// The environment that points a client at it. Only what is published is told: an own token is the caller's to know.
pub fn environment(broker: &Broker) -> Vec<(&'static str, String)> {
    let mut lines = vec![("QSTASH_URL", format!("http://{}", broker.address))];
    if let Some(keys) = broker.keys(DEV_USERS[0].name) {
        lines.push((VARIABLES[0], DEV_USERS[0].token.to_owned()));
        lines.push((VARIABLES[1], keys.current.expose_secret().to_owned()));
        lines.push((VARIABLES[2], keys.next.expose_secret().to_owned()));
    }
    lines
}

/// All three variables, or none for the published account.
fn account(get: &dyn Fn(&str) -> Option<String>) -> Result<Account, Problems> {
    let values = VARIABLES.map(|name| get(name).filter(|value| !value.trim().is_empty()));
    match values {
        [None, None, None] => Ok(Account::Dev),
        [Some(token), Some(current), Some(next)] => {
            let read_only = get(READ_ONLY).filter(|value| !value.trim().is_empty()).map(Into::into);
            Ok(Account::Own { token: token.into(), read_only, current: current.into(), next: next.into() })
        }
        values => {
            let missing = VARIABLES.iter().zip(&values).filter(|(_, value)| value.is_none());
            let message = "is missing: set all three of the broker's variables, or none";
            Err(Problems(missing.flat_map(|(name, _)| problem(name, message).0).collect()))
        }
    }
}

fn problem(variable: &str, message: &str) -> Problems {
    Problems(vec![Problem { variable: variable.to_owned(), message: message.to_owned() }])
}
