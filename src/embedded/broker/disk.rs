//! The broker's one file, and how it is written: a single thread gathers whatever is waiting into one transaction and
//! acknowledges each part only after the commit is on disk. A failed transaction fails all its parts; none is half done.

use redb::{
    Database, ReadTransaction, ReadableDatabase, WriteTransaction,
    backends::{FileBackend, InMemoryBackend},
};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// So many parts at most share a commit; it bounds what waits in memory, bodies included.
const GATHERED_MAX: usize = 64;
/// A smaller file may well be half empty.
const WORTH_SHRINKING: u64 = 16 * 1024 * 1024;
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The log cannot be read or written. Nothing that was asked is done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("the log cannot be read: {0}")]
    Read(Arc<redb::Error>),
    #[error("the log could not be written")]
    NotWritten,
}

type Part = Box<dyn FnOnce(&WriteTransaction) -> Result<Acknowledge, redb::Error> + Send>;
type Acknowledge = Box<dyn FnOnce() + Send>;

/// Answers once the file is closed and may be opened anew.
pub type Closed = oneshot::Receiver<()>;

/// The open file; closed once this is dropped. The order of the fields matters: the writer must hold the file last, so that
/// its end is the file's end.
pub struct Disk {
    db: Arc<Database>,
    parts: mpsc::Sender<Part>,
}

impl Disk {
    /// None keeps everything in memory.
    pub fn open(file: Option<&Path>) -> Result<(Self, Closed), redb::Error> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let db = Arc::new(match file {
            Some(path) => {
                let file = private(path)?;
                let length = file.metadata()?.len();
                let mut db = builder.create_with_backend(FileBackend::new(file)?)?;
                shrink(&mut db, length)?;
                db
            }
            None => builder.create_with_backend(InMemoryBackend::new())?,
        });
        let (parts, waiting) = mpsc::channel(GATHERED_MAX);
        let (closing, closed) = oneshot::channel();
        let writer = db.clone();
        std::thread::Builder::new()
            .name("broker-log".to_owned())
            .spawn(move || {
                write_all(&writer, waiting);
                drop(writer);
                // Nobody may be waiting for it.
                let _unheard = closing.send(());
            })
            .map_err(redb::Error::Io)?;
        Ok((Self { db, parts }, closed))
    }

    /// Runs `part` inside a transaction and answers once that is committed.
    pub async fn write<T: Send + 'static>(
        &self,
        part: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let part: Part = Box::new(move |transaction| {
            let value = part(transaction)?;
            let acknowledge: Acknowledge = Box::new(move || drop(answer.send(value)));
            Ok(acknowledge)
        });
        self.parts.send(part).await.map_err(|_| Error::NotWritten)?;
        answered.await.map_err(|_| Error::NotWritten)
    }

    /// Reads one consistent state, off the async threads.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let db = self.db.clone();
        let read = tokio::task::spawn_blocking(move || read(&db.begin_read().map_err(redb::Error::from)?));
        match read.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Error::Read(Arc::new(error))),
            Err(_) => Err(Error::Read(Arc::new(redb::Error::Io(std::io::Error::other("the read was cut short"))))),
        }
    }
}

/// Gives back what is mostly free. While it is open, free pages are only used anew: moving the others needs it whole.
fn shrink(db: &mut Database, length: u64) -> Result<(), redb::Error> {
    if length < WORTH_SHRINKING {
        return Ok(());
    }
    let transaction = db.begin_write()?;
    let stats = transaction.stats()?;
    transaction.abort()?;
    let page = u64::try_from(stats.page_size()).unwrap_or(u64::MAX);
    if stats.allocated_pages().saturating_mul(page) < length / 2 {
        db.compact()?;
    }
    Ok(())
}

/// Ours alone: forwarded secrets and rotated keys rest in it.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_all(db: &Database, mut waiting: mpsc::Receiver<Part>) {
    let mut told = false;
    while let Some(first) = waiting.blocking_recv() {
        let Err(error) = write_gathered(db, first, &mut waiting) else { continue };
        // After a failed write, as on a full disk, the file takes no more until it is opened anew.
        if !matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) {
            tracing::error!(%error, "The broker's log could not be written");
        } else if !told {
            told = true;
            let advice = "make room on its disk and start the broker again; until then it takes no message";
            tracing::error!(%error, "The broker's log could not be written: {advice}");
        }
    }
}

/// On an error the transaction is dropped, and with it every acknowledgement: each caller learns that nothing was done.
fn write_gathered(db: &Database, first: Part, waiting: &mut mpsc::Receiver<Part>) -> Result<(), redb::Error> {
    let transaction = db.begin_write()?;
    let mut acknowledgements = vec![first(&transaction)?];
    while acknowledgements.len() < GATHERED_MAX
        && let Ok(part) = waiting.try_recv()
    {
        acknowledgements.push(part(&transaction)?);
    }
    transaction.commit()?;
    for acknowledge in acknowledgements {
        acknowledge();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{ReadableTable, TableDefinition};

    const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("t");

    async fn kept(disk: &Disk) -> Vec<u64> {
        let read = |txn: &ReadTransaction| txn.open_table(TABLE)?.iter()?.map(|entry| Ok(entry?.0.value())).collect();
        disk.read(read).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_that_is_mostly_free_is_smaller_after_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let length = || std::fs::metadata(&path).unwrap().len();
        let (disk, closed) = Disk::open(Some(&path)).unwrap();
        for n in 0..24 {
            let body = vec![0; 1 << 20];
            let insert = move |txn: &WriteTransaction| {
                txn.open_table(TABLE)?.insert(n, body.as_slice())?;
                Ok(())
            };
            disk.write(insert).await.unwrap();
        }
        disk.write(|txn| Ok(txn.open_table(TABLE)?.retain(|n, _| n % 12 == 11)?)).await.unwrap();
        drop(disk);
        closed.await.unwrap();
        let before = length();
        let (disk, closed) = Disk::open(Some(&path)).unwrap();
        assert_eq!(kept(&disk).await, [11, 23]);
        drop(disk);
        closed.await.unwrap();
        assert!(length() * 2 < before, "{} of {before} bytes", length());
    }
}
