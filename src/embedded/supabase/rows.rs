//! PostgREST's tables, as far as we use them. A write filters and changes in one transaction, so a guard is a guard.

use super::filter::{Filter, Row};
use super::reply::{Answer, Refusal, rest};
use super::{Op, Supabase, merge, values};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes() -> Router<Arc<Supabase>> {
    Router::new()
        .route("/rest/v1/{table}", get(read).patch(change).post(insert))
        .route("/rest/v1/rpc/{function}", post(merge::call))
}

const BODY_MAX: usize = 4 * 1024 * 1024;

pub(super) fn key(table: &str, id: &str) -> String {
    format!("row/{table}/{id}")
}

struct Asked {
    filters: Vec<Filter>,
    /// `None` for all columns.
    select: Option<Vec<String>>,
}

async fn read(
    State(supabase): State<Arc<Supabase>>,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, _) = supabase.enter(Op::RowGet, &headers, body).await?;
    let asked = supabase.asked(&table, query.as_deref(), &headers)?;
    let rows = supabase.rows(&table).await?;
    asked.known(&table, &rows)?;
    let found: Vec<Row> = rows.into_iter().filter(|row| asked.takes(row)).map(|row| asked.shape(row)).collect();
    Ok(plan.finish((range(found.len()), Json(found)).into_response()))
}

async fn change(
    State(supabase): State<Arc<Supabase>>,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, body) = supabase.enter(Op::RowPatch, &headers, body).await?;
    let asked = supabase.asked(&table, query.as_deref(), &headers)?;
    let change: Row = json_body(body).await?;
    let prefix = key(&table, "");
    let changed = supabase.ledger.write(move |entries| {
        let rows = entries.scan::<Row>(&prefix)?;
        let all: Vec<Row> = rows.iter().map(|(_, row)| row.clone()).collect();
        if let Err(refused) = asked.known(&table, &all).and_then(|()| settable(&table, &change, &all)) {
            return Ok(Err(refused));
        }
        let mut changed = Vec::new();
        for (key, mut row) in rows.into_iter().filter(|(_, row)| asked.takes(row)) {
            row.extend(change.clone());
            entries.put(&key, &row)?;
            changed.push(asked.shape(row));
        }
        Ok(Ok(changed))
    });
    let changed = changed.await??;
    supabase.ledger.counts(|counts| counts.row_updates += changed.len() as u64);
    let response = if wants_rows(&headers) {
        (range(changed.len()), Json(changed)).into_response()
    } else {
        (StatusCode::NO_CONTENT, range(changed.len())).into_response()
    };
    Ok(plan.finish(response))
}

async fn insert(
    State(supabase): State<Arc<Supabase>>,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let asked = supabase.asked(&table, query.as_deref(), &headers)?;
    let rows: Vec<Row> = match json_body(body).await? {
        Value::Array(rows) => serde_json::from_value(Value::Array(rows)).map_err(|_| bad_json())?,
        one => vec![serde_json::from_value(one).map_err(|_| bad_json())?],
    };
    let merging = prefer(&headers).contains("resolution=merge-duplicates");
    let column = supabase.options.id_column.clone();
    let inserted = supabase.ledger.write(move |entries| {
        let mut inserted = Vec::new();
        for mut row in rows {
            let id = row.entry(&column).or_insert_with(|| Value::from(Uuid::new_v4().to_string()));
            let key = key(&table, &id.as_str().map_or_else(|| id.to_string(), str::to_owned));
            match entries.get::<Row>(&key)? {
                Some(_) if !merging => return Ok(None),
                old => row = old.into_iter().flatten().chain(row).collect(),
            }
            inserted.push((key, row));
        }
        for (key, row) in &inserted {
            entries.put(key, row)?;
        }
        Ok(Some(inserted))
    });
    let Some(inserted) = inserted.await? else {
        let message = "duplicate key value violates unique constraint";
        return Err(rest(StatusCode::CONFLICT, "23505", message).into());
    };
    let inserted: Vec<Row> = values(inserted).into_iter().map(|row| asked.shape(row)).collect();
    Ok(if wants_rows(&headers) {
        (StatusCode::CREATED, Json(inserted)).into_response()
    } else {
        StatusCode::CREATED.into_response()
    })
}

impl Supabase {
    /// The gateway's check, the table's, and the query's, in that order.
    fn asked(&self, table: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Asked, Refusal> {
        self.rest_key(headers)?;
        if !self.options.tables.iter().any(|known| known == table) {
            let message = format!("Could not find the table 'public.{table}' in the schema cache");
            return Err(rest(StatusCode::NOT_FOUND, "PGRST205", &message).into());
        }
        let mut asked = Asked { filters: Vec::new(), select: None };
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "select" if value != "*" => asked.select = Some(value.split(',').map(str::to_owned).collect()),
                "select" | "limit" | "offset" | "order" | "on_conflict" | "columns" => {}
                column => asked.filters.push(self.filter(column, &value)?),
            }
        }
        Ok(asked)
    }

    fn filter(&self, column: &str, value: &str) -> Result<Filter, Refusal> {
        let filter = Filter::parse(column, value).map_err(|text| {
            rest(StatusCode::BAD_REQUEST, "PGRST100", &format!("\"failed to parse filter ({text})\""))
        })?;
        if self.options.uuid_ids && column == self.options.id_column {
            filter.operands().iter().try_for_each(|id| no_uuid(id))?;
        }
        Ok(filter)
    }

    pub(super) fn rest_key(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.admits(headers) {
            return Ok(());
        }
        let message = if Self::shows_key(headers) { "Invalid API key" } else { "No API key found in request" };
        Err((StatusCode::UNAUTHORIZED, Json(serde_json::json!({"message": message}))).into_response().into())
    }
}

/// Refuses what Postgres could not read as a `uuid`.
pub(super) fn no_uuid(id: &str) -> Result<(), Refusal> {
    let message = format!("invalid input syntax for type uuid: \"{id}\"");
    Uuid::try_parse(id).map(drop).map_err(|_| rest(StatusCode::BAD_REQUEST, "22P02", &message).into())
}

impl Asked {
    fn takes(&self, row: &Row) -> bool {
        self.filters.iter().all(|filter| filter.matches(row))
    }

    /// Whether the table's rows have the columns named; an empty table has them all.
    fn known(&self, table: &str, rows: &[Row]) -> Result<(), Refusal> {
        let filtered = self.filters.iter().map(|filter| &filter.column);
        let unknown = unknown(filtered.chain(self.select.iter().flatten()), rows);
        unknown.map_or(Ok(()), |column| {
            let message = format!("column {table}.{column} does not exist");
            Err(rest(StatusCode::BAD_REQUEST, "42703", &message).into())
        })
    }

    fn shape(&self, mut row: Row) -> Row {
        if let Some(select) = &self.select {
            row.retain(|column, _| select.contains(column));
        }
        row
    }
}

fn settable(table: &str, change: &Row, rows: &[Row]) -> Result<(), Refusal> {
    unknown(change.keys(), rows).map_or(Ok(()), |column| {
        let message = format!("Could not find the '{column}' column of '{table}' in the schema cache");
        Err(rest(StatusCode::BAD_REQUEST, "PGRST204", &message).into())
    })
}

fn unknown<'a>(mut columns: impl Iterator<Item = &'a String>, rows: &[Row]) -> Option<&'a String> {
    let known: BTreeSet<&String> = rows.iter().flat_map(Row::keys).collect();
    columns.find(|column| !known.is_empty() && !known.contains(column))
}

pub(super) async fn json_body<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let bytes = axum::body::to_bytes(body, BODY_MAX).await.map_err(|_| bad_json())?;
    serde_json::from_slice(&bytes).map_err(|_| bad_json())
}

fn bad_json() -> Refusal {
    rest(StatusCode::BAD_REQUEST, "PGRST102", "Empty or invalid json").into()
}

fn prefer(headers: &HeaderMap) -> &str {
    headers.get("prefer").and_then(|prefer| prefer.to_str().ok()).unwrap_or_default()
}

fn wants_rows(headers: &HeaderMap) -> bool {
    prefer(headers).contains("return=representation")
}

/// `Content-Range` without a total.
fn range(rows: usize) -> [(header::HeaderName, String); 1] {
    let range = rows.checked_sub(1).map_or_else(|| "*/*".to_owned(), |last| format!("0-{last}/*"));
    [(header::CONTENT_RANGE, range)]
}
