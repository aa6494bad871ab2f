//! Durations as the protocol writes them: whole seconds with units in requests, Go's notation in a destination's answer.

/// `30s`, `1d10h30m`: whole numbers, each with `s`, `m`, `h` or `d`. In seconds.
pub fn whole_seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..unit)?.parse().ok()?;
        let factor = match rest.as_bytes().get(unit)? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = rest.get(unit + 1..)?;
    }
    Some(total)
}

/// Go's `6m5s`, `1.5h`, `300ms`, `0`; in milliseconds, rounded up.
pub fn go_millis(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(positive) => (-1.0, positive),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut millis = 0.0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..unit_at)?.parse().ok()?;
        let after = rest.get(unit_at..)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let factor = match after.get(..unit_end)? {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3_600e3,
            _ => return None,
        };
        millis += number * factor;
        rest = after.get(unit_end..)?;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and whatever exceeds a day is ignored by the caller"
    )]
    Some((sign * millis).ceil() as i64)
}
