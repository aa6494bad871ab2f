//! The source file, read by offset: never as a whole, never beyond its end.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::Error;

/// An open source and its length, taken once.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(failed(std::io::Error::other("not a regular file")));
        }
        match meta.len() {
            0 => Err(Error::Empty),
            len => Ok(Self { file, path: path.to_owned(), len }),
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `offset`.
    pub fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(buf));
        read.map_err(|source| Error::Read { path: self.path.clone(), source })
    }
}
