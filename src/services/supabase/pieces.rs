//! A stream one can stop within: an upload in chunks takes exactly a chunk's bytes and leaves the rest for the next.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// The bytes of an object, taken piece by piece over several requests.
pub struct Pieces<S> {
    stream: S,
    rest: Bytes,
    taken: u64,
}

impl<S, E> Pieces<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    pub fn new(stream: S) -> Self {
        Self { stream, rest: Bytes::new(), taken: 0 }
    }

    /// How many bytes have been taken so far. After a failed upload these may be more than the server kept: open the source
    /// again at the offset the server confirms, unless the two agree.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The next bytes, between one and `at_most` of them; `None` at the end. Nothing is lost if the wait is given up.
    pub async fn next(&mut self, at_most: u64) -> Option<Result<Bytes, E>> {
        while self.rest.is_empty() {
            match self.stream.next().await? {
                Ok(piece) => self.rest = piece,
                Err(error) => return Some(Err(error)),
            }
        }
        let count = usize::try_from(at_most).unwrap_or(usize::MAX).min(self.rest.len());
        let piece = self.rest.split_to(count);
        self.taken += count as u64;
        Some(Ok(piece))
    }
}
