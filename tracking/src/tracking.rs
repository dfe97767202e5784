//! The tracking server's state: the store and where artifacts live.

use std::sync::Arc;

use crate::{ArtifactOptions, Artifacts, Result, Store, validate::ARTIFACT_LOCATION_CHARS_MAX};

/// Everything that tracking needs to serve requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tracking {
    store: Store,
    artifacts: Artifacts,
    artifact_options: Arc<ArtifactOptions>,
    limits: Limits,
}

/// Limits, and what else MLflow's server takes from variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whether the values of params and tags that are too long are cut; otherwise they are refused.
    pub truncate_long_values: bool,
    /// Characters at most in an experiment's artifact location.
    pub artifact_location_chars_max: usize,
    /// Fields at most at the root of a GraphQL query.
    pub graphql_root_fields_max: usize,
    /// Aliases at most at one level of a GraphQL query.
    pub graphql_aliases_max: usize,
    /// Schemes whose URIs may name any host as an artifact location (`hdfs`).
    pub host_schemes_allowed: Vec<String>,
    /// Whether there may be a gateway, which clients ask for.
    pub has_gateway: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            truncate_long_values: true,
            artifact_location_chars_max: ARTIFACT_LOCATION_CHARS_MAX,
            graphql_root_fields_max: 10,
            graphql_aliases_max: 10,
            host_schemes_allowed: Vec::new(),
            has_gateway: true,
        }
    }
}

impl Tracking {
    /// Takes an open database and creates the experiment `Default` where there is no experiment yet.
    pub async fn open(db: db::Db, artifact_options: ArtifactOptions) -> Result<Self> {
        let artifacts = Artifacts::open(&artifact_options)?;
        let store = Store::open(db, &artifact_options.default_artifact_root).await?;
        Ok(Self { store, artifacts, artifact_options: Arc::new(artifact_options), limits: Limits::default() })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The limits that requests are held against.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The domain's methods: experiments, runs, metrics, traces.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads and writes artifacts by their URIs.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// Where artifacts live, as the server was told.
    pub fn artifact_options(&self) -> &ArtifactOptions {
        &self.artifact_options
    }
}
