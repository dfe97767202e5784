//! Every gateway call becomes a trace: calls come through a bounded channel, go to the store in batches.
//!
//! A call never waits for the database. When the database cannot keep up the channel fills and the gateway counts what
//! it had to drop; when the database fails, batches are tried again and then counted as lost.

#[cfg(test)]
mod tests;
mod trace;

use std::{collections::HashMap, time::Duration};

use gateway::{Call, Experiment, Gateway};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracking::{
    Store, Tracking,
    experiment::{ExperimentId, NewExperiment, Tag},
};

/// Calls that may wait for the database: some seconds of traffic. A call's record is bounded by the gateway.
const WAITING_MAX: usize = 1024;

/// Calls that go to the database at once.
const BATCH_MAX: usize = 256;

/// How long the calls after a written batch gather into the next one, so that a busy caller does not cost a commit for
/// each call; the first call after a pause is written at once.
const GATHER: Duration = Duration::from_millis(20);

/// Tries before a batch is given up, and the pause between them.
const TRIES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// The way of calls from the gateway to the recorder.
pub(crate) fn channel() -> (mpsc::Sender<Call>, mpsc::Receiver<Call>) {
    mpsc::channel(WAITING_MAX)
}

/// The task that turns calls into traces.
pub(crate) struct Recorder {
    finishing: CancellationToken,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Starts recording what comes through the channel into the store.
    /// The gateway is told of what is lost.
    pub(crate) fn start(tracking: &Tracking, calls: mpsc::Receiver<Call>, gateway: Option<Gateway>) -> Self {
        let finishing = CancellationToken::new();
        let writer = Writer { store: tracking.store().clone(), experiments: HashMap::new(), gateway, lost: 0 };
        let task = tokio::spawn(writer.run(calls, finishing.clone()));
        Self { finishing, task }
    }

    /// Records what still waits, then ends.
    pub(crate) async fn finish(self) {
        self.finishing.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the recorder of calls broke");
        }
    }
}

struct Writer {
    store: Store,
    /// The experiments of what has been called, by their names, or by their numbers with the names that they else have.
    experiments: HashMap<(String, Option<i64>), ExperimentId>,
    gateway: Option<Gateway>,
    lost: u64,
}

impl Writer {
    async fn run(mut self, mut calls: mpsc::Receiver<Call>, finishing: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                received = calls.recv_many(&mut batch, BATCH_MAX) => if received == 0 { return },
                () = finishing.cancelled() => break,
            }
            let is_behind = batch.len() == BATCH_MAX;
            self.record(&batch).await;
            batch.clear();
            if !is_behind {
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    () = finishing.cancelled() => break,
                }
            }
        }
        calls.close();
        while calls.recv_many(&mut batch, BATCH_MAX).await > 0 {
            self.record(&batch).await;
            batch.clear();
        }
    }

    async fn record(&mut self, calls: &[Call]) {
        for tried in 1..=TRIES_MAX {
            match self.try_record(calls).await {
                Ok(()) => return,
                Err(error) if tried < TRIES_MAX => {
                    tracing::warn!(%error, calls = calls.len(), "recording calls failed; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    self.lost += calls.len() as u64;
                    if let Some(gateway) = &self.gateway {
                        gateway.lost_calls(calls.len() as u64);
                    }
                    let error = anyhow::Error::new(error);
                    tracing::error!("recording {} calls failed ({} lost so far): {error:#}", calls.len(), self.lost);
                }
            }
        }
    }

    async fn try_record(&mut self, calls: &[Call]) -> tracking::Result<()> {
        let mut traces = Vec::with_capacity(calls.len());
        for call in calls {
            let experiment = self.experiment_of(call).await?;
            traces.push(trace::of(call, experiment));
        }
        self.store.record_traces(traces).await
    }

    /// The experiment that the call's endpoint names, or else `gateway/<endpoint>`.
    async fn experiment_of(&mut self, call: &Call) -> tracking::Result<ExperimentId> {
        let registered = call.recording.as_ref().and_then(|it| it.registered.as_ref());
        let (endpoint, source) = registered.map_or((&call.endpoint, &call.endpoint), |it| (&it.name, &it.id));
        let own = || format!("gateway/{endpoint}");
        let (name, number) = match call.recording.as_ref().map(|it| &it.experiment) {
            None | Some(Experiment::Own) => (own(), None),
            Some(Experiment::Named(name)) => (name.clone(), None),
            Some(Experiment::Number(number)) => (own(), Some(*number)),
        };
        let key = (name, number);
        if let Some(id) = self.experiments.get(&key) {
            return Ok(*id);
        }
        let id = self.find_experiment(&key.0, number, source).await?;
        self.experiments.insert(key, id);
        Ok(id)
    }

    /// The experiment of a number, where it is still there, or of a name, made as MLflow's own gateway makes it where
    /// there is none yet.
    async fn find_experiment(&self, name: &str, number: Option<i64>, source: &str) -> tracking::Result<ExperimentId> {
        if let Some(number) = number {
            match self.store.experiment(ExperimentId(number)).await {
                Err(tracking::Error::NotFound(_)) => {}
                found => return found.map(|it| it.experiment_id),
            }
        }
        match self.store.experiment_by_name(name).await? {
            Some(experiment) => Ok(experiment.experiment_id),
            None => self.create_experiment(name.to_owned(), source).await,
        }
    }

    async fn create_experiment(&self, name: String, source: &str) -> tracking::Result<ExperimentId> {
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
        let tags = vec![
            tag("mlflow.experiment.sourceType", "GATEWAY"),
            tag("mlflow.experiment.sourceId", source),
            tag("mlflow.experiment.isGateway", "true"),
        ];
        match self.store.create_experiment(NewExperiment { name: name.clone(), artifact_location: None, tags }).await {
            // Another replica was faster.
            Err(tracking::Error::AlreadyExists(words)) => match self.store.experiment_by_name(&name).await? {
                Some(experiment) => Ok(experiment.experiment_id),
                None => Err(tracking::Error::AlreadyExists(words)),
            },
            outcome => outcome,
        }
    }
}
