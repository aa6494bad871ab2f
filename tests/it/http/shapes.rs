//! Every shape of an address that must not be fetched, as one would write it into a request.

use crate::support::app::TestApp;
use serde_json::json;

/// Beside those of `outbound.rs`, what only a request can say.
const SHAPES: [&str; 62] = [
    "http://127.0.0.1/",
    "http://[::1]/",
    "http://localhost/",
    "http://LOCALHOST:9000/",
    "http://api.localhost/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://[::]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://[fc00::1]/",
    "http://169.254.169.254/latest/meta-data",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://100.127.255.255/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://203.0.113.9/",
    "http://198.18.0.1/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::7f00:1]/",
    "http://[::ffff:0:7f00:1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001::1]/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://%31%32%37.0.0.1/",
    "http://１２７.0.0.1/",
    "http://127.0.0.1./",
    "http://localhost./",
    "https://user@example.com/",
    "https://example.com@10.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.\t0.1/",
    "\u{1}http://127.0.0.1/",
    "http://redis/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://printer.local/",
    "http://printer.local./",
    "file:///etc/passwd",
    "ftp://example.com/v.mp4",
    "data:video/mp4;base64,AAAA",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:6379/",
    "//example.com/v.mp4",
    "http://[::1%25eth0]/",
];

#[tokio::test]
async fn every_shape_is_refused_when_asked_for() {
    let app = TestApp::start().await;
    for shape in SHAPES {
        let answer = app.post("/api/process-klap", &json!({"projectId": "p1", "videoUrl": shape})).await.expect(422);
        assert_eq!(answer.body["errors"][0]["field"], json!("videoUrl"), "{shape}");
        assert_eq!(answer.body["errors"].as_array().unwrap().len(), 1, "{shape}");
    }
    assert!(app.watch.jobs.lock().unwrap().is_empty());
    assert_eq!(app.watch.calls(), 0, "nobody is asked about an address that is refused as written");
}
