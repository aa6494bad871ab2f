//! The outermost boxes: is this an MP4, is it whole, where is its index.

use shiguredo_mp4::boxes::MoovBox;
use shiguredo_mp4::{BoxHeader, BoxSize, BoxType, Decode as _};

use super::Error;
use super::reader::Reader;

/// An index of a five-hour film with sound is about 20 MiB.
const INDEX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A real file has a handful; a hostile one may have millions.
const BOXES_MAX: usize = 10_000;

/// Walks the outermost boxes and reads the index.
pub(super) fn index(reader: &mut Reader) -> Result<MoovBox, Error> {
    let mut offset = 0;
    let mut found = None;
    for boxes in 0.. {
        if offset >= reader.len() {
            break;
        }
        if boxes == BOXES_MAX {
            return Err(Error::Broken("too many outermost boxes".to_owned()));
        }
        let (kind, size) = head(reader, offset)?;
        match kind {
            BoxType::Normal([b'm', b'o', b'o', b'f']) => return Err(Error::Fragmented),
            BoxType::Normal([b'm', b'o', b'o', b'v']) if found.is_none() => found = Some((offset, size)),
            _ => {}
        }
        offset += size;
    }
    let (offset, size) = found.ok_or(Error::NoIndex)?;
    if size > INDEX_BYTES_MAX {
        return Err(Error::TooLarge(format!("an index of {size} bytes (at most {INDEX_BYTES_MAX})")));
    }
    let size = usize::try_from(size).map_err(|_| Error::TooLarge("its index".to_owned()))?;
    let mut bytes = vec![0; size];
    reader.read(offset, &mut bytes)?;
    let unreadable = |error| Error::Broken(format!("its index cannot be read: {error}"));
    let (moov, _) = match MoovBox::decode(&bytes) {
        // QuickTime describes sound in its own way; only then is the brand of interest.
        Err(_) if is_quicktime(reader)? => return Err(Error::QuickTime),
        decoded => decoded.map_err(unreadable)?,
    };
    if moov.mvex_box.is_some() { Err(Error::Fragmented) } else { Ok(moov) }
}

fn is_quicktime(reader: &mut Reader) -> Result<bool, Error> {
    let mut head = [0; 12];
    reader.read(0, &mut head)?;
    Ok(&head[4..] == b"ftypqt  ")
}

/// Type and whole size of the box at `offset`; the size never reaches beyond the file.
fn head(reader: &mut Reader, offset: u64) -> Result<(BoxType, u64), Error> {
    let left = reader.len() - offset;
    let mut bytes = [0; BoxHeader::MAX_SIZE];
    let there = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    reader.read(offset, &mut bytes[..there])?;
    let bad = |why: String| if offset == 0 { Error::NotMp4 } else { Error::Broken(why) };
    if there < BoxHeader::MIN_SIZE {
        return Err(bad(format!("{there} stray bytes at its end")));
    }
    let (header, header_size) =
        BoxHeader::decode(&bytes[..there]).map_err(|error| bad(format!("bad box at byte {offset}: {error}")))?;
    if offset == 0 && !opens_an_mp4(header.box_type) {
        return Err(Error::NotMp4);
    }
    let size = match header.box_size {
        BoxSize::U32(0) => left,
        size => size.get(),
    };
    if size < header_size as u64 {
        return Err(bad(format!("bad box size at byte {offset}")));
    }
    match size.checked_sub(left) {
        None | Some(0) => Ok((header.box_type, size)),
        Some(missing) => Err(Error::Truncated { part: header.box_type.to_string(), missing }),
    }
}

fn opens_an_mp4(kind: BoxType) -> bool {
    const FIRST: [&[u8; 4]; 9] = [b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot"];
    matches!(kind, BoxType::Normal(name) if FIRST.contains(&&name))
}
