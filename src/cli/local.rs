//! `dev`, `sandbox` and `broker`: what runs on this machine until it is told to stop.

use super::serve::stop_signal;
use super::{Broker, Dev, End, Sandbox, environment};
use crate::app::local::{self, Options, RETRIES_MAX, bind};
use crate::app::sandbox;
use crate::embedded::broker::{self, Account, DEV_USERS, Data};
use crate::telemetry;
use anyhow::Context;
use std::collections::HashMap;
use std::net::IpAddr;

pub(super) async fn dev(dev: Dev) -> Result<(), End> {
    let file = dot_env()?;
    let get = move |name: &str| environment(name).or_else(|| file.get(name).cloned());
    let logs = local::logs(&get, "info");
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none());
    let options = Options {
        host: dev.host,
        port: dev.port,
        broker_port: dev.broker_port,
        sandbox_port: dev.sandbox_port,
        data: dev.data,
    };
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
    std::fs::create_dir_all(&sandbox.data)
        .with_context(|| format!("cannot use the folder {}", sandbox.data.display()))?;
    let listener = bind(IpAddr::from([127, 0, 0, 1]), sandbox.port, "--port").await?;
    let running = sandbox::start(listener, &sandbox.data).await?;
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
    let account = account()?;
    if matches!(account, Account::Dev) && !broker.host.is_loopback() {
        return Err(End::usage(
            "beyond this machine the broker needs keys of its own: set QSTASH_TOKEN, QSTASH_CURRENT_SIGNING_KEY and \
             QSTASH_NEXT_SIGNING_KEY",
        ));
    }
    let token = match &account {
        Account::Dev => format!("export QSTASH_TOKEN={}", DEV_USERS[0].token),
        Account::Own { .. } => "# QSTASH_TOKEN as you set it".to_owned(),
    };
    let data = if broker.memory { Data::Memory } else { Data::Dir(broker.data) };
    let listener = bind(broker.host, broker.port, "--port").await?;
    let options = broker::Options { listener, data, account, max_retries: RETRIES_MAX };
    let running = broker::start(options).await.map_err(End::failed)?;
    println!("# a QStash-compatible broker on http://{}; point a client at it:", running.address);
    println!("export QSTASH_URL=http://{}", running.address);
    println!("{token}");
    if let Some(keys) = running.keys(DEV_USERS[0].name) {
        use secrecy::ExposeSecret;
        println!("export QSTASH_CURRENT_SIGNING_KEY={}", keys.current.expose_secret());
        println!("export QSTASH_NEXT_SIGNING_KEY={}", keys.next.expose_secret());
    }
    stop_signal().await?;
    running.stop().await;
    Ok(())
}

/// The account of the environment: all three variables, or none for the published one.
fn account() -> Result<Account, End> {
    let names = ["QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"];
    let [token, current, next] = names.map(|name| environment(name).filter(|value| !value.is_empty()));
    match (token, current, next) {
        (None, None, None) => Ok(Account::Dev),
        (Some(token), Some(current), Some(next)) => {
            Ok(Account::Own { token: token.into(), current: current.into(), next: next.into() })
        }
        _ => Err(End::usage(format!("set all of {}, or none", names.join(", ")))),
    }
}
