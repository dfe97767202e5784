//! The gateway's endpoints in the database: MLflow's administration RPCs over MLflow's own tables.
//!
//! What MLflow's client or web app creates here, `mlflow server` finds in the same database, and the other way round:
//! rows, ids, encrypted secrets, answers and the words of errors are those of MLflow 3.17.2.

mod destination;
mod envelope;
mod error;
mod http;
mod python_json;
mod store;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use destination::Policy;
use envelope::{Keyring, Passphrase};
use error::{Error, Result};
use store::Store;

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
    /// Where the experiments of endpoints are made.
    pub experiments: Arc<dyn Experiments>,
    /// How secrets are kept and where they may lead.
    pub options: AdminOptions,
}

/// What `MLFLOW_*` variables say about secrets, with MLflow's names and defaults.
#[derive(Clone, Debug)]
pub struct AdminOptions {
    passphrase: Passphrase,
    destinations: Policy,
}

impl AdminOptions {
    /// Reads the variables; the error names the one that is wrong and says what it should hold.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> std::result::Result<Self, String> {
        Ok(Self { passphrase: Passphrase::read(env)?, destinations: Policy::read(env)? })
    }
}

/// The administration of a gateway whose endpoints are in a database. Clones share it.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    store: Store,
    keyring: Keyring,
    destinations: Policy,
    experiments: Arc<dyn Experiments>,
}

impl Admin {
    /// Takes an open database. Nothing is read yet, and the key is derived when the first secret needs it.
    pub fn new(parts: AdminParts) -> Self {
        Self(Arc::new(Inner {
            store: Store::new(parts.db),
            keyring: Keyring::new(parts.options.passphrase),
            destinations: parts.options.destinations,
            experiments: parts.experiments,
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
        let made = self.0.experiments.named(format!("gateway/{name}"), tags).await;
        made.map_err(|error| Error::internal(format!("the experiment of endpoint '{name}' could not be made"), error))
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
