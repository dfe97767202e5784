//! The running gateway: endpoints and routes by name, and the way of a call through them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use llm::LanguageModel;
use tokio::sync::mpsc::Sender;

use crate::admission::Admission;
use crate::answer::{Answer, Failed};
use crate::cache::Caches;
use crate::limits::Limiter;
use crate::metering::{Meter, Recorder};
use crate::model::EndpointModel;
use crate::provider::{self, Builder, Clients, Locals, OpenLocal};
use crate::request::Request;
use crate::screen::{self, Screen, Watch};
use crate::served::{Endpoint, Route, Served};
use crate::{Call, Config, ConfigError, EndpointInfo, RouteInfo, dispatch};

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
    admission: Admission,
    recorder: Arc<Recorder>,
    started_unix_s: u64,
}

impl Gateway {
    /// Builds the endpoints of a configuration. Local models are opened here, so this may take a while.
    pub fn start(config: Config, parts: Parts) -> Result<Self, ConfigError> {
        let config_dir = config.file.parent().unwrap_or(Path::new("")).to_owned();
        let mut builder =
            Builder { clients: Clients::default(), locals: Locals::new(parts.open_local), config_dir: &config_dir };
        let caches = Caches::default();
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
            let price = config.prices.of(endpoint.vendor.name, &endpoint.model);
            let info = EndpointInfo {
                name: endpoint.name.clone(),
                kind: endpoint.kind,
                provider: endpoint.vendor.name.to_owned(),
                model: endpoint.model,
                limit: endpoint.limit,
            };
            let secret = endpoint.settings.secret("api_key").cloned();
            let built = Arc::new(Endpoint {
                info,
                provider,
                secret,
                price,
                limiter,
                screen: Screen::new(&endpoint.screen, &[], &caches),
            });
            served.insert(endpoint.name, Served::Endpoint(Arc::clone(&built)));
            endpoints.push(built);
        }
        let mut routes = Vec::new();
        for route in config.routes {
            let destinations =
                route.destinations.iter().filter_map(|(name, _)| endpoints.iter().find(|it| it.info.name == *name));
            let limiter = route.limit.as_ref().map(|it| Limiter::new(format!("route `{}`", route.name), it));
            let destinations: Vec<Arc<Endpoint>> = destinations.cloned().collect();
            let built = Arc::new(Route {
                weights: route.destinations.iter().map(|(_, share)| *share).collect(),
                screen: Screen::new(&route.screen, &destinations, &caches),
                destinations,
                limiter,
                info: RouteInfo { name: route.name.clone(), kind: route.kind, destinations: route.destinations },
            });
            served.insert(route.name, Served::Route(Arc::clone(&built)));
            routes.push(built);
        }
        let recorder = Arc::new(Recorder::new(parts.calls));
        Ok(Self(Arc::new(Inner {
            served,
            endpoints,
            routes,
            admission: Admission::default(),
            recorder,
            started_unix_s: llm::unix_seconds(),
        })))
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

    /// Makes a call. Calls that are turned away never begin and leave no record.
    pub(crate) async fn call(&self, id: String, served: &Served, request: Request) -> Result<Answer, Failed> {
        let permit = self.0.admission.admit(served, &request).await?;
        let meter = Meter::start(Arc::clone(&self.0.recorder), id, served, &request, permit);
        match served.screen() {
            Some(it) => screen::call(it, served, &request, meter).await,
            None => dispatch::run(served, &request, meter, Watch::default()).await,
        }
    }
}
