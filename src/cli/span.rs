//! Spans of time as people write them: `90m`, `2d`, `1h30m`.

use jiff::{Span, SpanRelativeTo};

/// Whole seconds; a day has 24 hours, months and years have no length of their own.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "is no span of time: write it like 90m, 12h or 2d".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    u64::try_from(span.as_secs()).map_err(|_| wrong())
}

/// A moment: a time as it is, or a span, in seconds, before now. As the service takes it.
pub(super) fn since(text: &str) -> Result<String, String> {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(text.to_owned());
    }
    let wrong = |_| "is neither a span like 1h or 2d nor a time like 2026-11-23T12:00:00Z".to_owned();
    seconds(text).map(|seconds| seconds.to_string()).map_err(wrong)
}

/// A span in few words, for a table.
pub(super) fn told(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{} s", millis % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_told() {
        assert_eq!(["90m", "2d", "1h30m", "1h 30m", "45s"].map(seconds), [5_400, 172_800, 5_400, 5_400, 45].map(Ok));
        for wrong in ["", "90", "soon", "1y", "2 months", "-1h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(since("2026-11-23T12:00:00Z").as_deref(), Ok("2026-11-23T12:00:00Z"));
        assert_eq!(since("1h").as_deref(), Ok("3600"));
        assert!(since("yesterday").is_err());
        assert_eq!(
            [0, 999, 1_250, 61_000, 3_660_000, 90_000_000].map(told).join(", "),
            "0 ms, 999 ms, 1.2 s, 1 min 01 s, 1 h 01 min, 1 d 01 h"
        );
    }
}
