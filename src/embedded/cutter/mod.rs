//! Cuts a real MP4 into clips at key frames, without decoding a picture.
//!
//! Owns the reading of untrusted files: whatever is not closed-GOP H.264 with AAC or no sound in a plain (not fragmented)
//! MP4 is refused with the reason and the remedy. It must never load a whole film (tables only; samples are copied by
//! offset), never trust a length or an offset, and never write a clip that does not play from its first frame.
//! Everything here is synchronous: callers in async code run it on a blocking thread.
mod error;
mod gop;
mod layout;
mod movie;
mod part;
mod plan;
mod reader;
mod tables;
mod track;
mod write;

use std::path::Path;

pub use error::Error;
pub use plan::{Range, plan};

use movie::Movie;

/// What a source holds, as far as cutting is concerned. All times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub duration: f64,
    /// When each key frame is shown, ascending, from the film's beginning.
    pub key_frames: Vec<f64>,
    /// Video bytes of the group of pictures each key frame begins.
    pub gop_bytes: Vec<u64>,
    pub width: u16,
    pub height: u16,
    pub frames: u32,
    pub has_audio: bool,
    /// Bytes.
    pub size: u64,
}

impl Source {
    /// When key frame `index` is shown; the end of the film if there is none such.
    pub fn boundary(&self, index: usize) -> f64 {
        self.key_frames.get(index).copied().unwrap_or(self.duration)
    }
}

/// A clip that was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    /// Seconds.
    pub duration: f64,
    /// Bytes.
    pub size: u64,
}

/// Looks at a source and proves that it can be cut at every key frame.
pub fn inspect(path: &Path) -> Result<Source, Error> {
    let mut movie = Movie::open(path)?;
    let video = &movie.video;
    gop::check(&mut movie.reader, video, &movie.cuts, 0, movie.cuts.len())?;
    let bytes = |number: usize| {
        let end = movie.cuts.get(number + 1).copied().unwrap_or(video.len());
        video.samples(movie.cuts[number], end).map(|sample| u64::from(sample.size)).sum()
    };
    let shown = |cut: &u32| video.sample(*cut).map_or(0.0, |sample| video.seconds(sample.shown.max(video.visible.0)));
    Ok(Source {
        duration: video.seconds(video.visible.1),
        key_frames: movie.cuts.iter().map(shown).collect(),
        gop_bytes: (0..movie.cuts.len()).map(bytes).collect(),
        width: movie.width,
        height: movie.height,
        frames: video.len(),
        has_audio: movie.audio.is_some(),
        size: movie.reader.len(),
    })
}

/// Writes the pictures from key frame `from` up to, not including, key frame `to` and the sound that belongs to them.
/// `to` equal to the number of key frames means to the end. An unfinished `out` is removed.
pub fn cut(path: &Path, from: usize, to: usize, out: &Path) -> Result<Clip, Error> {
    let mut movie = Movie::open(path)?;
    movie.range(from, to)?;
    gop::check(&mut movie.reader, &movie.video, &movie.cuts, from, to)?;
    write::clip(&mut movie, from, to, out)
}
