//! What the stand-in remembers: JSON values under readable keys in one redb file, each write durable when it returns.
//!
//! Keys: `task/{id}`, `folder/{id}` (its task's id), `export/{project}/{id}`, `video/{name}` (a path).

use std::path::PathBuf;
use std::sync::Arc;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");

#[derive(Debug, Clone)]
pub(super) struct Records {
    db: Arc<Database>,
}

/// redb has an error type for each call; they are one to us.
fn db(error: impl Into<redb::Error>) -> Error {
    Error::Records(Box::new(error.into()))
}

impl Records {
    pub async fn open(path: PathBuf) -> Result<Self, Error> {
        blocking(move || {
            let db_file = Database::create(path).map_err(db)?;
            let txn = db_file.begin_write().map_err(db)?;
            txn.open_table(RECORDS).map_err(db)?;
            txn.commit().map_err(db)?;
            Ok(Self { db: Arc::new(db_file) })
        })
        .await
    }

    pub async fn get<T: DeserializeOwned + Send + 'static>(&self, key: &str) -> Result<Option<T>, Error> {
        let (records, key) = (self.db.clone(), key.to_owned());
        blocking(move || {
            let table = records.begin_read().map_err(db)?.open_table(RECORDS).map_err(db)?;
            let value = table.get(key.as_str()).map_err(db)?;
            Ok(value.map(|value| serde_json::from_slice(value.value())).transpose()?)
        })
        .await
    }

    pub async fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<(), Error> {
        self.put_all(vec![(key.to_owned(), serde_json::to_vec(value)?)]).await
    }

    /// Writes several values at once or none.
    pub async fn put_all(&self, values: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        let records = self.db.clone();
        blocking(move || {
            let txn = records.begin_write().map_err(db)?;
            {
                let mut table = txn.open_table(RECORDS).map_err(db)?;
                for (key, value) in &values {
                    table.insert(key.as_str(), value.as_slice()).map_err(db)?;
                }
            }
            txn.commit().map_err(db)
        })
        .await
    }

    /// Changes one value in place and answers it as it then is.
    pub async fn update<T>(&self, key: &str, change: impl FnOnce(&mut T) + Send + 'static) -> Result<Option<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let (records, key) = (self.db.clone(), key.to_owned());
        blocking(move || {
            let txn = records.begin_write().map_err(db)?;
            let mut table = txn.open_table(RECORDS).map_err(db)?;
            let found = table.get(key.as_str()).map_err(db)?.map(|value| serde_json::from_slice(value.value()));
            let Some(mut value) = found.transpose()? else { return Ok(None) };
            change(&mut value);
            table.insert(key.as_str(), serde_json::to_vec(&value)?.as_slice()).map_err(db)?;
            drop(table);
            txn.commit().map_err(db)?;
            Ok(Some(value))
        })
        .await
    }

    /// All values whose key begins with `prefix`, in the order of their keys.
    pub async fn list<T: DeserializeOwned + Send + 'static>(&self, prefix: &str) -> Result<Vec<T>, Error> {
        let (records, prefix) = (self.db.clone(), prefix.to_owned());
        blocking(move || {
            let table = records.begin_read().map_err(db)?.open_table(RECORDS).map_err(db)?;
            let mut values = Vec::new();
            for entry in table.range(prefix.as_str()..).map_err(db)? {
                let (key, value) = entry.map_err(db)?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                values.push(serde_json::from_slice(value.value())?);
            }
            Ok(values)
        })
        .await
    }
}

/// redb waits for the disk: never on a thread that serves requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)?
}
