//! What opens the operator's routes: everybody's jobs, cancel, purge and drop. Whoever guesses it has all of that.

use super::problems::Reader;
use crate::http::DEV_SECRET;
use secrecy::{ExposeSecret, SecretString};

const NAMES: [&str; 2] = ["WORKER_SECRET", "CRON_SECRET"];
/// Where others can try.
const LENGTH_MIN: usize = 16;

/// As far as they are set and of use.
pub(super) fn secrets(reader: &mut Reader<'_>, exposed: bool) -> Vec<(&'static str, SecretString)> {
    let set: Vec<_> = NAMES.into_iter().filter(|name| reader.text(name).is_some()).collect();
    if set.is_empty() {
        reader.problem(NAMES[0], "is missing: what opens the operator's routes (or CRON_SECRET)");
    }
    set.into_iter().filter_map(|name| Some((name, secret(reader, name, exposed)?))).collect()
}

fn secret(reader: &mut Reader<'_>, name: &str, exposed: bool) -> Option<SecretString> {
    let secret = reader.required_secret(name, "")?;
    let wrong = match secret.expose_secret() {
        DEV_SECRET if exposed => "is the published one of `dev`: anybody could open the operator's routes".to_owned(),
        short if exposed && short.len() < LENGTH_MIN => {
            format!("has fewer than {LENGTH_MIN} characters, where others can reach the service and try")
        }
        _ => return Some(secret),
    };
    reader.problem(name, wrong);
    None
}
