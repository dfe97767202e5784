//! What a name stands for: an endpoint, or a route that shares its calls among endpoints.

use std::sync::Arc;
use std::time::Duration;

use llm::Error;

use crate::cost::Price;
use crate::dispatch::{Fallback, Gate, Policy};
use crate::endpoint::Kind;
use crate::health::Health;
use crate::limits::Limiter;
use crate::provider::{self, Provider};
use crate::recording::{RecordPolicy, Recording};
use crate::request::Request;
use crate::routing::Strategy;
use crate::screen::Screen;
use crate::secrets::Secret;
use crate::{EndpointInfo, RouteInfo};

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Served {
    Endpoint(Arc<Endpoint>),
    Route(Arc<Route>),
}

#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) info: EndpointInfo,
    pub(crate) provider: Arc<dyn Provider>,
    /// The key, or whatever is secret in its place: what handles of kept things are sealed with.
    pub(crate) secret: Option<Secret>,
    /// What its model costs, where anybody knows.
    pub(crate) price: Option<Arc<Price>>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    pub(crate) screen: Option<Arc<Screen>>,
    /// What is done when it does not answer.
    pub(crate) policy: Policy,
    /// How its deployment is.
    pub(crate) health: Arc<Health>,
    /// How many calls it is asked at once, where that has a bound.
    pub(crate) gate: Option<Arc<Gate>>,
    /// How long a call may take, retries included.
    pub(crate) total: Duration,
    /// Where its calls are recorded, where that is not the usual place.
    pub(crate) recording: Option<Arc<Recording>>,
    /// What is recorded of its calls.
    pub(crate) record: Arc<RecordPolicy>,
}

#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) info: RouteInfo,
    pub(crate) weights: Vec<u32>,
    pub(crate) destinations: Vec<Arc<Endpoint>>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    pub(crate) screen: Option<Arc<Screen>>,
    pub(crate) strategy: Strategy,
    /// What is done when none of them answers.
    pub(crate) policy: Policy,
    /// Where its calls are recorded, where that is not for who answers to say.
    pub(crate) recording: Option<Arc<Recording>>,
    /// What is recorded of its calls.
    pub(crate) record: Arc<RecordPolicy>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Endpoint").field(&self.info.name).finish()
    }
}

impl Endpoint {
    /// The error in an answer that came as if all were well.
    pub(crate) fn error_in(&self, body: &[u8]) -> Error {
        self.provider.scrubbed(provider::error_in_answer(&self.info.provider, body))
    }
}

impl Served {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Endpoint(it) => it.info.kind,
            Self::Route(it) => it.info.kind,
        }
    }

    /// Whether it answers calls of this kind.
    pub(crate) fn answers(&self, kind: Kind) -> bool {
        self.kind() == kind || self.is_untyped()
    }

    /// Whether what it answers is for each call to say.
    pub(crate) fn is_untyped(&self) -> bool {
        match self {
            Self::Endpoint(it) => it.info.is_untyped,
            Self::Route(it) => it.info.is_untyped,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Endpoint(it) => &it.info.name,
            Self::Route(it) => &it.info.name,
        }
    }

    /// What is done when an answer does not come.
    pub(crate) fn policy(&self) -> &Policy {
        match self {
            Self::Endpoint(it) => &it.policy,
            Self::Route(it) => &it.policy,
        }
    }

    /// Who else may be asked for a call; nobody where it goes on with what one provider keeps.
    pub(crate) fn fallbacks_of(&self, request: &Request) -> &[Fallback] {
        if request.pinned.is_some() { &[] } else { &self.policy().fallbacks }
    }

    /// What is done to its calls besides answering them.
    pub(crate) fn screen(&self) -> Option<&Arc<Screen>> {
        match self {
            Self::Endpoint(it) => it.screen.as_ref(),
            Self::Route(it) => it.screen.as_ref(),
        }
    }

    /// Where its calls are recorded, where that is not the usual place.
    pub(crate) fn recording(&self) -> Option<&Arc<Recording>> {
        match self {
            Self::Endpoint(it) => it.recording.as_ref(),
            Self::Route(it) => it.recording.as_ref(),
        }
    }

    /// What is recorded of its calls.
    pub(crate) fn record(&self) -> &Arc<RecordPolicy> {
        match self {
            Self::Endpoint(it) => &it.record,
            Self::Route(it) => &it.record,
        }
    }

    /// The endpoints that may answer.
    pub(crate) fn endpoints(&self) -> &[Arc<Endpoint>] {
        match self {
            Self::Endpoint(it) => std::slice::from_ref(it),
            Self::Route(it) => &it.destinations,
        }
    }

    /// One of the endpoints that may answer, by what it stands for.
    pub(crate) fn endpoint_of(&self, provider: &str, model: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints().iter().find(|it| it.info.provider == provider && it.info.model == model)
    }
}
