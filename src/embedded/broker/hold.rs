//! Room for the bodies that are on their way. Small ones always go: the number of deliveries bounds them. Large ones share a
//! fixed room and wait for it, in order; each gives its part back as soon as the destination has taken it, so that an answer
//! that never comes holds none.

use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Up to this a body is small.
pub const SMALL: usize = 64 * 1024;
/// What the large bodies on their way may hold together. One alone always fits: the quota of a message is far below.
const ROOM: usize = 64 * 1024 * 1024;
/// What the room is counted in.
const UNIT: usize = 1_024;

/// The room.
#[derive(Debug, Clone)]
pub struct Hold(Arc<Semaphore>);

/// A part of the room, for a body that is still to be read.
#[derive(Debug)]
pub struct Part {
    _room: Option<OwnedSemaphorePermit>,
}

struct Held {
    body: Bytes,
    _part: Part,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Hold {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM / UNIT)))
    }

    /// Waits until there is room for so many bytes.
    pub async fn part(&self, bytes: usize) -> Part {
        let units = u32::try_from(bytes.min(ROOM).div_ceil(UNIT)).unwrap_or(u32::MAX);
        // The room is never closed.
        Part { _room: self.0.clone().acquire_many_owned(units).await.ok() }
    }
}

impl Part {
    /// The body keeps its part until its last copy is gone.
    pub fn fill(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Held { body, _part: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_room_is_given_back_with_the_last_copy() {
        let hold = Hold::new();
        let most = hold.part(ROOM - UNIT).await.fill(Bytes::from_static(b"large"));
        let copy = most.clone();
        let rest = hold.part(UNIT).await;
        drop(most);
        assert!(hold.part(1).now_or_never().is_none(), "a copy is still held");
        drop(copy);
        assert!(hold.part(ROOM - UNIT).now_or_never().is_some());
        drop(rest);
        assert!(hold.part(2 * ROOM).now_or_never().is_some(), "nothing waits for ever");
    }
}
