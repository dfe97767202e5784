//! The body of an upload, which has a bound, and which is read a little further when the upload is refused.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::{Body, BodyDataStream};
use futures::{Stream as _, StreamExt as _, stream};

use crate::artifacts::ByteStream;

/// The largest file: far above any model, so that only a client that never stops meets it.
pub(super) const UPLOAD_BYTES_MAX: u64 = 1 << 40;

/// What is read of the rest of a refused upload, in bytes and in time. A client that is cut off while it sends may
/// never see the answer that says why, and tries again.
const DRAINED_BYTES_MAX: u64 = 32 * 1024 * 1024;
const DRAINED_TIME_MAX: Duration = Duration::from_secs(5);

/// A body that two read, one after the other: the store, and then whoever has to answer.
pub(super) struct Incoming {
    body: Arc<Mutex<BodyDataStream>>,
}

impl Incoming {
    pub(super) fn new(body: Body) -> Self {
        Self { body: Arc::new(Mutex::new(body.into_data_stream())) }
    }

    /// The body as a stream that fails, rather than fills the disk, when it does not end.
    pub(super) fn bounded(&self) -> ByteStream {
        self.read(UPLOAD_BYTES_MAX)
    }

    /// Reads on, so that the client comes to read its answer.
    pub(super) async fn drain(&self) {
        let mut rest = self.read(DRAINED_BYTES_MAX);
        let reading = async { while let Some(Ok(_)) = rest.next().await {} };
        // The answer is sent in either case.
        let _ = tokio::time::timeout(DRAINED_TIME_MAX, reading).await;
    }

    fn read(&self, bytes_max: u64) -> ByteStream {
        let body = Arc::clone(&self.body);
        let mut bytes_left = bytes_max;
        stream::poll_fn(move |context| {
            let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
            std::pin::Pin::new(&mut *body).poll_next(context)
        })
        .map(move |chunk| {
            let chunk = chunk.map_err(io::Error::other)?;
            bytes_left = bytes_left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| io::Error::other(format!("it is larger than {bytes_max} bytes")))?;
            Ok(chunk)
        })
        .boxed()
    }
}
