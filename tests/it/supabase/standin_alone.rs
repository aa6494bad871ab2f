//! What the stand-in answers to other clients than ours: browsers, official libraries, curl.

use super::{Stand, piece};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

impl Stand {
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(super::KEY)
    }

    async fn json(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let response = self.ask(method, path).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn refusals_have_the_true_status_inside() {
    let stand = Stand::start().await;
    let object = "/storage/v1/object/videos/p/a.mp4";
    let first = stand.ask(Method::POST, object).header("content-type", "video/mp4").body("one").send().await.unwrap();
    assert_eq!(first.status(), 200);
    let first: Value = first.json().await.unwrap();
    assert_eq!(first["Key"], "videos/p/a.mp4");
    let check = async |request: RequestBuilder, status: &str, code: &str| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400, "{code}");
        let body: Value = response.json().await.unwrap();
        assert_eq!((body["statusCode"].as_str(), body["code"].as_str()), (Some(status), Some(code)));
    };
    check(stand.ask(Method::POST, object).body("two"), "409", "KeyAlreadyExists").await;
    check(stand.ask(Method::POST, object).header("x-upsert", "TRUE").body("two"), "409", "KeyAlreadyExists").await;
    check(stand.ask(Method::POST, "/storage/v1/object/none/a.mp4").body("x"), "404", "NoSuchBucket").await;
    check(stand.ask(Method::POST, "/storage/v1/object/videos/%C3%BC.mp4").body("x"), "400", "InvalidKey").await;
    check(stand.ask(Method::GET, "/storage/v1/object/videos/none.mp4"), "404", "NoSuchKey").await;
    check(stand.http.get(format!("{}{object}", stand.url)), "400", "InvalidRequest").await;
    check(stand.http.get(format!("{}{object}", stand.url)).bearer_auth("x"), "403", "AccessDenied").await;
    let put = stand.ask(Method::PUT, object).body("three").send().await.unwrap();
    assert_eq!(put.json::<Value>().await.unwrap()["Id"], first["Id"], "a replaced object keeps its id");
    let head = stand.ask(Method::HEAD, object).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length").as_str()), (200, "5"));
    let past = stand.ask(Method::GET, object).header("range", "bytes=99-").send().await.unwrap();
    assert_eq!(past.status(), 416);
}

#[tokio::test]
async fn buckets_are_made_listed_and_emptied() {
    let stand = Stand::start().await;
    let new = json!({"id": "small", "name": "small", "file_size_limit": 4, "allowed_mime_types": ["video/mp4"]});
    assert_eq!(stand.json(Method::POST, "/storage/v1/bucket", new.clone()).await, (200, json!({"name": "small"})));
    assert_eq!(stand.json(Method::POST, "/storage/v1/bucket", new).await.1["code"], "BucketAlreadyExists");
    let store = async |path: &str, kind: &str, body: &'static str| {
        let request = stand.ask(Method::POST, &format!("/storage/v1/object/small/{path}")).header("content-type", kind);
        request.body(body).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(store("a.mp4", "video/mp4", "12345").await["code"], "EntityTooLarge");
    assert_eq!(store("a.png", "image/png", "1").await["code"], "InvalidMimeType");
    for path in ["a.mp4", "p/b.mp4", "p/q/c.mp4"] {
        assert_eq!(store(path, "video/mp4", "1234").await["Key"], format!("small/{path}"));
    }
    let hidden = stand.http.get(format!("{}/storage/v1/object/public/small/a.mp4", stand.url)).send().await.unwrap();
    assert_eq!(hidden.json::<Value>().await.unwrap()["code"], "NoSuchBucket", "a private bucket hides itself");
    let (_, listed) = stand.json(Method::POST, "/storage/v1/object/list/small", json!({"prefix": "p/"})).await;
    assert_eq!((&listed[0]["name"], &listed[0]["metadata"]["size"]), (&json!("b.mp4"), &json!(4)));
    assert_eq!((&listed[1]["name"], &listed[1]["id"]), (&json!("q"), &Value::Null));
    let (status, _) = stand.json(Method::DELETE, "/storage/v1/object/small/a.mp4", Value::Null).await;
    let (again, gone) = stand.json(Method::DELETE, "/storage/v1/object/small/a.mp4", Value::Null).await;
    assert_eq!((status, again, gone["code"].as_str()), (200, 400, Some("NoSuchKey")));
    let counts: Value = stand.ask(Method::GET, "/control/counts").send().await.unwrap().json().await.unwrap();
    assert_eq!((&counts["objectsListed"], &counts["bytesReceived"]["small/a.mp4"]), (&json!(2), &json!(4)));
}

#[tokio::test]
async fn resumable_uploads_speak_the_protocol() {
    let stand = Stand::start().await;
    let root = "/storage/v1/upload/resumable";
    let hello = stand.ask(Method::OPTIONS, root).send().await.unwrap();
    assert_eq!((hello.status().as_u16(), header(&hello, "tus-version").as_str()), (204, "1.0.0"));
    // bucketName videos, objectName p/a.mp4
    let declared = "bucketName dmlkZW9z,objectName cC9hLm1wNA==";
    let create = || stand.ask(Method::POST, root).header("tus-resumable", "1.0.0").header("upload-length", "8");
    let whole = create().header("upload-metadata", declared).header("content-type", "application/offset+octet-stream");
    let whole = whole.body(piece(0, 8)).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), header(&whole, "upload-offset").as_str()), (201, "8"));
    assert_eq!(header(&whole, "tus-complete"), "1");
    let location = header(&whole, "location");
    assert!(location.starts_with(&format!("{}{root}/", stand.url)), "{location} is where the stand-in is mounted");
    assert!(stand.stored("p/a.mp4").await == piece(0, 8));

    let refused = async |request: RequestBuilder| {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let text = |status: u16, text: &str| (status, text.to_owned());
    assert_eq!(refused(create().header("upload-metadata", declared)).await, text(409, "The resource already exists"));
    assert_eq!(refused(create()).await, text(400, "Metadata header is required"));
    assert_eq!(refused(create().header("upload-metadata", "bucketName %")).await, text(400, "Invalid upload-metadata"));
    assert_eq!(refused(stand.ask(Method::POST, root)).await, text(412, "Tus-Resumable Required"));

    let other = create().header("upload-metadata", declared).header("x-upsert", "true").send().await.unwrap();
    let path = header(&other, "location").replace(stand.url.as_str(), "");
    let on = |method: Method| stand.ask(method, &path).header("tus-resumable", "1.0.0").header("x-upsert", "true");
    let chunk = |at: &str| {
        on(Method::PATCH).header("upload-offset", at).header("content-type", "application/offset+octet-stream")
    };
    assert_eq!(refused(chunk("1").body("x")).await, text(409, "Upload-Offset conflict"));
    assert_eq!(refused(chunk("0").body("123456789")).await, text(413, "upload's size exceeded"));
    assert_eq!(
        refused(on(Method::PATCH).header("upload-offset", "0").body("x")).await,
        text(400, "Invalid content-type")
    );
    assert_eq!(refused(on(Method::DELETE)).await, text(204, ""));
    assert_eq!(refused(chunk("0").body("x")).await, text(404, "The file for this url was not found"));
}

#[tokio::test]
async fn rows_are_inserted_filtered_and_refused_like_postgrest_does() {
    let stand = Stand::start().await;
    let table = "/rest/v1/projects";
    let row = json!({"id": "p1", "status": "new", "updated_at": null, "n": 1});
    assert_eq!(stand.json(Method::POST, table, row.clone()).await.0, 201);
    assert_eq!(stand.json(Method::POST, table, row).await.1["code"], "23505");
    let merge = stand.ask(Method::POST, table).header("prefer", "resolution=merge-duplicates,return=representation");
    let merged: Value = merge.json(&json!({"id": "p1", "n": 2})).send().await.unwrap().json().await.unwrap();
    assert_eq!(merged, json!([{"id": "p1", "status": "new", "updated_at": null, "n": 2}]));
    stand
        .json(Method::POST, table, json!({"id": "p2", "status": "done", "updated_at": "2026-01-01T00:00:00+00:00"}))
        .await;
    let check = async |query: &str, expected: Value| {
        let (status, body) = stand.json(Method::GET, &format!("{table}?select=id&{query}"), Value::Null).await;
        assert_eq!((status, body), (200, expected), "{query}");
    };
    check("status=eq.done", json!([{"id": "p2"}])).await;
    check("status=neq.done", json!([{"id": "p1"}])).await;
    check("updated_at=is.null", json!([{"id": "p1"}])).await;
    check("updated_at=not.is.null", json!([{"id": "p2"}])).await;
    check("updated_at=eq.2026-01-01T00:00:00Z", json!([{"id": "p2"}])).await;
    check("updated_at=neq.2020-01-01T00:00:00Z", json!([{"id": "p2"}])).await;
    check("id=in.(p1,p3)&n=eq.2", json!([{"id": "p1"}])).await;
    let code = async |method: Method, path: &str, body: Value| {
        let (status, body) = stand.json(method, path, body).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(code(Method::GET, "/rest/v1/none", Value::Null).await, refused(404, "PGRST205"));
    assert_eq!(code(Method::GET, "/rest/v1/projects?n=like.x", Value::Null).await, refused(400, "PGRST100"));
    assert_eq!(code(Method::PATCH, "/rest/v1/projects?id=eq.p1", json!({"x": 1})).await, refused(400, "PGRST204"));
    assert_eq!(code(Method::GET, "/rest/v1/projects?x=eq.1", Value::Null).await, refused(400, "42703"));
    let lost = stand.ask(Method::PATCH, &format!("{table}?id=eq.p9")).json(&json!({"n": 3})).send().await.unwrap();
    assert_eq!((lost.status().as_u16(), header(&lost, "content-range").as_str()), (204, "*/*"), "no row is no error");
}
