//! What became of everything that was to be imported.

use std::path::Path;

use anyhow::bail;
use indicatif::ProgressBar;
use tracking::{Imported, file_store::ExperimentFolder};

use crate::cli::output::table;

/// Problems in a row after which the import stops: it is then not the files that are broken.
const FAILED_IN_A_ROW_MAX: usize = 50;

/// A kind of thing that is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Experiment,
    Run,
    Model,
    Trace,
}

/// Counts by kind, and the bar that shows them.
pub(super) struct Tally {
    bar: ProgressBar,
    counts: [Count; 4],
    failed_in_a_row: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    new: usize,
    there: usize,
    failed: usize,
}

impl Tally {
    pub(super) fn new(bar: ProgressBar) -> Self {
        Self { bar, counts: [Count::default(); 4], failed_in_a_row: 0 }
    }

    /// Counts what was written, or was there already.
    pub(super) fn done(&mut self, kind: Kind, outcome: Imported) {
        let count = &mut self.counts[kind as usize];
        match outcome {
            Imported::New => count.new += 1,
            Imported::AlreadyThere => count.there += 1,
        }
        self.failed_in_a_row = 0;
        self.bar.inc(1);
    }

    /// Counts an outcome; a failure is told and the import goes on, unless everything fails.
    pub(super) fn count(&mut self, kind: Kind, folder: &Path, outcome: anyhow::Result<Imported>) -> anyhow::Result<()> {
        match outcome {
            Ok(outcome) => {
                self.done(kind, outcome);
                Ok(())
            }
            Err(error) => {
                let words = format!("{error:#}");
                // A broken file names itself.
                let told = if words.starts_with(&*folder.to_string_lossy()) {
                    words
                } else {
                    format!("{}: {words}", folder.display())
                };
                self.tell(&told);
                self.counts[kind as usize].failed += 1;
                self.failed_in_a_row += 1;
                self.bar.inc(1);
                self.check()
            }
        }
    }

    /// Counts an experiment that could not be imported, with all that is in it.
    pub(super) fn lost(&mut self, folder: &ExperimentFolder, words: &str) {
        self.tell(words);
        self.counts[Kind::Experiment as usize].failed += 1;
        self.counts[Kind::Run as usize].failed += folder.runs.len();
        self.counts[Kind::Model as usize].failed += folder.models.len();
        self.counts[Kind::Trace as usize].failed += folder.traces.len();
        self.failed_in_a_row += 1;
        self.bar.inc(folder.len() as u64);
    }

    /// Stops an import in which everything fails.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.failed_in_a_row >= FAILED_IN_A_ROW_MAX {
            self.bar.finish_and_clear();
            bail!(
                "stopped: {FAILED_IN_A_ROW_MAX} things in a row could not be imported; what was imported before is kept"
            );
        }
        Ok(())
    }

    /// Tells something that is no failure.
    pub(super) fn note(&self, words: &str) {
        self.bar.suspend(|| eprintln!("note: {words}"));
    }

    /// Takes the bar away and gives the number of failures.
    pub(super) fn finish(&self) -> usize {
        self.bar.finish_and_clear();
        self.counts.iter().map(|it| it.failed).sum()
    }

    /// The counts as a table.
    pub(super) fn table(&self) -> String {
        let mut shown = table(["what", "imported", "already there", "failed"]);
        for (name, kind) in [
            ("experiments", Kind::Experiment),
            ("runs", Kind::Run),
            ("logged models", Kind::Model),
            ("traces", Kind::Trace),
        ] {
            let Count { new, there, failed } = self.counts[kind as usize];
            shown.add_row([name.to_owned(), new.to_string(), there.to_string(), failed.to_string()]);
        }
        shown.to_string()
    }

    fn tell(&self, words: &str) {
        self.bar.suspend(|| eprintln!("error: {words}"));
    }
}
