//! One process of the service: the real router, flow, kinds and clients, with an own clock that is off, over the world's
//! store and network. It can die at any effect, freeze, or be told to stop.

use super::World;
use super::clients::{Shop, Wire};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use cliprelay::flow::{Engine, Protection, Settings, StepTimes};
use cliprelay::http::{Auth, Authenticator, Http as Edge, Proxies, Pushes, router};
use cliprelay::job::Limits;
use cliprelay::kinds::Pace;
use cliprelay::services::outbound::{self, AllowList, Guard, Http};
use cliprelay::services::qstash::signature::{SigningKeys, Verifier};
use cliprelay::services::{Services, klap, qstash, source, supabase};
use fastrand::Rng;
use http_body_util::{BodyExt as _, Collected};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use url::Url;
use uuid::Uuid;

pub const WORKER_URL: &str = "https://relay.sim/api/worker/klap";
pub const FAILED_URL: &str = "https://relay.sim/api/worker/klap/failed";
pub const OPERATOR: &str = "operators-secret";
const HOUR: u64 = 3_600_000;
pub const LIMITS: Limits = Limits {
    max_attempts: 3,
    job_timeout: 2 * HOUR,
    queue_timeout: 24 * HOUR,
    done_ttl: 24 * HOUR,
    failed_ttl: 168 * HOUR,
};

pub struct Process {
    pub slot: usize,
    pub number: usize,
    router: Mutex<Option<Router>>,
    world: Weak<World>,
    pub dead: CancellationToken,
    pub stopping: CancellationToken,
    frozen_until: Mutex<Option<Instant>>,
    retired: AtomicBool,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<u64>,
    pub body: Value,
}

impl Process {
    pub fn start(world: &Arc<World>, slot: usize, number: usize, skew: i64, seed: u64, keys: SigningKeys) -> Arc<Self> {
        let process = Arc::new(Self {
            slot,
            number,
            router: Mutex::default(),
            world: Arc::downgrade(world),
            dead: CancellationToken::new(),
            stopping: CancellationToken::new(),
            frozen_until: Mutex::default(),
            retired: AtomicBool::new(false),
        });
        let router = router(edge(world, &process, skew, seed, keys));
        *process.router.lock().expect("nobody holds it") = Some(router);
        process
    }

    /// Whoever asks for an effect waits here: while the process is frozen, and for ever once it is dead.
    pub async fn alive(&self) {
        loop {
            if self.dead.is_cancelled() {
                return std::future::pending().await;
            }
            let frozen = *self.frozen_until.lock().expect("nobody holds it");
            match frozen.filter(|until| Instant::now() < *until) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    /// The process is gone: nothing it asked for is heard any more. Another takes its place.
    pub fn dies(&self) {
        let Some(world) = self.world.upgrade() else { return };
        world.tell(|| format!("{self} dies"));
        world.state().laws.gone.insert(self.number);
        self.dead.cancel();
        // The router holds the engine, which holds the world.
        self.router.lock().expect("nobody holds it").take();
        if !self.retired.load(Ordering::SeqCst) {
            world.replace(self.slot);
        }
    }

    pub fn freezes(&self, until: Instant) {
        if let Some(world) = self.world.upgrade() {
            world.state().laws.gone.insert(self.number);
        }
        *self.frozen_until.lock().expect("nobody holds it") = Some(until);
    }

    /// Told to stop; another takes its place at once, and this one ends when it is done.
    pub fn is_redeployed(&self) {
        let Some(world) = self.world.upgrade() else { return };
        if !self.retired.swap(true, Ordering::SeqCst) {
            world.tell(|| format!("{self} is told to stop"));
            self.stopping.cancel();
            world.replace(self.slot);
        }
    }

    /// One request; `None` if the process dies first.
    pub async fn answer(&self, mut request: Request<Body>) -> Option<Answer> {
        // A drawn one would make each life different.
        request.headers_mut().insert("x-request-id", HeaderValue::from_static("r"));
        let router = self.router.lock().expect("nobody holds it").clone()?;
        let exchange = async {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = response.status();
            let retry_after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
            let nonretryable = response.headers().contains_key("upstash-nonretryable-error");
            let body = response.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
            assert!(status.as_u16() != 489 || nonretryable, "489 without its header");
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{body:?}");
            Answer { status: status.as_u16(), retry_after, body: serde_json::from_slice(&body).unwrap_or_default() }
        };
        tokio::select! {
            biased;
            () = self.dead.cancelled() => None,
            answer = exchange => {
                self.alive_or_dead().await.then_some(answer)
            }
        }
    }

    /// An answer of a frozen process comes when it wakes; a dead one gives none.
    async fn alive_or_dead(&self) -> bool {
        tokio::select! {
            biased;
            () = self.dead.cancelled() => false,
            () = self.alive() => true,
        }
    }

    /// Lets go of the engine, and with it of the world.
    pub fn ends(&self) {
        self.router.lock().expect("nobody holds it").take();
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{}", self.number)
    }
}

/// Only makes requests: a client with TLS costs more to build than a life.
fn requests() -> reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| outbound::client(&outbound::Options::default()).expect("a client")).clone()
}

fn edge(world: &Arc<World>, process: &Arc<Process>, skew: i64, seed: u64, keys: SigningKeys) -> Edge {
    let url = |text: &str| Url::parse(text).expect("an address");
    let http = Http::over(requests(), Arc::new(Wire::new(world, process)));
    let supabase = supabase::Options {
        access: supabase::Access::Public,
        url: url("https://supabase.sim"),
        service_key: "service-key".into(),
        bucket: "videos".to_owned(),
        table: "projects".to_owned(),
        columns: supabase::Columns::default(),
        timeouts: supabase::Timeouts::default(),
    };
    let klap = klap::Options { url: url("https://klap.sim/v2"), api_key: "klap-key".into() };
    let timeout = Duration::from_secs(5);
    let qstash = qstash::Options { url: url("https://qstash.sim"), token: "qstash-token".into(), timeout };
    let guard = Guard::over(AllowList::parse("").expect("an empty list"), http.clone());
    let services = Services {
        qstash: qstash::QStash::new(http.clone(), qstash).expect("a root"),
        klap: klap::Klap::new(http.clone(), klap),
        supabase: supabase::Supabase::new(http, supabase).expect("good options"),
        source: source::Source::new(guard.clone(), source::Options::default()),
        guard,
    };
    let settings = Settings {
        protection: Protection::default(),
        limits: LIMITS,
        pace: Pace { poll_min: 10_000, poll_max: 60_000, paid_call: Duration::from_secs(20) },
        steps: StepTimes::new(Duration::from_secs(230)),
        worker_url: url(WORKER_URL),
        failed_url: url(FAILED_URL),
        forward: Vec::new(),
    };
    let ids = Mutex::new(Rng::with_seed(seed));
    let ids = Box::new(move || Uuid::from_u128(ids.lock().expect("nobody holds it").u128(..)));
    let store = Arc::new(Shop::new(world, process));
    let engine = Engine::new(store, services, settings, process.stopping.clone(), ids);
    let weak = Arc::downgrade(world);
    let clock = Box::new(move || {
        let now = weak.upgrade().map_or(0, |world| world.now() / 1_000);
        i64::try_from(now).unwrap_or(i64::MAX) + skew
    });
    Edge {
        proxies: Proxies::None,
        engine: Arc::new(engine),
        authenticator: Authenticator::new(Auth::None).expect("nothing to build"),
        pushes: Pushes {
            verifier: Verifier::new(Some(keys), BTreeMap::new()),
            worker_url: WORKER_URL.to_owned(),
            failed_url: FAILED_URL.to_owned(),
            clock,
        },
        operator_secrets: vec![OPERATOR.into()],
        metrics_open: false,
        cors_origins: Vec::new(),
        wait_max: Duration::from_secs(25),
        watching: cliprelay::http::Watching::new(2_000, Duration::from_mins(10)),
        tasks: TaskTracker::new(),
    }
}
