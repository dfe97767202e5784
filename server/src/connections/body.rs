//! A request body that must keep coming: who trickles it, or stops in the middle, is not waited for.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Bytes, HttpBody},
};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// What a body must bring for each second that the server waited for it; the slowest modem brings more.
pub(super) const BYTES_PER_SECOND_MIN: u32 = 1024;

/// A body, and how much longer it may keep its reader waiting.
///
/// Waiting uses the patience up and bytes bring it back, so a steady sender has no end set and a trickle has one.
/// Time in which nobody reads does not count.
pub(super) struct Patient {
    body: Incoming,
    patience: Duration,
    patience_max: Duration,
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl Patient {
    pub(super) fn new(body: Incoming, patience: Duration) -> Self {
        Self { body, patience, patience_max: patience, waiting: None }
    }

    fn received(&mut self, bytes: usize) {
        if let Some(waiting) = self.waiting.take() {
            self.patience = self.patience.saturating_sub(waiting.since.elapsed());
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / BYTES_PER_SECOND_MIN;
        self.patience = (self.patience + earned).min(self.patience_max);
    }
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                this.received(frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = this.patience;
        let waiting = this.waiting.get_or_insert_with(|| {
            let since = Instant::now();
            Waiting { since, end: Box::pin(tokio::time::sleep_until(since + patience)) }
        });
        match waiting.end.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Some(Err(too_slow().into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_slow() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the request's body did not come in time; send it again over a connection that is not slower than 1 kB/s",
    )
}
