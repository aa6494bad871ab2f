//! The whole service in this process: real routers and engines over real HTTP, the real stand-ins for Klap and Supabase, a
//! chosen store (the embedded one in memory with a clock that is moved by hand, or a real Redis), and a QStash that does as
//! it is told.

use super::queue::Queue;
use super::redis::Server;
use super::time::Hand;
use super::watched::{Watch, Watched};
use cliprelay::embedded::klap::Pace as KlapPace;
use cliprelay::embedded::sandbox::{self, KLAP_KEY, SUPABASE_KEY, Sandbox};
use cliprelay::flow::{Engine, Protection, Settings, StepTimes};
use cliprelay::http::{ApiKey, Auth, Authenticator, Http, Proxies, Pushes, router};
use cliprelay::job::Limits;
use cliprelay::kinds::Pace;
use cliprelay::services::outbound::{self, AllowList, Guard};
use cliprelay::services::qstash::signature::Verifier;
use cliprelay::services::{Services, klap, source, supabase};
use cliprelay::store::Store;
use cliprelay::store::redb::{Clock, RedbStore};
use cliprelay::store::redis::{Options as RedisOptions, RedisStore};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

pub const ANN: &str = "key-of-ann-0001";
pub const BOB: &str = "key-of-bob-0002";
pub const WORKER_SECRET: &str = "secret-of-the-worker";
pub const CRON_SECRET: &str = "secret-of-the-cron";
const HOUR: u64 = 3_600_000;

/// How the service is put together.
pub struct Builder {
    on_redis: bool,
    routers: usize,
    limits: Limits,
    protection: Protection,
    proxies: Proxies,
    klap: KlapPace,
    watchers: usize,
    auth: Auth,
    origins: Vec<String>,
    access: supabase::Access,
    stream_max: Duration,
}

pub struct TestApp {
    pub queue: Queue,
    /// Moves nothing over Redis, whose time is its own.
    pub clock: Hand,
    pub watch: Arc<Watch>,
    pub store: Arc<dyn Store>,
    pub sandbox: Sandbox,
    pub engines: Vec<Arc<Engine>>,
    /// Where each router listens.
    pub bases: Vec<Url>,
    /// The same without a socket between.
    pub routers: Vec<axum::Router>,
    /// As configured: what pushes are signed for.
    pub worker_url: String,
    pub failed_url: String,
    pub http: reqwest::Client,
    pub redis: Option<Server>,
    /// The host's time in unix seconds, if it is stopped; see [`TestApp::at`].
    host: Arc<AtomicI64>,
    /// The clients behind the engines, for counting.
    pub redis_stores: Vec<Arc<RedisStore>>,
    _data: TempDir,
}

impl Builder {
    pub fn on_redis(mut self) -> Self {
        self.on_redis = true;
        self
    }

    /// So many processes over one store.
    pub fn routers(mut self, routers: usize) -> Self {
        self.routers = routers;
        self
    }

    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// So many may watch at once.
    pub fn watchers(mut self, watchers: usize) -> Self {
        self.watchers = watchers;
        self
    }

    pub fn protection(mut self, protection: Protection) -> Self {
        self.protection = protection;
        self
    }

    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// So long a stream of events stays open.
    pub fn streams(mut self, stream_max: Duration) -> Self {
        self.stream_max = stream_max;
        self
    }

    /// The bucket's objects are for those who hold a signed address.
    pub fn private_bucket(mut self) -> Self {
        self.access = supabase::Access::Private;
        self
    }

    pub fn klap(mut self, pace: KlapPace) -> Self {
        self.klap = pace;
        self
    }

    /// Who may call, if not Ann and Bob with their keys.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Whose pages may call.
    pub fn origins(mut self, origins: &[&str]) -> Self {
        self.origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        self
    }

    pub async fn start(self) -> TestApp {
        cliprelay::app::install_providers();
        let data = TempDir::new().unwrap();
        let clock = Hand::new();
        let queue = Queue::start(clock.clone()).await;
        let sandbox = sandbox::start(bind().await, data.path()).await.unwrap();
        sandbox.klap.set_pace(self.klap);
        let watch = Arc::new(Watch::default());
        let server = self.on_redis.then(Server::start);
        let mut redis_stores = Vec::new();
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        let embedded = server.is_none().then(|| {
            let hand = clock.clone();
            Arc::new(RedbStore::in_memory_with_clock(Clock::from_fn(move || hand.now())).unwrap())
        });
        for _ in 0..self.routers {
            stores.push(if let Some(embedded) = &embedded {
                embedded.clone()
            } else {
                let url = server.as_ref().unwrap().url();
                let store = Arc::new(RedisStore::connect(&RedisOptions::new(url, "test:")).unwrap());
                redis_stores.push(store.clone());
                store
            });
        }
        let mut listeners = Vec::new();
        for _ in 0..self.routers {
            listeners.push(bind().await);
        }
        let base = |listener: &TcpListener| Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let bases: Vec<Url> = listeners.iter().map(base).collect();
        let (worker_url, failed_url) =
            (bases[0].join("api/worker/klap").unwrap(), bases[0].join("api/worker/klap/failed").unwrap());
        let host = Arc::new(AtomicI64::new(0));
        let (mut engines, mut routers) = (Vec::new(), Vec::new());
        for (listener, inner) in listeners.into_iter().zip(&stores) {
            let settings = self.settings(worker_url.clone(), failed_url.clone());
            let store = Arc::new(Watched { inner: inner.clone(), watch: watch.clone() });
            let ids = Box::new(uuid::Uuid::now_v7);
            let services = services(&queue, &sandbox, self.access);
            let engine = Arc::new(Engine::new(store, services, settings, CancellationToken::new(), ids));
            let router = router(self.edge(engine.clone(), (&worker_url, &failed_url), host.clone()));
            routers.push(router.clone());
            let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
            tokio::spawn(async move { axum::serve(listener, service).await });
            engines.push(engine);
        }
        TestApp {
            queue,
            clock,
            watch,
            store: stores[0].clone(),
            sandbox,
            engines,
            bases,
            routers,
            worker_url: worker_url.into(),
            failed_url: failed_url.into(),
            http: outbound::client(&outbound::Options::default()).unwrap(),
            redis: server,
            host,
            redis_stores,
            _data: data,
        }
    }

    fn settings(&self, worker_url: Url, failed_url: Url) -> Settings {
        let steps = StepTimes::new(Duration::from_secs(230));
        let pace = Pace { poll_min: 10_000, poll_max: 60_000, paid_call: Duration::from_secs(20) };
        let forward = vec![("x-test-gate".to_owned(), "open".into())];
        Settings { limits: self.limits, protection: self.protection, pace, steps, worker_url, failed_url, forward }
    }

    fn edge(&self, engine: Arc<Engine>, (worker_url, failed_url): (&Url, &Url), host: Arc<AtomicI64>) -> Http {
        Http {
            engine,
            authenticator: Authenticator::new(self.auth.clone()).unwrap(),
            pushes: Pushes {
                verifier: Verifier::new(Some(Queue::keys()), BTreeMap::new()),
                worker_url: worker_url.to_string(),
                failed_url: failed_url.to_string(),
                clock: Box::new(move || match host.load(Ordering::SeqCst) {
                    0 => cliprelay::clock::unix_seconds(),
                    stopped => stopped,
                }),
            },
            operator_secrets: vec![WORKER_SECRET.into(), CRON_SECRET.into()],
            metrics_open: false,
            cors_origins: self.origins.clone(),
            proxies: self.proxies,
            wait_max: Duration::from_secs(25),
            watching: cliprelay::http::Watching::new(self.watchers, self.stream_max),
            tasks: TaskTracker::new(),
        }
    }
}

impl TestApp {
    pub fn builder() -> Builder {
        let limits = Limits {
            max_attempts: 3,
            job_timeout: 2 * HOUR,
            queue_timeout: 24 * HOUR,
            done_ttl: 24 * HOUR,
            failed_ttl: 168 * HOUR,
        };
        Builder {
            on_redis: false,
            routers: 1,
            limits,
            protection: Protection::default(),
            proxies: Proxies::None,
            klap: KlapPace::IMMEDIATE,
            watchers: 2_000,
            auth: keys(),
            origins: Vec::new(),
            access: supabase::Access::Public,
            stream_max: Duration::from_mins(10),
        }
    }

    /// Stops the host's clock at this time, in unix seconds.
    pub fn at(&self, time: i64) {
        self.host.store(time, Ordering::SeqCst);
    }

    /// Over the embedded store.
    pub async fn start() -> Self {
        Self::builder().start().await
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn services(queue: &Queue, sandbox: &Sandbox, access: supabase::Access) -> Services {
    let options = outbound::Options::default();
    let http = outbound::client(&options).unwrap();
    let base = format!("http://{}", sandbox.address);
    let guard = Guard::new(AllowList::parse(&sandbox.address.to_string()).unwrap(), &options).unwrap();
    let supabase = supabase::Options {
        url: format!("{base}/supabase").parse().unwrap(),
        service_key: SUPABASE_KEY.into(),
        bucket: "videos".to_owned(),
        access,
        table: "projects".to_owned(),
        columns: supabase::Columns::default(),
        timeouts: supabase::Timeouts::default(),
    };
    let klap = klap::Options { url: format!("{base}/klap/v2").parse().unwrap(), api_key: KLAP_KEY.into() };
    Services {
        qstash: queue.client(http.clone()),
        klap: klap::Klap::new(http.clone(), klap),
        supabase: supabase::Supabase::new(http, supabase).unwrap(),
        source: source::Source::new(guard.clone(), source::Options::default()),
        guard,
    }
}

fn keys() -> Auth {
    let key = |name: &str, key: &str| ApiKey { name: name.to_owned(), key: key.into() };
    Auth::ApiKeys(vec![key("ann", ANN), key("bob", BOB)])
}
