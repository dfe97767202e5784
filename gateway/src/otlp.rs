//! Finished calls as spans, exported to an OpenTelemetry collector over OTLP/HTTP.
//!
//! A call never waits for a collector: calls go through a bounded queue, and what finds no room, or is not taken after
//! some tries, is counted by `tidegate_exports_dropped_total`.

mod message;
mod span;
#[cfg(test)]
mod tests;

use std::time::Duration;

use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use tokio::sync::{mpsc, oneshot};

use crate::Call;
use crate::observe::Metrics;
use message::{Export, KeyValue, Resource, ResourceSpans, Scope, ScopeSpans};

/// Calls that may wait for the collector: some seconds of traffic, without their bodies a few MiB.
const WAITING_MAX: usize = 2048;
/// Calls that are exported at once.
const BATCH_MAX: usize = 512;
/// The same for calls with bodies, which have up to 1 MiB each way. Collectors refuse messages of more than 20 MiB.
const WAITING_WITH_CONTENT_MAX: usize = 64;
const BATCH_WITH_CONTENT_MAX: usize = 8;
/// How long the first call of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How long a collector may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Tries before a batch is given up, and the pause between them.
const TRIES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Where spans go: the section `otlp` of the configuration, or `OTEL_EXPORTER_OTLP_*`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OtlpConfig {
    /// The address that takes traces, its path included.
    pub(crate) address: Url,
    pub(crate) headers: HeaderMap,
    /// Whether requests and answers go along.
    pub(crate) capture_content: bool,
    pub(crate) service_name: String,
}

/// Takes finished calls and exports them.
pub(crate) struct Exporter {
    calls: mpsc::Sender<Call>,
    finish: mpsc::Sender<oneshot::Sender<()>>,
    capture_content: bool,
}

impl Exporter {
    /// Starts exporting; within a runtime.
    pub(crate) fn start(config: OtlpConfig, metrics: Metrics) -> Result<Self, String> {
        // Whoever installed a provider before has chosen; TLS works either way.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(ANSWER_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("the HTTP client of `otlp` cannot be built: {error}"))?;
        let (waiting_max, batch_max) = if config.capture_content {
            (WAITING_WITH_CONTENT_MAX, BATCH_WITH_CONTENT_MAX)
        } else {
            (WAITING_MAX, BATCH_MAX)
        };
        let (calls, waiting) = mpsc::channel(waiting_max);
        let (finish, finishing) = mpsc::channel(1);
        let capture_content = config.capture_content;
        tokio::spawn(Worker { config, client, metrics, batch_max }.run(waiting, finishing));
        Ok(Self { calls, finish, capture_content })
    }

    /// Whether requests and answers go along.
    pub(crate) fn captures_content(&self) -> bool {
        self.capture_content
    }

    /// Takes a call; `false` where there is no room.
    pub(crate) fn take(&self, call: &Call) -> bool {
        let Ok(place) = self.calls.try_reserve() else { return false };
        let mut call = call.clone();
        if !self.capture_content {
            // The queue holds calls by the thousand: what is not exported need not wait there.
            call.request = bytes::Bytes::new();
            call.response = None;
        }
        place.send(call);
        true
    }

    /// Exports what still waits.
    pub(crate) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.finish.send(done).await.is_ok() {
            let _ = is_done.await;
        }
    }
}

struct Worker {
    config: OtlpConfig,
    client: Client,
    metrics: Metrics,
    batch_max: usize,
}

impl Worker {
    async fn run(self, mut calls: mpsc::Receiver<Call>, mut finishing: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut batch = Vec::new();
        loop {
            let told = tokio::select! {
                received = calls.recv_many(&mut batch, self.batch_max) => {
                    if received == 0 {
                        return;
                    }
                    self.gather(&mut calls, &mut batch, &mut finishing).await
                }
                told = finishing.recv() => match told {
                    Some(told) => Some(told),
                    None => return,
                },
            };
            self.export(&mut batch).await;
            if let Some(told) = told {
                while let Ok(call) = calls.try_recv() {
                    batch.push(call);
                    if batch.len() >= self.batch_max {
                        self.export(&mut batch).await;
                    }
                }
                self.export(&mut batch).await;
                let _ = told.send(());
            }
        }
    }

    /// Waits for more calls of the same batch, until it is full, its time is over, or everything shall be exported now.
    async fn gather(
        &self,
        calls: &mut mpsc::Receiver<Call>,
        batch: &mut Vec<Call>,
        finishing: &mut mpsc::Receiver<oneshot::Sender<()>>,
    ) -> Option<oneshot::Sender<()>> {
        let until = tokio::time::Instant::now() + GATHER;
        while batch.len() < self.batch_max {
            tokio::select! {
                received = calls.recv() => batch.push(received?),
                told = finishing.recv() => return told,
                () = tokio::time::sleep_until(until) => return None,
            }
        }
        None
    }

    async fn export(&self, batch: &mut Vec<Call>) {
        if batch.is_empty() {
            return;
        }
        let spans: Vec<_> = batch.iter().flat_map(|it| span::spans(it, self.config.capture_content)).collect();
        let calls = batch.len() as u64;
        batch.clear();
        if spans.is_empty() {
            return;
        }
        let scope = Scope { name: "tidegate".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let service = KeyValue::new("service.name", self.config.service_name.as_str());
        let resource = ResourceSpans {
            resource: Some(Resource { attributes: vec![service] }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        };
        let body = bytes::Bytes::from(Export { resource_spans: vec![resource] }.encode_to_vec());
        for tried in 1..=TRIES_MAX {
            match self.send(body.clone()).await {
                Ok(()) => return,
                Err(Refused { may_pass: true, .. }) if tried < TRIES_MAX => tokio::time::sleep(PAUSE * tried).await,
                Err(refused) => {
                    tracing::warn!(calls, "the collector at {} did not take spans: {}", self.shown(), refused.words);
                    self.metrics.dropped_exports("collector", calls);
                    return;
                }
            }
        }
    }

    async fn send(&self, body: bytes::Bytes) -> Result<(), Refused> {
        let request = self
            .client
            .post(self.config.address.clone())
            .headers(self.config.headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))
            .body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(Refused {
                // Those that the protocol says to repeat.
                may_pass: matches!(
                    response.status(),
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                ),
                words: format!("it answered {}", response.status()),
            }),
            Err(error) => Err(Refused { may_pass: true, words: error.without_url().to_string() }),
        }
    }

    /// The address without what may be secret in it.
    fn shown(&self) -> String {
        format!("{}{}", self.config.address.origin().ascii_serialization(), self.config.address.path())
    }
}

struct Refused {
    /// Whether another try may succeed.
    may_pass: bool,
    words: String,
}
