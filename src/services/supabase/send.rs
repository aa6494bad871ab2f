//! An upload's body, sent while listening for its refusal.
//!
//! The server refuses before it reads the body and then stops reading, so a sender that does not listen hangs. Here the reply
//! and the body race: the first reply stops the body, and closing the body's channel early closes the connection.

use super::call::Reply;
use super::pieces::Pieces;
use super::{Error, Supabase, Timeouts};
use crate::measure;
use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder};
use std::convert::Infallible;
use std::pin::pin;
use tokio::sync::mpsc;
use tokio::time::timeout;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Supabase {
    /// Sends exactly `size` bytes from `pieces`, with that Content-Length. At most two pieces are held at a time.
    pub(super) async fn send<S, E>(
        &self,
        request: RequestBuilder,
        size: u64,
        pieces: &mut Pieces<S>,
    ) -> Result<Reply, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<BoxError>,
    {
        let timeouts = &self.options.timeouts;
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let body = stream::unfold(receiver, async |mut receiver| {
            let piece = receiver.recv().await?;
            Some((Ok::<_, Infallible>(piece), receiver))
        });
        let request = request.header(CONTENT_LENGTH, size).body(Body::wrap_stream(body));
        let mut answer = pin!(self.http.send(request));
        let mut sender = Some(sender);
        let answered = {
            let mut pump = pin!(pump(&mut sender, size, pieces, timeouts));
            tokio::select! {
                biased;
                response = &mut answer => Some(response),
                sent = &mut pump => { sent?; None }
            }
        };
        let response = match answered {
            Some(response) => response,
            None => match timeout(timeouts.stored, &mut answer).await {
                Ok(response) => response,
                Err(_) => return Err(Error::away("no answer to the upload in time")),
            },
        };
        let response = response.map_err(|error| Error::away(error.text))?;
        // The sender is still held if the reply came first: closing it sooner could cost the rest of that reply.
        let cut = sender.is_some();
        let reply = timeout(timeouts.call, Reply::read(response)).await;
        let reply = reply.map_err(|_| Error::away("the answer to the upload never ended"))?;
        if cut && (200..300).contains(&reply.status) {
            return Err(Error::away("the upload was answered before its end"));
        }
        Ok(reply)
    }
}

/// Hands over the bytes; takes the sender away when all of them are handed over, which ends the body.
async fn pump<S, E>(
    sender: &mut Option<mpsc::Sender<Bytes>>,
    size: u64,
    pieces: &mut Pieces<S>,
    timeouts: &Timeouts,
) -> Result<(), Error>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<BoxError>,
{
    let mut sent = 0;
    while let Some(open) = sender.as_ref().filter(|_| sent < size) {
        let place = match timeout(timeouts.idle, open.reserve()).await {
            Ok(Ok(place)) => place,
            // The connection is gone; its error, or its last reply, comes as the answer.
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(Error::away(format!("no byte taken for {} s", timeouts.idle.as_secs()))),
        };
        let piece = match timeout(timeouts.idle, pieces.next(size - sent)).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => return Err(Error::Content(error.into())),
            Ok(None) => return Err(Error::Content(format!("it ended after {sent} of {size} bytes").into())),
            Err(_) => return Err(Error::Content(format!("no byte came for {} s", timeouts.idle.as_secs()).into())),
        };
        sent += piece.len() as u64;
        measure::bytes_sent_to_storage(piece.len());
        place.send(piece);
    }
    *sender = None;
    Ok(())
}
