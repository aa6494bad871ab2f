//! One clip: where it is stored, how often it may fail, how far the job is with all of them.

use super::*;
use proptest::prelude::*;

#[test]
fn a_clip_lies_where_its_project_job_clip_and_export_say() {
    let clip = exported("klap_1", ClipState::Exporting);
    let path = clip.path("p1", "job_1");
    assert_eq!(path, "p1/clips/job_1/klap_1-klap_1_export.mp4");
    assert_eq!(exported("klap_1", ClipState::Stored).path("p1", "job_1"), path, "a repeat overwrites itself");
    let others = [
        clip.path("p2", "job_1"),
        clip.path("p1", "job_2"),
        exported("klap_2", ClipState::Exporting).path("p1", "job_1"),
        Clip { export: Some("newer".to_owned()), ..clip }.path("p1", "job_1"),
    ];
    assert!(!others.contains(&path), "another render never replaces it: {others:?}");
}

#[test]
fn whatever_the_vendor_calls_a_clip_its_path_stays_in_the_jobs_folder() {
    for id in ["../../../other", "/etc/passwd", "a/b\\c", "a?b#c%2e%2e", "..", ".", "", "ü\u{202e}\0", "a b\n"] {
        let clip = Clip { export: Some(id.to_owned()), ..clip(id, ClipState::Exporting) };
        let path = clip.path("p1", "job_1");
        let name = path.strip_prefix("p1/clips/job_1/").unwrap_or_else(|| panic!("{path}"));
        let stem = name.strip_suffix(".mp4").unwrap_or_else(|| panic!("{path}"));
        assert!(stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{path}");
    }
}

#[test]
fn a_clip_is_given_up_at_its_third_failure() {
    let mut clip = exported("a", ClipState::Exporting);
    clip.upload = Some(Upload { url: "https://upload".to_owned(), total: 9, offset: 3 });
    for failures in [1, 2] {
        clip.fail("cut off");
        assert_eq!((clip.state, clip.failures), (ClipState::Exporting, failures));
        assert!(clip.upload.is_some(), "the next attempt goes on there");
    }
    clip.fail("cut off again");
    assert_eq!((clip.state, clip.error.as_deref()), (ClipState::Failed, Some("cut off again")));
    assert!(clip.is_settled() && clip.upload.is_none());
}

#[test]
fn a_hopeless_clip_is_given_up_at_once_and_kept_out_of_the_stored_ones() {
    let mut plan = plan_of(vec![stored("a"), exported("b", ClipState::Exporting)]);
    plan.clips[1].give_up("too large");
    assert_eq!((plan.stored(), plan.failed(), plan.clips[1].failures), (1, 1, CLIP_ATTEMPTS));
}

#[test]
fn revived_clips_have_all_their_attempts_and_others_are_left_alone() {
    let mut paid = exported("b", ClipState::Exporting);
    paid.give_up("cut off");
    let mut unpaid = clip("c", ClipState::Pending);
    unpaid.give_up("refused");
    let mut plan = plan_of(vec![stored("a"), paid, unpaid, exported("d", ClipState::Storing)]);
    plan.revive_clips();
    let states: Vec<_> = plan.clips.iter().map(|clip| (clip.state, clip.failures, clip.error.is_some())).collect();
    let (stored, exporting, pending, storing) =
        (ClipState::Stored, ClipState::Exporting, ClipState::Pending, ClipState::Storing);
    assert_eq!(states, [(stored, 0, false), (exporting, 0, false), (pending, 0, false), (storing, 0, false)]);
}

#[test]
fn progress_rises_along_a_whole_job() {
    let expected = 10 * MINUTE;
    let mut plan = Plan::beginning();
    let mut seen = vec![plan.progress(T0, expected)];
    (plan.task, plan.task_at) = (Some("task_1".to_owned()), Some(T0));
    for minutes in [0, 1, 5, 10, 60] {
        seen.push(plan.progress(T0 + minutes * MINUTE, expected));
    }
    plan.ready_at = Some(T0);
    seen.push(plan.progress(T0, expected));
    plan.clips = vec![clip("a", ClipState::Pending), clip("b", ClipState::Pending)];
    seen.push(plan.progress(T0, expected));
    for index in 0..2 {
        plan.clips[index] = exported("x", ClipState::Exporting);
        seen.push(plan.progress(T0, expected));
    }
    for index in 0..2 {
        plan.clips[index] = stored("x");
        seen.push(plan.progress(T0, expected));
    }
    assert_eq!(seen, [5, 10, 13, 27, 45, 45, 50, 55, 60, 65, 80, 95]);
    let mut before_time = Plan::beginning();
    (before_time.task, before_time.task_at) = (Some("task_1".to_owned()), Some(T0));
    assert_eq!(before_time.progress(T0 - MINUTE, 0), 10, "neither a clock behind nor no expectation at all breaks it");
}

fn any_clip() -> impl Strategy<Value = Clip> {
    (0..5_usize, any::<bool>()).prop_map(|(state, paid)| {
        use ClipState::{Exporting, Failed, Pending, Storing};
        match state {
            4 => stored("x"),
            state => {
                let state = [Pending, Exporting, Storing, Failed][state];
                if paid { exported("x", state) } else { clip("x", state) }
            }
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn progress_leaves_room_for_the_last_step(
        clips in prop::collection::vec(any_clip(), 0..40), now in any::<u64>(), expected in 0..u64::MAX / 35
    ) {
        prop_assert!(plan_of(clips.clone()).progress(now, expected) <= 97);
        let awaiting = Plan { ready_at: None, ..plan_of(Vec::new()) };
        prop_assert!(awaiting.progress(now, expected) < 50);
    }
}
