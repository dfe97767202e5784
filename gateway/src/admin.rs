//! The gateway's endpoints in the database: MLflow's administration RPCs over MLflow's own tables.
//!
//! What MLflow's client or web app creates here, `mlflow server` finds in the same database, and the other way round:
//! rows, ids, encrypted secrets, answers and the words of errors are those of MLflow 3.17.2.

pub(crate) mod budget;
mod catalog;
mod described;
mod destination;
mod envelope;
mod http;
mod page;
mod serving;
mod store;

use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use destination::Policy;
use envelope::{Keyring, Passphrase};
use rest::{Error, Result};
use store::Store;

use crate::config::Timeouts;
use crate::provider::allowed::Allowed;

pub(crate) use destination::is_public;
pub use http::router as admin_router;

/// The experiments in which calls are recorded. The gateway knows no tracking store, so the program around it has one.
#[async_trait]
pub trait Experiments: Send + Sync {
    /// The number of the experiment of this name, which is made with these tags where there is none.
    async fn named(&self, name: String, tags: Vec<(String, String)>) -> std::result::Result<i64, BoxedError>;
}

/// Why the program around the gateway could not do what it was asked.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// What administration needs from the program around it.
pub struct AdminParts {
    /// The database with MLflow's tables.
    pub db: db::Db,
    /// Where the experiments of endpoints are made; `None` where calls are recorded nowhere.
    pub experiments: Option<Arc<dyn Experiments>>,
    /// How secrets are kept and where they may lead.
    pub options: AdminOptions,
}

/// What `MLFLOW_*` variables say about secrets, with MLflow's names and defaults.
#[derive(Clone, Debug)]
pub struct AdminOptions {
    passphrase: Passphrase,
    destinations: Policy,
    allowed: Allowed,
    timeouts: Timeouts,
    /// How often the records are asked what was spent of the budgets.
    budgets_refresh: Duration,
}

/// The variable that says so, in seconds, and what MLflow does without it.
const REFRESH_VARIABLE: &str = "MLFLOW_GATEWAY_BUDGET_REFRESH_INTERVAL";
const REFRESH: Duration = Duration::from_mins(10);

impl AdminOptions {
    /// Reads the variables; the error names the one that is wrong and says what it should hold.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> std::result::Result<Self, String> {
        let budgets_refresh = match env(REFRESH_VARIABLE).filter(|it| !it.trim().is_empty()) {
            None => REFRESH,
            Some(text) => text.trim().parse().map(Duration::from_secs).map_err(|_| {
                format!("{REFRESH_VARIABLE} is `{text}`; it must be a number of whole seconds, such as 600")
            })?,
        };
        Ok(Self {
            passphrase: Passphrase::read(env)?,
            destinations: Policy::read(env)?,
            allowed: Allowed::read(env),
            timeouts: Timeouts::usual(env)?,
            budgets_refresh,
        })
    }
}

/// The administration of a gateway whose endpoints are in a database. Clones share it.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    store: Store,
    keyring: Keyring,
    destinations: Policy,
    experiments: Option<Arc<dyn Experiments>>,
    allowed: Allowed,
    timeouts: Timeouts,
    budgets_refresh: Duration,
    /// How to ask for changes to be served; `None` while nothing serves them.
    asks: RwLock<Option<serving::Asks>>,
}

impl Admin {
    /// Takes an open database. Nothing is read yet, and the key is derived when the first secret needs it.
    pub fn new(parts: AdminParts) -> Self {
        Self(Arc::new(Inner {
            store: Store::new(parts.db),
            keyring: Keyring::new(parts.options.passphrase),
            destinations: parts.options.destinations,
            experiments: parts.experiments,
            allowed: parts.options.allowed,
            timeouts: parts.options.timeouts,
            budgets_refresh: parts.options.budgets_refresh,
            asks: RwLock::new(None),
        }))
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// The experiment in which an endpoint's calls are recorded when its maker names none.
    async fn experiment_of(&self, endpoint_id: &str, name: &str) -> Result<i64> {
        let tags = [
            ("mlflow.experiment.sourceType", "GATEWAY"),
            ("mlflow.experiment.sourceId", endpoint_id),
            ("mlflow.experiment.isGateway", "true"),
        ];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let Some(experiments) = &self.0.experiments else {
            return Err(Error::invalid("This server records no calls, so `usage_tracking` must be false."));
        };
        let made = experiments.named(format!("gateway/{name}"), tags).await;
        made.map_err(|error| Error::internal(format!("the experiment of endpoint '{name}' could not be made"), error))
    }

    /// The providers that may be asked.
    fn allowed(&self) -> &Allowed {
        &self.0.allowed
    }

    fn destinations(&self) -> &Policy {
        &self.0.destinations
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Admin")
    }
}
