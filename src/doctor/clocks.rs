//! How far this host's clock is from another one's.

use super::finding::Sheet;
use crate::services::qstash::signature::LEEWAY;

/// Seconds that nobody minds: answers tell whole ones and take a while.
const UNNOTICED: i64 = 5;

/// Tells the difference in seconds, of `theirs` to ours.
pub(super) fn compare(sheet: &Sheet, check: &'static str, whose: &str, ours: i64, theirs: i64) {
    let apart = ours.saturating_sub(theirs);
    let how = if apart < 0 { "behind" } else { "ahead of" };
    let seen = format!("this host's clock is {} s {how} {whose}", apart.abs());
    if apart.abs() <= UNNOTICED {
        sheet.ok(check, format!("this host's clock agrees with {whose} ({} s apart)", apart.abs()));
    } else if apart.abs() <= LEEWAY {
        sheet.warn(
            check,
            seen,
            format!("Let the host keep time by NTP: from {LEEWAY} s on signatures and tokens are refused"),
        );
    } else {
        sheet.fail(check, seen, "Set the host's clock and let it keep time by NTP (`timedatectl set-ntp true`): signatures and tokens are refused");
    }
}
