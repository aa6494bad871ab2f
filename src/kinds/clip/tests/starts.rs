//! Where a job starts, goes on when it is rebuilt, and goes on when a person tries it again.

use super::*;

fn receipt(effect: &str, id: &str) -> Receipt {
    Receipt { effect: effect.to_owned(), id: id.to_owned() }
}

fn broken() -> Failure {
    Failure::retryable("job_timeout", "it took too long")
}

fn reopened(step: &'static str, plan: &Plan) -> Start {
    reopen(&failed_at(step, broken(), plan)).unwrap()
}

#[test]
fn a_job_begins_by_sending_the_video() {
    let Start { step, plan, stage, possibly_paid, pays_again } = first();
    assert_eq!((step, stage.as_str()), ("submit", "Sending the video to Klap"));
    assert_eq!(Plan::read(&plan), Some(Plan::beginning()));
    assert!(possibly_paid.is_empty() && pays_again.is_none());
}

#[test]
fn a_rebuilt_job_awaits_the_newest_task_it_paid_for() {
    let export = receipt("export:a:1", "export_1");
    for receipts in [
        vec![receipt("submit:1", "task_1"), export.clone(), receipt("submit:2", "task_2")],
        vec![receipt("submit:2", "task_2"), receipt("submit:1", "task_1"), export.clone()],
    ] {
        let Start { step, plan, possibly_paid, .. } = rebuild(&receipts, &Value::Null);
        let plan = Plan::read(&plan).unwrap();
        assert_eq!((step, plan.generation, plan.task.as_deref()), ("await_task", 2, Some("task_2")));
        assert!(possibly_paid.is_empty());
    }
    let Start { step, possibly_paid, .. } = rebuild(&[export, receipt("submit:x", "task_x")], &Value::Null);
    assert_eq!((step, possibly_paid), ("submit", vec!["submit:1".to_owned()]));
}

#[test]
fn a_retry_goes_on_from_the_failed_step() {
    let plan = plan_of(vec![stored("a"), exported("b", ClipState::Storing)]);
    for (failed, goes_on) in [
        ("submit", "submit"),
        ("await_task", "await_task"),
        ("list", "list"),
        ("export", "transfer"),
        ("transfer", "transfer"),
    ] {
        assert_eq!(reopened(failed, &plan).step, goes_on);
    }
    let all_stored = plan_of(vec![stored("a")]);
    assert_eq!(reopened("finalize", &all_stored).step, "finalize");
    assert_eq!(Plan::read(&reopened("finalize", &all_stored).plan), Some(all_stored));
}

#[test]
fn a_retry_gives_failed_clips_another_chance_before_the_project_is_updated() {
    let unpaid = clip("b", ClipState::Failed);
    let paid = exported("b", ClipState::Failed);
    for step in ["export", "transfer", "finalize"] {
        assert_eq!(reopened(step, &plan_of(vec![stored("a"), unpaid.clone()])).step, "export", "from {step}");
        let Start { step: goes_on, plan, .. } = reopened(step, &plan_of(vec![stored("a"), paid.clone()]));
        assert_eq!(goes_on, "transfer", "from {step}");
        assert_eq!(Plan::read(&plan).unwrap().failed(), 0);
    }
}

#[test]
fn an_empty_folder_gets_its_time_anew() {
    let Start { plan, .. } = reopened("list", &plan_of(Vec::new()));
    let plan = Plan::read(&plan).unwrap();
    assert_eq!((plan.ready_at, plan.folder.as_deref()), (None, Some("folder_1")));
}

#[test]
fn what_klap_lost_is_made_anew_and_told_apart_from_the_first() {
    for code in ["klap_task_failed", "klap_task_lost"] {
        let job = failed_at("await_task", Failure::retryable(code, "gone"), &plan_of(Vec::new()));
        let Start { step, plan, .. } = reopen(&job).unwrap();
        assert_eq!(step, "submit");
        assert_eq!(Plan::read(&plan), Some(Plan { generation: 2, ..Plan::beginning() }));
    }
}

#[test]
fn what_nothing_can_help_is_said_so() {
    let refused = Failure::lasting("source_refused", "the video is too long");
    let job = failed_at("await_task", refused.clone(), &plan_of(Vec::new()));
    assert_eq!(reopen(&job), Err(refused));
}

#[test]
fn a_plan_that_cannot_be_read_is_not_guessed() {
    assert_eq!(Plan::read(&json!({"generation": "many"})), None);
    assert_eq!(Plan::read(&json!({"generation": 4})), Some(Plan { generation: 4, ..Plan::beginning() }));
    let plan = plan_of(vec![stored("a"), exported("b", ClipState::Storing), clip("c", ClipState::Pending)]);
    assert_eq!(Plan::read(&plan.write()), Some(plan));
}

#[test]
fn a_message_says_which_task_its_receipts_are_read_for() {
    let job = failed_at("submit", broken(), &Plan { generation: 2, ..Plan::beginning() });
    let told = resume(&job);
    let Start { step, plan, possibly_paid, .. } = rebuild(&[receipt("submit:1", "task_1")], &told);
    assert_eq!((step, possibly_paid), ("submit", vec!["submit:2".to_owned()]), "the first task came to nothing");
    assert_eq!(Plan::read(&plan).unwrap().task, None);
    let paid = [receipt("submit:1", "task_1"), receipt("submit:2", "task_2")];
    let Start { step, plan, .. } = rebuild(&paid, &told);
    assert_eq!((step, Plan::read(&plan).unwrap().task.as_deref()), ("await_task", Some("task_2")));
    let Start { plan, .. } = rebuild(&paid, &json!({"generation": 1}));
    assert_eq!(Plan::read(&plan).unwrap().generation, 2, "a receipt knows more than an older message");
}

#[test]
fn what_this_build_does_not_understand_it_leaves_alone() {
    let plan = plan_of(vec![stored("a")]);
    let mut job = failed_at("transfer", broken(), &plan);
    assert!(understands(&job));
    job.step = "publish".to_owned();
    assert!(!understands(&job), "a step of a later build");
    let mut job = failed_at("transfer", broken(), &plan);
    job.plan = json!({"generation": "many"});
    assert!(!understands(&job), "a plan of a later build");
    assert_eq!(reopen(&job).unwrap_err().code, "unreadable_plan");
    assert_eq!(view(&job).clips, Vec::<Value>::new());
}

#[test]
fn only_streaming_is_long() {
    use Length::{Call, Look, Transfer};
    let steps = ["transfer", "submit", "export", "finalize", "await_task", "list", "of a later build"];
    assert_eq!(steps.map(length), [Transfer, Call, Call, Call, Look, Look, Look]);
}
