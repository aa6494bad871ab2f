//! What is shown of an error's text: of no address in it the query, the fragment or the credentials, however the text
//! around it is written.

use cliprelay::job::Failure;
use cliprelay::job::outcome::unsigned;
use proptest::prelude::*;

/// Stands for what must not be seen; nothing else in the texts looks so.
const SECRET: &str = "S3CR3T";

fn host() -> impl Strategy<Value = String> {
    "([a-z]{1,8}\\.){0,2}[a-z]{2,5}(:[0-9]{2,4})?|127\\.0\\.0\\.1|\\[::1\\]:6379"
}

/// As a file may be called; an apostrophe is no delimiter in a path.
fn path() -> impl Strategy<Value = String> {
    "(/[a-zA-Z0-9._~!$&'*+,;=:@%()-]{0,10}){0,4}"
}

fn maybe(regex: &str) -> impl Strategy<Value = Option<String>> + use<> {
    proptest::option::of(proptest::string::string_regex(regex).unwrap())
}

/// An address, with secrets wherever it may hold some.
fn address() -> impl Strategy<Value = String> {
    let scheme = proptest::sample::select(vec!["https://", "http://", "rediss://", "redis://", "HTTPS://", "wss://"]);
    // What ends a host ends it unless a colon came before: then it is no port, and belongs to a password.
    let userinfo = maybe(&format!(
        "([a-z]{{0,4}}:[a-z:/?#'@!$&()*+,;=.-]{{0,3}}{SECRET}[a-z:/?#@'!)(]{{0,3}}|[a-z.'!-]{{0,3}}{SECRET}[a-z:'!]{{0,3}})@"
    ));
    let query = maybe(&format!(
        "\\?([a-z]{{1,5}}=[a-z'`:/@?]{{0,4}}&){{0,2}}(token|X-Amz-Signature)={SECRET}[a-zA-Z0-9%/?:@!$'`()*+,;=&.-]{{0,8}}"
    ));
    let fragment = maybe(&format!("#(access_token=)?{SECRET}[a-z/?'=&]{{0,4}}"));
    (scheme, userinfo, host(), path(), query, fragment).prop_map(|(scheme, userinfo, host, path, query, fragment)| {
        let userinfo = userinfo.unwrap_or_default();
        format!("{scheme}{userinfo}{host}{path}{}{}", query.unwrap_or_default(), fragment.unwrap_or_default())
    })
}

/// Addresses as they stand in messages of HTTP clients, JSON bodies and logs.
fn text() -> impl Strategy<Value = String> {
    let frame = proptest::sample::select(vec![
        ("", ""),
        ("GET ", " failed"),
        ("error sending request for url (", ")"),
        ("(see ", "), then"),
        ("\"", "\""),
        ("'", "'"),
        ("`", "`"),
        ("<a href=\"", "\">x</a>"),
        ("{\"message\":\"", "\",\"code\":7}"),
        ("url=", ", status=403."),
        ("[", "]"),
        ("->", "\n  at line 7"),
        ("", ":"),
    ]);
    let escaped = prop_oneof![4 => Just(false), 1 => Just(true)];
    let one = (frame, address(), escaped).prop_map(|((before, after), address, escaped)| {
        let address = if escaped { address.replace('/', "\\/") } else { address };
        format!("{before}{address}{after}")
    });
    proptest::collection::vec(one, 1..4).prop_map(|parts| parts.join(" and "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn no_secret_of_an_address_is_shown(text in text()) {
        let shown = unsigned(&text);
        prop_assert!(!shown.contains(SECRET), "{}\nis shown as\n{}", text, shown);
        prop_assert_eq!(&Failure::retryable("a", &text).message, &shown);
        prop_assert_eq!(&Failure::lasting("a", &text).message, &shown);
    }

    /// Cleaned again, it stays as it is; and it never grows.
    #[test]
    fn cleaning_is_done_with_one_pass(text in prop_oneof![text(), "\\PC{0,60}", "[a-z:/?#@'\"` \\\\]{0,40}"]) {
        let shown = unsigned(&text);
        prop_assert!(shown.len() <= text.len());
        prop_assert_eq!(unsigned(&shown), shown.clone(), "{}", text);
    }

    /// Where there is no address or path, nothing is taken away.
    #[test]
    fn plain_words_stay(text in "[a-zA-Z0-9 .,;:!?%()'\"@#=&_-]{0,80}") {
        prop_assert_eq!(unsigned(&text), text);
    }

    /// What an address without secrets says is kept: it is what helps.
    #[test]
    fn a_plain_address_stays(host in "[a-z]{1,8}\\.example", path in "(/[a-z0-9._-]{1,8}){0,3}", before in "[a-z ]{0,10}") {
        let text = format!("{before} https://{host}{path} failed");
        prop_assert_eq!(unsigned(&text), text);
    }
}
