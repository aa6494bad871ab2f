//! The bytes of objects: `incoming/` while they arrive, `blobs/` once they are whole. A record in the ledger, not the file,
//! makes an object visible.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs::{self, File, OpenOptions};

pub(super) struct Blobs {
    incoming: PathBuf,
    whole: PathBuf,
}

impl Blobs {
    pub(super) async fn open(data: &Path) -> io::Result<Self> {
        let blobs = Self { incoming: data.join("incoming"), whole: data.join("blobs") };
        fs::create_dir_all(&blobs.incoming).await?;
        fs::create_dir_all(&blobs.whole).await?;
        Ok(blobs)
    }

    /// The file of unfinished bytes of this name, to write at its end.
    pub(super) async fn append(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(self.incoming.join(name)).await
    }

    /// How many bytes of it are on the disk, whole or not.
    pub(super) async fn size(&self, name: &str) -> io::Result<u64> {
        match fs::metadata(self.incoming.join(name)).await {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::metadata(self.whole.join(name)).await {
                Ok(found) => Ok(found.len()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Cuts unfinished bytes back.
    pub(super) async fn truncate(&self, name: &str, size: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.incoming.join(name)).await?.set_len(size).await
    }

    /// Makes the bytes durable under their final name. Repeating it is harmless.
    pub(super) async fn finish(&self, name: &str) -> io::Result<()> {
        let from = self.incoming.join(name);
        if fs::try_exists(&from).await? {
            File::open(&from).await?.sync_all().await?;
            fs::rename(&from, self.whole.join(name)).await?;
        }
        File::open(&self.whole).await?.sync_all().await
    }

    pub(super) async fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.whole.join(name)).await
    }

    /// Removes a file in whichever state it is; none is fine.
    pub(super) async fn remove(&self, name: &str) -> io::Result<()> {
        for folder in [&self.incoming, &self.whole] {
            match fs::remove_file(folder.join(name)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes every file that no record names.
    pub(super) async fn retain(&self, named: &BTreeSet<String>) -> io::Result<()> {
        for folder in [&self.incoming, &self.whole] {
            let mut files = fs::read_dir(folder).await?;
            while let Some(file) = files.next_entry().await? {
                if !file.file_name().to_str().is_some_and(|name| named.contains(name)) {
                    fs::remove_file(file.path()).await?;
                }
            }
        }
        Ok(())
    }
}
