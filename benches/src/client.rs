//! The load: workers with one kept-alive connection each, on one thread, so that the client takes little of the machine.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What one worker sends: a path and, where there is one, a JSON body.
#[derive(Clone, Debug)]
pub struct Call {
    /// Path and query.
    pub path: String,
    /// `POST` with this body, or `GET` without one.
    pub body: Option<Bytes>,
    /// Headers beside those of every call.
    pub headers: Arc<HeaderMap>,
}

impl Call {
    /// A `POST` of JSON.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { path: path.into(), body: Some(body.into()), headers: Arc::default() }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), body: None, headers: Arc::default() }
    }

    /// The same call with headers of its own.
    #[must_use]
    pub fn with_headers(self, headers: &Arc<HeaderMap>) -> Self {
        Self { headers: Arc::clone(headers), ..self }
    }
}

/// An answer that is no 200.
#[derive(Debug, thiserror::Error)]
#[error("{path} answered {status}: {text}")]
pub struct Refused {
    path: String,
    status: StatusCode,
    text: String,
}

/// How long to send, from how many connections.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections, each with one call in flight.
    pub connections: usize,
    /// Calls before this are sent but not measured.
    pub warm_up: Duration,
    /// How long is measured.
    pub measured: Duration,
}

/// What a load showed.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Microseconds of each measured call, ascending.
    latencies_us: Vec<u32>,
    /// How long was measured.
    pub wall: Duration,
    /// Calls that were sent in all, the warm-up's too.
    pub sent: usize,
}

impl Load {
    /// Calls that were measured.
    pub fn calls(&self) -> usize {
        self.latencies_us.len()
    }

    /// A load of a few calls, of which each took so long.
    pub fn of(calls: &[Duration]) -> Self {
        let us = |it: &Duration| u32::try_from(it.as_micros()).unwrap_or(u32::MAX);
        let mut latencies_us: Vec<u32> = calls.iter().map(us).collect();
        latencies_us.sort_unstable();
        Self { latencies_us, wall: calls.iter().sum(), sent: calls.len() }
    }

    /// Calls each second.
    pub fn per_second(&self) -> f64 {
        count(self.calls()) / self.wall.as_secs_f64()
    }

    /// The latency that this share of the calls stays within, in microseconds.
    pub fn quantile_us(&self, share: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is an index")]
        let index = (count(self.calls()) * share) as usize;
        self.latencies_us.get(index.min(self.calls().saturating_sub(1))).copied().map_or(f64::NAN, f64::from)
    }
}

/// A count as a number to divide by.
pub fn count(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]
    let count = count as f64;
    count
}

/// Sends until the plan's time is over. `call` makes the n-th call of a worker; every answer must be a 200.
/// `at_start` runs between warm-up and measurement, for reading clocks.
pub fn load<C, F>(address: SocketAddr, plan: Plan, call: C, at_start: F) -> Result<Load>
where
    C: Fn(usize, u64) -> Call + Clone + 'static,
    F: FnOnce() + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async move {
        let starts = Instant::now() + plan.warm_up;
        let ends = starts + plan.measured;
        let workers: Vec<_> = (0..plan.connections)
            .map(|worker| tokio::task::spawn_local(work(address, worker, call.clone(), starts, ends)))
            .collect();
        tokio::time::sleep_until(starts.into()).await;
        at_start();
        let (mut latencies_us, mut sent) = (Vec::new(), 0);
        for worker in workers {
            let (measured, all) = worker.await.context("a worker ended early")??;
            latencies_us.extend(measured);
            sent += all;
        }
        latencies_us.sort_unstable();
        Ok(Load { latencies_us, wall: starts.elapsed(), sent })
    })
}

/// Sends `calls` once, spread over so many connections, and gives the answers' bodies in order.
pub fn send_all(address: SocketAddr, connections: usize, calls: &[Call]) -> Result<Vec<Bytes>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let share = calls.len().div_ceil(connections).max(1);
        let workers = calls.chunks(share).map(|calls| async move {
            let mut connection = Connection::open(address).await?;
            let mut answers = Vec::with_capacity(calls.len());
            for call in calls {
                answers.push(connection.send(call).await?);
            }
            anyhow::Ok(answers)
        });
        Ok(futures::future::try_join_all(workers).await?.into_iter().flatten().collect())
    })
}

/// Sends the same call so many times from so many connections.
pub fn send_many(address: SocketAddr, connections: usize, calls: usize, call: &Call) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let workers = (0..connections).map(|worker| async move {
            let mut connection = Connection::open(address).await?;
            for _ in 0..calls / connections + usize::from(worker < calls % connections) {
                connection.send(call).await?;
            }
            anyhow::Ok(())
        });
        futures::future::try_join_all(workers).await?;
        Ok(())
    })
}

/// Opens so many streams with the same call and reads them all; gives how many had begun after a while, and what `look`
/// saw then.
pub fn hold<T>(
    address: SocketAddr,
    streams: usize,
    call: &Call,
    settle: Duration,
    look: impl FnOnce() -> T,
) -> Result<(usize, T)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let open = Rc::new(Cell::new(0));
        for _ in 0..streams {
            let (open, call) = (Rc::clone(&open), call.clone());
            tokio::task::spawn_local(async move {
                let mut connection = Connection::open(address).await?;
                let mut body = connection.ask(&call).await?.into_body();
                let mut has_begun = false;
                while let Some(frame) = body.frame().await {
                    frame?;
                    if !std::mem::replace(&mut has_begun, true) {
                        open.set(open.get() + 1);
                    }
                }
                open.set(open.get() - 1);
                anyhow::Ok(())
            });
        }
        tokio::time::sleep(settle).await;
        Ok((open.get(), look()))
    })
}

/// Sends one call and gives its answer, or nothing where none came in time.
pub fn try_send(address: SocketAddr, call: &Call, timeout: Duration) -> Result<Option<Bytes>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = async { Connection::open(address).await?.send(call).await };
        tokio::time::timeout(timeout, answer).await.ok().transpose()
    })
}

/// The microseconds of the measured calls, and how many calls there were in all.
async fn work<C: Fn(usize, u64) -> Call>(
    address: SocketAddr,
    worker: usize,
    call: C,
    starts: Instant,
    ends: Instant,
) -> Result<(Vec<u32>, usize)> {
    let mut connection = Connection::open(address).await?;
    let (mut latencies_us, mut calls) = (Vec::new(), 0);
    for number in 0.. {
        let call = call(worker, number);
        let sent = Instant::now();
        if sent >= ends {
            break;
        }
        connection.send(&call).await?;
        calls += 1;
        if sent >= starts {
            latencies_us.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
    Ok((latencies_us, calls))
}

struct Connection {
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Self { host: address.to_string(), sender })
    }

    /// Sends one call, reads the whole answer, and refuses anything but a 200.
    async fn send(&mut self, call: &Call) -> Result<Bytes> {
        let answer = self.ask(call).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        Err(Refused { path: call.path.clone(), status, text }.into())
    }

    /// Sends one call and gives the head of its answer.
    async fn ask(&mut self, call: &Call) -> Result<Response<Incoming>> {
        let request = Request::builder().uri(&call.path).header(HOST, &self.host);
        let mut request = match &call.body {
            Some(body) => request
                .method(Method::POST)
                .header(CONTENT_TYPE, "application/json")
                .header(CONTENT_LENGTH, body.len())
                .body(Full::new(body.clone()))?,
            None => request.body(Full::default())?,
        };
        request.headers_mut().extend(call.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}
