//! Films made by a real ffmpeg, and what a real ffmpeg says of the clips that came of them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Closed groups of one second at 25 pictures a second.
pub const CLOSED: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params keyint=25:scenecut=0:open-gop=0";

/// Makes `name` in `folder` from lavfi inputs and output options.
pub fn make(folder: &Path, name: &str, inputs: &[&str], options: &str) -> PathBuf {
    let path = folder.join(name);
    let mut args = vec!["-v", "error", "-y"];
    for input in inputs {
        args.extend(["-f", "lavfi", "-i", input]);
    }
    args.extend(options.split_whitespace());
    args.push(path.to_str().unwrap());
    ffmpeg(&args);
    path
}

/// Noise in closed groups, some 8 Mbit/s: clips of eight seconds are above the size from which uploads are resumable.
pub fn noise(folder: &Path) -> PathBuf {
    let picture = "color=gray:size=320x240:rate=10:duration=24,noise=alls=100:allf=t";
    let options = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -b:v 8M -minrate 8M -maxrate 8M -bufsize 8M";
    let groups = "-x264-params keyint=20:scenecut=0:open-gop=0:nal-hrd=cbr -movflags +faststart";
    make(folder, "noise.mp4", &[picture], &format!("{options} {groups}"))
}

fn ffmpeg(args: &[&str]) -> String {
    let output = Command::new("ffmpeg").args(args).output();
    let output = output.unwrap_or_else(|error| panic!("ffmpeg must be installed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The clip decodes from its first to its last byte without a word.
pub fn decodes(clip: &Path) {
    let clip = clip.to_str().unwrap();
    assert_eq!(ffmpeg(&["-v", "error", "-xerror", "-i", clip, "-f", "null", "-"]), "");
}

/// The hash of every picture.
pub fn pictures(film: &Path) -> Vec<String> {
    let film = film.to_str().unwrap();
    let args =
        ["-v", "error", "-xerror", "-i", film, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let said = ffmpeg(&args);
    let hashes = said.lines().filter(|line| !line.starts_with('#'));
    hashes.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// Where in the source the clip's pictures are, all of them and in order: from which picture, and how many.
pub fn range(source: &[String], clip: &[String]) -> (usize, usize) {
    assert!(!clip.is_empty());
    let from = source.windows(clip.len()).position(|window| window == clip);
    (from.expect("the clip's pictures are the source's"), clip.len())
}
