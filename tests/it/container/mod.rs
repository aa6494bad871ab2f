//! The container without an engine: its file system is made by the script that makes the image (`infra/image`), and what
//! `infra/compose*.yml` say is started inside of it, as their user, who can write nothing but the volumes.

mod authorities;
mod compose;
mod composed;
mod contents;

use crate::support::processes::PROGRAM;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/image");
/// Who runs it inside.
const USER: u32 = 65_532;

/// The image's files, below a folder of the test's own.
struct Image(PathBuf);

impl Image {
    /// Of the program under test.
    fn make(root: &Path) -> Self {
        let made = Command::new(IMAGE).args(["--program", PROGRAM]).arg(root).output().expect("the script runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(root.to_owned())
    }

    /// The same files again, so that another container has volumes of its own.
    fn again(&self, root: &Path) -> Self {
        let copied = Command::new("cp").args(["--archive", "--link"]).arg(&self.0).arg(root).status();
        assert!(copied.expect("cp is there").success());
        Self(root.to_owned())
    }

    /// What runs in it can write nowhere at all.
    fn take_away_folders(&self) {
        for folder in ["data", "tmp"].map(|name| self.0.join(name)) {
            if is_root() {
                std::os::unix::fs::chown(&folder, Some(0), Some(0)).expect("root may");
            }
            std::fs::set_permissions(&folder, Permissions::from_mode(0o555)).expect("a folder of ours");
        }
    }

    /// How its program is started in it: as its user, or, for want of the right, as somebody who is nobody outside.
    fn inside(&self) -> Vec<String> {
        let root = self.0.display().to_string();
        let user = format!("--userspec={USER}:{USER}");
        let words: &[&str] = if is_root() {
            &["chroot", &user, &root, "/cliprelay"]
        } else {
            &["unshare", "--map-root-user", "chroot", &root, "/cliprelay"]
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// A command of the program in it.
    fn command(&self, arguments: &[&str]) -> Command {
        let inside = self.inside();
        let mut command = Command::new(&inside[0]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(&inside[1..]).args(arguments);
        command
    }
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}
