//! Supabase Storage: objects that appear when their last byte has come, and resumable uploads that know how far they are. It
//! looks at each byte as it comes and keeps only whether they were right.

use super::World;
use super::files::{self, HEAD};
use super::network::{json, plain, with_header};
use super::process::Process;
use crate::faults::Fault as F;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cliprelay::services::outbound::Unanswered;
use http_body_util::BodyExt as _;
use reqwest::{Body, Method, Request, Response};
use serde_json::json as object;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::timeout;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub size: u64,
    /// Every byte was that of the export its path names.
    pub right: bool,
}

struct Upload {
    path: String,
    length: u64,
    offset: u64,
    right: bool,
    gone: bool,
}

#[derive(Default)]
pub struct Storage {
    pub objects: BTreeMap<String, Object>,
    uploads: Vec<Upload>,
}

const OBJECT: &str = "/storage/v1/object/videos/";
const INFO: &str = "/storage/v1/object/info/videos/";
const UPLOADS: &str = "/storage/v1/upload/resumable";

pub async fn answer(
    world: &Arc<World>,
    process: &Process,
    mut request: Request,
    fault: Option<F>,
) -> Result<Response, Unanswered> {
    let path = request.url().path().to_owned();
    let method = request.method().clone();
    if let Some(path) = path.strip_prefix(INFO) {
        let found = world.state().storage.objects.get(path).cloned();
        return Ok(match found {
            Some(found) => {
                let info = object!({"name": path, "size": found.size, "content_type": "video/mp4", "etag": "\"e\""});
                json(200, &info)
            }
            None => {
                json(400, &object!({"statusCode": "404", "code": "NoSuchKey", "error": "not_found", "message": "none"}))
            }
        });
    }
    if let Some(path) = path.strip_prefix(OBJECT) {
        return put(world, process, path, &mut request, fault).await;
    }
    if path == UPLOADS && method == Method::POST {
        return Ok(begin(world, &request));
    }
    let number = path.strip_prefix(UPLOADS).and_then(|id| id.strip_prefix("/upload")?.parse::<usize>().ok());
    let number = number.unwrap_or_else(|| panic!("{method} {path} is nothing of storage's"));
    if method == Method::PATCH {
        return patch(world, process, number, &mut request, fault).await;
    }
    let state = world.state();
    Ok(match state.storage.uploads.get(number).filter(|upload| !upload.gone) {
        Some(upload) => with_header(200, "upload-offset", &upload.offset),
        None => plain(404, "The file for this url was not found"),
    })
}

/// A body's pieces as they come: how many bytes from `from` on, whether all were those of the export that `path` names, and
/// whether it came to its end.
struct Taken {
    bytes: u64,
    right: bool,
    whole: bool,
}

async fn take(
    world: &World,
    process: &Process,
    path: &str,
    from: u64,
    body: Option<Body>,
    breaks_at: Option<u64>,
) -> Taken {
    let export = path.rsplit('-').next().and_then(|name| name.strip_suffix(".mp4")).unwrap_or_default();
    let size = world.state().klap.file(export).unwrap_or(HEAD);
    let mut taken = Taken { bytes: 0, right: true, whole: false };
    let Some(mut body) = body else { return taken };
    loop {
        process.alive().await;
        // A sender that stops for good has closed its connection.
        let Ok(frame) = timeout(std::time::Duration::from_mins(5), body.frame()).await else { return taken };
        let Some(frame) = frame else {
            taken.whole = true;
            return taken;
        };
        let Some(piece) = frame.ok().and_then(|frame| frame.into_data().ok()) else { return taken };
        let mut at = 0_usize;
        while at < piece.len() {
            let position = from + taken.bytes + at as u64;
            let expected = files::piece(export, size, position, position + (piece.len() - at) as u64);
            let length = expected.len().min(piece.len() - at);
            taken.right &= piece[at..at + length] == expected[..length];
            at += length;
        }
        taken.bytes += piece.len() as u64;
        if breaks_at.is_some_and(|limit| taken.bytes >= limit) {
            return taken;
        }
    }
}

async fn put(
    world: &Arc<World>,
    process: &Process,
    path: &str,
    request: &mut Request,
    fault: Option<F>,
) -> Result<Response, Unanswered> {
    let announced = length(request, "content-length");
    let body = request.body_mut().take();
    let taken = take(world, process, path, 0, body, None).await;
    if !taken.whole || taken.bytes != announced {
        return Err(Unanswered::lost("the upload broke off"));
    }
    let size = if fault == Some(F::StorageShort) { announced / 2 } else { announced };
    if fault != Some(F::StorageLies) {
        world.state().storage.store(path, size, taken.right);
    }
    Ok(json(200, &object!({"Key": format!("videos/{path}"), "Id": "id"})))
}

fn begin(world: &World, request: &Request) -> Response {
    let length = length(request, "upload-length");
    let metadata = request.headers()["upload-metadata"].to_str().expect("text");
    let path = metadata.split(',').find_map(|field| field.strip_prefix("objectName ")).expect("a name");
    let path = String::from_utf8(STANDARD.decode(path).expect("base64")).expect("a path");
    let mut state = world.state();
    let uploads = &mut state.storage.uploads;
    uploads.push(Upload { path, length, offset: 0, right: true, gone: false });
    with_header(201, "location", &format!("https://supabase.sim{UPLOADS}/upload{}", uploads.len() - 1))
}

async fn patch(
    world: &Arc<World>,
    process: &Process,
    number: usize,
    request: &mut Request,
    fault: Option<F>,
) -> Result<Response, Unanswered> {
    let gone = || Ok(plain(404, "The file for this url was not found"));
    if fault == Some(F::UploadGone) {
        world.state().storage.uploads[number].gone = true;
    }
    let offset = length(request, "upload-offset");
    let announced = length(request, "content-length");
    let (path, stands_at) = {
        let state = world.state();
        let Some(upload) = state.storage.uploads.get(number).filter(|upload| !upload.gone) else { return gone() };
        (upload.path.clone(), upload.offset)
    };
    if stands_at != offset {
        return Ok(plain(409, "Upload-Offset conflict"));
    }
    let breaks_at = (fault == Some(F::ChunkBroken)).then_some(announced / 2);
    let body = request.body_mut().take();
    let taken = take(world, process, &path, offset, body, breaks_at).await;
    let mut state = world.state();
    let storage = &mut state.storage;
    let upload = &mut storage.uploads[number];
    // Somebody else's chunk was first.
    if upload.offset != offset {
        return Ok(plain(409, "Upload-Offset conflict"));
    }
    upload.offset += taken.bytes.min(upload.length - offset);
    upload.right &= taken.right;
    let (now_at, right, length) = (upload.offset, upload.right, upload.length);
    if now_at == length {
        storage.store(&path, length, right);
    }
    if !taken.whole || taken.bytes != announced {
        return Err(Unanswered::lost("the chunk broke off"));
    }
    Ok(with_header(204, "upload-offset", &now_at))
}

impl Storage {
    fn store(&mut self, path: &str, size: u64, right: bool) {
        self.objects.insert(path.to_owned(), Object { size, right });
    }
}

fn length(request: &Request, name: &str) -> u64 {
    let value = request.headers().get(name).and_then(|value| value.to_str().ok()?.parse().ok());
    value.unwrap_or_else(|| panic!("a request without {name}"))
}
