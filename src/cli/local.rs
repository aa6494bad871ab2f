//! `dev`, `sandbox` and `broker`: what runs on this machine until it is told to stop.

use super::serve::Signals;
use super::{Broker, Dev, End, Sandbox, environment};
use crate::app::broker;
use crate::app::local::{self, Options};
use crate::telemetry;
use std::collections::HashMap;

pub(super) async fn dev(dev: Dev) -> Result<(), End> {
    let file = dot_env()?;
    let get = move |name: &str| environment(name).or_else(|| file.get(name).cloned());
    let logs = local::logs(&get, "info");
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none(), logs.traces.as_ref());
    let options = Options {
        port: port(dev.port, &get)?,
        broker_port: dev.broker_port,
        sandbox_port: dev.sandbox_port,
        data: dev.data,
    };
    let local = local::start(&options, &get).await?;
    let (address, broker, sandbox) = (local.service.address, local.broker.address, &local.sandbox);
    // The published one may be said aloud; another is its owner's.
    let secret = match get("WORKER_SECRET") {
        Some(_) => "your WORKER_SECRET".to_owned(),
        None => format!("the secret `{}`", local::OPERATOR_SECRET),
    };
    out!("dashboard  http://{address}/  (opens with {secret})");
    out!("broker     http://{broker}  (QSTASH_DEV=true clients find it on port 8080)");
    out!("           http://{broker}/_broker/  (its messages, to look at)");
    out!("stand-ins  http://{}  (Klap and Supabase)", sandbox.address);
    out!("data       {}", options.data.display());
    out!("\nTry it:\n");
    let key = if get("AUTH").is_some_and(|mode| !mode.is_empty() && mode != "none") {
        out!("  export CLIPRELAY_API_KEY=…   # one of your API_KEYS, or a user's token\n");
        " -H \"Authorization: Bearer $CLIPRELAY_API_KEY\""
    } else {
        ""
    };
    out!(
        "  curl -X POST http://{address}/api/process-klap{key} -H 'Content-Type: application/json' \\\n       \
         -d '{{\"projectId\":\"demo\",\"videoUrl\":\"{}\"}}'",
        sandbox.sample
    );
    out!("  curl{key} 'http://{address}/api/process-klap?projectId=demo'\n");
    let mut signals = Signals::watch()?;
    signals.next().await;
    tracing::info!("stopping");
    let stopped = signals.unless_again(local.stop()).await;
    telemetry::stop().await;
    stopped
}

/// As asked, or as the environment has it.
fn port(asked: Option<u16>, get: &dyn Fn(&str) -> Option<String>) -> Result<u16, End> {
    match (asked, get("PORT").filter(|port| !port.is_empty())) {
        (Some(port), _) => Ok(port),
        (None, Some(port)) => port.parse().map_err(|_| End::usage("PORT must be a whole number from 0 to 65535")),
        (None, None) => Ok(3000),
    }
}

/// The `.env` of this folder, if there is one. The environment itself wins over it.
fn dot_env() -> Result<HashMap<String, String>, End> {
    match dotenvy::from_path_iter(".env") {
        Ok(lines) => lines.collect::<Result<_, _>>().map_err(|error| End::usage(format!(".env: {error}"))),
        Err(error) if error.not_found() => Ok(HashMap::new()),
        Err(error) => Err(End::usage(format!(".env: {error}"))),
    }
}

pub(super) async fn sandbox(sandbox: Sandbox) -> Result<(), End> {
    let logs = local::logs(&environment, "info");
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none(), None);
    let running = local::sandbox(sandbox.host, sandbox.port, &sandbox.data).await?;
    out!("# stand-ins for Klap and Supabase on http://{}; point a service at them:", running.address);
    for (name, value) in running.environment() {
        out!("export {name}={value}");
    }
    out!("# a video to try: {}", running.sample);
    let mut signals = Signals::watch()?;
    signals.next().await;
    signals.unless_again(running.stop()).await
}

pub(super) async fn broker(broker: Broker) -> Result<(), End> {
    let logs = local::logs(&environment, "info");
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none(), None);
    let data = (!broker.memory).then_some(broker.data);
    let tuning = broker.tuning.tuning();
    let options = broker::Options { host: broker.host, port: broker.port, data, tuning };
    let running = broker::start(options, &environment).await?;
    out!("# a QStash-compatible broker on http://{}; point a client at it:", running.address);
    out!("# its messages, to look at: http://{}/_broker/", running.address);
    for (name, value) in broker::environment(&running) {
        out!("export {name}={value}");
    }
    let mut signals = Signals::watch()?;
    signals.next().await;
    signals.unless_again(running.stop()).await
}
