//! Klap: that the key is taken. Asked about a task that nobody has, which costs nothing.

use super::finding::Sheet;
use super::{CALL, Setup};
use crate::services::klap::Error;
use tokio::time::timeout;

pub(super) const CHECKS: &[&str] = &[KEY];
const KEY: &str = "klap.key";
const NO_TASK: &str = "cliprelay-doctor";

pub(super) async fn check(setup: &Setup, sheet: &Sheet) {
    let Some((url, klap)) = &setup.klap else {
        return sheet.skip_rest("no Klap account is configured: set KLAP_API_KEY");
    };
    let host = url.host_str().unwrap_or_default();
    let address = "Check KLAP_API_URL (https://api.klap.app/v2 by default) and that this host may reach it";
    let Ok(answer) = timeout(CALL, klap.task(NO_TASK)).await else {
        return sheet.fail(KEY, format!("{host} gives no answer within {} s", CALL.as_secs()), address);
    };
    match answer {
        Err(Error::NotFound) if !url.path().contains("/v") => {
            let seen = format!("{host} knows no task, and the address has no version in it");
            sheet.warn(KEY, seen, "Set KLAP_API_URL with its version, as https://api.klap.app/v2");
        }
        Ok(_) | Err(Error::NotFound) => sheet.ok(KEY, format!("{host} takes the key")),
        Err(Error::Unauthorized) => {
            sheet.fail(
                KEY,
                format!("{host} refuses the key"),
                "Set KLAP_API_KEY to a valid key (klap.app, your account's API keys)",
            );
        }
        Err(Error::Busy { .. } | Error::Unavailable { .. }) => {
            let again = "Look again later; jobs wait meanwhile. If it stays so, ask Klap's support";
            sheet.warn(KEY, format!("{host} has no time for us just now"), again);
        }
        Err(error @ Error::Refused { .. }) => {
            sheet.warn(KEY, format!("the key is not refused, but: {error}"), address);
        }
        Err(error @ (Error::NotSent(_) | Error::Unknown(_))) => sheet.fail(KEY, error.to_string(), address),
    }
}
