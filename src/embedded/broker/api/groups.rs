//! URL groups.

use super::super::groups::{Endpoint, Group};
use super::super::instructions::Refusal;
use super::super::ledger::groups;
use super::super::message::{Headers, Millis};
use super::super::target::is_name;
use super::{Call, empty, json, read_json, trouble};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    name: String,
    created_at: Millis,
    updated_at: Millis,
    endpoints: Vec<Endpoint>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Endpoints {
    endpoints: Vec<Endpoint>,
}

pub async fn add(call: Call, name: &str) -> Result<Response, Refusal> {
    check(name)?;
    let Endpoints { endpoints } = read_json(&call.body)?;
    if endpoints.is_empty() {
        return Err(Refusal::bad("no endpoints are given"));
    }
    endpoints.iter().try_for_each(Endpoint::check)?;
    let (user, name, now, quota) = (call.user, name.to_owned(), call.post.clock.now(), call.post.quota);
    let write = call.post.disk.write(move |txn| groups::add(txn, (&user, &name), endpoints, quota, now));
    write.await.map_err(|error| trouble(&error))??;
    Ok(empty(200))
}

pub async fn remove(call: Call, name: &str) -> Result<Response, Refusal> {
    let Endpoints { endpoints } = read_json(&call.body)?;
    let (user, key, now) = (call.user, name.to_owned(), call.post.clock.now());
    let write = call.post.disk.write(move |txn| groups::remove(txn, (&user, &key), &endpoints, now));
    if write.await.map_err(|error| trouble(&error))? { Ok(empty(200)) } else { Err(missing(name)) }
}

pub async fn list(call: Call) -> Result<Response, Refusal> {
    let user = call.user;
    let all = call.post.disk.read(move |txn| groups::all(txn, &user)).await.map_err(|error| trouble(&error))?;
    let all: Vec<View> = all.into_iter().map(|(name, group)| view(name, group)).collect();
    Ok(json(200, &all))
}

pub async fn get(call: Call, name: &str) -> Result<Response, Refusal> {
    let (user, key) = (call.user, name.to_owned());
    let group = call.post.disk.read(move |txn| groups::get(txn, &user, &key)).await.map_err(|error| trouble(&error))?;
    Ok(json(200, &view(name.to_owned(), group.ok_or_else(|| missing(name))?)))
}

/// A missing group is no error.
pub async fn delete(call: Call, name: &str) -> Result<Response, Refusal> {
    let (user, name) = (call.user, name.to_owned());
    let write = call.post.disk.write(move |txn| groups::delete(txn, &user, &name));
    write.await.map_err(|error| trouble(&error))?;
    Ok(empty(200))
}

/// Sets the headers used where a publisher gives none.
pub async fn set_headers(call: Call, name: &str) -> Result<Response, Refusal> {
    #[derive(Deserialize)]
    struct Body {
        headers: BTreeMap<String, Values>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Values {
        One(String),
        Many(Vec<String>),
    }
    let Body { headers } = read_json(&call.body)?;
    let headers: Headers = headers
        .into_iter()
        .flat_map(|(name, values)| {
            let values = match values {
                Values::One(value) => vec![value],
                Values::Many(values) => values,
            };
            values.into_iter().map(move |value| (name.to_ascii_lowercase(), value))
        })
        .collect();
    let (user, key, now) = (call.user, name.to_owned(), call.post.clock.now());
    let write = call.post.disk.write(move |txn| groups::set_headers(txn, (&user, &key), headers, now));
    if write.await.map_err(|error| trouble(&error))? { Ok(empty(200)) } else { Err(missing(name)) }
}

fn view(name: String, group: Group) -> View {
    let Group { created_at, updated_at, endpoints, headers } = group;
    View { name, created_at, updated_at, endpoints, headers: headers.into_iter().collect() }
}

fn check(name: &str) -> Result<(), Refusal> {
    if is_name(name) {
        return Ok(());
    }
    Err(Refusal::bad("invalid url group name: letters, digits, '-', '_' and '.'"))
}

fn missing(name: &str) -> Refusal {
    Refusal::new(404, format!("url group {name} not found"))
}
