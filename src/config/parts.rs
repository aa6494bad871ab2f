//! The configuration in parts, for whoever looks at what is wrong with it: each as far as it can be read by itself, and the
//! problems that would keep the service from starting.

use super::problems::{Problem, Reader};
use super::{
    Config, QStashConfig, StoreConfig, allow_private, auth, is_loopback, klap_options, operators, origins, public_url,
    qstash, redis, supabase_options,
};
use crate::http::Auth;
use crate::services::{klap, supabase};
use crate::store;
use secrecy::SecretString;
use url::Url;

#[derive(Debug)]
pub struct Parts {
    /// As `serve` would tell them; empty if it would start.
    pub problems: Vec<Problem>,
    pub public_url: Option<Url>,
    /// With the variable that its address comes from.
    pub redis: Option<(&'static str, store::redis::Options)>,
    /// What these variables lead to in a production deployment on Vercel, where that is elsewhere.
    pub redis_on_vercel: Option<store::redis::Options>,
    pub qstash: Option<QStashConfig>,
    /// Before the names of QStash's variables: empty, or the region in use as in `US_EAST_1_`.
    pub qstash_prefix: String,
    pub klap: Option<klap::Options>,
    pub supabase: Option<supabase::Options>,
    pub auth: Option<Auth>,
    pub auth_unused: Vec<&'static str>,
    /// `WORKER_SECRET` and `CRON_SECRET`, as far as they are set and would be taken.
    pub operator_secrets: Vec<(&'static str, SecretString)>,
    pub cors_origins: Vec<String>,
    pub protection_bypass: Option<SecretString>,
    pub serverless: bool,
}

impl Parts {
    /// Reads the same variables by the same rules as [`Config::read`].
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Self {
        let problems = Config::read(get, None).err().map(|problems| problems.0).unwrap_or_default();
        // Its problems are those already told.
        let mut reader = Reader::new(get);
        let serverless = reader.text("VERCEL").is_some();
        let public_url = public_url(&mut reader, serverless);
        let exposed = serverless || public_url.as_ref().is_some_and(|url| !is_loopback(url));
        let variable = redis::url(&mut reader).map(|(variable, _)| variable);
        let redis = match redis::store(&mut reader, None) {
            Some(StoreConfig::Redis(options)) => variable.map(|variable| (variable, options)),
            _ => None,
        };
        let qstash = qstash::read(&mut reader, exposed);
        let region = qstash::region(&reader).filter(|_| qstash.is_some());
        let allow = allow_private(&mut reader);
        Self {
            problems,
            redis_on_vercel: redis.as_ref().and_then(|(_, options)| redis::on_vercel(&reader, options)),
            redis,
            qstash,
            qstash_prefix: region.map_or_else(String::new, |region| format!("{region}_")),
            klap: klap_options(&mut reader),
            supabase: supabase_options(&mut reader),
            auth: auth::read(&mut reader, exposed, &allow),
            auth_unused: auth::unused(&reader),
            operator_secrets: operators::secrets(&mut reader, exposed),
            cors_origins: origins(&mut reader),
            protection_bypass: reader.secret("VERCEL_AUTOMATION_BYPASS_SECRET"),
            serverless,
            public_url,
        }
    }
}
