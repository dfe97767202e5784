//! Knows whether a connection is in use: a request counts from its head to the last byte of its answer.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

/// The requests of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    running: AtomicUsize,
}

impl Activity {
    /// Counts a request until what this gives is dropped.
    pub(super) fn begin(&self) -> Running {
        self.0.begun.fetch_add(1, Relaxed);
        self.0.running.fetch_add(1, Relaxed);
        Running(Arc::clone(&self.0))
    }

    /// Resolves once no request was under way for about this long.
    pub(super) async fn unused_for(&self, idle: Duration) {
        let mut seen = self.0.begun.load(Relaxed);
        loop {
            tokio::time::sleep(idle).await;
            let begun = self.0.begun.load(Relaxed);
            if begun == seen && self.0.running.load(Relaxed) == 0 {
                return;
            }
            seen = begun;
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Running(Arc<Counts>);

impl Running {
    /// Keeps the request under way for as long as its answer is.
    pub(super) fn follow(self, body: Body) -> Followed {
        Followed { body, _running: self }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// An answer's body; its request is under way until it is dropped.
#[derive(Debug)]
pub(super) struct Followed {
    body: Body,
    _running: Running,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
