//! QStash: that the token is this region's and may write, that its keys are ours, and who wakes the sweep.

use super::finding::Sheet;
use super::schedule::{self, SCHEDULE, Shown};
use super::{Queue, Setup, clocks, hints};
use crate::services::qstash::Error;
use crate::services::qstash::signature::{Rolling, SigningKeys, rolling};
use tokio::sync::oneshot;

pub(super) const CHECKS: &[&str] = &[TOKEN, WRITE, KEYS, SCHEDULE, CLOCK];
const TOKEN: &str = "qstash.token";
const WRITE: &str = "qstash.write";
const KEYS: &str = "qstash.keys";
const CLOCK: &str = "qstash.clock";
/// No message is called so: withdrawing it changes nothing.
const NO_MESSAGE: &str = "msg_cliprelay-doctor";

/// `shown`: what the service shows, as soon as it has been asked.
pub(super) async fn check(setup: &Setup, sheet: &Sheet, shown: oneshot::Receiver<Shown>) {
    let Some(queue) = &setup.qstash else {
        return sheet.skip_rest("no QStash account is configured: set QSTASH_TOKEN and the signing keys");
    };
    let (keys, clock) = tokio::join!(queue.client.keys(), queue.client.clock());
    match clock {
        Ok(Some(theirs)) => clocks::compare(sheet, CLOCK, "QStash's", (setup.now)(), theirs),
        Ok(None) => sheet.skip(CLOCK, "QStash does not tell the time"),
        Err(_) => {}
    }
    match keys {
        Ok(theirs) => {
            sheet.ok(TOKEN, format!("{} takes the token", queue.host));
            compare(sheet, queue, &theirs);
        }
        // With a read-only token the keys are not shown, but messages and schedules are.
        Err(Error::Unauthorized) if queue.client.schedules().await.is_ok() => {
            sheet.ok(TOKEN, format!("{} knows the token", queue.host));
            return read_only(sheet, queue);
        }
        Err(error) => return refused(sheet, queue, &error),
    }
    match queue.client.cancel(NO_MESSAGE).await {
        Err(Error::Unauthorized) => return read_only(sheet, queue),
        Err(error) => sheet.warn(WRITE, error.to_string(), "Look again; if it stays so, ask Upstash's support"),
        Ok(_) => sheet.ok(WRITE, "the token may write"),
    }
    match (queue.client.schedules().await, &queue.cron_url) {
        (_, None) => sheet.skip(SCHEDULE, "PUBLIC_URL is not known"),
        (Ok(schedules), Some(url)) => {
            schedule::check(setup, sheet, url, &schedules, shown.await.unwrap_or_default()).await;
        }
        (Err(error), _) => sheet.warn(SCHEDULE, error.to_string(), "Look again: the schedules could not be read"),
    }
}

fn refused(sheet: &Sheet, queue: &Queue, error: &Error) {
    let token = format!("{}QSTASH_TOKEN", queue.prefix);
    let mend = match error {
        Error::Unauthorized => format!("Set {token} ({})", hints::place(&token)),
        Error::WrongRegion => format!(
            "Set {}QSTASH_URL to the token's region (EU https://qstash.upstash.io, US https://qstash-us-east-1.upstash.io), or take the token, the signing keys and QSTASH_REGION of this one",
            queue.prefix
        ),
        Error::Away { .. } => format!("Check {}QSTASH_URL and that this host may reach it", queue.prefix),
        Error::Refused { .. } => {
            format!("Check {}QSTASH_URL: a root such as https://qstash.upstash.io, without a path", queue.prefix)
        }
    };
    sheet.fail(TOKEN, format!("{}: {error}", queue.host), mend);
}

fn read_only(sheet: &Sheet, queue: &Queue) {
    let mend = format!("Set {}QSTASH_TOKEN to the account's own token, not the read-only one", queue.prefix);
    sheet.fail(WRITE, "the token may only read: nothing can be published", mend);
}

fn compare(sheet: &Sheet, queue: &Queue, theirs: &SigningKeys) {
    let [current, next] = ["CURRENT", "NEXT"].map(|which| format!("{}QSTASH_{which}_SIGNING_KEY", queue.prefix));
    let Some(ours) = &queue.keys else {
        let mend = format!("Set {current} and {next} ({})", hints::place(&current));
        return sheet.fail(KEYS, "no keys of this region are configured", mend);
    };
    let update = format!("Set {current} and {next} to those of the console ({}) and restart", hints::place(&current));
    match rolling(ours, theirs) {
        Rolling::Safe => sheet.ok(KEYS, "the signing keys are QStash's own; they may be rolled once"),
        Rolling::NextDiffers => {
            let seen = "the current signing key is QStash's, the next one is not: after a roll every push is refused";
            sheet.warn(
                KEYS,
                seen,
                format!("Set {next} to the console's next key and restart, before anybody rolls them"),
            );
        }
        Rolling::Rolled => {
            let seen =
                "the keys were rolled once: our next one is their current one. Pushes are believed until the next roll";
            sheet.warn(KEYS, seen, format!("{update}, before anybody rolls them again"));
        }
        Rolling::LockedOut => {
            let seen = "the keys were rolled twice, or are another account's: no push is believed";
            sheet.fail(KEYS, seen, format!("{update}; what was refused meanwhile is taken up by the sweep"));
        }
    }
}
