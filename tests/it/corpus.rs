//! Every file of the fuzzers' corpus through the checks the fuzzers make: a crash that was found once stays mended,
//! whatever toolchain there is. `infra/fuzz` looks for more.

use std::collections::BTreeMap;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
pub mod checks;

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 3] = [
    ("mp4", checks::mp4::check),
    ("publish_path", checks::publish_path::check),
    ("signature", checks::signature::check),
];

/// The files of a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let entries = entries.map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

fn replay(target: &str) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target));
    assert!(files.len() >= 10, "only {} files for {target}", files.len());
    for (name, bytes) in files {
        // The file's name beside the panic's own words.
        println!("{target}/{name}");
        check(&bytes);
    }
}

#[test]
fn signatures_are_judged_as_the_checks_say() {
    replay("signature");
}

#[test]
fn publishes_are_read_as_the_checks_say() {
    replay("publish_path");
}

#[test]
fn films_are_cut_as_the_checks_say() {
    replay("mp4");
}

/// A target without a replay, or a corpus nobody reads, would be forgotten.
#[test]
fn every_target_is_replayed_and_fuzzed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root.join("fuzz").join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let replayed = TARGETS.map(|(name, _)| name.to_owned());
    assert_eq!(names("corpus"), replayed);
    assert_eq!(names("fuzz_targets"), replayed);
    let script = std::fs::read_to_string(root.join("infra/fuzz")).unwrap();
    for (name, _) in TARGETS {
        let listed = script.lines().find(|line| line.contains("targets=(signature")).unwrap();
        assert!(listed.contains(name), "{name} is not in infra/fuzz");
    }
}
