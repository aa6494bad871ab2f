//! Why a file cannot be cut, in words that say what to do about it.

use std::path::PathBuf;

/// Appended to every refusal that another encoding would cure.
const REENCODE: &str = "re-encode it: ffmpeg -i INPUT -map 0:v:0 -map 0:a:0? -c:v libx264 -x264-params open-gop=0 \
                        -pix_fmt yuv420p -c:a aac -movflags +faststart OUTPUT.mp4";
/// Likewise for those that a new container alone would cure.
const REMUX: &str =
    "rewrite its container: ffmpeg -i INPUT -map 0:v:0 -map 0:a:0? -c copy -movflags +faststart OUTPUT.mp4";

/// What is wrong with the file, or with what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the file is empty")]
    Empty,
    #[error("not an MP4 file; {REENCODE}")]
    NotMp4,
    #[error("the file is truncated: {missing} bytes of its '{part}' box are missing; get a whole copy of it")]
    Truncated { part: String, missing: u64 },
    #[error("the file has no index (no 'moov' box), as when a recording or upload broke off; get a whole copy of it")]
    NoIndex,
    #[error("the MP4 is fragmented; {REMUX}")]
    Fragmented,
    #[error("the file is a QuickTime movie, not an MP4; {REMUX}")]
    QuickTime,
    #[error("the {track} is {codec}, only {wanted} can be cut; {REENCODE}")]
    Codec { track: &'static str, codec: String, wanted: &'static str },
    #[error("there is no video track; a file with H.264 video is needed")]
    NoVideo,
    #[error("there are {0} video tracks and it is not clear which is meant; {REMUX}")]
    SeveralVideoTracks(usize),
    #[error(
        "the video has open groups of pictures ({why} at {at:.3} s), so it cannot be cut at key frames; {REENCODE}"
    )]
    OpenGop { at: f64, why: &'static str },
    #[error("its edit list {0}; {REENCODE}")]
    EditList(&'static str),
    #[error("the file is beyond what this cutter takes: {0}")]
    TooLarge(String),
    #[error("the file is broken: {0}; {REENCODE}")]
    Broken(String),
    #[error("there is no clip from key frame {from} to {to}: the video has {key_frames}")]
    Range { from: usize, to: usize, key_frames: usize },
}

impl Error {
    /// A word for programs, stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::Write { .. } => "unwritable",
            Self::Empty => "empty_file",
            Self::NotMp4 => "not_an_mp4",
            Self::Truncated { .. } => "truncated",
            Self::NoIndex => "no_index",
            Self::Fragmented => "fragmented",
            Self::QuickTime => "quicktime",
            Self::Codec { .. } => "unsupported_codec",
            Self::NoVideo => "no_video",
            Self::SeveralVideoTracks(_) => "several_video_tracks",
            Self::OpenGop { .. } => "open_gop",
            Self::EditList(_) => "edit_list",
            Self::TooLarge(_) => "too_large",
            Self::Broken(_) => "broken_file",
            Self::Range { .. } => "bad_range",
        }
    }
}
