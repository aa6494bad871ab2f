//! The index of a clip: the source's own descriptions (codec, matrix, language), with tables for the samples taken.

use std::num::NonZeroU32;

use shiguredo_mp4::boxes::{
    Co64Box, CttsBox, CttsEntry, EdtsBox, ElstBox, ElstEntry, MdiaBox, MinfBox, MoovBox, MvhdBox, StblBox, StcoBox,
    StscBox, StscEntry, StsdBox, StssBox, StszBox, SttsBox, TrakBox,
};
use shiguredo_mp4::{Either, FixedPointNumber};

use super::Error;
use super::part::{Part, Run};

/// The index. `runs` are in the order laid down, each with the offset of its first byte in the clip.
pub(super) fn moov(mvhd: &MvhdBox, parts: &[Part<'_>], runs: &[(Run, u64)], wide: bool) -> Result<MoovBox, Error> {
    let film = film_timescale(parts)?;
    let mut mvhd = mvhd.clone();
    mvhd.timescale = film;
    mvhd.duration = 0;
    let mut trak_boxes = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let mine: Vec<_> = runs.iter().filter(|(run, _)| run.part == number).copied().collect();
        let trak = trak(part, u32::try_from(number + 1).unwrap_or(1), &mine, film, wide)?;
        mvhd.duration = mvhd.duration.max(trak.tkhd_box.duration);
        trak_boxes.push(trak);
    }
    mvhd.next_track_id = u32::try_from(parts.len() + 1).unwrap_or(u32::MAX);
    Ok(MoovBox { mvhd_box: mvhd, trak_boxes, mvex_box: None, unknown_boxes: Vec::new() })
}

/// The clip's clock is that of its pictures, so that their edit list is exact.
fn film_timescale(parts: &[Part<'_>]) -> Result<NonZeroU32, Error> {
    parts.first().map(|part| part.track.timescale()).ok_or(Error::NoVideo)
}

fn trak(part: &Part<'_>, id: u32, runs: &[(Run, u64)], film: NonZeroU32, wide: bool) -> Result<TrakBox, Error> {
    let stbl_box = stbl(part, runs, wide)?;
    let mut tkhd_box = part.track.tkhd.clone();
    tkhd_box.track_id = id;
    tkhd_box.duration = part.in_film(part.pause + part.shown.1, film);
    let mut mdhd_box = part.track.mdhd.clone();
    mdhd_box.duration = samples(part).map(|sample| u64::from(sample.duration)).sum();
    let minf_box = MinfBox {
        media_header: part.track.media_header.clone(),
        dinf_box: part.track.dinf.clone(),
        stbl_box,
        unknown_boxes: Vec::new(),
    };
    let mdia_box = MdiaBox { mdhd_box, hdlr_box: part.track.hdlr.clone(), minf_box, unknown_boxes: Vec::new() };
    Ok(TrakBox { tkhd_box, edts_box: edts(part, film)?, mdia_box, unknown_boxes: Vec::new() })
}

fn edts(part: &Part<'_>, film: NonZeroU32) -> Result<Option<EdtsBox>, Error> {
    if !part.needs_edit {
        return Ok(None);
    }
    let entry = |length, media_time| ElstEntry {
        edit_duration: part.in_film(length, film),
        media_time,
        media_rate: FixedPointNumber::new(1, 0),
    };
    let from = i64::try_from(part.shown.0).map_err(|_| Error::EditList("holds absurd times"))?;
    let pause = (part.pause > 0).then(|| entry(part.pause, -1));
    let entries = pause.into_iter().chain([entry(part.shown.1, from)]).collect();
    Ok(Some(EdtsBox { elst_box: Some(ElstBox { entries }), unknown_boxes: Vec::new() }))
}

fn stbl(part: &Part<'_>, runs: &[(Run, u64)], wide: bool) -> Result<StblBox, Error> {
    let broken = |error: shiguredo_mp4::Error| Error::Broken(format!("the clip's tables: {error}"));
    Ok(StblBox {
        stsd_box: StsdBox { entries: vec![part.track.entry()?.clone()] },
        stts_box: SttsBox::from_sample_deltas(samples(part).map(|sample| sample.duration)).map_err(broken)?,
        ctts_box: ctts(part),
        cslg_box: None,
        stsc_box: stsc(runs),
        stsz_box: StszBox::Variable { entry_sizes: samples(part).map(|sample| sample.size).collect() },
        stco_or_co64_box: offsets(runs, wide)?,
        stss_box: stss(part),
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    })
}

fn samples<'a>(part: &'a Part<'_>) -> impl Iterator<Item = super::track::Sample> + 'a {
    part.track.samples(part.samples.0, part.samples.1)
}

/// How much later than decoded each sample is shown, shifted so that the first picture shows at 0: reordered pictures are
/// then shown *before* they are decoded on paper, hence version 1. Players that ignore edit lists start right as well.
fn ctts(part: &Part<'_>) -> Option<CttsBox> {
    let base = samples(part).next()?.decoded;
    let mut entries: Vec<CttsEntry> = Vec::new();
    for sample in samples(part) {
        let sample_offset = (sample.shown - part.origin) - (sample.decoded - base);
        match entries.last_mut() {
            Some(last) if last.sample_offset == sample_offset => last.sample_count += 1,
            _ => entries.push(CttsEntry { sample_count: 1, sample_offset }),
        }
    }
    let version = u8::from(entries.iter().any(|entry| entry.sample_offset < 0));
    let needed = entries.iter().any(|entry| entry.sample_offset != 0);
    needed.then_some(CttsBox { version, entries })
}

fn stsc(runs: &[(Run, u64)]) -> StscBox {
    let mut entries: Vec<StscEntry> = Vec::new();
    for ((run, _), number) in runs.iter().zip(1..) {
        let sample_per_chunk = run.to - run.from;
        let Some(first_chunk) = NonZeroU32::new(number) else { continue };
        if entries.last().is_none_or(|last| last.sample_per_chunk != sample_per_chunk) {
            entries.push(StscEntry { first_chunk, sample_per_chunk, sample_description_index: NonZeroU32::MIN });
        }
    }
    StscBox { entries }
}

fn offsets(runs: &[(Run, u64)], wide: bool) -> Result<Either<StcoBox, Co64Box>, Error> {
    if wide {
        return Ok(Either::B(Co64Box { chunk_offsets: runs.iter().map(|(_, offset)| *offset).collect() }));
    }
    let narrow = runs.iter().map(|(_, offset)| u32::try_from(*offset)).collect::<Result<_, _>>();
    let chunk_offsets = narrow.map_err(|_| Error::TooLarge("a clip beyond 4 GiB".to_owned()))?;
    Ok(Either::A(StcoBox { chunk_offsets }))
}

/// Only if the source marks its key frames; a table that is absent says that every sample is one.
fn stss(part: &Part<'_>) -> Option<StssBox> {
    let keys =
        samples(part).zip(1..).filter(|(sample, _)| sample.key).filter_map(|(_, number)| NonZeroU32::new(number));
    part.track.marks_key_frames().then(|| StssBox { sample_numbers: keys.collect() })
}
