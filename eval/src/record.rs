//! Writes an evaluation as MLflow runs: one parent, one child per variant, into this process's store or any server.

mod content;
mod rest;
mod results_table;
mod store;

use std::fmt;

use crate::evaluation::Evaluation;
use crate::report::Recorded;
use crate::{Error, Result};

/// Where results are recorded.
#[derive(Clone)]
pub enum Destination {
    /// Nowhere: the report is all there is.
    Nowhere,
    /// An MLflow server, ours or MLflow's own, over REST.
    Server(Server),
    /// The store in this process.
    Store(tracking::Tracking),
}

pub use rest::Server;

impl fmt::Debug for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nowhere => "Nowhere",
            Self::Server(_) => "Server",
            Self::Store(_) => "Store",
        })
    }
}

impl Destination {
    /// An MLflow server by its base address, as `MLFLOW_TRACKING_URI` has it.
    pub fn server(url: &str) -> Result<Self> {
        Server::new(url).map(Self::Server)
    }

    /// Finds out that results cannot be recorded before anything is spent on them.
    pub(crate) async fn check(&self, experiment: &str) -> Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Server(server) => server.experiment(experiment).await.map(drop),
            Self::Store(tracking) => store::experiment(tracking, experiment).await.map(drop),
        }
    }

    /// Records everything; `None` where nothing is recorded.
    pub(crate) async fn record(&self, evaluation: &Evaluation<'_>) -> Result<Option<Recorded>> {
        let writer = match self {
            Self::Nowhere => return Ok(None),
            Self::Server(server) => Writer::Server(server),
            Self::Store(tracking) => Writer::Store(tracking),
        };
        let experiment = writer.open_experiment(&evaluation.suite.output.experiment).await?;
        let parent = content::parent(evaluation);
        let parent_run = writer.start(&experiment, &parent, None).await?;
        let mut variants = Vec::new();
        for scored in &evaluation.scored {
            let child = content::child(evaluation, scored)?;
            let run = writer.start(&experiment, &child, Some(&parent_run.id)).await?;
            writer.fill(&run, &child).await?;
            variants.push((scored.variant.name.clone(), run.id));
        }
        // The parent ends last: while it runs, its children are not all there.
        writer.fill(&parent_run, &parent).await?;
        let url = match self {
            Self::Server(server) => Some(server.run_page(&experiment, &parent_run.id)),
            _ => None,
        };
        Ok(Some(Recorded { experiment_id: experiment, run_id: parent_run.id, variants, url }))
    }
}

/// A run as it will be written.
pub(crate) struct RunRecord {
    pub(crate) name: String,
    pub(crate) is_failed: bool,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) metrics: Vec<(String, f64)>,
    pub(crate) dataset: DatasetRecord,
    /// Path and content.
    pub(crate) artifacts: Vec<(String, Vec<u8>)>,
}

/// The rows that a run read, as MLflow's dataset input.
#[derive(Clone)]
pub(crate) struct DatasetRecord {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) source_type: &'static str,
    pub(crate) source: String,
    pub(crate) schema: String,
    pub(crate) profile: String,
}

/// A run that was started.
pub(crate) struct Started {
    pub(crate) id: String,
    pub(crate) artifact_uri: String,
}

/// Metrics, params or tags of one request at most, by MLflow's own limits.
const METRICS_PER_BATCH_MAX: usize = 900;
const PARAMS_PER_BATCH_MAX: usize = 100;
const TAGS_PER_BATCH_MAX: usize = 100;
/// Characters of a param at most, by MLflow's limit.
const PARAM_CHARS_MAX: usize = 6000;

enum Writer<'a> {
    Server(&'a Server),
    Store(&'a tracking::Tracking),
}

impl Writer<'_> {
    async fn open_experiment(&self, name: &str) -> Result<String> {
        match self {
            Self::Server(server) => server.open_experiment(name).await,
            Self::Store(tracking) => store::open_experiment(tracking, name).await,
        }
    }

    async fn start(&self, experiment: &str, record: &RunRecord, parent: Option<&str>) -> Result<Started> {
        let mut tags = vec![("mlflow.runName".to_owned(), record.name.clone())];
        tags.extend(parent.map(|it| ("mlflow.parentRunId".to_owned(), it.to_owned())));
        match self {
            Self::Server(server) => server.create_run(experiment, record, &tags).await,
            Self::Store(tracking) => store::create_run(tracking, experiment, record, &tags).await,
        }
    }

    /// Writes what a run holds, artifacts before the status that says it is complete.
    async fn fill(&self, run: &Started, record: &RunRecord) -> Result<()> {
        let params: Vec<(String, String)> = record
            .params
            .iter()
            .map(|(key, value)| (key.clone(), value.chars().take(PARAM_CHARS_MAX).collect()))
            .collect();
        for metrics in record.metrics.chunks(METRICS_PER_BATCH_MAX) {
            self.log(run, record, metrics, &[], &[]).await?;
        }
        for params in params.chunks(PARAMS_PER_BATCH_MAX) {
            self.log(run, record, &[], params, &[]).await?;
        }
        for tags in record.tags.chunks(TAGS_PER_BATCH_MAX) {
            self.log(run, record, &[], &[], tags).await?;
        }
        match self {
            Self::Server(server) => {
                server.log_input(run, &record.dataset).await?;
                for (path, content) in &record.artifacts {
                    server.upload(run, path, content.clone()).await?;
                }
                server.end_run(run, record).await
            }
            Self::Store(tracking) => {
                store::log_input(tracking, run, &record.dataset).await?;
                for (path, content) in &record.artifacts {
                    store::upload(tracking, run, path, content.clone()).await?;
                }
                store::end_run(tracking, run, record).await
            }
        }
    }

    async fn log(
        &self,
        run: &Started,
        record: &RunRecord,
        metrics: &[(String, f64)],
        params: &[(String, String)],
        tags: &[(String, String)],
    ) -> Result<()> {
        match self {
            Self::Server(server) => server.log_batch(run, record, metrics, params, tags).await,
            Self::Store(tracking) => store::log_batch(tracking, run, record, metrics, params, tags).await,
        }
    }
}

/// The sentence for an experiment that is in the bin.
fn deleted(name: &str) -> Error {
    Error::Tracking(format!(
        "the experiment `{name}` is deleted; restore it, or choose another name with output.experiment"
    ))
}
