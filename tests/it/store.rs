//! The stores: one conformance suite for both, a random run that compares them, and what each has to itself.

mod differential;
#[cfg(feature = "local")]
mod over_time;
#[cfg(feature = "local")]
mod redb_only;
mod redis_only;
mod replica;
mod suite;
mod suite_counts;
mod suite_lists;
mod suite_logs;
mod suite_survey;
mod suite_time;
mod writes;

use crate::support::redis::Server;
use cliprelay::store::redis::{Options, RedisStore};

/// Every test of the suite, against both stores.
macro_rules! conformance {
    ($($module:ident :: $test:ident),* $(,)?) => {
        mod on_redis {
            $(#[tokio::test]
            async fn $test() {
                let server = super::Server::start();
                super::$module::$test(std::sync::Arc::new(super::connect(&server))).await;
            })*
        }

        #[cfg(feature = "local")]
        mod on_redb {
            $(#[tokio::test]
            async fn $test() {
                let folder = tempfile::tempdir().unwrap();
                let store = cliprelay::store::redb::RedbStore::open(folder.path().join("store")).unwrap();
                super::$module::$test(std::sync::Arc::new(store)).await;
            })*
        }
    };
}

conformance!(
    suite::a_record_is_created_read_and_raised,
    suite::bodies_are_opaque,
    suite::the_answers_come_in_their_order,
    suite::a_refused_commit_changes_nothing,
    suite::the_last_eight_operations_are_replayed,
    suite::a_pointer_is_swapped_only_from_what_it_holds,
    suite::of_many_claims_of_a_pointer_one_wins,
    suite::of_many_commits_on_a_version_one_is_applied,
    suite::a_key_remembers_the_first_reply,
    suite::due_jobs_come_earliest_first,
    suite::a_commit_can_peek_at_due_jobs,
    suite::deleting_takes_the_record_and_its_due_entry,
    suite_lists::a_list_is_paged_from_the_newest_on,
    suite_lists::a_commit_lists_its_job_in_several_lists,
    suite_lists::a_refused_commit_lists_nothing,
    suite_lists::entries_without_a_record_are_dropped,
    suite_lists::a_list_ends_some_time_after_its_last_entry,
    suite_logs::a_log_keeps_its_newest_entries,
    suite_logs::entries_are_opaque_and_logs_apart,
    suite_logs::of_many_notes_at_once_all_are_there,
    suite_logs::a_log_ends_some_time_after_its_last_entry,
    suite_time::a_final_commit_ends_everything_of_the_job,
    suite_time::a_later_commit_lifts_the_expiry,
    suite_time::putting_back_a_forgotten_job_removes_its_tombstone,
    suite_time::a_pointer_taken_by_an_ended_job_goes_with_its_record,
    suite_time::versions_are_their_writers,
    suite_time::a_pointer_held_by_another_is_not_released,
    suite_time::a_reply_is_forgotten_after_its_time,
    suite_counts::turns_are_taken_from_all_windows_or_from_none,
    suite_counts::of_many_turns_at_once_as_many_are_granted_as_there_are,
    suite_counts::a_window_is_over_after_its_time,
    suite_counts::so_many_jobs_are_live_and_no_more,
    suite_counts::a_tally_takes_no_more_than_it_may,
    suite_counts::of_many_commits_no_more_are_counted_than_may_be,
    suite_counts::a_refused_commit_counts_nothing,
    suite_survey::what_is_live_and_due_is_counted,
    suite_survey::records_of_the_live_are_read,
    suite_time::a_counter_starts_anew_some_time_after_its_last_use,
    suite_time::time_is_told_and_does_not_go_back,
    suite_time::ping_and_opening_answer,
);

fn connect(server: &Server) -> RedisStore {
    RedisStore::connect(&Options::new(server.url(), "test:")).unwrap()
}
