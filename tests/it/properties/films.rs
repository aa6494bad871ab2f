//! The same film laid out otherwise is cut into the same clips: boxes in another order, with gaps, long headers, a last
//! box without a length. And whatever is changed in one, the cutter answers (the fuzzers' check, on any toolchain).

use crate::corpus::checks;
use cliprelay::embedded::cutter::{cut, inspect};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FILMS: [&str; 7] = [
    "silent",
    "reordered-with-sound",
    "negative-offsets",
    "every-frame-a-key",
    "trimmed-by-an-edit-list",
    "sound-begins-late",
    "pictures-begin-late",
];

fn film(name: &str) -> Vec<u8> {
    let path = format!("{}/fuzz/corpus/mp4/{name}.mp4", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One outermost box: its name, where its content stood, and its content.
struct Outer {
    name: [u8; 4],
    content_at: usize,
    content: Vec<u8>,
}

fn outermost(film: &[u8]) -> Vec<Outer> {
    let mut boxes = Vec::new();
    let mut at = 0;
    while at < film.len() {
        let size = u32::from_be_bytes(film[at..at + 4].try_into().unwrap()) as usize;
        let name = film[at + 4..at + 8].try_into().unwrap();
        boxes.push(Outer { name, content_at: at + 8, content: film[at + 8..at + size].to_vec() });
        at += size;
    }
    boxes
}

/// How a film is laid out anew.
#[derive(Debug, Clone)]
struct Layout {
    index_first: bool,
    /// Bytes of padding before each box, if any, and after the last.
    gaps: Vec<Option<usize>>,
    long_header: bool,
    open_end: bool,
}

fn layout() -> impl Strategy<Value = Layout> {
    let gaps = proptest::collection::vec(proptest::option::of(0..300_usize), 4);
    (any::<bool>(), gaps, any::<bool>(), any::<bool>()).prop_map(|(index_first, gaps, long_header, open_end)| Layout {
        index_first,
        gaps,
        long_header,
        open_end,
    })
}

fn write(film: &[u8], layout: &Layout) -> Vec<u8> {
    let boxes = outermost(film);
    let named = |name: &[u8; 4]| boxes.iter().find(|outer| outer.name == *name).unwrap();
    let (index, samples) = (named(b"moov"), named(b"mdat"));
    let order = if layout.index_first { [named(b"ftyp"), index, samples] } else { [named(b"ftyp"), samples, index] };
    let mut written = Vec::new();
    let (mut index_at, mut samples_at) = (0, 0);
    let gap = |written: &mut Vec<u8>, number: usize| {
        if let Some(size) = layout.gaps[number] {
            written.extend(u32::try_from(size + 8).unwrap().to_be_bytes());
            written.extend(b"free");
            // What looks like a box is none if it is padding.
            written.extend(b"moofmoovmdat".iter().cycle().take(size));
        }
    };
    for (number, outer) in order.into_iter().enumerate() {
        gap(&mut written, number);
        let is_last = number == 2 && layout.gaps[3].is_none();
        let size = if is_last && layout.open_end { 0 } else { outer.content.len() + 8 };
        if outer.name == *b"mdat" && layout.long_header && size > 0 {
            written.extend(1_u32.to_be_bytes());
            written.extend(outer.name);
            written.extend((size as u64 + 8).to_be_bytes());
        } else {
            written.extend(u32::try_from(size).unwrap().to_be_bytes());
            written.extend(outer.name);
        }
        match &outer.name {
            b"moov" => index_at = written.len(),
            b"mdat" => samples_at = written.len(),
            _ => {}
        }
        written.extend(&outer.content);
    }
    gap(&mut written, 3);
    let end = index_at + index.content.len();
    moved(&mut written[index_at..end], samples.content_at, samples_at);
    written
}

/// Tells the index that the samples lie elsewhere now.
fn moved(index: &mut [u8], from: usize, to: usize) {
    let tables: Vec<usize> = (4..index.len()).filter(|at| index[at - 4..*at] == *b"stco").collect();
    assert!(!tables.is_empty());
    for table in tables {
        let number = |at: usize, index: &[u8]| u32::from_be_bytes(index[at..at + 4].try_into().unwrap()) as usize;
        for entry in 0..number(table + 4, index) {
            let at = table + 8 + 4 * entry;
            let offset = u32::try_from(number(at, index) - from + to).unwrap();
            index[at..at + 4].copy_from_slice(&offset.to_be_bytes());
        }
    }
}

/// Where the numbers stand of the boxes that say when and where samples are.
fn numbers(film: &[u8]) -> Vec<usize> {
    const TABLES: [&[u8; 4]; 10] =
        [b"mvhd", b"tkhd", b"elst", b"mdhd", b"stts", b"stss", b"ctts", b"stsc", b"stsz", b"stco"];
    let tables = (4..film.len() - 4).filter(|at| TABLES.iter().any(|name| film[*at..at + 4] == **name));
    let numbers = tables.flat_map(|at| {
        let size = u32::from_be_bytes(film[at - 4..at].try_into().unwrap()) as usize;
        (at + 4..at - 4 + size).step_by(4)
    });
    numbers.filter(|at| at + 4 <= film.len()).collect()
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn clip(path: &Path, folder: &TempDir, from: usize, to: usize) -> Vec<u8> {
    let out = folder.path().join("clip.mp4");
    cut(path, from, to, &out).unwrap_or_else(|error| panic!("{}: {from}..{to}: {error}", path.display()));
    std::fs::read(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_film_laid_out_otherwise_is_cut_the_same(name in proptest::sample::select(FILMS.to_vec()), layout in layout()) {
        let folder = TempDir::new().unwrap();
        let film = film(name);
        let (plain, other) = (put(&folder, "plain.mp4", &film), put(&folder, "other.mp4", &write(&film, &layout)));
        let (before, mut after) = (inspect(&plain).unwrap(), inspect(&other).unwrap());
        after.size = before.size;
        prop_assert_eq!(&after, &before);
        let keys = before.key_frames.len();
        for (from, to) in (0..keys).map(|key| (key, key + 1)).chain([(0, keys)]) {
            prop_assert!(clip(&other, &folder, from, to) == clip(&plain, &folder, from, to), "{}..{} of {}", from, to, name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Numbers of the index changed, to what lies at the ends of their ranges or to anything.
    #[test]
    fn a_film_with_numbers_changed_is_cut_or_refused(
        name in proptest::sample::select(FILMS.to_vec()),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            proptest::sample::select(vec![0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]), any::<u32>(), 0..2_000_u32, 0..12_u32,
        ]), 1..4),
    ) {
        let mut film = film(name);
        let numbers = numbers(&film);
        for (place, number) in edits {
            let at = numbers[place.index(numbers.len())];
            film[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
        checks::mp4::check(&film);
    }
}
