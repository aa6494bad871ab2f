//! What is in the image, and that nothing in it can be changed from inside.

use super::{Image, USER, is_root};
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, Metadata)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let is_dir = meta.is_dir();
        found.push((path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), meta));
        if is_dir {
            walk(root, &path, found);
        }
    }
}

#[test]
fn the_image_holds_the_program_and_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("image");
    let image = Image::make(&root);
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    let files: BTreeSet<&str> =
        found.iter().filter(|(_, meta)| !meta.is_dir()).map(|(path, _)| path.as_str()).collect();
    let of_ours = [
        "cliprelay",
        "etc/group",
        "etc/hosts",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/resolv.conf",
        "etc/ssl/certs/ca-certificates.crt",
    ];
    for file in of_ours {
        assert!(files.contains(file), "{file} is missing: {files:?}");
    }
    // Besides: the C library, its loader, and what the compiler's own code needs.
    for file in files.iter().filter(|file| !of_ours.contains(*file)) {
        let name = file.rsplit('/').next().unwrap();
        let known = ["ld-linux", "libc.so", "libm.so", "libgcc_s.so"].iter().any(|known| name.starts_with(known));
        assert!(known && file.starts_with("lib"), "{file} should not be there");
    }
    for (path, meta) in &found {
        let (mode, volume) = (meta.permissions().mode(), ["data", "tmp"].contains(&path.as_str()));
        assert!(volume || mode & 0o022 == 0, "{path} can be written by others: {mode:o}");
        assert!(!is_root() || volume || meta.uid() != USER, "{path} is its user's own");
        assert_eq!(mode & 0o6000, 0, "{path} runs as somebody else");
    }

    // It runs in there, on these libraries alone.
    let ended = image.command(&["--version"]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && out.starts_with("cliprelay "), "{out}{err}");
    // Where it may not write it says so.
    let ended = image.command(&["broker", "--port", "0", "--data", "/etc/broker"]).output().unwrap();
    if is_root() {
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(!root.join("etc/broker").exists());
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let ended = std::process::Command::new(super::IMAGE)
        .args(["--program", crate::support::processes::PROGRAM])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!ended.status.success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
