//! The endpoints of the database, served: read at the start, after each change, and every few seconds for what others
//! change in it.

use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use rest::{Error, Result};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::catalog::not_allowed;
use super::described::described;
use super::store::{Budget, MODELS_MAX, Rows, ServedModel, TRAFFIC_SPLIT};
use super::{Admin, Inner};
use crate::Gateway;
use crate::config::{EndpointConfig, Origin, RouteConfig, endpoint_of};
use crate::dispatch::{Failures, FallbackConfig, PolicyConfig};
use crate::gateway::Added;
use crate::guardrails::Guardrail;
use crate::screen::ScreenConfig;

/// How long a change that another replica or MLflow made may take to be served here.
const POLL_PERIOD: Duration = Duration::from_secs(5);
/// How long the answer to a change waits until the change is served; it is served in any case, somewhat later.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Changes that may wait for the same reading of the database; the next one waits to be noted.
const WAITING_MAX: usize = 64;

/// Asks for what has changed to be served, and hears when it is.
pub(super) type Asks = mpsc::Sender<oneshot::Sender<()>>;

impl Admin {
    /// Serves the endpoints of the database in `gateway`, beside those of its file, which win where names are the same.
    /// Returns once they are served. From then on a task follows the database until this is dropped; a database that
    /// cannot be read is tried again.
    pub async fn serve(&self, gateway: &Gateway) {
        let (asks, asked) = mpsc::channel(WAITING_MAX);
        *self.0.asks.write().unwrap_or_else(PoisonError::into_inner) = Some(asks);
        let mut follower = Follower {
            admin: Arc::downgrade(&self.0),
            gateway: gateway.clone(),
            served: None,
            spent_at: None,
            is_lost: false,
        };
        follower.look(self).await;
        tokio::spawn(follower.follow(asked));
    }

    /// Waits until what has just been written is served here.
    pub(super) async fn changed(&self) {
        let asks = self.0.asks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(asks) = asks else { return };
        let (done, is_done) = oneshot::channel();
        let asking = async {
            if asks.send(done).await.is_ok() {
                let _ = is_done.await;
            }
        };
        if timeout(WAIT_MAX, asking).await.is_err() {
            tracing::warn!("a change of the gateway's endpoints is not served yet: the database answers slowly");
        }
    }

    /// What the rows stand for. A model that cannot be served is left out with a warning.
    async fn added(&self, rows: &Rows) -> Added {
        let mut added = Added::default();
        for models in rows.models.chunk_by(|it, next| it.endpoint_id == next.endpoint_id) {
            let Some(name) = models[0].endpoint_name.clone() else { continue };
            let mut built = Vec::new();
            for model in models {
                match self.endpoint(&name, model).await {
                    Ok(endpoint) => built.push((model, endpoint)),
                    Err(error) => tracing::warn!(
                        endpoint = name,
                        provider = model.provider,
                        model = model.model_name,
                        error = error.to_string(),
                        "a model of the database cannot be served"
                    ),
                }
            }
            let screen = ScreenConfig { guardrails: rows.guardrails_of(&models[0].endpoint_id), cache: None };
            add(&mut added, name, built, screen);
        }
        added
    }

    async fn endpoint(&self, name: &str, model: &ServedModel) -> Result<EndpointConfig> {
        if !self.allowed().allows(&model.provider) {
            return Err(Error::Invalid(not_allowed(&model.provider)));
        }
        let (Some(sealed), Some(id), Some(secret_name)) = (model.sealed(), &model.secret_id, &model.secret_name) else {
            return Err(Error::invalid("its secret was deleted; give the model definition another one"));
        };
        let text = self.keyring().open(&sealed, id, secret_name).await?;
        let Ok(Value::Object(secret)) = serde_json::from_str(&text) else {
            return Err(Error::invalid(format!("the value of its secret '{secret_name}' is no JSON object")));
        };
        let origin = Origin::Database { must_be_public: !self.destinations().allows_private() };
        let described = described(name, model, secret).map_err(Error::Invalid)?;
        let endpoint = endpoint_of(&described, origin).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(EndpointConfig { timeouts: self.0.timeouts, ..endpoint })
    }
}

impl Rows {
    /// The guardrails of an endpoint, in their order.
    fn guardrails_of(&self, endpoint_id: &str) -> Vec<Arc<Guardrail>> {
        // A scorer refers to an endpoint by id, or by name where it was made without this server.
        let named = |reference: &str| {
            let endpoint = self.models.iter().find(|it| it.endpoint_id == reference);
            endpoint.and_then(|it| it.endpoint_name.clone()).unwrap_or_else(|| reference.to_owned())
        };
        let own = self.guardrails.iter().filter(|it| it.endpoint_id == endpoint_id);
        own.map(|it| it.stored().guardrail(named)).collect()
    }
}

/// Adds an endpoint as MLflow routes its calls: without a strategy to the first of its primary models, with one to all
/// of them by weight; and where one fails, in whatever way, to the others in their order.
fn add(added: &mut Added, name: String, models: Vec<(&ServedModel, EndpointConfig)>, screen: ScreenConfig) {
    let (mut primary, others): (Vec<_>, Vec<_>) = models.into_iter().partition(|(it, _)| it.linkage_type == "PRIMARY");
    if primary.first().is_none_or(|(it, _)| it.routing_strategy.as_deref() != Some(TRAFFIC_SPLIT)) {
        primary.truncate(1);
    }
    if primary.is_empty() {
        tracing::warn!(endpoint = name, "an endpoint of the database has no primary model that can be served");
        return;
    }
    let recording = Some(Arc::new(primary[0].0.recording()));
    let policy = PolicyConfig { fallbacks: fallbacks(added, &name, others), ..PolicyConfig::default() };
    if let [_] = primary.as_slice() {
        added.endpoints.extend(primary.into_iter().map(|(_, endpoint)| EndpointConfig {
            policy: policy.clone(),
            recording: recording.clone(),
            screen: screen.clone(),
            ..endpoint
        }));
        return;
    }
    let mut destinations = Vec::new();
    for (model, endpoint) in primary {
        let name = part_name(&name, model);
        destinations.push((name.clone(), share(model.weight)));
        added.endpoints.push(EndpointConfig { name, ..endpoint });
    }
    added.routes.push(RouteConfig { screen, recording, ..RouteConfig::of_database(name, destinations, policy) });
}

/// Adds the models that are asked when others failed, and names them in their order.
fn fallbacks(added: &mut Added, name: &str, mut models: Vec<(&ServedModel, EndpointConfig)>) -> Vec<FallbackConfig> {
    let Some(config) = models.first().and_then(|(it, _)| it.fallback()) else { return Vec::new() };
    models.sort_by_key(|(it, _)| it.fallback_order.unwrap_or(i64::MAX));
    // 0 and none stand for all.
    let asked_max = config.max_attempts.and_then(|it| usize::try_from(it).ok()).filter(|it| *it > 0);
    models.truncate(asked_max.unwrap_or(usize::MAX));
    let mut fallbacks = Vec::new();
    for (model, endpoint) in models {
        let name = part_name(name, model);
        fallbacks.push(FallbackConfig {
            name: name.clone(),
            on: Failures::ANY,
            line: endpoint.line,
            key: endpoint.key.clone(),
        });
        added.endpoints.push(EndpointConfig { name, ..endpoint });
    }
    fallbacks
}

/// What one of several models of an endpoint is called: by a name that no endpoint can have.
fn part_name(endpoint: &str, model: &ServedModel) -> String {
    format!("{endpoint}/{}/{}", model.model_name, model.mapping_id)
}

/// A weight in hundredths, as MLflow counts.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a weight's bounds make it fit")]
fn share(weight: f64) -> u32 {
    (weight * 100.0).clamp(0.0, f64::from(u32::MAX >> 8)) as u32
}

/// Follows the database.
struct Follower {
    admin: Weak<Inner>,
    gateway: Gateway,
    /// What is served; `None` before the first.
    served: Option<Rows>,
    /// When the records were last asked what was spent; `None` before the first time.
    spent_at: Option<Instant>,
    /// Whether the database could not be read the last time, which is told once.
    is_lost: bool,
}

impl Follower {
    async fn follow(mut self, mut asked: mpsc::Receiver<oneshot::Sender<()>>) {
        loop {
            let mut waiting = match timeout(POLL_PERIOD, asked.recv()).await {
                Ok(None) => return,
                Ok(Some(done)) => vec![done],
                Err(_) => Vec::new(),
            };
            // Whoever has written before this reading is served by it.
            while let Ok(done) = asked.try_recv() {
                waiting.push(done);
            }
            let Some(admin) = self.admin.upgrade() else { return };
            self.look(&Admin(admin)).await;
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    /// Reads the database, and serves what is there if it is not served already.
    async fn look(&mut self, admin: &Admin) {
        let rows = match admin.store().served().await {
            Ok(rows) => rows,
            Err(error) => {
                if !std::mem::replace(&mut self.is_lost, true) {
                    let error = format!("{error:?}");
                    tracing::warn!(error, "the endpoints of the database cannot be read; those that were are served");
                }
                return;
            }
        };
        self.is_lost = false;
        let is_served = match &self.served {
            Some(served) => *served == rows,
            None => rows.models.is_empty() && rows.budgets.is_empty(),
        };
        if !is_served {
            self.serve(admin, rows).await;
        }
        self.spent(admin).await;
    }

    async fn serve(&mut self, admin: &Admin, mut rows: Rows) {
        if rows.models.len() > MODELS_MAX {
            tracing::warn!(MODELS_MAX, "the database has more models than are served; the newest are left out");
            rows.models.truncate(MODELS_MAX);
        }
        let mut added = admin.added(&rows).await;
        added.policies = rows.budgets.iter().filter_map(Budget::policy).map(Arc::new).collect();
        let gateway = self.gateway.clone();
        // Building a provider reads certificates and may compute.
        match tokio::task::spawn_blocking(move || gateway.reload_added(added)).await {
            Ok(Ok(())) => {
                if self.served.as_ref().is_none_or(|it| it.budgets != rows.budgets) {
                    // What a budget has left is known only once it is known what was spent.
                    self.spent_at = None;
                }
                self.served = Some(rows);
            }
            Ok(Err(error)) => {
                tracing::warn!(error = error.to_string(), "the endpoints of the database cannot be served");
            }
            Err(error) => tracing::error!(error = error.to_string(), "serving the database's endpoints broke off"),
        }
    }

    /// Asks the records what was spent of the budgets: at first, when they change, and once in a while for what others
    /// spend who do not count here.
    async fn spent(&mut self, admin: &Admin) {
        let Some(rows) = self.served.as_ref().filter(|it| !it.budgets.is_empty()) else { return };
        if self.spent_at.is_some_and(|it| it.elapsed() < admin.0.budgets_refresh) {
            return;
        }
        match admin.store().spent_of(&rows.budgets).await {
            Ok(spent) => {
                self.spent_at = Some(Instant::now());
                self.gateway.spent(&spent).await;
            }
            Err(error) => tracing::warn!(error = format!("{error:?}"), "what was spent of the budgets cannot be read"),
        }
    }
}
