//! Delays and ceilings; arithmetic only.

use super::id::Millis;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;

/// How long to wait for a vendor that is away, after `waits` waits in a row: 10 s, doubling to 300 s.
pub fn away(waits: u32) -> Millis {
    ((10 * SECOND) << waits.min(5)).min(300 * SECOND)
}

/// How long to wait between looks at a message that did not come, or before sending it again: 1, 5, then 15 minutes.
pub fn look(looks: u32) -> Millis {
    match looks {
        0 => MINUTE,
        1 => 5 * MINUTE,
        _ => 15 * MINUTE,
    }
}

/// How long the queue is asked to wait before it redelivers a failed attempt: 5 s, 15 s, 45 s, at most 60 s.
pub fn redelivery(attempt: u32) -> Millis {
    (5 * SECOND * 3_u64.pow(attempt.saturating_sub(1).min(3))).min(MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_ceilings() {
        assert_eq!([0, 1, 4, 5, 6, u32::MAX].map(away), [10_000, 20_000, 160_000, 300_000, 300_000, 300_000]);
        assert_eq!([0, 1, 2, 99].map(look), [60_000, 300_000, 900_000, 900_000]);
        assert_eq!([0, 1, 2, 3, 4, u32::MAX].map(redelivery), [5_000, 5_000, 15_000, 45_000, 60_000, 60_000]);
    }
}
