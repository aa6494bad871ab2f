//! The service as others reach it: that `PUBLIC_URL` leads to this very program, that its worker believes our pushes and
//! nobody else's, and that the pages listed may call.

use super::finding::Sheet;
use super::schedule::Shown;
use super::{CALL, Service, Setup};
use crate::services::outbound::describe;
use crate::services::qstash::signature::sign;
use reqwest::header::{LOCATION, SERVER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::oneshot;

pub(super) const CHECKS: &[&str] = &[PUBLIC, UNSIGNED, SIGNED, CORS];
const PUBLIC: &str = "service.public-url";
const UNSIGNED: &str = "service.unsigned";
const SIGNED: &str = "service.signed";
const CORS: &str = "service.cors";

const BYPASS: &str = "x-vercel-protection-bypass";
/// No message of ours: whoever believes its signature answers 489 and does nothing.
const NO_MESSAGE: &str = "{}";
const UNREADABLE: u16 = 489;
const BODY_MAX: usize = 64 * 1024;

/// Shows what can be seen of it to whoever waits for that.
pub(super) async fn check(setup: &Setup, sheet: &Sheet, show: oneshot::Sender<Shown>) {
    let Some(service) = &setup.service else {
        return sheet.skip_rest("PUBLIC_URL is not set");
    };
    if setup.cors_origins.is_empty() {
        sheet.ok(CORS, "no other site's pages may call (CORS_ORIGINS is not set)");
    }
    let shown = reach(sheet, service).await;
    // Who was to see it may have found something worse.
    let _unseen = show.send(shown);
    if !shown.answers {
        return;
    }
    unsigned(sheet, service).await;
    signed(sheet, service, (setup.now)()).await;
    if !setup.cors_origins.is_empty() {
        cors(sheet, service, &setup.cors_origins).await;
    }
}

impl Service {
    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.http.request(method, url).timeout(CALL);
        match &self.bypass {
            Some(secret) => request.header(BYPASS, secret.expose_secret()),
            None => request,
        }
    }
}

/// If it does not answer, nothing else about the service is worth asking.
async fn reach(sheet: &Sheet, service: &Service) -> Shown {
    let url = format!("{}/api/health", service.public_url);
    let answer = match service.request(Method::GET, &url).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let mend =
                "Start or deploy the service, or set PUBLIC_URL to where it is (name, port, a valid certificate)";
            sheet.fail(PUBLIC, format!("{url}: {}", describe(error)), mend);
            return Shown::default();
        }
    };
    let status = answer.status();
    let mut shown = Shown::default();
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    if status.is_redirection() {
        let to = header(LOCATION);
        let to = to.split(['?', '#']).next().unwrap_or_default();
        let mend = format!(
            "Set PUBLIC_URL to where it leads ({to}, without /api/health): QStash does not follow, and signs for the address itself"
        );
        sheet.fail(PUBLIC, format!("{url} answers {status} and leads to {to}"), mend);
        return shown;
    }
    shown.on_vercel = header(SERVER).eq_ignore_ascii_case("vercel") || answer.headers().contains_key("x-vercel-id");
    let body = json(answer).await;
    let version = body["version"].as_str().filter(|_| status == StatusCode::OK && body["status"] == "ok");
    let Some(version) = version else {
        if matches!(status.as_u16(), 401 | 403) && shown.on_vercel {
            let seen = format!("{url} answers {status}: deployment protection stands before the service");
            let mend = "Set VERCEL_AUTOMATION_BYPASS_SECRET (Vercel, Settings, Deployment Protection, Protection Bypass for Automation) here and in the deployment, or turn the protection off";
            sheet.fail(PUBLIC, seen, mend);
        } else {
            let seen = format!("{url} answers {status} and is no Cliprelay");
            sheet.fail(
                PUBLIC,
                seen,
                "Set PUBLIC_URL to the service's own address: another server answers there, or a proxy before it",
            );
        }
        return shown;
    };
    let (ours, theirs) = (env!("CARGO_PKG_VERSION"), plain(version));
    if theirs == ours {
        sheet.ok(PUBLIC, format!("{} answers, version {version}", service.public_url));
    } else {
        let seen = format!("{} answers with version {version}, this program is {ours}", service.public_url);
        sheet.warn(PUBLIC, seen, "Deploy this version, or check with the deployed one: checks and settings may differ");
    }
    shown.answers = true;
    shown
}

/// Without what a build adds to it.
fn plain(version: &str) -> &str {
    version.split(['+', ' ']).next().unwrap_or(version)
}

async fn unsigned(sheet: &Sheet, service: &Service) {
    let request = service.request(Method::POST, &service.worker_url).body(NO_MESSAGE);
    match request.send().await {
        Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
            let code = json(answer).await["code"].clone();
            if code == "bad_signature" {
                sheet.ok(UNSIGNED, "an unsigned push is refused");
            } else {
                let seen = "something before the worker's route answers 401";
                sheet.fail(
                    UNSIGNED,
                    seen,
                    "Let QStash through to PUBLIC_URL/api/worker/klap: no login, firewall or protection before it",
                );
            }
        }
        Ok(answer) => {
            let seen = format!("an unsigned push is answered {} instead of 401", answer.status());
            sheet.fail(UNSIGNED, seen, "Route PUBLIC_URL/api/worker/klap to this program, headers and body unchanged");
        }
        Err(error) => sheet.fail(UNSIGNED, describe(error), "Route PUBLIC_URL/api/worker/klap to this program"),
    }
}

/// A push as QStash would sign it with our current key. That it is believed says that the service runs with these keys and
/// this address.
async fn signed(sheet: &Sheet, service: &Service, now: i64) {
    let Some(keys) = &service.keys else {
        return sheet.skip(SIGNED, "no signing keys are configured");
    };
    let token = sign(&keys.current, &service.worker_url, NO_MESSAGE.as_bytes(), now, "jwt_cliprelay-doctor");
    let request = service.request(Method::POST, &service.worker_url).header("upstash-signature", token);
    let request = match &service.region {
        Some(region) => request.header("upstash-region", region),
        None => request,
    };
    match request.body(NO_MESSAGE).send().await {
        Ok(answer) if answer.status().as_u16() == UNREADABLE => {
            sheet.ok(SIGNED, "a push signed with our current key is believed");
        }
        Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
            let seen = "the service does not believe a push signed with our current key for this address";
            let mend = "Give the service the same PUBLIC_URL and QSTASH_CURRENT_SIGNING_KEY as this environment and restart it; check its clock, too";
            sheet.fail(SIGNED, seen, mend);
        }
        Ok(answer) => {
            let seen = format!("a signed push that holds nothing is answered {}", answer.status());
            sheet.warn(SIGNED, seen, "Look at the service's log; if it was about to stop, look again");
        }
        Err(error) => sheet.fail(SIGNED, describe(error), "Route PUBLIC_URL/api/worker/klap to this program"),
    }
}

/// Asks as a browser would before a page's first call.
async fn cors(sheet: &Sheet, service: &Service, origins: &[String]) {
    let url = format!("{}/api/process-klap", service.public_url);
    let mut good = true;
    for origin in origins {
        if origin.starts_with("http://") && service.public_url.starts_with("https:") {
            good = false;
            let seen =
                format!("{origin} in CORS_ORIGINS is not https: whoever is on its users' network can speak for it");
            sheet.warn(CORS, seen, "Take it out of CORS_ORIGINS of a public deployment, or give the page https");
        }
        let request = service.request(Method::OPTIONS, &url).header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        let allowed = request.send().await.ok().and_then(|answer| {
            let allowed = answer.headers().get("access-control-allow-origin")?.to_str().ok()?;
            Some(allowed == origin)
        });
        if allowed != Some(true) {
            good = false;
            let seen = format!("the service does not let pages of {origin} call, though CORS_ORIGINS lists it");
            sheet.warn(CORS, seen, "Restart the service with this CORS_ORIGINS; a proxy before it must leave OPTIONS and its headers alone");
        }
    }
    if good {
        sheet.ok(CORS, format!("pages of {} may call", origins.join(", ")));
    }
}

/// The answer's JSON, as far as it is any.
async fn json(mut answer: Response) -> Value {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > BODY_MAX {
            return Value::Null;
        }
    }
    serde_json::from_slice(&body).unwrap_or_default()
}
