//! The running gateway: endpoints and routes by name, and the way of a call through them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use llm::{Error, LanguageModel};
use tokio::sync::mpsc::Sender;

use crate::endpoint::Kind;
use crate::json::Fields;
use crate::limits::Limiter;
use crate::metering::facts::{ChunkFacts, WholeFacts};
use crate::metering::{Meter, Recorder, Subject};
use crate::model::EndpointModel;
use crate::provider::{self, Builder, Clients, Frame, Frames, Locals, OpenLocal, Provider, Reply};
use crate::request::Request;
use crate::secrets::Secret;
use crate::{Call, Config, ConfigError, EndpointInfo, RouteInfo, routing};

/// What a gateway needs from the program around it.
#[derive(Default)]
pub struct Parts {
    /// Opens local models; `None` where there are none.
    pub open_local: Option<OpenLocal>,
    /// Takes the record of each finished call; a full channel loses records, which are counted.
    pub calls: Option<Sender<Call>>,
}

/// A running gateway. Clones share it.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    served: HashMap<String, Served>,
    endpoints: Vec<Arc<Endpoint>>,
    routes: Vec<Arc<Route>>,
    recorder: Arc<Recorder>,
    started_unix_s: u64,
}

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Served {
    Endpoint(Arc<Endpoint>),
    Route(Arc<Route>),
}

pub(crate) struct Endpoint {
    pub(crate) info: EndpointInfo,
    provider: Arc<dyn Provider>,
    /// The key, so that it can be kept out of messages.
    secret: Option<Secret>,
    limiter: Option<Limiter>,
}

pub(crate) struct Route {
    pub(crate) info: RouteInfo,
    weights: Vec<u32>,
    destinations: Vec<Arc<Endpoint>>,
    limiter: Option<Limiter>,
}

impl Endpoint {
    /// The error in an answer that came as if all were well.
    fn error_in(&self, body: &[u8]) -> Error {
        provider::error_in_answer(&self.info.provider, body, self.secret.as_ref())
    }
}

impl Served {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Endpoint(it) => it.info.kind,
            Self::Route(it) => it.info.kind,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Endpoint(it) => &it.info.name,
            Self::Route(it) => &it.info.name,
        }
    }
}

/// An answer on its way to an ingress.
pub(crate) struct Answer {
    /// The provider's name.
    pub(crate) provider: String,
    pub(crate) body: AnswerBody,
}

pub(crate) enum AnswerBody {
    Whole(Bytes),
    Stream(Box<Chunks>),
}

impl Gateway {
    /// Builds the endpoints of a configuration. Local models are opened here, so this may take a while.
    pub fn start(config: Config, parts: Parts) -> Result<Self, ConfigError> {
        let config_dir = config.file.parent().unwrap_or(Path::new("")).to_owned();
        let mut builder =
            Builder { clients: Clients::default(), locals: Locals::new(parts.open_local), config_dir: &config_dir };
        let mut served = HashMap::new();
        let mut endpoints = Vec::new();
        for endpoint in config.endpoints {
            let provider = provider::build(&endpoint, &mut builder).map_err(|message| ConfigError::Invalid {
                file: config.file.clone(),
                line: endpoint.line,
                key: endpoint.key.clone(),
                message: format!("endpoint `{}` cannot be built: {message}", endpoint.name),
            })?;
            let limiter = endpoint.limit.as_ref().map(|it| Limiter::new(format!("endpoint `{}`", endpoint.name), it));
            let info = EndpointInfo {
                name: endpoint.name.clone(),
                kind: endpoint.kind,
                provider: endpoint.vendor.name.to_owned(),
                model: endpoint.model,
                limit: endpoint.limit,
            };
            let secret = endpoint.settings.secret("api_key").cloned();
            let built = Arc::new(Endpoint { info, provider, secret, limiter });
            served.insert(endpoint.name, Served::Endpoint(Arc::clone(&built)));
            endpoints.push(built);
        }
        let mut routes = Vec::new();
        for route in config.routes {
            let destinations =
                route.destinations.iter().filter_map(|(name, _)| endpoints.iter().find(|it| it.info.name == *name));
            let limiter = route.limit.as_ref().map(|it| Limiter::new(format!("route `{}`", route.name), it));
            let built = Arc::new(Route {
                weights: route.destinations.iter().map(|(_, share)| *share).collect(),
                destinations: destinations.cloned().collect(),
                limiter,
                info: RouteInfo { name: route.name.clone(), kind: route.kind, destinations: route.destinations },
            });
            served.insert(route.name, Served::Route(Arc::clone(&built)));
            routes.push(built);
        }
        let recorder = Arc::new(Recorder::new(parts.calls));
        Ok(Self(Arc::new(Inner { served, endpoints, routes, recorder, started_unix_s: llm::unix_seconds() })))
    }

    /// The endpoints, in the order of the file.
    pub fn endpoints(&self) -> impl Iterator<Item = &EndpointInfo> {
        self.0.endpoints.iter().map(|it| &it.info)
    }

    /// The routes, in the order of the file.
    pub fn routes(&self) -> impl Iterator<Item = &RouteInfo> {
        self.0.routes.iter().map(|it| &it.info)
    }

    /// An endpoint or a route as a model for callers in this process. Its calls are limited, routed and recorded as
    /// those over HTTP are.
    pub fn model(&self, name: &str) -> Option<Arc<dyn LanguageModel>> {
        let served = self.0.served.get(name)?.clone();
        Some(Arc::new(EndpointModel::new(self.clone(), served)))
    }

    /// Records that found the channel full.
    pub fn dropped_calls(&self) -> u64 {
        self.0.recorder.dropped()
    }

    pub(crate) fn started_unix_s(&self) -> u64 {
        self.0.started_unix_s
    }

    pub(crate) fn served(&self, name: &str) -> Option<&Served> {
        self.0.served.get(name)
    }

    /// Makes a call. Calls that a limit turns away never begin and leave no record.
    pub(crate) async fn call(&self, id: String, served: &Served, request: Request) -> Result<Answer, Error> {
        let (endpoint, route) = match served {
            Served::Endpoint(endpoint) => (endpoint, None),
            Served::Route(route) => {
                check(route.limiter.as_ref())?;
                (&route.destinations[routing::draw(&route.weights)], Some(route.info.name.clone()))
            }
        };
        check(endpoint.limiter.as_ref())?;
        let EndpointInfo { name, provider, model, .. } = &endpoint.info;
        let subject = Subject { endpoint: name.clone(), route, provider: provider.clone(), model: model.clone() };
        let meter = Meter::start(Arc::clone(&self.0.recorder), id, subject, &request);
        let body = match endpoint.provider.call(&request).await {
            Ok(Reply::Whole(body)) => whole(body, meter, endpoint)?,
            Ok(Reply::Stream(frames)) => {
                AnswerBody::Stream(Box::new(Chunks::open(frames, meter, request.include_usage, endpoint).await?))
            }
            Err(error) => {
                meter.fail(&error);
                return Err(error);
            }
        };
        Ok(Answer { provider: provider.clone(), body })
    }
}

fn check(limiter: Option<&Limiter>) -> Result<(), Error> {
    limiter.map_or(Ok(()), Limiter::check)
}

/// Looks at a whole answer: it must be an object, and no error in disguise.
fn whole(body: Bytes, meter: Meter, endpoint: &Endpoint) -> Result<AnswerBody, Error> {
    let facts: WholeFacts<'_> = match serde_json::from_slice(&body) {
        Ok(facts) => facts,
        Err(error) => return Err(failed(meter, garbage(endpoint, "answered with", &error))),
    };
    if facts.error().is_some() {
        return Err(failed(meter, endpoint.error_in(&body)));
    }
    meter.whole(&body, &facts);
    Ok(AnswerBody::Whole(body))
}

fn failed(meter: Meter, error: Error) -> Error {
    meter.fail(&error);
    error
}

fn garbage(endpoint: &Endpoint, how: &str, error: &serde_json::Error) -> Error {
    Error::Upstream {
        status: 502,
        message: format!("provider `{}` {how} something that is no JSON object: {error}", endpoint.info.provider),
        body: None,
    }
}

/// The chunks of a streamed answer, measured as they pass. Dropping them ends the provider's work.
pub(crate) struct Chunks {
    frames: Frames,
    /// `None` once the stream has ended, well or badly.
    meter: Option<Meter>,
    first: Option<String>,
    include_usage: bool,
    endpoint: Arc<Endpoint>,
}

impl Chunks {
    /// Waits for the first chunk, so that an error in its place is still an answer of its own.
    async fn open(frames: Frames, meter: Meter, include_usage: bool, endpoint: &Arc<Endpoint>) -> Result<Self, Error> {
        let mut chunks =
            Self { frames, meter: Some(meter), first: None, include_usage, endpoint: Arc::clone(endpoint) };
        chunks.first = chunks.next().await?;
        Ok(chunks)
    }

    /// The next chunk, JSON; `None` at the end of a stream to which nothing is missing.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            let Some(meter) = &mut self.meter else { return Ok(None) };
            let chunk = match self.frames.next().await {
                Some(Ok(Frame::Chunk(chunk))) => chunk,
                Some(Err(error)) => return Err(self.fail(error)),
                Some(Ok(Frame::Done)) => return Ok(self.done()),
                None if meter.is_finished() => return Ok(self.done()),
                None => {
                    let message = format!("provider `{}` cut its stream short", self.endpoint.info.provider);
                    return Err(self.fail(Error::Unavailable(message)));
                }
            };
            let facts: ChunkFacts<'_> = match serde_json::from_str(&chunk) {
                Ok(facts) => facts,
                // An object in an unknown shape may mean something to the caller.
                Err(_) if serde_json::from_str::<Fields<'_>>(&chunk).is_ok() => return Ok(Some(chunk)),
                Err(error) => {
                    let error = garbage(&self.endpoint, "streamed", &error);
                    return Err(self.fail(error));
                }
            };
            if facts.error().is_some() {
                let error = self.endpoint.error_in(chunk.as_bytes());
                return Err(self.fail(error));
            }
            meter.chunk(&facts);
            if facts.is_usage_only() && !self.include_usage {
                continue;
            }
            return Ok(Some(chunk));
        }
    }

    fn done(&mut self) -> Option<String> {
        if let Some(meter) = self.meter.take() {
            meter.done();
        }
        None
    }

    fn fail(&mut self, error: Error) -> Error {
        if let Some(meter) = self.meter.take() {
            meter.fail(&error);
        }
        error
    }
}
