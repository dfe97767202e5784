//! The running gateway: endpoints and routes by name, and the way of a call through them.

mod admit;
mod budgets;
mod reload;
mod state;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use llm::{Error, LanguageModel};

use crate::access::{DatabaseKeys, SignIn, VirtualKey};
use crate::answer::{Answer, Failed};
use crate::cache::Caches;
use crate::http::status_of;
use crate::metering::{Meter, Recorder, unix_ns};
use crate::model::EndpointModel;
use crate::observe::Metrics;
use crate::otlp::Exporter;
use crate::provider::{Clients, Count, Locals, OpenLocal};
use crate::quota::{Alerts, KeptBudgets};
use crate::request::Request;
use crate::screen::{self, ScreenConfig, Watch};
use crate::served::{Endpoint, Served};
use crate::{CallSender, Config, ConfigError, EndpointHealth, EndpointInfo, RouteInfo, admission, dispatch};

pub use reload::Reloads;
use state::Workshop;
pub(crate) use state::{Added, State};

/// What a gateway needs from the program around it.
#[derive(Default)]
pub struct Parts {
    /// Opens local models; `None` where there are none.
    pub open_local: Option<OpenLocal>,
    /// Takes the record of each finished call; a full channel loses records, which are counted.
    pub calls: Option<CallSender>,
}

/// A running gateway. Clones share it.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    state: ArcSwap<State>,
    kept: Mutex<Kept>,
    workshop: Mutex<Workshop>,
    reloads: Mutex<Reloads>,
    recorder: Arc<Recorder>,
    started_unix_s: u64,
    database_keys: DatabaseKeys,
    kept_budgets: KeptBudgets,
}

/// What is served, as it was said.
#[derive(Clone, Default)]
struct Kept {
    config: Config,
    added: Added,
}

impl Gateway {
    /// Builds the endpoints of a configuration. Local models are opened here, so this may take a while.
    pub fn start(config: Config, parts: Parts) -> Result<Self, ConfigError> {
        let mut workshop = Workshop {
            clients: Clients::default(),
            locals: Locals::new(parts.open_local),
            caches: Arc::new(Caches::default()),
            alerts: Arc::new(Alerts::default()),
        };
        let metrics = Metrics::default();
        let exporter = config.otlp.clone().map(|it| Exporter::start(it, metrics.clone())).transpose();
        let exporter = exporter.map_err(ConfigError::Start)?;
        let kept = Kept { config, added: Added::default() };
        let state = State::build(&kept.config, &kept.added, &mut workshop, &State::default())?;
        let reloads = Reloads { generation: 1, loaded_unix_ms: unix_ms(), ..Reloads::default() };
        Ok(Self(Arc::new(Inner {
            state: ArcSwap::from_pointee(state),
            kept: Mutex::new(kept),
            workshop: Mutex::new(workshop),
            reloads: Mutex::new(reloads),
            recorder: Arc::new(Recorder::new(parts.calls, metrics, exporter)),
            started_unix_s: llm::unix_seconds(),
            database_keys: DatabaseKeys::default(),
            kept_budgets: KeptBudgets::default(),
        })))
    }

    /// The endpoints, in the order of the file.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointInfo> + use<> {
        let state = self.0.state.load_full();
        let infos = (0..state.endpoints.len()).map(move |index| state.endpoints[index].info.clone());
        // The models of an endpoint of the database are its own affair.
        infos.filter(|it| !is_part(&it.name))
    }

    /// The routes, in the order of the file.
    pub fn routes(&self) -> impl Iterator<Item = RouteInfo> + use<> {
        let state = self.0.state.load_full();
        (0..state.routes.len()).map(move |index| state.routes[index].info.clone())
    }

    /// How each endpoint's deployment is, in the order of the file.
    pub fn health(&self) -> Vec<EndpointHealth> {
        let state = self.0.state.load();
        let shown =
            |it: &Arc<Endpoint>| it.health.shown(&it.info.name, it.gate.as_ref().map_or(0, |gate| gate.waiting()));
        state.endpoints.iter().map(shown).collect()
    }

    /// An endpoint or a route as a model for callers in this process. Its calls are limited, routed and recorded as
    /// those over HTTP are.
    pub fn model(&self, name: &str) -> Option<Arc<dyn LanguageModel>> {
        self.served(name)?;
        Some(Arc::new(EndpointModel::new(self.clone(), name.to_owned())))
    }

    /// The same for a guardrail that asks a model: no guardrail looks at its calls.
    pub(crate) fn unguarded_model(&self, name: &str) -> Option<Arc<dyn LanguageModel>> {
        self.served(name)?;
        Some(Arc::new(EndpointModel::new(self.clone(), name.to_owned()).unguarded()))
    }

    /// Whether the configuration keeps something in a database, which [`Self::use_database`] must give then.
    pub fn needs_database(&self) -> bool {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let screens = kept.config.endpoints.iter().map(|it| &it.screen);
        screens.chain(kept.config.routes.iter().map(|it| &it.screen)).any(ScreenConfig::needs_database)
    }

    /// Gives the database in which answers are kept where the configuration says so. Makes its table.
    pub async fn use_database(&self, db: db::Db) -> db::Result<()> {
        let database = {
            let workshop = self.0.workshop.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&workshop.caches.database)
        };
        database.open(db).await
    }

    /// Gives the database whose virtual keys open it beside those of the configuration, and where keys are made. Returns
    /// once they are known.
    pub async fn use_keys(&self, db: db::Db) -> db::Result<()> {
        let keys = Arc::clone(&self.0.state.load().access.database);
        self.0.database_keys.open(db, &keys).await
    }

    /// Gives the database in which what is spent of budgets outlives this process. Returns once it is known what was
    /// spent before; from then on it is written every second.
    pub async fn use_budgets(&self, db: db::Db) -> db::Result<()> {
        let state = self.0.state.load_full();
        let now_unix_s = i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX);
        self.0.kept_budgets.open(db, &state.quotas, now_unix_s).await?;
        tokio::spawn(budgets::write_down(Arc::downgrade(&self.0)));
        Ok(())
    }

    pub(crate) fn database_keys(&self) -> &DatabaseKeys {
        &self.0.database_keys
    }

    /// The hash by which a key is kept from now on.
    pub(crate) fn hash_of(&self, key: &str) -> String {
        self.0.state.load().access.hasher.hash(key).to_string()
    }

    /// Whether the configuration has a key of this name.
    pub(crate) fn has_file_key(&self, name: &str) -> bool {
        self.0.state.load().access.is_of_file(name)
    }

    /// Takes over what the records say was spent of the database's budgets, in nanodollars by the budgets' ids.
    pub(crate) async fn spent(&self, by_id: &[(String, u64)]) {
        let state = self.0.state.load_full();
        state.quotas.spent(by_id, i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX)).await;
    }

    /// Records that found the channel full.
    pub fn dropped_calls(&self) -> u64 {
        self.0.recorder.dropped()
    }

    /// Writes down what was spent of budgets, and sends to the collector what still waits for it, where there is one.
    pub async fn flush(&self) {
        if let Err(error) = self.0.kept_budgets.write().await {
            tracing::warn!(%error, "what was spent of budgets could not be written down");
        }
        if let Some(exporter) = self.0.recorder.exporter() {
            exporter.flush().await;
        }
    }

    /// Records of calls that were taken and could not be kept; they are told with the metrics.
    pub fn lost_calls(&self, count: u64) {
        self.metrics().lost_records(count);
    }

    /// Everything that is counted and measured, as `GET /metrics` tells it.
    pub fn metrics_text(&self) -> String {
        self.metrics().text(&self.reloads(), &self.health())
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.recorder.metrics
    }

    pub(crate) fn started_unix_s(&self) -> u64 {
        self.0.started_unix_s
    }

    /// Whether callers need a key.
    pub(crate) fn needs_key(&self) -> bool {
        self.0.state.load().access.needs_key()
    }

    /// Whose key this is now; nobody's, where nobody needs one.
    pub(crate) fn identify(&self, key: Option<&str>) -> Result<Option<Arc<VirtualKey>>, Error> {
        let now_unix_s = i64::try_from(llm::unix_seconds()).unwrap_or(i64::MAX);
        self.0.state.load().access.identify(key, now_unix_s)
    }

    /// The sign-in of its administration.
    pub(crate) fn sign_in(&self) -> Arc<SignIn> {
        Arc::clone(&self.0.state.load().sign_in)
    }

    /// What a name stands for now.
    pub(crate) fn served(&self, name: &str) -> Option<Served> {
        if is_part(name) {
            return None;
        }
        self.0.state.load().served.get(name).cloned()
    }

    /// An endpoint by its own name, also one of several behind a name of the database.
    pub(crate) fn endpoint(&self, name: &str) -> Option<Arc<Endpoint>> {
        self.0.state.load().endpoints.iter().find(|it| it.info.name == name).cloned()
    }

    /// Counts the tokens of a call where its endpoint, or a route's first, can: `None` where it cannot. Whoever may call
    /// may count; nothing is generated, so that nothing is recorded.
    pub(crate) async fn count(&self, served: &Served, request: &Request) -> Result<Option<Count>, Error> {
        let state = self.0.state.load_full();
        let refused = |error: &Error| self.metrics().refused(served.name(), status_of(error));
        admission::may_reach(&state, served, request).inspect_err(refused)?;
        // There must be room for it, but it takes none.
        admission::admit(&state, served, request).await.inspect_err(refused)?.give_back();
        match served.endpoints().first() {
            Some(endpoint) => endpoint.provider.count(request).await,
            None => Ok(None),
        }
    }

    /// Makes a call. Calls that are turned away never begin and leave no record.
    pub(crate) async fn call(&self, id: String, served: &Served, request: Request) -> Result<Answer, Failed> {
        let state = self.0.state.load_full();
        let refused = |error: &Error| self.metrics().refused(served.name(), status_of(error));
        admission::may_reach(&state, served, &request).inspect_err(refused)?;
        if request.caller.wants_explanation {
            return Ok(Answer::explained(served, &request));
        }
        let mut permit = admission::admit(&state, served, &request).await.inspect_err(refused)?;
        drop(state);
        let quotas = permit.take_headers();
        let meter = Meter::start(Arc::clone(&self.0.recorder), id, served, &request, permit);
        let result = match served.screen() {
            Some(it) => screen::call(self, it, served, &request, meter).await,
            None => dispatch::run(served, &request, meter, Watch::default()).await,
        };
        match result {
            Ok(mut answer) => {
                tell(&mut answer.headers, quotas);
                Ok(answer)
            }
            Err(mut failed) => {
                tell(&mut failed.headers, quotas);
                Err(failed)
            }
        }
    }
}

/// Tells the caller of this gateway's quotas, in the place of the provider's own, which concern its operator.
fn tell(headers: &mut HeaderMap, quotas: HeaderMap) {
    for (name, value) in quotas {
        if let Some(name) = name {
            headers.insert(name, value);
        }
    }
}

/// Whether a name is that of one of several models behind an endpoint of the database: no endpoint's own has a slash.
fn is_part(name: &str) -> bool {
    name.contains('/')
}

fn unix_ms() -> u64 {
    unix_ns() / 1_000_000
}
