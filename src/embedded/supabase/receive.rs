//! Taking in a body, byte by byte onto the disk.

use super::faults::Plan;
use super::turns::Turn;
use axum::body::Body;
use futures_util::StreamExt;
use std::future::pending;
use std::io;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// A planned fault wants the connection dropped here.
    Cut,
    /// The client went away, or was shown out by another.
    Broken,
    /// It is longer than the room left; what is over was not kept.
    TooLong,
}

/// Writes the body to the file's end, at most `room` bytes, and answers how many they were.
pub(super) async fn receive(
    body: Body,
    file: &mut File,
    room: u64,
    plan: &Plan,
    turn: Option<&Turn>,
) -> io::Result<(u64, End)> {
    let mut pieces = body.into_data_stream();
    let mut taken: u64 = 0;
    let shown_out = async {
        match turn {
            Some(turn) => turn.shown_out().await,
            None => pending().await,
        }
    };
    let mut shown_out = std::pin::pin!(shown_out);
    let end = loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            () = &mut shown_out => break End::Broken,
        };
        let mut piece = match piece {
            Some(Ok(piece)) => piece,
            Some(Err(_)) => break End::Broken,
            None if plan.cut_after.is_some() => break End::Cut,
            None => break End::Whole,
        };
        let left = room.min(plan.cut_after.unwrap_or(u64::MAX)) - taken;
        let over = piece.len() as u64 > left;
        if over {
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        file.write_all(&piece).await?;
        taken += piece.len() as u64;
        if plan.cut_after == Some(taken) {
            break End::Cut;
        }
        if over {
            break End::TooLong;
        }
    };
    file.flush().await?;
    Ok((taken, end))
}
