//! A source that passed every check of its structure: one H.264 track, at most one AAC track, cut points known.

use std::path::Path;

use shiguredo_mp4::BaseBox as _;
use shiguredo_mp4::boxes::{HdlrBox, MoovBox, MvhdBox, SampleEntry, TrakBox};

use super::reader::Reader;
use super::track::Track;
use super::{Error, gop, layout};

#[derive(Debug)]
pub(super) struct Movie {
    pub reader: Reader,
    pub mvhd: MvhdBox,
    pub video: Track,
    pub audio: Option<Track>,
    /// Sample numbers of the key frames at which a clip may begin, in order.
    pub cuts: Vec<u32>,
    pub width: u16,
    pub height: u16,
}

/// A stretch of the video: sample numbers, and from when to when it is shown, in the video's units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub samples: (u32, u32),
    pub shown: (i64, i64),
}

impl Movie {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut reader = Reader::open(path)?;
        let moov = layout::index(&mut reader)?;
        let film = moov.mvhd_box.timescale;
        let videos = tracks(&moov, HdlrBox::HANDLER_TYPE_VIDE);
        let video = match videos.as_slice() {
            [] => return Err(Error::NoVideo),
            [video] => Track::new((*video).clone(), film, reader.len())?,
            several => return Err(Error::SeveralVideoTracks(several.len())),
        };
        let (width, height) = match video.entry()? {
            SampleEntry::Avc1(avc1) => (avc1.visual.width, avc1.visual.height),
            other => return Err(unsupported("video", other, "H.264")),
        };
        // Of several sound tracks (languages, comments) the first is the one a player starts with.
        let audio = tracks(&moov, HdlrBox::HANDLER_TYPE_SOUN).first().copied();
        let audio = audio.map(|audio| Track::new(audio.clone(), film, reader.len())).transpose()?;
        if let Some(audio) = &audio {
            only_aac(audio.entry()?)?;
        }
        let cuts = gop::cut_points(&video)?;
        Ok(Self { reader, mvhd: moov.mvhd_box, video, audio, cuts, width, height })
    }

    /// What a clip takes over key frames `from..to`.
    pub fn range(&self, from: usize, to: usize) -> Result<Span, Error> {
        let refused = || Error::Range { from, to, key_frames: self.cuts.len() };
        if from >= to || to > self.cuts.len() {
            return Err(refused());
        }
        let first = *self.cuts.get(from).ok_or_else(refused)?;
        let last = self.cuts.get(to).copied().unwrap_or(self.video.len());
        let shown = |sample: u32| self.video.sample(sample).map_or(self.video.visible.1, |sample| sample.shown);
        let start = shown(first).max(self.video.visible.0);
        let end = if to == self.cuts.len() { self.video.visible.1 } else { shown(last) };
        Ok(Span { samples: (first, last), shown: (start, end.max(start)) })
    }
}

/// The tracks of a kind that a player plays: the enabled ones, or all if none is.
fn tracks(moov: &MoovBox, kind: [u8; 4]) -> Vec<&TrakBox> {
    let all = || moov.trak_boxes.iter().filter(|trak| trak.mdia_box.hdlr_box.handler_type == kind);
    let enabled: Vec<_> = all().filter(|trak| trak.tkhd_box.flag_track_enabled).collect();
    if enabled.is_empty() { all().collect() } else { enabled }
}

fn only_aac(entry: &SampleEntry) -> Result<(), Error> {
    let SampleEntry::Mp4a(mp4a) = entry else { return Err(unsupported("sound", entry, "AAC")) };
    match mp4a.esds_box.es.dec_config_descr.object_type_indication {
        0x40 | 0x66..=0x68 => Ok(()),
        0x69 | 0x6b => Err(Error::Codec { track: "sound", codec: "MP3".to_owned(), wanted: "AAC" }),
        other => Err(Error::Codec { track: "sound", codec: format!("MPEG-4 object type {other:#04x}"), wanted: "AAC" }),
    }
}

fn unsupported(track: &'static str, entry: &SampleEntry, wanted: &'static str) -> Error {
    let tag = entry.box_type().to_string();
    let name = match tag.as_str() {
        "hev1" | "hvc1" => "HEVC",
        "vp08" => "VP8",
        "vp09" => "VP9",
        "av01" => "AV1",
        "avc3" | "avc2" | "avc4" => "H.264 with its parameters inside the stream",
        "mp4v" => "MPEG-4 Visual",
        "encv" | "enca" => "encrypted",
        "Opus" => "Opus",
        "fLaC" => "FLAC",
        "ac-3" | "ec-3" => "Dolby Digital",
        ".mp3" => "MP3",
        _ => "of another kind",
    };
    Error::Codec { track, codec: format!("{name} ('{tag}')"), wanted }
}
