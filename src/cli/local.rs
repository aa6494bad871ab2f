//! `dev`, `sandbox` and `broker`: what runs on this machine until it is told to stop.

use super::serve::stop_signal;
use super::{Broker, Dev, End, Sandbox, environment};
use crate::app::broker;
use crate::app::local::{self, Options};
use crate::telemetry;
use std::collections::HashMap;

pub(super) async fn dev(dev: Dev) -> Result<(), End> {
    let file = dot_env()?;
    let get = move |name: &str| environment(name).or_else(|| file.get(name).cloned());
    let logs = local::logs(&get, "info");
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none());
    let options =
        Options { port: dev.port, broker_port: dev.broker_port, sandbox_port: dev.sandbox_port, data: dev.data };
    let local = local::start(&options, &get).await?;
    let (address, broker, sandbox) = (local.service.address, local.broker.address, &local.sandbox);
    println!("dashboard  http://{address}/");
    println!("broker     http://{broker}  (QSTASH_DEV=true clients find it on port 8080)");
    println!("stand-ins  http://{}  (Klap and Supabase)", sandbox.address);
    println!("data       {}", options.data.display());
    println!("\nTry it:\n");
    println!(
        "  curl -X POST http://{address}/api/process-klap -H 'Content-Type: application/json' \\\n       \
         -d '{{\"projectId\":\"demo\",\"videoUrl\":\"{}\"}}'",
        sandbox.sample
    );
    println!("  curl 'http://{address}/api/process-klap?projectId=demo'\n");
    stop_signal().await?;
    tracing::info!("stopping");
    local.stop().await;
    Ok(())
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
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none());
    let running = local::sandbox(sandbox.port, &sandbox.data).await?;
    println!("# stand-ins for Klap and Supabase on http://{}; point a service at them:", running.address);
    for (name, value) in running.environment() {
        println!("export {name}={value}");
    }
    println!("# a video to try: {}", running.sample);
    stop_signal().await?;
    running.stop().await;
    Ok(())
}

pub(super) async fn broker(broker: Broker) -> Result<(), End> {
    let logs = local::logs(&environment, "info");
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none());
    let data = (!broker.memory).then_some(broker.data);
    let options = broker::Options { host: broker.host, port: broker.port, data };
    let running = broker::start(options, &environment).await?;
    println!("# a QStash-compatible broker on http://{}; point a client at it:", running.address);
    for (name, value) in broker::environment(&running) {
        println!("export {name}={value}");
    }
    stop_signal().await?;
    running.stop().await;
    Ok(())
}
