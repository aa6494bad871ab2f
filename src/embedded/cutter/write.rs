//! Writes a clip: index first (it plays while it loads), then the samples, copied run by run.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use shiguredo_mp4::boxes::{Brand, FtypBox, MdatBox};
use shiguredo_mp4::{BoxHeader, BoxSize, Encode};

use super::movie::Movie;
use super::part::{Run, parts, runs};
use super::reader::Reader;
use super::track::seconds;
use super::{Clip, Error, tables};

const COPY_BYTES: usize = 256 * 1024;
/// Beyond this the clip's offsets and sizes are written with 64 bits; leaves room for the index below 4 GiB.
const NARROW_BYTES_MAX: u64 = 4_000_000_000;

pub(super) fn clip(movie: &mut Movie, from: usize, to: usize, out: &Path) -> Result<Clip, Error> {
    let (head, copies, duration, bytes) = layout(movie, from, to)?;
    let written = File::create(out).and_then(|file| {
        let mut file = BufWriter::with_capacity(COPY_BYTES, file);
        file.write_all(&head)?;
        Ok(file)
    });
    let failed = |source| Error::Write { path: out.to_owned(), source };
    let result = written.map_err(failed).and_then(|mut file| {
        let mut buffer = vec![0; COPY_BYTES];
        for (offset, length) in copies {
            copy(&mut movie.reader, offset, length, &mut buffer, |part| file.write_all(part).map_err(failed))?;
        }
        file.flush().map_err(failed)
    });
    if result.is_err() {
        // The first error is the one worth telling; what is left of the file would only mislead.
        let _ = std::fs::remove_file(out);
    }
    result.map(|()| Clip { duration, size: head.len() as u64 + bytes })
}

/// Everything before the samples, and what to copy after it as `(offset, length)` of the source.
type Layout = (Vec<u8>, Vec<(u64, u64)>, f64, u64);

fn layout(movie: &Movie, from: usize, to: usize) -> Result<Layout, Error> {
    let parts = parts(movie, from, to)?;
    let runs = runs(&parts);
    let bytes = parts.iter().map(super::part::Part::bytes).sum::<u64>();
    let wide = bytes > NARROW_BYTES_MAX;
    let mut head = encode(&ftyp())?;
    let mdat = BoxHeader { box_type: MdatBox::TYPE, box_size: BoxSize::with_payload_size(MdatBox::TYPE, bytes) };
    let mdat = encode(&mdat)?;
    // The index's size does not depend on the offsets in it: measure it, then fill them in.
    let blank: Vec<(Run, u64)> = runs.iter().map(|run| (*run, 0)).collect();
    let index_len = encode(&tables::moov(&movie.mvhd, &parts, &blank, wide)?)?.len();
    let mut offset = (head.len() + index_len + mdat.len()) as u64;
    let mut placed = Vec::with_capacity(runs.len());
    let mut copies: Vec<(u64, u64)> = Vec::new();
    for run in runs {
        placed.push((run, offset));
        for sample in parts[run.part].track.samples(run.from, run.to) {
            let size = u64::from(sample.size);
            match copies.last_mut() {
                Some((start, length)) if *start + *length == sample.offset => *length += size,
                _ => copies.push((sample.offset, size)),
            }
            offset += size;
        }
    }
    head.extend(encode(&tables::moov(&movie.mvhd, &parts, &placed, wide)?)?);
    head.extend(mdat);
    let duration = parts.first().map_or(0.0, |part| seconds(part.shown.1.cast_signed(), part.track.timescale()));
    Ok((head, copies, duration, bytes))
}

fn ftyp() -> FtypBox {
    FtypBox {
        major_brand: Brand::ISOM,
        minor_version: 512,
        compatible_brands: vec![Brand::ISOM, Brand::ISO2, Brand::AVC1, Brand::MP41],
    }
}

fn encode(what: &impl Encode) -> Result<Vec<u8>, Error> {
    what.encode_to_vec().map_err(|error| Error::Broken(format!("the clip's index cannot be written: {error}")))
}

fn copy(
    reader: &mut Reader,
    mut offset: u64,
    mut length: u64,
    buffer: &mut [u8],
    mut write: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    while length > 0 {
        let now = usize::try_from(length).unwrap_or(usize::MAX).min(buffer.len());
        let part = &mut buffer[..now];
        reader.read(offset, part)?;
        write(part)?;
        offset += now as u64;
        length -= now as u64;
    }
    Ok(())
}
