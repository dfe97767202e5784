//! Every gateway call becomes a trace: calls come through a bounded channel, go to the store in batches.
//!
//! A call never waits for the database. When the database cannot keep up the channel fills and the gateway counts what
//! it had to drop; when the database fails, batches are tried again and then counted as lost.
//!
//! The recorder has a thread of its own, so that what it does for many calls at once stands in no call's way, and it
//! gathers calls for a moment: a page of the database is written once for all calls of a batch that touch it.

#[cfg(test)]
mod tests;
mod trace;

use std::{collections::HashMap, io, thread, time::Duration};

use gateway::{Call, CallReceiver, CallSender, Experiment, Gateway};
use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;
use tracking::{
    Store, Tracking,
    experiment::{ExperimentId, NewExperiment, Tag},
};

/// Calls that may wait for the database, and bytes of their bodies: some seconds of traffic, and what a server can spare.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Calls that go to the database at once; more would keep other writes waiting for long.
const BATCH_MAX: usize = 256;

/// Bytes of requests and answers that go to the database at once, so that large ones do not add up in memory.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// How long the first call of a batch waits for others while they come: what a crash loses at most.
const GATHER: Duration = Duration::from_millis(200);

/// How often it is looked what has come in the meantime, as a thread that each call wakes costs more than the record. When
/// nothing has, nothing is waited for: who asks now and then finds the trace when they look for it.
const LOOK: Duration = Duration::from_millis(20);

/// Tries before a batch is given up, and the pause between them.
const TRIES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// The way of calls from the gateway to the recorder.
pub(crate) fn channel() -> (CallSender, CallReceiver) {
    gateway::calls(WAITING_MAX, WAITING_BYTES_MAX)
}

/// The thread that turns calls into traces.
pub(crate) struct Recorder {
    finishing: CancellationToken,
    finished: oneshot::Receiver<()>,
}

impl Recorder {
    /// Starts recording what comes through the channel into the store.
    /// The gateway is told of what is lost.
    pub(crate) fn start(tracking: &Tracking, calls: CallReceiver, gateway: Option<Gateway>) -> io::Result<Self> {
        let finishing = CancellationToken::new();
        let writer = Writer { store: tracking.store().clone(), experiments: HashMap::new(), gateway, lost: 0 };
        let running = writer.run(calls, finishing.clone());
        let (finish, finished) = oneshot::channel();
        let runtime = Handle::current();
        thread::Builder::new().name("tidegate-recorder".to_owned()).spawn(move || {
            runtime.block_on(running);
            // Nobody waits where the server ended in a hurry.
            let _ = finish.send(());
        })?;
        Ok(Self { finishing, finished })
    }

    /// Records what still waits, then ends.
    pub(crate) async fn finish(self) {
        self.finishing.cancel();
        if self.finished.await.is_err() {
            tracing::error!("the recorder of calls broke");
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
    async fn run(mut self, mut calls: CallReceiver, finishing: CancellationToken) {
        let mut batch = Batch::default();
        'gathering: loop {
            tokio::select! {
                received = calls.recv() => match received {
                    Some(call) => batch.add(call),
                    None => return,
                },
                () = finishing.cancelled() => break,
            }
            let first_waits_until = Instant::now() + GATHER;
            let mut known = 0;
            loop {
                batch.fill(&mut calls);
                if batch.is_full() || batch.calls.len() == known || Instant::now() >= first_waits_until {
                    break;
                }
                known = batch.calls.len();
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = finishing.cancelled() => break 'gathering,
                }
            }
            self.record(&batch.take()).await;
        }
        calls.close();
        while let Some(call) = calls.recv().await {
            batch.add(call);
            batch.fill(&mut calls);
            self.record(&batch.take()).await;
        }
        self.record(&batch.take()).await;
    }

    async fn record(&mut self, calls: &[Call]) {
        if calls.is_empty() {
            return;
        }
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

/// Calls that go to the database at once.
#[derive(Default)]
struct Batch {
    calls: Vec<Call>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, call: Call) {
        self.bytes += call.body_bytes();
        self.calls.push(call);
    }

    /// Adds what waits, as much as there is room for.
    fn fill(&mut self, calls: &mut CallReceiver) {
        while !self.is_full()
            && let Some(call) = calls.try_recv()
        {
            self.add(call);
        }
    }

    fn is_full(&self) -> bool {
        self.calls.len() >= BATCH_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    fn take(&mut self) -> Vec<Call> {
        self.bytes = 0;
        std::mem::take(&mut self.calls)
    }
}
