//! What protects the account behind the service, and who may say where a request comes from.

use super::problems::Reader;
use crate::flow::Protection;
use crate::http::Proxies;

const RATE_MAX: u64 = 1_000_000;
const PROXIES_MAX: u64 = 10;
/// A hundred million dollars: more is a mistake.
const CENTS_MAX: u64 = 10_000_000_000;

pub(super) fn limits(reader: &mut Reader<'_>) -> Protection {
    Protection {
        per_owner: rate(reader, "RATE_LIMIT_OWNER", 5),
        per_address: rate(reader, "RATE_LIMIT_IP", 30),
        queue: reader.text("QUEUE_LIMIT").map(|_| reader.number("QUEUE_LIMIT", 1, 1, RATE_MAX)),
        spend_day: dollars(reader, "SPEND_LIMIT_DAY"),
    }
}

pub(super) fn proxies(reader: &mut Reader<'_>, serverless: bool) -> Proxies {
    let set = reader.text("TRUSTED_PROXIES").is_some();
    let trusted = reader.number("TRUSTED_PROXIES", 0, 0, PROXIES_MAX);
    if serverless && set {
        reader.problem("TRUSTED_PROXIES", "cannot be set on Vercel, which itself tells who calls");
    }
    match usize::try_from(trusted) {
        _ if serverless => Proxies::Host,
        Ok(0) | Err(_) => Proxies::None,
        Ok(trusted) => Proxies::Trusted(trusted),
    }
}

/// `5` or `5/min`, or `off`.
fn rate(reader: &mut Reader<'_>, name: &str, default: u64) -> Option<u64> {
    let Some(text) = reader.text(name) else { return Some(default) };
    if text == "off" {
        return None;
    }
    let number = text.strip_suffix("/min").unwrap_or(&text).trim();
    let rate = number.parse().ok().filter(|rate| (1..=RATE_MAX).contains(rate));
    if rate.is_none() {
        let what = format!("must be a whole number of requests per minute from 1 to {RATE_MAX}, or off");
        reader.problem(name, what);
    }
    rate
}

/// US dollars, with cents if need be, as cents.
fn dollars(reader: &mut Reader<'_>, name: &str) -> Option<u64> {
    let text = reader.text(name)?;
    let cents = cents(text.strip_prefix('$').unwrap_or(&text)).filter(|cents| *cents <= CENTS_MAX);
    if cents.is_none() {
        reader.problem(name, "must be US dollars like 50 or 12.50");
    }
    cents
}

fn cents(text: &str) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (dollars, cents) = text.split_once('.').unwrap_or((text, "00"));
    if !digits(dollars) || !digits(cents) || cents.len() > 2 {
        return None;
    }
    let cents = cents.parse::<u64>().ok()? * if cents.len() == 1 { 10 } else { 1 };
    dollars.parse::<u64>().ok()?.checked_mul(100)?.checked_add(cents)
}
