//! The cutter against real files made by a real ffmpeg: what it cuts decodes and equals the source frame by frame, and
//! what it cannot cut it refuses by name.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at once")]

use std::path::{Path, PathBuf};
use std::process::Command;

use cliprelay::embedded::cutter::{Error, Source, cut, inspect, plan};
use tempfile::TempDir;

const PICTURE: &str = "testsrc2=size=320x180:rate=25:duration=9";
const SOUND: &str = "sine=frequency=440:sample_rate=48000:duration=9";

/// Runs a program that must succeed without a word and answers what it printed.
fn run(program: &str, args: &[&str]) -> String {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} must be installed: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{program} {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a source from lavfi inputs and output options.
fn make(dir: &TempDir, name: &str, inputs: &[&str], options: &str) -> PathBuf {
    let path = dir.path().join(name);
    let mut args = vec!["-v", "error", "-y"];
    for input in inputs {
        args.extend(["-f", "lavfi", "-i", input]);
    }
    args.extend(options.split_whitespace());
    args.push(path.to_str().unwrap());
    run("ffmpeg", &args);
    path
}

/// When each decoded video frame shows, and its hash.
fn frames(path: &Path) -> Vec<(f64, String)> {
    let path = path.to_str().unwrap();
    let args = ["-v", "error", "-xerror", "-noautorotate", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough"];
    let hashes = run("ffmpeg", &[&args[..], &["-f", "framemd5", "-"]].concat());
    let hashes =
        hashes.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(',').next().unwrap().trim());
    let times = ["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0", path];
    let times = run("ffprobe", &times);
    let times = times.lines().filter_map(|line| line.split(',').next().unwrap().parse().ok());
    let frames: Vec<_> = times.zip(hashes.clone().map(str::to_owned)).collect();
    assert_eq!(frames.len(), hashes.count());
    frames
}

/// One value of a stream as ffprobe tells it.
fn probe(path: &Path, stream: &str, entry: &str) -> String {
    let path = path.to_str().unwrap();
    let entries = format!("stream={entry}");
    let args = ["-v", "error", "-select_streams", stream, "-show_entries", &entries, "-of", "csv=p=0", path];
    run("ffprobe", &args).trim().trim_end_matches(',').to_owned()
}

/// Cuts `path` into clips of two groups of pictures and holds every clip against the source; sound and picture may differ
/// by `slack` seconds.
fn check(path: &Path, dir: &TempDir, slack: f64) -> Source {
    let source = inspect(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let whole = frames(path);
    let mut seen = 0;
    for from in (0..source.key_frames.len()).step_by(2) {
        let to = (from + 2).min(source.key_frames.len());
        let out = dir.path().join(format!("clip-{from}.mp4"));
        let clip = cut(path, from, to, &out).unwrap();
        let (start, end) = (source.key_frames[from], source.boundary(to));
        let wanted: Vec<_> =
            whole.iter().filter(|(at, _)| *at >= start - 0.01 && *at < end - 0.01).map(|(_, hash)| hash).collect();
        let got = frames(&out);
        assert_eq!(got.iter().map(|(_, hash)| hash).collect::<Vec<_>>(), wanted, "{} {from}..{to}", path.display());
        seen += got.len();
        plays(&out, &source, end - start, slack);
        assert!((clip.duration - (end - start)).abs() < 0.002, "{} is not {}", clip.duration, end - start);
        assert_eq!(clip.size, std::fs::metadata(&out).unwrap().len());
    }
    assert_eq!(seen, whole.len(), "every frame of the source is in exactly one clip");
    source
}

/// The clip decodes silently, begins at 0, plays while it loads, and its sound is as long as its pictures.
fn plays(clip: &Path, source: &Source, duration: f64, slack: f64) {
    let path = clip.to_str().unwrap();
    assert_eq!(run("ffmpeg", &["-v", "error", "-xerror", "-i", path, "-f", "null", "-"]), "");
    assert_eq!(probe(clip, "v:0", "start_time"), "0.000000");
    let length: f64 = probe(clip, "v:0", "duration").parse().unwrap();
    // A copy trimmed by ffmpeg may lack reordered frames at its end.
    assert!((length - duration).abs() < 0.1, "{length} is not {duration}");
    let bytes = std::fs::read(clip).unwrap();
    let place = |name: &[u8]| bytes.windows(4).position(|window| window == name);
    assert!(place(b"moov") < place(b"mdat"), "the index comes first");
    assert_eq!(probe(clip, "a", "codec_name") == "aac", source.has_audio);
    if source.has_audio {
        let sound: f64 = probe(clip, "a:0", "duration").parse().unwrap();
        assert!((sound - duration).abs() < slack, "{sound} s of sound for {duration} s of pictures");
    }
}

#[test]
fn cuts_what_x264_makes() {
    let dir = TempDir::new().unwrap();
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params keyint=50:open-gop=0:scenecut=0";
    for (name, options) in [
        ("b0.mp4", "-bf 0 -c:a aac"),
        ("b2.mp4", "-bf 2 -c:a aac"),
        ("b3.mp4", "-bf 3 -b_strategy 0 -c:a aac -movflags +faststart"),
        ("negative.mp4", "-bf 2 -c:a aac -movflags +negative_cts_offsets"),
    ] {
        let source = check(&make(&dir, name, &[PICTURE, SOUND], &format!("{x264} {options}")), &dir, 0.06);
        assert!(source.has_audio);
        assert_eq!((source.width, source.height), (320, 180));
        assert!((source.duration - 9.0).abs() < 0.01, "{name}: {}", source.duration);
    }
    let intra = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 1 -t 0.4";
    let source = check(&make(&dir, "intra.mp4", &[PICTURE], intra), &dir, 0.0);
    assert_eq!(source.key_frames.len(), 10, "every frame is a key frame");
}

#[test]
fn cuts_odd_rates_sizes_and_layouts() {
    let dir = TempDir::new().unwrap();
    let film = "testsrc2=size=322x242:rate=30000/1001:duration=7";
    let tone = "sine=frequency=300:sample_rate=44100:duration=7";
    let x264 = "-c:v libx264 -pix_fmt yuv420p -bf 2 -x264-params keyint=37:min-keyint=5:open-gop=0";
    let source = check(&make(&dir, "ntsc.mp4", &[film, tone], &format!("{x264} -c:a aac -ac 2")), &dir, 0.06);
    assert!((source.duration - 7.0).abs() < 0.05);
    let silent = check(&make(&dir, "silent.mp4", &[film], &format!("{x264} -movflags +faststart")), &dir, 0.0);
    assert!(!silent.has_audio);
    let film = make(&dir, "long.mp4", &[film, tone], &format!("{x264} -c:a aac"));
    // A trimmed copy begins before the first frame that is shown: its edit list hides the rest.
    let trimmed = dir.path().join("trimmed.mp4");
    let (from, to) = (film.to_str().unwrap(), trimmed.to_str().unwrap());
    run("ffmpeg", &["-v", "error", "-ss", "2.1", "-i", from, "-t", "3", "-c", "copy", to]);
    check(&trimmed, &dir, 0.2);
    // Sound that begins later than the pictures.
    let late = dir.path().join("late.mp4");
    let args = ["-v", "error", "-i", from, "-itsoffset", "1.7", "-i", from, "-map", "0:v", "-map", "1:a", "-c", "copy"];
    run("ffmpeg", &[&args[..], &["-t", "7", late.to_str().unwrap()]].concat());
    let source = inspect(&late).unwrap();
    let out = dir.path().join("late-clip.mp4");
    cut(&late, 0, source.key_frames.len(), &out).unwrap();
    let start: f64 = probe(&out, "a:0", "start_time").parse().unwrap();
    assert!((start - 1.7).abs() < 0.05, "the pause before the sound is kept: {start}");
}

/// The refusal of a source, as its code and its words.
fn refusal(path: &Path) -> (&'static str, String) {
    let error = inspect(path).expect_err(&format!("{} must be refused", path.display()));
    (error.code(), error.to_string())
}

#[test]
fn refuses_what_cannot_be_cut_and_says_why() {
    let dir = TempDir::new().unwrap();
    let x264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50";
    for (name, inputs, options, code, word) in [
        ("open.mp4", &[PICTURE][..], "-c:v libx264 -bf 3 -x264-params keyint=50:open-gop=1", "open_gop", "open groups"),
        ("frag.mp4", &[PICTURE], &format!("{x264} -movflags frag_keyframe+empty_moov"), "fragmented", "fragmented"),
        (
            "hevc.mp4",
            &[PICTURE],
            "-c:v libx265 -preset ultrafast -x265-params log-level=none",
            "unsupported_codec",
            "HEVC",
        ),
        ("mpeg4.mp4", &[PICTURE], "-c:v mpeg4", "unsupported_codec", "MPEG-4 Visual"),
        ("mp3.mp4", &[PICTURE, SOUND], &format!("{x264} -c:a libmp3lame"), "unsupported_codec", "MP3"),
        ("sound.mp4", &[SOUND], "-c:a aac", "no_video", "no video"),
        (
            "two.mp4",
            &[PICTURE, PICTURE],
            &format!("{x264} -map 0 -map 1 -disposition:v default"),
            "several_video_tracks",
            "2 video",
        ),
        ("film.mov", &[PICTURE, SOUND], &format!("{x264} -c:a aac"), "quicktime", "QuickTime"),
        ("film.mkv", &[PICTURE], x264, "not_an_mp4", "not an MP4"),
    ] {
        let (got, said) = refusal(&make(&dir, name, inputs, options));
        assert_eq!(got, code, "{name}: {said}");
        assert!(said.contains(word) && (said.contains("ffmpeg") || code == "no_video"), "{name}: {said}");
    }
    let good = std::fs::read(make(&dir, "good.mp4", &[PICTURE], x264)).unwrap();
    let fast = std::fs::read(make(&dir, "fast.mp4", &[PICTURE], &format!("{x264} -movflags +faststart"))).unwrap();
    let file = dir.path().join("file");
    let mdat = good.windows(4).position(|window| window == b"mdat").unwrap() - 4;
    for (bytes, code) in [
        (&b""[..], "empty_file"),
        (b"This is a text, and not a short one either.\n", "not_an_mp4"),
        (b"<html>", "not_an_mp4"),
        (&good[..good.len() / 2], "truncated"),
        (&good[..good.len() - 9], "truncated"),
        (&fast[..fast.len() - 1], "truncated"),
        (&good[..mdat], "no_index"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(refusal(&file).0, code);
    }
    assert_eq!(refusal(&dir.path().join("none.mp4")).0, "unreadable");
    assert_eq!(refusal(dir.path()).0, "unreadable");
}

#[test]
fn keeps_the_rotation_and_refuses_impossible_ranges() {
    let dir = TempDir::new().unwrap();
    let flat = make(&dir, "flat.mp4", &[PICTURE], "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50");
    let turned = dir.path().join("turned.mp4");
    let (from, to) = (flat.to_str().unwrap(), turned.to_str().unwrap());
    run("ffmpeg", &["-v", "error", "-i", from, "-c", "copy", "-metadata:s:v:0", "rotate=90", to]);
    let out = dir.path().join("out.mp4");
    cut(&turned, 1, 3, &out).unwrap();
    let rotation = |path: &Path| probe(path, "v:0", "side_data_list:stream_side_data=rotation");
    assert!(rotation(&turned).contains("90") && rotation(&turned) == rotation(&out), "{}", rotation(&out));
    let keys = inspect(&flat).unwrap().key_frames.len();
    for (from, to) in [(1, 1), (2, 1), (keys, keys), (0, keys + 1), (usize::MAX, usize::MAX)] {
        assert!(matches!(cut(&flat, from, to, &out), Err(Error::Range { .. })), "{from}..{to}");
    }
}

/// Every single-byte change to the index, and many to the stream: an answer or an error, never a panic or a hang.
#[test]
fn survives_hostile_input() {
    let dir = TempDir::new().unwrap();
    let options =
        "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -g 5 -c:a aac -b:a 16k -t 2 -movflags +faststart";
    let good =
        std::fs::read(make(&dir, "good.mp4", &["testsrc2=size=64x48:rate=10:duration=2", SOUND], options)).unwrap();
    let (file, out) = (dir.path().join("bad.mp4"), dir.path().join("out.mp4"));
    let index_end = good.windows(4).position(|window| window == b"mdat").unwrap() + 64;
    let (mut cut_anyway, mut refused) = (0, 0);
    for place in 0..index_end {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[place] = value;
            std::fs::write(&file, &bytes).unwrap();
            match cut(&file, 0, 1, &out) {
                Ok(clip) => {
                    assert!(
                        clip.size <= 2 * good.len() as u64,
                        "byte {place} = {value}: a clip of {} bytes",
                        clip.size
                    );
                    cut_anyway += 1;
                }
                Err(_) => refused += 1,
            }
            if let Ok(source) = inspect(&file) {
                plan(&source, 10, 1.0, 60.0, 30.0);
            }
        }
    }
    assert!(cut_anyway > 100 && refused > 100, "{cut_anyway} cut, {refused} refused");
}

#[test]
fn plans_clips_apart_and_within_limits() {
    let key_frames: Vec<f64> = (0..30).map(|n| f64::from(n) * 2.0).collect();
    let source = Source {
        duration: 60.0,
        gop_bytes: vec![10; key_frames.len()],
        key_frames,
        width: 16,
        height: 16,
        frames: 1500,
        has_audio: false,
        size: 1000,
    };
    for (count, min, max, target, wanted, last) in [
        (3, 5.0, 20.0, 10.0, 3, 40.0),
        (10, 1.0, 180.0, 60.0, 10, 54.0),
        (5, 25.0, 30.0, 30.0, 2, 30.0),
        (1, 1.0, 8.0, 100.0, 1, 0.0),
    ] {
        let clips = plan(&source, count, min, max, target);
        assert_eq!(clips.len(), wanted, "{clips:?}");
        for clip in &clips {
            assert!(clip.duration >= min && clip.duration <= max, "{clip:?}");
            assert_eq!(clip.bytes, 10 * (clip.to - clip.from) as u64);
        }
        assert!(clips.windows(2).all(|pair| pair[0].to <= pair[1].from), "{clips:?}");
        assert!(clips[wanted - 1].start >= last, "spread over the whole: {clips:?}");
    }
    assert_eq!(plan(&source, 3, 0.5, 1.0, 1.0).len(), 1, "too long groups still give one clip");
    assert_eq!(plan(&source, 3, 90.0, 120.0, 100.0)[0].to, 30, "a short source is one clip");
    assert_eq!(plan(&source, 0, 1.0, 9.0, 5.0).len(), 0);
}
