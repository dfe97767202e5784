//! What a gateway serves at one moment, and how it is built from configurations.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::access::{Access, Hasher, Keys, SignIn};
use crate::cache::Caches;
use crate::config::{EndpointConfig, Origin, RouteConfig};
use crate::cost::Prices;
use crate::dispatch::{Fallback, Gate, Policy, PolicyConfig};
use crate::health::Health;
use crate::limits::{Limit, Limiter};
use crate::provider::{self, Builder, Clients, Locals};
use crate::quota::{Alerts, BudgetPolicy, Quotas};
use crate::recording::{RecordConfig, RecordPolicy};
use crate::screen::Screen;
use crate::served::{Endpoint, Route, Served};
use crate::{Config, ConfigError, EndpointInfo, RouteInfo};

/// What is served at one moment. A call holds on to the endpoint that it runs on, so that a newer state takes over
/// between calls and none is disturbed.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) served: HashMap<String, Served>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) access: Access,
    pub(crate) sign_in: Arc<SignIn>,
    pub(crate) quotas: Quotas,
}

/// Endpoints and routes that stand in no file: those of the database. Where the file has the same name, it wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Added {
    pub(crate) endpoints: Vec<EndpointConfig>,
    pub(crate) routes: Vec<RouteConfig>,
    /// The budgets of the database.
    pub(crate) policies: Vec<Arc<BudgetPolicy>>,
}

/// What endpoints are made with, and what of it outlives them: connections, local models, kept answers.
pub(super) struct Workshop {
    pub(super) clients: Clients,
    pub(super) locals: Locals,
    pub(super) caches: Arc<Caches>,
    pub(super) alerts: Arc<Alerts>,
}

impl Workshop {
    /// The same things, of which only those survive that are used again.
    fn renewed(&self) -> Self {
        let (caches, alerts) = (Arc::clone(&self.caches), Arc::clone(&self.alerts));
        Self { clients: self.clients.renewed(), locals: self.locals.renewed(), caches, alerts }
    }
}

impl State {
    /// Builds what the file and the database say. Limits that did not change go on counting where `before` was.
    ///
    /// What is wrong in the file is an error, and `workshop` stays as it was; an endpoint of the database that cannot
    /// be built is left out with a warning, for its file's neighbours have no part in it. Opens local models, so this
    /// may take a while.
    pub(super) fn build(
        config: &Config,
        added: &Added,
        workshop: &mut Workshop,
        before: &Self,
    ) -> Result<Self, ConfigError> {
        let renewed = workshop.renewed();
        let caches = Arc::clone(&renewed.caches);
        let config_dir = config.file.parent().unwrap_or(Path::new(""));
        let builder = Builder { clients: renewed.clients, locals: renewed.locals, config_dir };
        let mut making = Making {
            builder,
            caches: &caches,
            prices: &config.prices,
            record: &config.record,
            before,
            state: Self::default(),
        };
        for endpoint in &config.endpoints {
            making.endpoint(endpoint).map_err(|message| ConfigError::Invalid {
                file: config.file.clone(),
                line: endpoint.line,
                key: endpoint.key.clone(),
                message: format!("endpoint `{}` cannot be built: {message}", endpoint.name),
            })?;
        }
        for route in &config.routes {
            making.route(route).map_err(|message| ConfigError::Invalid {
                file: config.file.clone(),
                line: 0,
                key: "routes".to_owned(),
                message: format!("route `{}` cannot be built: {message}", route.name),
            })?;
        }
        for endpoint in &added.endpoints {
            if making.is_new(&endpoint.name)
                && let Err(message) = making.endpoint(endpoint)
            {
                tracing::warn!(endpoint = endpoint.name, message, "an endpoint of the database cannot be built");
            }
        }
        for route in &added.routes {
            if making.is_new(&route.name)
                && let Err(message) = making.route(route)
            {
                tracing::warn!(route = route.name, message, "an endpoint of the database cannot be built");
            }
        }
        let endpoints = config.endpoints.iter().map(|it| (&it.name, &it.policy));
        let policies: Vec<_> = endpoints.chain(config.routes.iter().map(|it| (&it.name, &it.policy))).collect();
        let endpoints = added.endpoints.iter().map(|it| (&it.name, &it.policy));
        let of_database = endpoints.chain(added.routes.iter().map(|it| (&it.name, &it.policy)));
        // What the database says of a hidden endpoint is not said of the file's.
        let of_database = of_database.filter(|(name, _)| policies.iter().all(|(it, _)| it != name));
        making.fallbacks(policies.iter().copied().chain(of_database));
        let Making { builder, mut state, .. } = making;
        state.access = Access {
            hasher: Hasher::new(config.access.pepper.as_ref()),
            is_closed: config.access.is_closed,
            file: Keys::new(config.access.keys.iter().cloned()),
            database: Arc::clone(&before.access.database),
        };
        state.sign_in = Arc::new(SignIn::new(&config.access.sign_in));
        let quotas = Quotas::new(&config.quotas, &added.policies, &workshop.alerts, &before.quotas);
        state.quotas = quotas.map_err(|message| ConfigError::Invalid {
            file: config.file.clone(),
            line: 0,
            key: "redis".to_owned(),
            message,
        })?;
        workshop.clients = builder.clients;
        workshop.locals = builder.locals;
        workshop.clients.forget_unused();
        workshop.locals.forget_unused();
        workshop.caches.forget_unused();
        Ok(state)
    }
}

/// A state that is being built.
struct Making<'a> {
    builder: Builder<'a>,
    caches: &'a Caches,
    prices: &'a Prices,
    record: &'a RecordConfig,
    before: &'a State,
    state: State,
}

impl Making<'_> {
    /// Whether a name of the database is still free.
    fn is_new(&self, name: &str) -> bool {
        let is_new = !self.state.served.contains_key(name);
        if !is_new {
            tracing::warn!(
                name,
                "the configuration file has an endpoint or route of this name; the database's is hidden"
            );
        }
        is_new
    }

    fn endpoint(&mut self, config: &EndpointConfig) -> Result<(), String> {
        let provider = provider::build(config, &mut self.builder)?;
        let before = match self.before.served.get(&config.name) {
            Some(Served::Endpoint(it)) => Some(it),
            _ => None,
        };
        let limiter =
            limiter("endpoint", &config.name, config.limit.as_ref(), before.and_then(|it| it.limiter.as_ref()));
        let (health, gate) = (health(config, before), gate(config, before));
        let built = Arc::new(Endpoint {
            info: EndpointInfo {
                name: config.name.clone(),
                kind: config.kind,
                provider: config.vendor.name.to_owned(),
                model: config.model.clone(),
                limit: config.limit.clone(),
                is_untyped: config.origin != Origin::File,
            },
            provider,
            secret: config.settings.secret("api_key").or_else(|| config.settings.secrets().next()).cloned(),
            price: self.prices.of(config.vendor.name, &config.model),
            limiter,
            screen: Screen::new(&config.screen, &[], self.caches)?,
            policy: Policy::alone(&config.policy),
            health,
            gate,
            total: config.timeouts.total,
            recording: config.recording.clone(),
            record: Arc::new(RecordPolicy::of_endpoint(&config.record, self.record)),
        });
        self.state.served.insert(config.name.clone(), Served::Endpoint(Arc::clone(&built)));
        self.state.endpoints.push(built);
        Ok(())
    }

    /// Gives those their fallbacks who have some. What they fall back to is as it was without any, so that nothing
    /// refers to itself.
    fn fallbacks<'c>(&mut self, policies: impl Iterator<Item = (&'c String, &'c PolicyConfig)>) {
        let bare = self.state.served.clone();
        for (name, config) in policies.filter(|(_, config)| !config.fallbacks.is_empty()) {
            let known = config.fallbacks.iter().filter_map(|it| {
                let target = bare.get(&it.name);
                if target.is_none() {
                    tracing::warn!(endpoint = name, fallback = it.name, "a fallback is not there; it is left out");
                }
                Some(Fallback { target: target?.clone(), on: it.on })
            });
            let fallbacks: Arc<[Fallback]> = known.collect();
            let guarded = |screen: &mut Option<Arc<Screen>>| {
                *screen = Screen::with_guardrails_of(screen.as_ref(), fallbacks.iter().map(|it| &it.target));
            };
            match self.state.served.get_mut(name) {
                Some(Served::Endpoint(endpoint)) => {
                    let mut full = Endpoint::clone(endpoint);
                    guarded(&mut full.screen);
                    full.policy.fallbacks = fallbacks;
                    *endpoint = Arc::new(full);
                }
                Some(Served::Route(route)) => {
                    let mut full = Route::clone(route);
                    guarded(&mut full.screen);
                    full.policy.fallbacks = fallbacks;
                    *route = Arc::new(full);
                }
                None => {}
            }
        }
    }

    /// A route to those of its destinations that could be built.
    fn route(&mut self, config: &RouteConfig) -> Result<(), String> {
        let before = match self.before.served.get(&config.name) {
            Some(Served::Route(it)) => Some(it),
            _ => None,
        };
        let mut weights = Vec::new();
        let mut destinations = Vec::new();
        for (name, share) in &config.destinations {
            if let Some(Served::Endpoint(endpoint)) = self.state.served.get(name) {
                destinations.push(Arc::clone(endpoint));
                weights.push(*share);
            }
        }
        if destinations.is_empty() {
            tracing::warn!(route = config.name, "none of the route's destinations could be built; it is left out");
            return Ok(());
        }
        let limiter = limiter("route", &config.name, config.limit.as_ref(), before.and_then(|it| it.limiter.as_ref()));
        let theirs = destinations.iter().map(|it| &*it.record);
        let record = Arc::new(RecordPolicy::of_route(&config.record, self.record, theirs));
        let built = Arc::new(Route {
            weights,
            record,
            screen: Screen::new(&config.screen, &destinations, self.caches)?,
            destinations,
            limiter,
            strategy: config.strategy.clone(),
            policy: Policy::alone(&config.policy),
            recording: config.recording.clone(),
            info: RouteInfo {
                name: config.name.clone(),
                kind: config.kind,
                routing_strategy: config.strategy.name(),
                destinations: config.destinations.clone(),
                is_untyped: config.origin != Origin::File,
            },
        });
        self.state.served.insert(config.name.clone(), Served::Route(Arc::clone(&built)));
        self.state.routes.push(built);
        Ok(())
    }
}

/// How an endpoint's deployment is: as it was, if it is the same.
fn health(config: &EndpointConfig, before: Option<&Arc<Endpoint>>) -> Arc<Health> {
    let base = config.settings.address("api_base").map(ToString::to_string).unwrap_or_default();
    let deployment = format!("{} {} {base}", config.vendor.name, config.model);
    let kept = before.map(|it| &it.health).filter(|it| it.is_of(&deployment, config.breaker)).cloned();
    kept.unwrap_or_else(|| Arc::new(Health::new(deployment, config.breaker)))
}

/// The places for an endpoint's calls: those there were, if there are as many.
fn gate(config: &EndpointConfig, before: Option<&Arc<Endpoint>>) -> Option<Arc<Gate>> {
    let wanted = config.gate?;
    let kept = before.and_then(|it| it.gate.as_ref()).filter(|it| it.holds_to(wanted)).cloned();
    Some(kept.unwrap_or_else(|| Arc::new(Gate::new(&config.name, wanted))))
}

/// The limiter of an endpoint or route: the one there was, if its limit is the same.
fn limiter(what: &str, name: &str, limit: Option<&Limit>, before: Option<&Arc<Limiter>>) -> Option<Arc<Limiter>> {
    let limit = limit?;
    let kept = before.filter(|it| it.holds_to(limit)).cloned();
    Some(kept.unwrap_or_else(|| Arc::new(Limiter::new(format!("{what} `{name}`"), limit))))
}
