//! What of each track goes into a clip: which samples, and which stretch of them is shown.

use super::Error;
use super::movie::{Movie, Span};
use super::track::{Track, rescale, seconds};

/// Samples are laid down in runs of about this long, pictures and sound by turns, so that a clip plays while it loads.
const RUN_SECONDS: f64 = 0.5;

/// One track's share of a clip. Times are in the track's units, counted from the first sample taken.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub track: &'a Track,
    /// Sample numbers in the source, exclusive at the end.
    pub samples: (u32, u32),
    /// Subtracted from every moment a sample is shown: the source's moment that becomes 0.
    pub origin: i64,
    /// From where on, and for how long, it is shown.
    pub shown: (u64, u64),
    /// Before it begins.
    pub pause: u64,
    /// Whether a player that shows every sample from the first on would show the wrong thing.
    pub needs_edit: bool,
}

/// Samples `from..to` of part number `part`, laid down together; `at` seconds into the clip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub part: usize,
    pub from: u32,
    pub to: u32,
    at: f64,
}

/// The pictures over key frames `from..to`, and the sound heard meanwhile, if there is any.
pub(super) fn parts(movie: &Movie, from: usize, to: usize) -> Result<Vec<Part<'_>>, Error> {
    let Span { samples, shown: (start, end) } = movie.range(from, to)?;
    let video = &movie.video;
    let first = video.sample(samples.0).ok_or_else(|| Error::Broken("a key frame that is not there".to_owned()))?;
    let last_end = video.samples(samples.0, samples.1).map(|sample| sample.shown + i64::from(sample.duration)).max();
    let hidden = start - first.shown;
    let pictures = Part {
        track: video,
        samples,
        origin: first.shown,
        shown: (hidden.unsigned_abs(), (end - start).unsigned_abs()),
        pause: 0,
        needs_edit: hidden > 0 || last_end.is_some_and(|last| last > end && to == movie.cuts.len()),
    };
    let sound = movie.audio.as_ref().and_then(|audio| sound(audio, video.seconds(start), video.seconds(end)));
    Ok(std::iter::once(pictures).chain(sound).collect())
}

/// The sound from `start` to `end` (seconds of the film), with one sample of run-up: a decoder needs the one before to
/// bring in the first without a click. The edit list hides what is too early, so sound and picture stay together exactly.
fn sound(audio: &Track, start: f64, end: f64) -> Option<Part<'_>> {
    let (start, end) = (audio.time(start), audio.time(end).min(audio.visible.1));
    let begin = start.max(audio.visible.0);
    if end <= begin {
        return None;
    }
    let heard = audio.first_from(begin.saturating_add(1)).saturating_sub(1);
    let samples = (heard.saturating_sub(1), audio.first_from(end));
    let first = audio.sample(samples.0)?;
    Some(Part {
        track: audio,
        samples,
        origin: first.decoded,
        shown: ((begin - first.decoded).max(0).unsigned_abs(), (end - begin).unsigned_abs()),
        pause: (begin - start).unsigned_abs(),
        needs_edit: true,
    })
}

impl Part<'_> {
    pub fn bytes(&self) -> u64 {
        self.track.samples(self.samples.0, self.samples.1).map(|sample| u64::from(sample.size)).sum()
    }

    /// A length in this part's units as units of the clip's clock.
    pub fn in_film(&self, length: u64, film: std::num::NonZeroU32) -> u64 {
        rescale(length, self.track.timescale(), film)
    }

    fn runs(&self, part: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let timescale = self.track.timescale();
        let base = self.track.sample(self.samples.0).map_or(0, |first| first.decoded);
        for index in self.samples.0..self.samples.1 {
            let Some(sample) = self.track.sample(index) else { break };
            let at = seconds(sample.decoded - base, timescale);
            match runs.last_mut() {
                Some(run) if at < run.at + RUN_SECONDS => run.to = index + 1,
                _ => runs.push(Run { part, from: index, to: index + 1, at }),
            }
        }
        runs
    }
}

/// All runs of a clip in the order in which they are laid down.
pub(super) fn runs(parts: &[Part<'_>]) -> Vec<Run> {
    let mut runs: Vec<_> = parts.iter().enumerate().flat_map(|(number, part)| part.runs(number)).collect();
    runs.sort_by(|a, b| a.at.total_cmp(&b.at));
    runs
}
