//! Configuration: the environment read once, decided once, every problem reported at once. Nothing is guessed: a missing
//! variable is a problem, never another mode. Secrets are wrapped as they are read and never printed.

mod auth;
mod operators;
mod parts;
mod problems;
mod protection;
mod qstash;
mod redis;
#[cfg(test)]
mod tests;
mod timing;
mod traces;

pub use parts::Parts;
pub use problems::{Problem, Problems};
pub use qstash::QStashConfig;

use crate::flow::{Protection, StepTimes};
use crate::http::{Auth, Proxies};
use crate::job::Limits;
use crate::kinds::Pace;
use crate::services::outbound::AllowList;
use crate::services::{klap, supabase};
use crate::store;
use crate::telemetry::{Format, Traces};
use problems::Reader;
use secrecy::SecretString;
use std::net::IpAddr;
use std::time::Duration;
use url::{Host, Url};

/// Everything a service needs to know, decided.
#[derive(Debug)]
pub struct Config {
    pub host: IpAddr,
    pub port: u16,
    /// What QStash calls; without a trailing slash.
    pub public_url: Url,
    pub store: StoreConfig,
    pub qstash: QStashConfig,
    pub klap: klap::Options,
    pub supabase: supabase::Options,
    pub auth: Auth,
    /// Set, but for another mode than the chosen one: said at start.
    pub auth_unused: Vec<&'static str>,
    /// Either opens the operator's routes.
    pub operator_secrets: Vec<SecretString>,
    /// Anybody may read the metrics: never but on one's own machine.
    pub metrics_open: bool,
    pub cors_origins: Vec<String>,
    pub limits: Limits,
    pub protection: Protection,
    /// Whose word is taken for a caller's address.
    pub proxies: Proxies,
    pub pace: Pace,
    pub steps: StepTimes,
    /// The longest `?wait=` is held.
    pub wait_max: Duration,
    /// The longest a stream of events is kept open.
    pub stream_max: Duration,
    /// How many may watch in one process.
    pub watchers_max: usize,
    pub allow_private: AllowList,
    /// The host's deployment protection lets our own pushes pass with this.
    pub protection_bypass: Option<SecretString>,
    /// Runs on a serverless host: nothing happens between requests, so no local sweep.
    pub serverless: bool,
    pub logs: Logs,
}

/// Where jobs rest.
#[derive(Debug)]
pub enum StoreConfig {
    Redis(store::redis::Options),
    #[cfg(feature = "local")]
    Local(std::path::PathBuf),
}

#[derive(Debug, Clone)]
pub struct Logs {
    pub format: Format,
    pub filter: String,
    pub traces: Option<Traces>,
}

impl Logs {
    /// Read before everything else, so that problems can be told.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Self {
        let json = get("LOG_FORMAT").is_some_and(|format| format == "json");
        Self {
            format: if json { Format::Json } else { Format::Pretty },
            filter: get("RUST_LOG").unwrap_or_else(|| "info".to_owned()),
            traces: traces::read(&mut Reader::new(get)),
        }
    }
}

/// The process's environment: read only here, at the start. What is not Unicode counts as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Promised for later: refused rather than ignored.
const LATER: [&str; 3] = ["KLAP_CONCURRENCY", "PREMIUM_SHARE", "PER_USER_CONCURRENCY"];

impl Config {
    /// Reads the environment through `get`. `local_store`: rest jobs there instead of in Redis.
    pub fn read(
        get: &dyn Fn(&str) -> Option<String>,
        local_store: Option<std::path::PathBuf>,
    ) -> Result<Self, Problems> {
        let mut reader = Reader::new(get);
        let serverless = reader.text("VERCEL").is_some();
        for name in LATER {
            if reader.text(name).is_some() {
                reader.problem(name, "is not available in this version yet; unset it");
            }
        }
        let public_url = public_url(&mut reader, serverless);
        let exposed = serverless || public_url.as_ref().is_some_and(|url| !is_loopback(url));
        let times = timing::read(&mut reader, serverless);
        let host = reader.parsed("HOST", auth::host(&reader), "must be an IP address");
        let watchers_max = reader.number("WATCHERS_MAX", 10_000, 1, 1_000_000);
        let port = reader.number("PORT", 3000, 0, 65_535);
        let store = redis::store(&mut reader, local_store);
        let qstash = qstash::read(&mut reader, exposed);
        let klap = klap_options(&mut reader);
        let supabase = supabase_options(&mut reader);
        let operator_secrets = operators::secrets(&mut reader, exposed);
        let cors_origins = origins(&mut reader);
        let allow_private = allow_private(&mut reader);
        let auth = auth::read(&mut reader, exposed, &allow_private);
        let auth_unused = auth::unused(&reader);
        let protection = protection::limits(&mut reader);
        let proxies = protection::proxies(&mut reader, serverless);
        let format = reader.text("LOG_FORMAT");
        if format.is_some_and(|format| !["json", "pretty"].contains(&format.as_str())) {
            reader.problem("LOG_FORMAT", "must be json or pretty");
        }
        // For its problems: what comes of it is among the logs.
        traces::read(&mut reader);
        let protection_bypass = reader.secret("VERCEL_AUTOMATION_BYPASS_SECRET");
        reader.finish()?;
        let all = (public_url, store, qstash, klap, supabase, auth);
        let (Some(public_url), Some(store), Some(qstash), Some(klap), Some(supabase), Some(auth)) = all else {
            return Err(Problems(vec![Problem { variable: "environment".into(), message: "is incomplete".into() }]));
        };
        Ok(Self {
            host,
            port: u16::try_from(port).unwrap_or(3000),
            public_url,
            store,
            qstash,
            klap,
            supabase,
            auth,
            auth_unused,
            operator_secrets: operator_secrets.into_iter().map(|(_, secret)| secret).collect(),
            metrics_open: false,
            cors_origins,
            limits: times.limits,
            protection,
            proxies,
            pace: times.pace,
            steps: times.steps,
            wait_max: Duration::from_secs(if serverless { 8 } else { 25 }),
            stream_max: Duration::from_secs(if serverless { 8 } else { 600 }),
            watchers_max: usize::try_from(watchers_max).unwrap_or(usize::MAX),
            allow_private,
            protection_bypass,
            serverless,
            logs: Logs::read(get),
        })
    }
}

fn public_url(reader: &mut Reader<'_>, serverless: bool) -> Option<Url> {
    let text = reader.text("PUBLIC_URL").or_else(|| {
        if !serverless {
            return None;
        }
        // A preview calls itself: it must never push to production.
        let production = reader.text("VERCEL_ENV").as_deref() == Some("production");
        let name = if production { "VERCEL_PROJECT_PRODUCTION_URL" } else { "VERCEL_URL" };
        reader.text(name).map(|host| format!("https://{host}"))
    });
    let Some(text) = text else {
        reader.problem("PUBLIC_URL", "is missing: the address under which QStash reaches this service");
        return None;
    };
    let url = reader.url("PUBLIC_URL", &text)?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        reader.problem("PUBLIC_URL", "must be a plain address without credentials, query or fragment");
        return None;
    }
    if serverless && !may_call_itself(reader, &url) {
        reader.problem(
            "PUBLIC_URL",
            "is not this deployment's own address, and only production may have another: outside of it each deployment \
             pushes to itself. Set it for Production alone",
        );
        return None;
    }
    Some(url)
}

/// A variable that is set for all environments is production's address in a preview as well.
fn may_call_itself(reader: &Reader<'_>, url: &Url) -> bool {
    let own = ["VERCEL_URL", "VERCEL_BRANCH_URL"].into_iter().filter_map(|name| reader.text(name));
    reader.text("VERCEL_ENV").as_deref() == Some("production")
        || own.filter_map(|host| Url::parse(&format!("https://{host}")).ok()).any(|own| own == *url)
}

/// Whether an address is this machine's own.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn klap_options(reader: &mut Reader<'_>) -> Option<klap::Options> {
    let text = reader.text("KLAP_API_URL").unwrap_or_else(|| "https://api.klap.app/v2".to_owned());
    let url = reader.url("KLAP_API_URL", &text);
    let api_key = reader.required_secret("KLAP_API_KEY", "the key of your Klap account");
    Some(klap::Options { url: url?, api_key: api_key? })
}

fn supabase_options(reader: &mut Reader<'_>) -> Option<supabase::Options> {
    let url = reader.required("SUPABASE_URL", "your project's address, https://<ref>.supabase.co");
    let url = url.and_then(|text| reader.url("SUPABASE_URL", &text));
    let key = reader.required_secret("SUPABASE_SERVICE_ROLE_KEY", "the project's service_role or sb_secret_ key");
    let columns = reader.text("SUPABASE_PROJECT_COLUMNS").unwrap_or_default();
    let columns = supabase::Columns::parse(&columns)
        .map_err(|error| reader.problem("SUPABASE_PROJECT_COLUMNS", error.to_string()));
    let table = reader.text("SUPABASE_PROJECTS_TABLE").unwrap_or_else(|| "projects".to_owned());
    let access = match reader.text("SUPABASE_BUCKET_ACCESS").as_deref() {
        None | Some("public") => supabase::Access::Public,
        Some("private") => supabase::Access::Private,
        Some(_) => {
            reader.problem("SUPABASE_BUCKET_ACCESS", "must be public or private");
            return None;
        }
    };
    Some(supabase::Options {
        access,
        url: url?,
        service_key: key?,
        bucket: reader.text("SUPABASE_BUCKET").unwrap_or_else(|| "videos".to_owned()),
        table,
        columns: columns.ok()?,
        timeouts: supabase::Timeouts::default(),
    })
}

fn origins(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(text) = reader.text("CORS_ORIGINS") else { return Vec::new() };
    let mut origins = Vec::new();
    for origin in text.split(',').map(str::trim).filter(|origin| !origin.is_empty()) {
        if origin.contains('*') {
            reader.problem("CORS_ORIGINS", "must name each origin: * would let any page use what a browser can reach");
            continue;
        }
        let plain = Url::parse(origin)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == origin);
        if plain {
            origins.push(origin.to_owned());
        } else {
            let like = "is not an origin like https://app.example.com (lower case, no path, no usual port)";
            reader.problem("CORS_ORIGINS", format!("{origin:?} {like}"));
        }
    }
    origins
}

fn allow_private(reader: &mut Reader<'_>) -> AllowList {
    let text = reader.text("ALLOW_PRIVATE_ADDRESSES").unwrap_or_default();
    AllowList::parse(&text).unwrap_or_else(|error| {
        reader.problem("ALLOW_PRIVATE_ADDRESSES", error.to_string());
        AllowList::default()
    })
}
