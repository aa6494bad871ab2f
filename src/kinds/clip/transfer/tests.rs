//! What the end of one clip's transfer means to the clip and to the step's attempts.

use super::*;
use serde_json::json;

fn storing(offset: Option<u64>) -> Clip {
    let upload = offset.map(upload_at);
    let clip = json!({"id": "a", "title": "A", "generation": 1, "export": "e", "state": "storing", "failures": 2});
    Clip { upload, ..serde_json::from_value(clip).unwrap() }
}

fn upload_at(offset: u64) -> Upload {
    Upload { url: "https://upload".to_owned(), total: 100, offset }
}

fn moved(upload: Option<u64>, end: Result<(u64, String), Trouble>) -> Moved {
    Moved { path: "p/a.mp4".to_owned(), upload: upload.map(upload_at), end }
}

#[test]
fn a_stored_clip_is_progress_and_keeps_nothing_of_its_upload() {
    let (mut clip, mut trouble) = (storing(Some(40)), None);
    assert!(landed(&mut clip, moved(None, Ok((100, "https://public".to_owned()))), &mut trouble));
    let stored = Stored { path: "p/a.mp4".to_owned(), size: 100, url: "https://public".to_owned() };
    assert_eq!((clip.state, clip.stored, clip.upload, trouble), (ClipState::Stored, Some(stored), None, None));
}

#[test]
fn only_a_larger_confirmed_offset_is_progress_for_a_clip_cut_off() {
    let cut = || Err(Trouble::Failed("cut off".to_owned()));
    let land = |before, after| {
        let mut clip = storing(before);
        let further = landed(&mut clip, moved(after, cut()), &mut None);
        (further, clip.failures, clip.state)
    };
    assert_eq!(land(Some(40), Some(50)), (true, 1, ClipState::Exporting), "its failures count anew");
    assert_eq!(land(Some(40), Some(40)), (false, 3, ClipState::Failed));
    assert_eq!(land(None, Some(0)), (false, 3, ClipState::Failed), "an upload begun is not bytes confirmed");
    assert_eq!(land(None, None), (false, 3, ClipState::Failed));
}

#[test]
fn a_side_that_is_away_is_no_failure_of_the_clip() {
    let after = Some(Duration::from_secs(7));
    let source = Trouble::SourceAway { after, detail: "503".to_owned() };
    let storage = Trouble::StorageAway { after, detail: "503".to_owned() };
    for (away, code) in [(source, "clip_source_away"), (storage, "supabase_away")] {
        let (mut clip, mut trouble) = (storing(Some(40)), None);
        assert!(!landed(&mut clip, moved(Some(40), Err(away)), &mut trouble));
        assert_eq!((clip.failures, clip.is_settled()), (2, false));
        match trouble {
            Some(Outcome::Away { after: Some(7_000), failure }) => assert_eq!(failure.code, code),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_helped_ends_the_clip_at_once() {
    let mut clip = storing(None);
    clip.failures = 0;
    assert!(!landed(&mut clip, moved(None, Err(Trouble::Hopeless("too large".to_owned()))), &mut None));
    assert_eq!((clip.state, clip.error.as_deref()), (ClipState::Failed, Some("too large")));
}
