//! Which clips to take from a source: spread over the whole of it, apart from each other, at key frames.

use super::Source;

/// A clip to cut: key frames `from..to`, and what that means in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub from: usize,
    /// Exclusive; the number of key frames means the end of the source.
    pub to: usize,
    /// Seconds from the source's beginning.
    pub start: f64,
    /// Seconds.
    pub duration: f64,
    /// Video bytes inside, a measure of how much happens.
    pub bytes: u64,
}

/// Plans up to `count` clips of `min`–`max` seconds, each as near to `target` as its share of the source allows.
///
/// Clips do not overlap. Where key frames lie too far apart for the limits, or the source is shorter than `min`, the nearest
/// possible clip is planned rather than none: a source with a key frame always gives at least one.
pub fn plan(source: &Source, count: usize, min: f64, max: f64, target: f64) -> Vec<Range> {
    let room = (source.duration / min.max(0.001)).floor();
    let count = (1..=count).take_while(|n| as_f64(*n) <= room.max(1.0)).count();
    let share = source.duration / as_f64(count.max(1));
    let target = target.clamp(min, max.max(min)).min(share.max(min));
    let mut ranges: Vec<Range> = Vec::with_capacity(count);
    let mut free = 0;
    for slot in 0..count {
        let begin = as_f64(slot) * share - 0.001;
        let Some(from) = (free..source.key_frames.len()).find(|k| source.key_frames[*k] >= begin) else { break };
        if let Some(range) = nearest(source, from, target, |d| d >= min - 0.001 && d <= max + 0.001) {
            free = range.to;
            ranges.push(range);
        }
    }
    if ranges.is_empty() && count > 0 {
        ranges.extend((0..source.key_frames.len()).find_map(|from| nearest(source, from, target, |d| d > 0.0)));
    }
    ranges
}

/// The clip from key frame `from` whose length comes nearest to `target` among those allowed.
fn nearest(source: &Source, from: usize, target: f64, allowed: impl Fn(f64) -> bool) -> Option<Range> {
    let start = source.key_frames[from];
    let ends = (from + 1..=source.key_frames.len()).map(|to| (to, source.boundary(to) - start));
    let (to, duration) = ends
        .filter(|(_, duration)| allowed(*duration))
        .min_by(|(_, a), (_, b)| (a - target).abs().total_cmp(&(b - target).abs()))?;
    let bytes = source.gop_bytes.get(from..to).unwrap_or_default().iter().sum();
    Some(Range { from, to, start, duration, bytes })
}

#[expect(clippy::cast_precision_loss, reason = "a count of clips")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
