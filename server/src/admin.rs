//! The gateway's administration over the server's database, with the tracking store's experiments.

use std::{env, sync::Arc};

use anyhow::anyhow;
use async_trait::async_trait;
use gateway::{Admin, AdminOptions, AdminParts, BoxedError, Experiments};
use tracking::{
    Error, Tracking,
    experiment::{NewExperiment, Tag},
};

/// What `MLFLOW_*` variables say about the gateway's secrets.
pub(crate) fn options() -> anyhow::Result<AdminOptions> {
    AdminOptions::read(&|name| env::var(name).ok()).map_err(|words| anyhow!(words))
}

/// Administration of the endpoints in a database.
pub(crate) fn open(db: db::Db, tracking: &Tracking, options: AdminOptions) -> Admin {
    let experiments: Arc<dyn Experiments> = Arc::new(InStore(tracking.clone()));
    Admin::new(AdminParts { db, experiments: Some(experiments), options })
}

/// The endpoints in a database, for a gateway that serves them and records nothing.
pub(crate) fn endpoints_of(db: db::Db, options: AdminOptions) -> Admin {
    Admin::new(AdminParts { db, experiments: None, options })
}

/// Experiments of the tracking store.
struct InStore(Tracking);

#[async_trait]
impl Experiments for InStore {
    async fn named(&self, name: String, tags: Vec<(String, String)>) -> Result<i64, BoxedError> {
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        let new = NewExperiment { name: name.clone(), artifact_location: None, tags };
        match self.0.store().create_experiment(new).await {
            Ok(id) => Ok(id.0),
            Err(error @ Error::AlreadyExists(_)) => {
                let found = self.0.store().experiment_by_name(&name).await?;
                found.map(|it| it.experiment_id.0).ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
