//! The cutter against real files made by a real ffmpeg: what it cuts decodes and equals the source frame by frame, and
//! what it cannot cut it refuses by name.
use std::path::{Path, PathBuf};
use std::process::Command;

use cliprelay::embedded::cutter::{self, Error, Source, cut, inspect, plan};
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
    let times = times.lines().map(|line| line.split(',').next().unwrap().parse().unwrap());
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

/// Cuts `path` into clips of two groups of pictures and holds every clip against the source.
fn check(path: &Path, dir: &TempDir) -> Source {
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
        plays(&out, &source, end - start);
        assert!((clip.duration - (end - start)).abs() < 0.002, "{} is not {}", clip.duration, end - start);
        assert_eq!(clip.size, std::fs::metadata(&out).unwrap().len());
    }
    assert_eq!(seen, whole.len(), "every frame of the source is in exactly one clip");
    source
}

/// The clip decodes silently, begins at 0, plays while it loads, and its sound is as long as its pictures.
fn plays(clip: &Path, source: &Source, duration: f64) {
    let path = clip.to_str().unwrap();
    assert_eq!(run("ffmpeg", &["-v", "error", "-xerror", "-i", path, "-f", "null", "-"]), "");
    assert_eq!(probe(clip, "v:0", "start_time"), "0.000000");
    let length: f64 = probe(clip, "v:0", "duration").parse().unwrap();
    assert!((length - duration).abs() < 0.05, "{length} is not {duration}");
    let bytes = std::fs::read(clip).unwrap();
    let place = |name: &[u8]| bytes.windows(4).position(|window| window == name);
    assert!(place(b"moov") < place(b"mdat"), "the index comes first");
    assert_eq!(probe(clip, "a", "codec_name") == "aac", source.has_audio);
    if source.has_audio {
        let sound: f64 = probe(clip, "a:0", "duration").parse().unwrap();
        assert!((sound - duration).abs() < 0.1, "{sound} s of sound for {duration} s of pictures");
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
        ("intra.mp4", "-bf 0 -g 1 -c:a aac"),
    ] {
        let source = check(&make(&dir, name, &[PICTURE, SOUND], &format!("{x264} {options}")), &dir);
        assert!(source.has_audio);
        assert_eq!((source.width, source.height), (320, 180));
        assert!((source.duration - 9.0).abs() < 0.01, "{name}: {}", source.duration);
    }
}

#[test]
fn cuts_odd_rates_sizes_and_layouts() {
    let dir = TempDir::new().unwrap();
    let film = "testsrc2=size=322x242:rate=30000/1001:duration=7";
    let tone = "sine=frequency=300:sample_rate=44100:duration=7";
    let x264 = "-c:v libx264 -pix_fmt yuv420p -bf 2 -x264-params keyint=37:min-keyint=5:open-gop=0";
    let source = check(&make(&dir, "ntsc.mp4", &[film, tone], &format!("{x264} -c:a aac -ac 2")), &dir);
    assert!((source.duration - 7.0).abs() < 0.05);
    let silent = check(&make(&dir, "silent.mp4", &[film], &format!("{x264} -movflags +faststart")), &dir);
    assert!(!silent.has_audio);
    let film = make(&dir, "long.mp4", &[film, tone], &format!("{x264} -c:a aac"));
    // A trimmed copy begins before the first frame that is shown: its edit list hides the rest.
    let trimmed = dir.path().join("trimmed.mp4");
    let (from, to) = (film.to_str().unwrap(), trimmed.to_str().unwrap());
    run("ffmpeg", &["-v", "error", "-ss", "2.1", "-i", from, "-t", "3", "-c", "copy", to]);
    check(&trimmed, &dir);
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
