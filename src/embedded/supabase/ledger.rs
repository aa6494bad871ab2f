//! Everything but the bytes of objects: one file of named JSON records, each change one durable write.

use super::{Counts, Error};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

const RECORDS: TableDefinition<&str, &[u8]> = TableDefinition::new("records");
const COUNTS: &str = "counts";

pub(super) struct Ledger {
    db: Arc<Database>,
    counts: Arc<Mutex<Counts>>,
}

/// The records as one transaction sees them.
pub(super) struct Entries<T>(T);

pub(super) type Writing<'txn> = Entries<Table<'txn, &'static str, &'static [u8]>>;
pub(super) type Reading = Entries<redb::ReadOnlyTable<&'static str, &'static [u8]>>;

impl Ledger {
    pub(super) async fn open(path: PathBuf) -> Result<Self, Error> {
        tokio::task::spawn_blocking(move || {
            let db = Database::create(path).map_err(redb::Error::from)?;
            let counts = change(&db, |entries| Ok(entries.get(COUNTS)?.unwrap_or_default()))?;
            Ok(Self { db: Arc::new(db), counts: Arc::new(Mutex::new(counts)) })
        })
        .await?
    }

    /// One atomic, durable change; whatever `change` does, nothing of it stays if it answers an error. The counters of that
    /// moment are kept with it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Writing<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (db, counts) = (Arc::clone(&self.db), Arc::clone(&self.counts));
        tokio::task::spawn_blocking(move || {
            change(&db, |entries| {
                let done = write(entries)?;
                let counts = counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
                entries.put(COUNTS, &counts)?;
                Ok(done)
            })
        })
        .await?
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reading) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let db = Arc::clone(&self.db);
        tokio::task::spawn_blocking(move || {
            let txn: ReadTransaction = db.begin_read().map_err(redb::Error::from)?;
            read(&Entries(txn.open_table(RECORDS).map_err(redb::Error::from)?))
        })
        .await?
    }

    /// Looks at the counters or moves them; they reach the disk with the next change.
    pub(super) fn counts<T>(&self, look: impl FnOnce(&mut Counts) -> T) -> T {
        look(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn change<T>(db: &Database, write: impl FnOnce(&mut Writing<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let txn = db.begin_write().map_err(redb::Error::from)?;
    let done = write(&mut Entries(txn.open_table(RECORDS).map_err(redb::Error::from)?))?;
    txn.commit().map_err(redb::Error::from)?;
    Ok(done)
}

impl<T: ReadableTable<&'static str, &'static [u8]>> Entries<T> {
    pub(super) fn get<V: DeserializeOwned>(&self, key: &str) -> Result<Option<V>, Error> {
        match self.0.get(key).map_err(redb::Error::from)? {
            Some(found) => Ok(Some(serde_json::from_slice(found.value())?)),
            None => Ok(None),
        }
    }

    /// All records whose name begins with `prefix`, by name.
    pub(super) fn scan<V: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, V)>, Error> {
        let mut found = Vec::new();
        for entry in self.0.range(prefix..).map_err(redb::Error::from)? {
            let (key, value) = entry.map_err(redb::Error::from)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_owned(), serde_json::from_slice(value.value())?));
        }
        Ok(found)
    }
}

impl Writing<'_> {
    pub(super) fn put<V: Serialize>(&mut self, key: &str, value: &V) -> Result<(), Error> {
        let value = serde_json::to_vec(value)?;
        self.0.insert(key, value.as_slice()).map_err(redb::Error::from)?;
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<(), Error> {
        self.0.remove(key).map_err(redb::Error::from)?;
        Ok(())
    }
}
