//! Problems of the configuration as findings, each with where its value is to be had; and what serves, but not well.

use super::{Access, Finding, Setup, State};

pub(super) const CHECK: &str = "config";

/// Beginnings or ends of names, and where their values are.
const PLACES: [(&str, &str); 13] = [
    ("SIGNING_KEY", "Upstash console, QStash, Signing keys; both are shown there"),
    ("QSTASH_TOKEN", "Upstash console, QStash, of the region in use"),
    ("QSTASH_", "Upstash console, QStash"),
    ("REDIS", "Upstash console, Redis, your database, Connect; or redis://127.0.0.1:6379 for one on this machine"),
    ("KV_REST_API", "Upstash console, Redis, your database, REST API"),
    ("KLAP_API", "klap.app, your account's API keys"),
    ("SUPABASE_SERVICE_ROLE_KEY", "Supabase dashboard, Project Settings, API Keys: the secret or service_role key"),
    ("SUPABASE_URL", "Supabase dashboard, Project Settings, Data API"),
    ("AUTH", "README.md, Configuration, and infra/security.md"),
    ("API_KEYS", "choose them: `openssl rand -hex 24`"),
    ("WORKER_SECRET", "choose it: `openssl rand -hex 24`"),
    ("CRON_SECRET", "choose it: `openssl rand -hex 24`"),
    ("PUBLIC_URL", "the https:// address of the deployment"),
];

pub(super) fn place(variable: &str) -> &'static str {
    let fits = |part: &str| variable.contains(part);
    PLACES.iter().find(|(part, _)| fits(part)).map_or("infra/env.example", |(_, place)| place)
}

pub(super) fn findings(setup: &Setup) -> Vec<Finding> {
    let fail = |(variable, message): &(String, String)| {
        let unset = message.contains("unset it");
        let mend = if unset { format!("Unset {variable}") } else { format!("Set {variable} ({})", place(variable)) };
        Finding { check: CHECK, state: State::Fail, seen: format!("{variable} {message}"), mend: Some(mend) }
    };
    let mut findings: Vec<_> = setup.problems.iter().map(fail).collect();
    let warn =
        |seen: String, mend: &str| Finding { check: CHECK, state: State::Warn, seen, mend: Some(mend.to_owned()) };
    if let Some(Access::Tokens(_, unused) | Access::Other(_, unused)) = &setup.access {
        for name in unused {
            findings.push(warn(
                format!("{name} is set and has no effect with this AUTH"),
                &format!("Unset {name}, or change AUTH"),
            ));
        }
    }
    if findings.is_empty() {
        let seen = "`serve` would start with this environment".to_owned();
        findings.push(Finding { check: CHECK, state: State::Ok, seen, mend: None });
    }
    findings
}
