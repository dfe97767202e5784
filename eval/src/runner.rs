//! Asks the targets: bounded concurrency, timeouts, retries, budgets, and a journal of finished cells.

pub(crate) mod answer;
mod ask;
mod budget;
mod journal;

use std::future::Future;
use std::sync::Arc;

use futures::StreamExt as _;
use llm::LanguageModel;

use crate::dataset::Dataset;
use crate::report::Progress;
use crate::suite::{CacheMode, Suite};
use crate::target::Kind;
use crate::variant::Variant;
use crate::{Error, Result};

pub(crate) use answer::Answer;
pub(crate) use ask::{Fault, Request};
use budget::Spent;
pub(crate) use journal::{Journal, forget};

/// What became of one cell: one row asked of one variant.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    /// Every try failed; the last error's words.
    Failed(String),
    /// The run stopped before this cell.
    Skipped,
}

/// What became of all cells.
#[derive(Debug)]
pub(crate) struct Ran {
    /// By variant, then by row; empty for variants that are not asked.
    pub(crate) cells: Vec<Vec<Outcome>>,
    /// Why the run stopped early.
    pub(crate) stopped: Option<String>,
    /// Cells whose answers were kept from before.
    pub(crate) reused: usize,
}

/// Everything that asking needs.
pub(crate) struct Runner<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) dataset: &'a Dataset,
    pub(crate) variants: &'a [Variant],
    /// The opened model of each asked variant.
    pub(crate) models: &'a [Option<Arc<dyn LanguageModel>>],
    pub(crate) progress: &'a Progress,
}

/// One cell on its way.
struct Done {
    variant: usize,
    row: usize,
    key: String,
    reused: bool,
    result: Result<Answer, Fault>,
}

impl Runner<'_> {
    /// Asks every cell, until `stop` is ready, a budget is used up or too many cells have failed.
    pub(crate) async fn run(&self, mut journal: Journal, stop: impl Future<Output = ()>) -> Result<Ran> {
        let rows = self.dataset.rows.len();
        let asked: Vec<usize> = (0..self.variants.len()).filter(|it| self.models[*it].is_some()).collect();
        let mut cells: Vec<Vec<Outcome>> = self
            .variants
            .iter()
            .enumerate()
            .map(|(index, _)| if asked.contains(&index) { vec![Outcome::Skipped; rows] } else { Vec::new() })
            .collect();
        let total = asked.len() * rows;
        self.progress.start(total);
        let (spent, run) = (Spent::start(&self.suite.run.budget), &self.suite.run);
        let mut tally = Tally { answered: vec![false; self.variants.len()], ..Tally::default() };
        let mut stopped = None;
        {
            // Row by row, so that a stopped run has the same rows of every variant.
            let order = (0..rows).flat_map(|row| asked.iter().map(move |variant| (*variant, row)));
            let kept = journal.reader();
            let calls = futures::stream::iter(order)
                .map(|(variant, row)| self.cell(variant, row, &kept, &spent))
                .buffer_unordered(run.concurrency.max(1));
            let mut calls = std::pin::pin!(calls);
            let mut stop = std::pin::pin!(stop);
            loop {
                let done = tokio::select! {
                    // However fast answers come, whoever wants to stop is heard first.
                    biased;
                    () = &mut stop => {
                        self.progress.finish();
                        journal.flush().await?;
                        return Err(Error::Interrupted { finished: tally.finished - tally.failed, total });
                    }
                    done = calls.next() => done,
                };
                let Some(done) = done else { break };
                let variant = &self.variants[done.variant];
                match done.result {
                    Ok(answer) => {
                        if !done.reused {
                            journal.append(&done.key, &answer).await?;
                        }
                        tally.count(done.variant, done.reused);
                        cells[done.variant][done.row] = Outcome::Answered(answer);
                    }
                    Err(Fault::Stopped(reason)) => {
                        // Calls that are under way are paid for: they finish, later ones see the same bound.
                        stopped = Some(reason);
                        continue;
                    }
                    Err(Fault::Hopeless(message)) if !tally.answered[done.variant] => {
                        self.progress.finish();
                        return Err(Error::Target(format!("variant `{}`: {message}", variant.name)));
                    }
                    Err(Fault::Hopeless(message) | Fault::Failed(message)) => {
                        tracing::debug!(variant = variant.name, row = done.row, message, "a cell failed");
                        tally.failed += 1;
                        tally.finished += 1;
                        cells[done.variant][done.row] = Outcome::Failed(message);
                    }
                }
                self.progress.step(tally.failed);
                if let Some(reason) = budget::too_many_errors(run.errors_max, tally.failed, total) {
                    spent.halt(reason);
                }
            }
        }
        self.progress.finish();
        journal.flush().await?;
        Ok(Ran { cells, stopped, reused: tally.reused })
    }

    async fn cell(&self, variant: usize, row: usize, kept: &journal::Kept, spent: &Spent<'_>) -> Done {
        let done = |key: String, reused, result| Done { variant, row, key, reused, result };
        let of_suite = &self.suite.targets[self.variants[variant].target];
        let (Kind::Asked { price, .. }, Some(model)) = (&of_suite.kind, &self.models[variant]) else {
            return done(String::new(), false, Err(Fault::Failed("this variant is not asked".to_owned())));
        };
        let request = match Request::build(self.suite, &self.variants[variant], &self.dataset.object(row)) {
            Ok(request) => request,
            Err(message) => return done(String::new(), false, Err(Fault::Failed(message))),
        };
        let key = request.key();
        if let Some(answer) = kept.get(&key).await {
            return done(key, true, Ok(answer.priced(*price)));
        }
        let result = request.ask(model.as_ref(), &self.suite.run, spent).await.map(|it| it.priced(*price));
        if let Ok(answer) = &result {
            spent.add(answer);
        }
        done(key, false, result)
    }
}

/// Opens the journal of a suite over these rows.
pub(crate) async fn open_journal(
    suite: &Suite,
    dataset: &Dataset,
    folder: Option<std::path::PathBuf>,
) -> Result<Journal> {
    let folder = match folder {
        Some(folder) => Some(folder),
        None if suite.run.resume || suite.run.cache != CacheMode::Off => Some(journal::default_folder()?),
        None => None,
    };
    let lock = crate::digest::of_bytes(format!("{}\n{}", suite.lock(), dataset.digest).as_bytes());
    Journal::open(folder, &lock, suite.run.resume, suite.run.cache).await
}

/// Counts of a run so far.
#[derive(Default)]
struct Tally {
    finished: usize,
    failed: usize,
    reused: usize,
    /// By variant: whether it ever answered.
    answered: Vec<bool>,
}

impl Tally {
    fn count(&mut self, variant: usize, reused: bool) {
        self.finished += 1;
        self.reused += usize::from(reused);
        self.answered[variant] = true;
    }
}
