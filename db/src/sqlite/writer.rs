//! The one writer: concurrent writes become groups that share one commit.
//!
//! A commit waits for the disk; a group of writes waits once. Each write still stands for itself: one that fails is
//! rolled back alone (a savepoint), and each is answered only after the group's commit is on disk.

use std::panic::AssertUnwindSafe;

use futures::{FutureExt, future::BoxFuture};
use tokio::{runtime::Handle, sync::mpsc};

use super::execute;
use crate::{Error, Result, Tx};

/// Writes that may wait for the writer; beyond that the caller waits to hand his over, which is the back-pressure.
const WAITING_MAX: usize = 1024;

/// Writes that share one commit at most, so that the first of them does not wait too long for the last.
const GROUP_MAX: usize = 128;

/// A write's work on the transaction, or what it is told where the transaction could not begin.
pub(crate) type Job = Box<dyn for<'t> FnOnce(Result<&'t mut Tx>) -> BoxFuture<'t, Done> + Send>;

/// A write whose statements have run.
pub(crate) struct Done {
    /// Whether its statements shall be kept.
    pub(crate) keep: bool,
    /// Tells the caller, once it is known whether the group was committed.
    pub(crate) answer: Box<dyn FnOnce(Result<()>) + Send>,
}

/// Starts the writer on a thread of its own, where SQLite may wait for the disk; it ends with the last sender.
pub(crate) fn start(tx: Tx) -> Result<mpsc::Sender<Job>> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("tidegate-writer".to_owned())
        .spawn(move || run(tx, receiver, &runtime))
        .map_err(|error| Error::Uri(format!("cannot start the database's writer: {error}")))?;
    Ok(sender)
}

fn run(mut tx: Tx, mut jobs: mpsc::Receiver<Job>, runtime: &Handle) {
    while let Some(first) = jobs.blocking_recv() {
        runtime.block_on(group(&mut tx, first, &mut jobs));
    }
    if let Err((_, error)) = tx.into_sqlite().close() {
        tracing::warn!(%error, "closing the database's writer failed");
    }
}

/// Runs the first write and whatever waits behind it, commits, and answers.
async fn group(tx: &mut Tx, first: Job, jobs: &mut mpsc::Receiver<Job>) {
    if let Err(error) = run_on(tx, "BEGIN IMMEDIATE") {
        let done = first(Err(error)).await;
        return (done.answer)(Ok(()));
    }
    let mut answers = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next {
        match one(tx, job, answers.is_empty()).await {
            Ok(Some(answer)) => answers.push(answer),
            Ok(None) => {}
            Err(broken) => {
                // The connection's state is unknown: give everything of this group back.
                let _ = run_on(tx, "ROLLBACK");
                tracing::error!(error = %broken, "a group of writes was rolled back");
                for answer in answers {
                    answer(Err(Error::Abandoned));
                }
                return;
            }
        }
        next = if answers.is_empty() || answers.len() >= GROUP_MAX { None } else { jobs.try_recv().ok() };
    }
    if answers.is_empty() {
        // The only write took itself back and the transaction with it.
        return;
    }
    match run_on(tx, "COMMIT") {
        Ok(_) => {
            for answer in answers {
                answer(Ok(()));
            }
        }
        Err(error) => {
            let _ = run_on(tx, "ROLLBACK");
            tracing::error!(%error, writes = answers.len(), "a commit failed");
            let text = error.to_string();
            for answer in answers {
                answer(Err(Error::Commit(text.clone())));
            }
        }
    }
}

type Answer = Box<dyn FnOnce(Result<()>) + Send>;

/// Runs one write. The group's first needs no savepoint: taking it back is taking the transaction back.
async fn one(tx: &mut Tx, job: Job, alone: bool) -> Result<Option<Answer>> {
    if !alone {
        run_on(tx, "SAVEPOINT one")?;
    }
    let done = AssertUnwindSafe(job(Ok(tx))).catch_unwind().await;
    let keep = done.as_ref().is_ok_and(|it| it.keep);
    let end = match (keep, alone) {
        (true, true) => "",
        (true, false) => "RELEASE one",
        (false, true) => "ROLLBACK",
        (false, false) => "ROLLBACK TO one; RELEASE one",
    };
    for statement in end.split("; ").filter(|it| !it.is_empty()) {
        run_on(tx, statement)?;
    }
    match done {
        Ok(done) if keep => Ok(Some(done.answer)),
        Ok(done) => {
            (done.answer)(Ok(()));
            Ok(None)
        }
        // The panic was reported by the panic hook; the caller learns that his write was abandoned.
        Err(_) => Ok(None),
    }
}

fn run_on(tx: &Tx, statement: &str) -> Result<u64> {
    execute(tx.sqlite(), statement, &[])
}
