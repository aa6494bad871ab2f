//! The merge function that the migration adds to the real database: one atomic change of one row, of one key in one column.

use super::filter::Row;
use super::reply::{Answer, Refusal, rest};
use super::rows::{json_body, key, no_uuid};
use super::wire::{MERGE_FUNCTION, MergeProject};
use super::{Op, Supabase, now};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::Value;
use std::sync::Arc;

pub(super) async fn call(
    State(supabase): State<Arc<Supabase>>,
    Path(function): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, body) = supabase.enter(Op::Rpc, &headers, body).await?;
    supabase.rest_key(&headers)?;
    supabase.ledger.counts(|counts| counts.rpc_calls += 1);
    if function != MERGE_FUNCTION || supabase.faults.rpc_missing() {
        let message = format!("Could not find the function public.{function} in the schema cache");
        return Err(rest(StatusCode::NOT_FOUND, "PGRST202", &message).into());
    }
    let merge: MergeProject = json_body(body).await?;
    if supabase.options.uuid_ids {
        no_uuid(&merge.p_id)?;
    }
    let changed = supabase.ledger.write(move |entries| {
        let key = key(&merge.p_table, &merge.p_id);
        let Some(mut row) = entries.get::<Row>(&key)? else { return Ok(Ok(0)) };
        if let Err(refused) = apply(&mut row, &merge) {
            return Ok(Err(refused));
        }
        entries.put(&key, &row)?;
        Ok(Ok(1))
    });
    let changed: u64 = changed.await??;
    Ok(plan.finish(Json(changed).into_response()))
}

fn apply(row: &mut Row, merge: &MergeProject) -> Result<(), Refusal> {
    let columns = &merge.p_columns;
    let mut object = match row.get(&columns.clips) {
        None | Some(Value::Null) => Row::new(),
        Some(Value::Object(object)) => object.clone(),
        Some(_) => {
            let message = "cliprelay: the clips column holds something else than a JSON object";
            return Err(rest(StatusCode::BAD_REQUEST, "22023", message).into());
        }
    };
    object.insert("clips".to_owned(), merge.p_clips.clone());
    row.insert(columns.clips.clone(), Value::Object(object));
    row.insert(columns.status.clone(), Value::from(merge.p_status.as_str()));
    row.insert(columns.updated.clone(), Value::from(now()));
    Ok(())
}
