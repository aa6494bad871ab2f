//! Deployments side by side: each three functions behind an edge of its own, over one Redis, one broker and one set of
//! stand-ins, with the environment that the host and its owner give them.

use super::edge::{Bound, Edge};
use super::{SERVICES, function};
use crate::support::processes::{Process, port};
use crate::support::redis;
use crate::support::system::http;
use reqwest::{Client, Method, RequestBuilder};
use std::collections::BTreeMap;
use tempfile::TempDir;

pub const API_KEY: &str = "planted-api-key-vercel-77";
pub const CRON_SECRET: &str = "planted-cron-secret-vercel-12";
pub const BYPASS: &str = "planted-bypass-secret-vercel-90";
pub const PRODUCTION: &str = "clips.example.com";
pub const PREVIEW: &str = "clips-git-try.example.com";
const BROKER: [(&str, &str); 3] = [
    ("QSTASH_TOKEN", "planted-qstash-token-vercel"),
    ("QSTASH_CURRENT_SIGNING_KEY", "sig_planted_current_vercel"),
    ("QSTASH_NEXT_SIGNING_KEY", "sig_planted_next_vercel"),
];

/// What deployments share.
pub struct World {
    pub redis: redis::Server,
    pub http: Client,
    /// What the functions send to the vendors passes here.
    pub vendors: Edge,
    pub sandbox: Process,
    stand_ins: String,
    broker: Process,
    at_broker: u16,
    folder: TempDir,
}

/// One of them, up.
pub struct Deployment {
    pub functions: Vec<Process>,
    pub edge: Edge,
    http: Client,
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl World {
    /// `edges`: where the broker finds the deployments' hosts, which are known before they are up.
    pub async fn start(edges: &[(&str, &str)]) -> Self {
        let redis = redis::Server::start();
        let folder = TempDir::new().expect("a folder for what they say");
        let (at_broker, at_sandbox) = (port(), port());
        let resolve: Vec<String> =
            edges.iter().map(|(host, base)| format!("{host}={}", base.trim_start_matches("http://"))).collect();
        let at = at_broker.to_string();
        let mut args = vec!["broker", "--memory", "--port", &at];
        args.extend(resolve.iter().flat_map(|one| ["--resolve", one.as_str()]));
        let mut broker = Process::start("broker", &args, &owned(&BROKER), folder.path());
        broker.says("export QSTASH_URL=").await;
        let data = folder.path().join("sandbox").display().to_string();
        let at = at_sandbox.to_string();
        let args = ["sandbox", "--port", &at, "--data", &data];
        let mut sandbox = Process::start("sandbox", &args, &[], folder.path());
        sandbox.says("a video to try").await;
        let stand_ins = format!("http://127.0.0.1:{at_sandbox}");
        let vendors = Edge::before(&stand_ins).await;
        Self { redis, http: http(), vendors, sandbox, stand_ins, broker, at_broker, folder }
    }

    /// The address of the video that comes with the program.
    pub fn sample(&self) -> String {
        format!("{}/klap/videos/sample.mp4", self.vendors.base)
    }

    /// The built functions with the environment of a deployment, behind its edge.
    pub async fn deploy(&self, environment: &str, host: &str, edge: Bound) -> Deployment {
        let (vendors, stand_ins) = (&self.vendors.base, &self.stand_ins);
        let own = format!("{host}-abc123.example.org");
        let allowed = [vendors, stand_ins].map(|base| base.trim_start_matches("http://")).join(",");
        let mut env = owned(&BROKER);
        env.extend(owned(&[
            ("VERCEL", "1"),
            ("VERCEL_ENV", environment),
            ("VERCEL_URL", if environment == "production" { own.as_str() } else { host }),
            ("VERCEL_PROJECT_PRODUCTION_URL", PRODUCTION),
            ("VERCEL_REGION", "iad1"),
            ("VERCEL_AUTOMATION_BYPASS_SECRET", BYPASS),
            ("REDIS_URL", &self.redis.url()),
            ("QSTASH_URL", &format!("http://127.0.0.1:{}", self.at_broker)),
            ("KLAP_API_URL", &format!("{vendors}/klap/v2")),
            ("KLAP_API_KEY", "kak_planted_vercel"),
            ("SUPABASE_URL", &format!("{vendors}/supabase")),
            ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_planted_vercel"),
            ("ALLOW_PRIVATE_ADDRESSES", &allowed),
            ("CRON_SECRET", CRON_SECRET),
            ("AUTH", "api-key"),
            ("API_KEYS", &format!("shop:{API_KEY}")),
            ("POLL_DELAY_MIN", "1"),
            ("POLL_DELAY_MAX", "1"),
        ]));
        let (mut functions, mut services) = (Vec::new(), BTreeMap::new());
        for (service, _) in SERVICES {
            let at = port().to_string();
            let program = function(service).join("user-server").display().to_string();
            let env = [&env[..], &owned(&[("PORT", &at)])].concat();
            let name = format!("{environment}-{service}");
            let mut function = Process::start_as(&[&program], &name, &[], &env, self.folder.path());
            let base = format!("http://127.0.0.1:{at}");
            function.healthy(&self.http, &base).await;
            functions.push(function);
            services.insert(service.to_owned(), base);
        }
        Deployment { functions, edge: edge.serve(host, services), http: self.http.clone() }
    }

    /// None of the secrets in anything that was said.
    pub fn keeps_secrets(&self, deployments: &[&Deployment]) {
        let more = [API_KEY, CRON_SECRET, BYPASS, "kak_planted_vercel", "sb_secret_planted_vercel"];
        let secrets: Vec<&str> = BROKER.iter().map(|(_, secret)| *secret).chain(more).collect();
        let functions = deployments.iter().flat_map(|deployment| &deployment.functions);
        for process in functions.chain([&self.broker, &self.sandbox]) {
            for line in process.logged().lines().chain(process.printed().lines()) {
                let told = secrets.iter().find(|secret| line.contains(**secret));
                assert!(told.is_none(), "{told:?} is told: {line}");
            }
        }
    }
}

impl Deployment {
    /// A request of a caller with the API key.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(API_KEY)
    }

    /// One of somebody without a key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.edge.base))
    }
}
