//! How many may watch, and who may read the bucket.

use super::*;
use crate::services::supabase::Access;

#[test]
fn how_many_may_watch_is_a_number_of_at_least_one() {
    assert_eq!(good(&[]).watchers_max, 10_000);
    assert_eq!(good(&[("WATCHERS_MAX", "1")]).watchers_max, 1);
    assert_eq!(good(&[("WATCHERS_MAX", " 1000000 ")]).watchers_max, 1_000_000);
    for number in ["0", "-1", "1000001", "many", "1.5", "99999999999999999999"] {
        assert_eq!(wrong(&[("WATCHERS_MAX", number)]), ["WATCHERS_MAX"], "{number}");
    }
}

#[test]
fn a_bucket_is_public_unless_it_is_said_to_be_private() {
    assert_eq!(good(&[]).supabase.access, Access::Public);
    assert_eq!(good(&[("SUPABASE_BUCKET_ACCESS", "public")]).supabase.access, Access::Public);
    assert_eq!(good(&[("SUPABASE_BUCKET_ACCESS", "private")]).supabase.access, Access::Private);
    for access in ["Private", "true", "signed"] {
        assert_eq!(wrong(&[("SUPABASE_BUCKET_ACCESS", access)]), ["SUPABASE_BUCKET_ACCESS"], "{access}");
    }
}
