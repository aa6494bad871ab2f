//! Which addresses are fetched, as written and as resolved.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use cliprelay::services::outbound::{AllowList, Blocked, Guard, Options, PublicOnly, client, retry_after};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

fn guard(allow: &str) -> Guard {
    Guard::new(AllowList::parse(allow).unwrap(), &Options::default()).unwrap()
}

/// Resolves every name to one address, as an attacker's name server would.
pub struct Fixed(pub SocketAddr);

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let address = self.0;
        Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
    }
}

#[test]
fn private_addresses_are_refused_in_every_spelling() {
    let guard = guard("");
    let refused = [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/",
        "http://100.127.255.255/",
        "http://192.0.0.8/",
        "http://192.0.2.1/",
        "http://198.18.0.1/",
        "http://198.51.100.1/",
        "http://203.0.113.9/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a00:1]/",
        "http://[::7f00:1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[2001::1]/",
        "http://[2001:db8::1]/",
        "http://[fc00::1]/",
        "http://[fd12:3456::1]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://[3fff::1]/",
        "http://[::ffff:0:7f00:1]/",
        "http://[5f00::1]/",
        "http://redis/",
        "http://redis:6379/",
        "http://db.internal/",
        "http://DB.Internal./",
        "http://kubernetes.default.svc/",
        "http://example.com:22/",
        "http://8.8.8.8:6379/",
        "https://example.com:0/",
        "http://localhost/",
        "http://LOCALHOST:9000/",
        "http://localhost./",
        "http://api.localhost/",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "ftp://example.com/clip.mp4",
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
    ];
    for address in refused {
        let url = Url::parse(address).unwrap();
        assert!(guard.check(&url).is_err(), "{address} was let through as {url}");
        assert!(guard.client_for(&url).is_err(), "{address} got a client");
    }
}

#[test]
fn public_addresses_pass() {
    let guard = guard("");
    let public = [
        "https://example.com/clip.mp4?token=a",
        "http://8.8.8.8:8080/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://[2606:4700::1111]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://[2002:808:808::1]/",
    ];
    for address in public {
        assert_eq!(guard.check(&Url::parse(address).unwrap()), Ok(()), "{address}");
    }
}

#[test]
fn the_allow_list_opens_exactly_a_host_and_a_port() {
    let guard = guard("127.0.0.1:9000, localhost:3000,[::1]:80");
    let check = |address: &str| guard.check(&Url::parse(address).unwrap());
    assert_eq!(check("http://127.0.0.1:9000/x"), Ok(()));
    assert_eq!(check("http://2130706433:9000/x"), Ok(()));
    assert_eq!(check("http://localhost.:3000/"), Ok(()));
    assert_eq!(check("http://[::1]/"), Ok(()));
    assert!(matches!(check("http://127.0.0.1:9001/x"), Err(Blocked::Private(_))));
    assert!(matches!(check("http://127.0.0.2:9000/x"), Err(Blocked::Private(_))));
    assert!(matches!(check("http://localhost:9000/x"), Err(Blocked::Local(_))));
    assert!(matches!(check("http://a:b@127.0.0.1:9000/x"), Err(Blocked::UserInfo)));
    for bad in ["localhost", "http://localhost:80", "localhost:0", "localhost:99999", "::1:80", "a b:80", ":80"] {
        assert!(AllowList::parse(bad).is_err(), "{bad}");
    }
    assert!(AllowList::parse(" , ").unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_refused_when_connecting() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let resolver = Arc::new(Fixed(address));
    let url = Url::parse(&format!("http://clips.example:{}/", address.port())).unwrap();
    let guard = Guard::with_resolver(AllowList::default(), &Options::default(), resolver).unwrap();
    assert_eq!(guard.check(&url), Ok(()), "its name alone gives nothing away");
    let http = guard.client_for(&url).unwrap();
    let error = http.send(http.request(reqwest::Method::GET, url)).await.unwrap_err();
    assert_eq!(error.blocked, Some(Blocked::Resolves("clips.example".to_owned())));
}

/// Resolves every name to these, one list per question, the last one for ever.
struct Lists(std::sync::Mutex<Vec<Vec<SocketAddr>>>);

impl Resolve for Lists {
    fn resolve(&self, _: Name) -> Resolving {
        let mut lists = self.0.lock().unwrap();
        let list = if lists.len() > 1 { lists.remove(0) } else { lists[0].clone() };
        Box::pin(async move { Ok(Box::new(list.into_iter()) as Addrs) })
    }
}

async fn fetched_by(resolver: Arc<dyn Resolve>, url: &str) -> Option<Blocked> {
    let options = Options { connect_timeout: Duration::from_millis(300), ..Options::default() };
    let guard = Guard::with_resolver(AllowList::default(), &options, resolver).unwrap();
    let url = Url::parse(url).unwrap();
    let http = guard.client_for(&url).unwrap();
    http.send(http.request(reqwest::Method::GET, url)).await.unwrap_err().blocked
}

#[tokio::test]
async fn whatever_private_address_a_name_leads_to_no_connection_is_made() {
    let addresses = [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001::1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        "::7f00:1",
    ];
    for address in addresses {
        let resolver = Arc::new(Fixed(SocketAddr::new(address.parse().unwrap(), 0)));
        let blocked = fetched_by(resolver, "https://clips.example.com/").await;
        assert_eq!(blocked, Some(Blocked::Resolves("clips.example.com".to_owned())), "{address}");
    }
}

/// What a name's addresses are for the connector, which looks at no others.
async fn connected_to(resolver: &PublicOnly) -> Result<Vec<SocketAddr>, String> {
    let name = "clips.example.com".parse().unwrap();
    resolver.resolve(name).await.map(Iterator::collect).map_err(|error| error.to_string())
}

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    // Each connection asks anew, and is judged by the very answer that it connects to.
    let (public, private) = (addresses(&["93.184.216.34"]), addresses(&["127.0.0.1"]));
    let resolver = PublicOnly(Arc::new(Lists(vec![public.clone(), private].into())));
    assert_eq!(connected_to(&resolver).await, Ok(public));
    assert_eq!(connected_to(&resolver).await, Err(Blocked::Resolves("clips.example.com".to_owned()).to_string()));
}

#[tokio::test]
async fn of_a_names_addresses_only_the_public_ones_are_connected_to() {
    let both = addresses(&["10.0.0.1", "93.184.216.34", "::1", "2606:2800:21f::1"]);
    let resolver = PublicOnly(Arc::new(Lists(vec![both.clone()].into())));
    assert_eq!(connected_to(&resolver).await, Ok(vec![both[1], both[3]]));
}

#[tokio::test]
async fn our_own_clients_name_themselves_and_follow_no_redirect() {
    use axum::http::{HeaderMap, StatusCode};
    let app = axum::Router::new().route(
        "/",
        axum::routing::get(|headers: HeaderMap| async move {
            (StatusCode::FOUND, [("location", "/elsewhere")], format!("{:?}", headers.get("user-agent")))
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    let response = client(&Options::default()).unwrap().get(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert!(response.text().await.unwrap().contains("cliprelay/"));
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let check = |value: &'static str, seconds: Option<u64>| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        headers.insert(DATE, HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT"));
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{value}");
    };
    check("7", Some(7));
    check("Wed, 21 Oct 2015 07:29:30 GMT", Some(90));
    check("Wed, 21 Oct 2015 07:00:00 GMT", Some(0));
    check("999999999", Some(3600));
    check("soon", None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}
