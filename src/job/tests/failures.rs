//! What is kept out of failures: an address that opens something opens it for whoever reads the failure.

use super::outcome::unsigned;
use super::*;

#[test]
fn of_an_address_only_what_opens_nothing_is_kept() {
    for (text, plain) in [
        ("no address at all: 100% of it", "no address at all: 100% of it"),
        ("GET https://a.example.com/v.mp4?token=s3cret failed", "GET https://a.example.com/v.mp4 failed"),
        ("(https://a.example.com/#s3cret)", "(https://a.example.com/)"),
        ("https://ann:s3cret@a.example.com/x, then", "https://a.example.com/x, then"),
        ("two: \"https://a/?s3cret\" and 'rediss://:s3cret@b:6379'", "two: \"https://a/\" and 'rediss://b:6379'"),
        ("https://a/b@c?s3cret", "https://c"),
        ("redis://u:p/a)ss@h, away", "redis://h, away"),
        (r"https:\/\/h\/a?token=SECRET", "https://h/a"),
        ("no /object/sign/b/x?token=SECRET.", "no /object/sign/b/x."),
        ("what now?", "what now?"),
        ("https://h/it's.mp4?token=SECRET", "https://h/it's.mp4"),
        ("'https://h/?a='SECRET'&b=`SECRET`', then", "'https://h/`', then"),
        (r"https:\\/\\/ann:SECRET@h\\/a", "https://h/a"),
        ("redis://ann:SECRET?x@h:6379/0", "redis://"),
        ("to //ann:SECRET@h/x", "to //h/x"),
        ("https://h:8080/v?mail=a@b", "https://h:8080/v"),
        ("https://", "https://"),
    ] {
        assert_eq!(unsigned(text), plain);
        assert_eq!(Failure::retryable("a", text).message, plain);
        assert_eq!(Failure::lasting("a", text).message, plain);
    }
}
