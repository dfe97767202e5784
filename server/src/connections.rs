//! Accepts connections, and keeps slow, silent and countless clients from holding the server.

mod activity;
mod body;
mod stream;

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use activity::Activity;
use body::Patient;
use stream::Watched;

/// How long a connection may keep the server waiting, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once; more wait in the operating system's queue until one ends.
    pub(crate) connections: usize,
    /// From the end of one answer (or the start of the connection) to the last byte of the next request's head. It is
    /// also how long an unused HTTP/1 connection is kept.
    pub(crate) head: Duration,
    /// How long a request's body may stand still; what comes slower than [`body::BYTES_PER_SECOND_MIN`] on average
    /// uses it up bit by bit.
    pub(crate) body: Duration,
    /// How long an unused HTTP/2 connection is kept, and how long its client may leave a ping unanswered.
    pub(crate) idle: Duration,
    /// How long a client may take nothing of an answer that waits for it; any byte taken starts it anew, so a slow
    /// download is never cut.
    pub(crate) write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Each costs some 20 kB and a file descriptor.
            connections: 4096,
            // A head is one packet or a few; 30 s is what browsers and proxies expect of an unused connection.
            head: Duration::from_secs(30),
            // A phone that changes its network is back within seconds.
            body: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            // People close the lid of a laptop in the middle of a download.
            write: Duration::from_mins(5),
        }
    }
}

/// How long to wait before accepting again when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves `app` on `listener` until `stopping`, then lets running requests finish and returns.
pub(crate) async fn serve(listener: TcpListener, app: Router, limits: Limits, stopping: CancellationToken) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    while let Some((stream, slot)) = next(&listener, &slots, &stopping).await {
        // A streamed token is a small packet that must not wait for the next.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off Nagle's algorithm");
        }
        connections.spawn(connection(stream, slot, app.clone(), limits, stopping.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection and its place among those that may be open; none when the server stops.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stopping: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        if slots.available_permits() == 0 {
            tracing::warn!("as many connections are open as may be; the next waits until one of them ends");
        }
        let slot = Arc::clone(slots).acquire_owned().await.expect("nothing closes the semaphore");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, slot),
                Err(error) if is_the_clients(&error) => tracing::debug!(%error, "a client left before it was accepted"),
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection; raise the limit of open files (ulimit -n)");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        accepted = accepted => Some(accepted),
        () = stopping.cancelled() => None,
    }
}

/// Whether accepting failed for a reason that concerns this one client alone.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
    app: Router,
    limits: Limits,
    stopping: CancellationToken,
) {
    let activity = Activity::default();
    let service = service_fn(|request: Request<Incoming>| {
        let guard = activity.begin();
        let request = request.map(|body| Body::new(Patient::new(body, limits.body)));
        let answer = app.clone().call(request);
        async move {
            let answer = answer.await.unwrap_or_else(|never: Infallible| match never {});
            Ok::<_, Infallible>(answer.map(|body| guard.follow(body)))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(limits.idle).keep_alive_timeout(limits.idle);
    let stream = TokioIo::new(Watched::new(stream, limits));
    let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = async {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = activity.unused_for(limits.idle) => {}
            }
        } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error, "a connection ended before its time");
    }
    drop(slot);
}

#[cfg(test)]
mod tests;
