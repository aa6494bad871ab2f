//! What protects the account: in words an operator would write, and nothing guessed.

use super::*;
use crate::flow::Protection;
use crate::http::Proxies;

#[test]
fn limits_are_on_unless_somebody_says_otherwise() {
    let of = |changes: &[(&str, &str)]| good(changes).protection;
    let usual = Protection { per_owner: Some(5), per_address: Some(30), queue: None, spend_day: None };
    assert_eq!(of(&[]), usual);
    let changes = [("RATE_LIMIT_OWNER", "7/min"), ("RATE_LIMIT_IP", "off"), ("QUEUE_LIMIT", "100")];
    assert_eq!(of(&changes), Protection { per_owner: Some(7), per_address: None, queue: Some(100), spend_day: None });
    for (dollars, cents) in [("50", 5_000), ("12.5", 1_250), ("$0.07", 7), ("0", 0), ("1000000.99", 100_000_099)] {
        assert_eq!(of(&[("SPEND_LIMIT_DAY", dollars)]).spend_day, Some(cents), "{dollars}");
    }
}

#[test]
fn what_could_be_misread_is_refused() {
    for rate in ["0", "-1", "5/s", "5 per minute", "1.5", "none", "/min"] {
        assert_eq!(wrong(&[("RATE_LIMIT_OWNER", rate)]), ["RATE_LIMIT_OWNER"], "{rate}");
    }
    for dollars in ["-1", "1,50", "1.505", ".5", "5.", "1e3", "50 EUR", "99999999999999999999"] {
        assert_eq!(wrong(&[("SPEND_LIMIT_DAY", dollars)]), ["SPEND_LIMIT_DAY"], "{dollars}");
    }
    assert_eq!(wrong(&[("QUEUE_LIMIT", "0")]), ["QUEUE_LIMIT"]);
    assert_eq!(wrong(&[("TRUSTED_PROXIES", "all")]), ["TRUSTED_PROXIES"]);
}

#[test]
fn nobody_is_believed_about_addresses_by_default() {
    assert_eq!(good(&[]).proxies, Proxies::None);
    assert_eq!(good(&[("TRUSTED_PROXIES", "2")]).proxies, Proxies::Trusted(2));
}
