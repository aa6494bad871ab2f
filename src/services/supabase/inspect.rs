//! Looks that change nothing: whether the table, its columns and the merge function are there for our key, and whether it may
//! write.

use super::{Columns, Error, Supabase, wire};
use reqwest::Method;
use reqwest::header::DATE;
use serde_json::{Map, Value};

/// A table that nobody has: what asks about it can change nothing.
const NO_TABLE: &str = "cliprelay no such table";

impl Supabase {
    /// Reads one row of these columns, if there is one.
    pub async fn try_columns(&self, columns: &[&str]) -> Result<(), Error> {
        let mut url = self.at(["rest", "v1", &self.options.table]);
        url.query_pairs_mut().append_pair("select", &columns.join(",")).append_pair("limit", "1");
        let reply = self.call(self.request(Method::GET, url)).await?.ok(Error::rest)?;
        reply.json::<Vec<Value>>().map(drop)
    }

    /// Writes the columns that a finished job writes, in no row: no id is null and not null at once. A right is missed all the same.
    pub async fn try_write(&self) -> Result<(), Error> {
        let names = &self.options.columns;
        let mut url = self.at(["rest", "v1", &self.options.table]);
        url.query_pairs_mut().append_pair(&names.id, "is.null").append_pair(&names.id, "not.is.null");
        let written = [&names.clips, &names.status, &names.updated].map(|name| (name.clone(), Value::Null));
        let nothing: Map<String, Value> = written.into_iter().collect();
        let request = self.request(Method::PATCH, url).header("prefer", "return=minimal").json(&nothing);
        self.call(request).await?.ok(Error::rest).map(drop)
    }

    /// Whether the migration's merge function is there. It is called for a table that does not exist, so it changes nothing.
    pub async fn can_merge(&self) -> Result<bool, Error> {
        let text = String::new;
        let columns = wire::MergeColumns { id: text(), status: text(), updated: text(), clips: text() };
        let body = wire::MergeProject {
            p_table: NO_TABLE.to_owned(),
            p_columns: columns,
            p_id: text(),
            p_clips: Value::Array(Vec::new()),
            p_status: text(),
        };
        let url = self.at(["rest", "v1", "rpc", wire::MERGE_FUNCTION]);
        match self.call(self.request(Method::POST, url).json(&body)).await?.ok(Error::rest) {
            Err(Error::NotFound { code, .. }) if code == "PGRST202" => Ok(false),
            // It is there, and misses the table (42P01) or what an id has to look like.
            Ok(_) | Err(Error::NotFound { .. } | Error::Refused { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// What time Supabase says it is, in unix seconds; none if it does not say. Any answer will do.
    pub async fn clock(&self) -> Result<Option<i64>, Error> {
        let url = self.at(["storage", "v1", "bucket", &self.options.bucket]);
        let reply = self.call(self.request(Method::GET, url)).await?;
        let date = reply.header(DATE.as_str()).and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(date.map(|date| date.timestamp().as_second()))
    }

    pub fn columns(&self) -> &Columns {
        &self.options.columns
    }

    pub fn table(&self) -> &str {
        &self.options.table
    }
}
