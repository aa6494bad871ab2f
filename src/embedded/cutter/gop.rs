//! Groups of pictures: where a video may be cut, and the proof that it may.
//!
//! A cut before a key frame is clean only if nothing after it refers to anything before it: the key frame must be an IDR
//! picture, and no frame that follows it in decoding order may be shown before it. Files mark recovery points as key
//! frames too, so the mark alone proves nothing and the stream itself is looked at.

use shiguredo_mp4::boxes::SampleEntry;

use super::Error;
use super::reader::Reader;
use super::track::{Sample, Track};

/// Parameter sets, delimiters and messages come before the picture; real streams have a few.
const NALS_BEFORE_PICTURE_MAX: usize = 64;

/// The key frames at which a clip may begin: those of which something is visible.
pub(super) fn cut_points(video: &Track) -> Result<Vec<u32>, Error> {
    let (from, to) = video.visible;
    let shown = |sample: &u32| video.sample(*sample).map_or(i64::MAX, |sample| sample.shown);
    let mut cuts = video.key_samples();
    cuts.retain(|cut| shown(cut) < to);
    // A trimmed file may begin with frames that are decoded but never shown; the last key frame among them is still needed.
    let hidden = cuts.iter().take_while(|cut| shown(cut) <= from).count();
    cuts.drain(..hidden.saturating_sub(1));
    if cuts.is_empty() { Err(Error::Broken("the video has no key frame".to_owned())) } else { Ok(cuts) }
}

/// Proves that the groups of pictures `from..to` can be cut at both ends.
pub(super) fn check(reader: &mut Reader, video: &Track, cuts: &[u32], from: usize, to: usize) -> Result<(), Error> {
    let length_size = match video.entry()? {
        SampleEntry::Avc1(avc1) => usize::from(avc1.avcc_box.length_size_minus_one.get()) + 1,
        _ => return Err(Error::Broken("not H.264".to_owned())),
    };
    // One key frame further: the cut at the end of the range is proven by the group that follows.
    for (number, cut) in cuts.iter().enumerate().take(to.saturating_add(1)).skip(from) {
        let Some(key) = video.sample(*cut) else { break };
        let open = |why| Error::OpenGop { at: video.seconds(key.shown), why };
        if !begins_with_idr(reader, &key, length_size)? {
            return Err(open("a key frame that is no IDR picture"));
        }
        let next = cuts.get(number + 1).copied();
        let next_shown = next.and_then(|next| video.sample(next)).map_or(i64::MAX, |next| next.shown);
        for sample in video.samples(*cut, next.unwrap_or(video.len())) {
            if sample.shown < key.shown {
                return Err(open("a frame that is shown before the key frame it follows"));
            }
            if sample.shown >= next_shown {
                return Err(open("a frame that is shown after the next key frame"));
            }
        }
    }
    Ok(())
}

/// Looks at the units of a key frame until the first picture.
fn begins_with_idr(reader: &mut Reader, key: &Sample, length_size: usize) -> Result<bool, Error> {
    let mut offset = key.offset;
    let end = key.offset + u64::from(key.size);
    let broken = || Error::Broken(format!("the key frame at byte {} is not readable as H.264", key.offset));
    for _ in 0..NALS_BEFORE_PICTURE_MAX {
        let mut head = [0; 5];
        let head = &mut head[..=length_size];
        if offset + head.len() as u64 > end {
            return Err(broken());
        }
        reader.read(offset, head)?;
        let (length, kind) = head.split_at(length_size);
        let length = length.iter().fold(0_u64, |length, byte| (length << 8) | u64::from(*byte));
        match kind.first().map(|byte| byte & 0x1f) {
            _ if length == 0 => return Err(broken()),
            Some(5) => return Ok(true),
            Some(1..=4) => return Ok(false),
            _ => offset += length_size as u64 + length,
        }
    }
    Err(broken())
}
