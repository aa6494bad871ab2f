//! One track of the source: its samples by number and its place on the film's time line.
//!
//! Three clocks meet here: the track's own (decode and presentation times of samples), the film's (lengths in edit
//! lists) and seconds. Edit lists are reduced to what files really carry: a pause before the track begins, and the part
//! of it that is shown.

use std::num::NonZeroU32;

use shiguredo_mp4::aux::SampleTableAccessor;
use shiguredo_mp4::boxes::{DinfBox, EdtsBox, HdlrBox, MdhdBox, MediaHeader, SampleEntry, StblBox, TkhdBox, TrakBox};

use super::Error;

/// Five hours at 240 frames a second.
const SAMPLES_MAX: u32 = 4_500_000;
/// No film is so long that these are reached; sums of two stay far inside an `i64`.
const TIME_MAX: u64 = 1 << 52;

/// One sample: where it lies and when it is decoded and shown, in the track's units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub offset: u64,
    pub size: u32,
    pub decoded: i64,
    pub shown: i64,
    pub duration: u32,
    pub key: bool,
}

/// A track whose tables are consistent and whose samples lie inside the file.
#[derive(Debug)]
pub(super) struct Track {
    pub tkhd: TkhdBox,
    pub mdhd: MdhdBox,
    pub hdlr: HdlrBox,
    pub media_header: Option<MediaHeader>,
    pub dinf: DinfBox,
    table: SampleTableAccessor<StblBox>,
    /// What is shown of it, `from..to` in the track's units.
    pub visible: (i64, i64),
    /// Seconds of the film before it begins.
    pub delay: f64,
}

impl Track {
    pub fn new(source: TrakBox, film_timescale: NonZeroU32, file_len: u64) -> Result<Self, Error> {
        let media = source.mdia_box;
        let table = SampleTableAccessor::new(media.minf_box.stbl_box)
            .map_err(|error| Error::Broken(format!("inconsistent sample tables: {error}")))?;
        if media.minf_box.dinf_box.dref_box.url_box.as_ref().is_some_and(|url| url.location.is_some()) {
            return Err(Error::Broken("its samples lie in another file".to_owned()));
        }
        if table.sample_count() > SAMPLES_MAX {
            return Err(Error::TooLarge(format!("{} samples in one track", table.sample_count())));
        }
        let mut track = Self {
            tkhd: source.tkhd_box,
            mdhd: media.mdhd_box,
            hdlr: media.hdlr_box,
            media_header: media.minf_box.media_header,
            dinf: media.minf_box.dinf_box,
            table,
            visible: (0, 0),
            delay: 0.0,
        };
        let end = track.check(file_len)?;
        track.edit(source.edts_box, film_timescale, end)?;
        Ok(track)
    }

    pub fn timescale(&self) -> NonZeroU32 {
        self.mdhd.timescale
    }

    pub fn len(&self) -> u32 {
        self.table.sample_count()
    }

    /// The sample at `index`, counted from 0.
    pub fn sample(&self, index: u32) -> Option<Sample> {
        let sample = self.table.get_sample(NonZeroU32::MIN.checked_add(index)?)?;
        let decoded = i64::try_from(sample.timestamp().min(TIME_MAX)).ok()?;
        Some(Sample {
            offset: sample.data_offset(),
            size: sample.data_size(),
            decoded,
            shown: decoded + sample.composition_time_offset().unwrap_or(0),
            duration: sample.duration(),
            key: sample.is_sync_sample(),
        })
    }

    /// The samples `from..to`.
    pub fn samples(&self, from: u32, to: u32) -> impl Iterator<Item = Sample> {
        (from..to).map_while(|index| self.sample(index))
    }

    /// The first sample that is decoded at or after `time`.
    pub fn first_from(&self, time: i64) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.sample(middle).is_some_and(|sample| sample.decoded < time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Numbers of the key frames. Without a table of them every sample is one.
    pub fn key_samples(&self) -> Vec<u32> {
        match &self.table.stbl_box().stss_box {
            None => (0..self.len()).collect(),
            Some(stss) => stss.sample_numbers.iter().map(|n| n.get() - 1).filter(|n| *n < self.len()).collect(),
        }
    }

    pub fn marks_key_frames(&self) -> bool {
        self.table.stbl_box().stss_box.is_some()
    }

    /// The one description all samples share, or why there is none.
    pub fn entry(&self) -> Result<&SampleEntry, Error> {
        match self.table.stbl_box().stsd_box.entries.as_slice() {
            [entry] => Ok(entry),
            entries => Err(Error::Broken(format!("{} sample descriptions in one track", entries.len()))),
        }
    }

    /// Seconds on the film's time line of a moment in the track's units.
    pub fn seconds(&self, time: i64) -> f64 {
        self.delay + seconds(time - self.visible.0, self.timescale())
    }

    /// The reverse of [`Track::seconds`].
    pub fn time(&self, seconds: f64) -> i64 {
        self.visible.0 + units(seconds - self.delay, self.timescale())
    }

    /// Checks that every sample lies in the file and every time is sane; answers when the last one ends.
    fn check(&self, file_len: u64) -> Result<i64, Error> {
        let (mut end, mut bytes) = (0, 0);
        for index in 0..self.len() {
            let Some(sample) = self.sample(index) else { break };
            if sample.offset.checked_add(u64::from(sample.size)).is_none_or(|end| end > file_len) {
                return Err(Error::Broken(format!("sample {index} lies beyond the end of the file")));
            }
            if sample.decoded.unsigned_abs() >= TIME_MAX {
                return Err(Error::Broken("absurd sample times".to_owned()));
            }
            bytes += u64::from(sample.size);
            end = end.max(sample.shown + i64::from(sample.duration));
        }
        // Samples that share bytes would let a small file grow into an endless clip.
        if bytes > file_len {
            return Err(Error::Broken("its samples overlap".to_owned()));
        }
        if let Some(stss) = &self.table.stbl_box().stss_box
            && !stss.sample_numbers.is_sorted_by(|a, b| a < b)
        {
            return Err(Error::Broken("its table of key frames is not in order".to_owned()));
        }
        Ok(end)
    }

    /// Takes over the edit list: pauses first, then one stretch at normal speed. Anything else is somebody's montage.
    fn edit(&mut self, edts: Option<EdtsBox>, film: NonZeroU32, end: i64) -> Result<(), Error> {
        let start = if self.table.stbl_box().ctts_box.is_some() { self.earliest().min(0) } else { 0 };
        self.visible = (start, end);
        let entries = edts.and_then(|edts| edts.elst_box).map(|elst| elst.entries).unwrap_or_default();
        let mut pause = 0_u64;
        let mut shown = None;
        for entry in entries {
            match (entry.media_time, shown) {
                (..0, None) => pause = pause.saturating_add(entry.edit_duration),
                (0.., None) if entry.media_rate.integer == 1 && entry.media_rate.fraction == 0 => {
                    shown = Some((entry.media_time, entry.edit_duration));
                }
                (_, None) => return Err(Error::EditList("changes the speed")),
                (_, Some(_)) => return Err(Error::EditList("puts several parts together")),
            }
        }
        if pause >= TIME_MAX {
            return Err(Error::EditList("holds absurd times"));
        }
        self.delay = seconds(pause.cast_signed(), film);
        if let Some((from, length)) = shown {
            let length = rescale(length, film, self.timescale());
            let to = if length == 0 { end } else { from.saturating_add_unsigned(length).min(end) };
            if from >= end {
                return Err(Error::EditList("shows nothing of the track"));
            }
            self.visible = (from, to);
        }
        Ok(())
    }

    /// When the first frame shows, looking only as far as frames are ever reordered.
    fn earliest(&self) -> i64 {
        self.samples(0, self.len().min(64)).map(|sample| sample.shown).min().unwrap_or(0)
    }
}

/// Units of a clock as seconds.
#[expect(clippy::cast_precision_loss, reason = "film times stay below 2^52, which an f64 holds exactly")]
pub(super) fn seconds(units: i64, timescale: NonZeroU32) -> f64 {
    units as f64 / f64::from(timescale.get())
}

/// Seconds as units of a clock, to the nearest; no more of them than a film has, since a pause on a slow clock may be
/// beyond all numbers on a fast one.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and is cut to less")]
pub(super) fn units(seconds: f64, timescale: NonZeroU32) -> i64 {
    let most = TIME_MAX.cast_signed();
    ((seconds * f64::from(timescale.get())).round() as i64).clamp(-most, most)
}

/// A length on one clock as units of another, rounded up so that nothing is cut off.
pub(super) fn rescale(length: u64, from: NonZeroU32, to: NonZeroU32) -> u64 {
    let scaled = (u128::from(length) * u128::from(to.get())).div_ceil(u128::from(from.get()));
    u64::try_from(scaled).unwrap_or(u64::MAX).min(TIME_MAX)
}
