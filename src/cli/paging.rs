//! Answers that come page by page: gathered, and with what had come when it breaks off.

use super::End;
use super::operator::Operator;
use anyhow::anyhow;
use serde_json::{Value, json};

impl Operator {
    /// What `pick` takes of page after page, until there is enough of it; and whether there are more pages, or more than `most`.
    pub async fn rows(
        &self,
        path: &str,
        query: &[(&str, String)],
        most: usize,
        mut pick: impl FnMut(&Value) -> Vec<Value>,
    ) -> Result<(Vec<Value>, bool), End> {
        let (mut rows, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
            let page = self.get(path, &query).await?;
            rows.extend(pick(&page));
            let next = page["nextCursor"].as_str().map(str::to_owned);
            if rows.len() >= most || next.is_none() {
                let more = next.is_some() || rows.len() > most;
                rows.truncate(most);
                return Ok((rows, more));
            }
            if next == cursor {
                return Err(stuck());
            }
            cursor = next;
        }
    }

    /// Orders one thing after another, as each answer says where to go on; what was done, and how it ended.
    /// `hear` is given each answer.
    pub async fn through(
        &self,
        path: &str,
        mut body: Value,
        member: &str,
        mut hear: impl FnMut(&Value),
    ) -> (Vec<Value>, Result<(), End>) {
        let mut all = Vec::new();
        loop {
            let mut page = match self.post(path, Some(&body)).await {
                Ok(page) => page,
                Err(end) => return (all, Err(end)),
            };
            hear(&page);
            let done = page[member].as_array_mut().map(std::mem::take).unwrap_or_default();
            if page["more"] != true {
                all.extend(done);
                return (all, Ok(()));
            }
            let goes_on = going_on(&mut body, &page["nextCursor"], done.len());
            all.extend(done);
            if !goes_on {
                return (all, Err(stuck()));
            }
        }
    }
}

/// Makes of a request the next one; false: it would be the same again.
fn going_on(body: &mut Value, next: &Value, done: usize) -> bool {
    if next.is_string() {
        let goes_on = body["cursor"] != *next;
        body["cursor"] = next.clone();
        return goes_on;
    }
    let Some(ids) = body["ids"].as_array() else { return false };
    let left = json!(ids[done.min(ids.len())..]);
    body["ids"] = left;
    done > 0
}

fn stuck() -> End {
    End::failed(anyhow!("the service does not get on: it answers with the same page again; try again later"))
}
