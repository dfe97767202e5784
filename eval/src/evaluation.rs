//! One evaluation from start to end: prepare, ask, score, decide, record.

mod judge;
mod prepare;

use std::future::Future;
use std::path::PathBuf;

use crate::dataset::Dataset;
use crate::gate::{Decision, Gate, Inconclusive, Level, Verdict};
use crate::report::{self, Outcome, Progress};
use crate::runner::{self, Outcome as Cell, Runner};
use crate::score::{Answers, Scored};
use crate::suite::{Suite, Task};
use crate::target::{Kind, Resolver};
use crate::{Destination, Error, Result};
use judge::score;
use prepare::Prepared;

pub(crate) use judge::Compared;

/// What an evaluation needs from its surroundings.
pub struct Setup<D, F> {
    /// Gives the models behind `endpoint:` targets.
    pub resolver: Resolver,
    /// Opens the place where results are recorded; awaited once nothing is left to be found wrong in the suite, so that
    /// a typo leaves no database behind.
    pub destination: D,
    /// How progress is shown.
    pub progress: Progress,
    /// Ready when the run shall stop, for example at Ctrl-C.
    pub stop: F,
    /// Where answers are kept; the user's cache folder when absent.
    pub cache_folder: Option<PathBuf>,
}

/// What a suite would do: rows, variants and calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Rows that are used.
    pub rows: usize,
    /// The names of the variants.
    pub variants: Vec<String>,
    /// Calls to models.
    pub calls: usize,
    /// The task, decided.
    pub task: Task,
    /// The metrics, `default` expanded.
    pub metrics: Vec<String>,
}

/// Reads the rows and checks everything without asking or recording anything: what `--dry-run` shows.
pub fn plan(suite: &Suite) -> Result<Plan> {
    let prepared = Prepared::new(suite)?;
    let asked = prepared.variants.iter().filter(|it| suite.targets[it.target].is_asked()).count();
    let rows = prepared.dataset.rows.len();
    Ok(Plan {
        rows,
        variants: prepared.variants.iter().map(|it| it.name.clone()).collect(),
        calls: asked * rows,
        task: prepared.task,
        metrics: prepared.metrics.iter().map(|it| it.name.clone()).collect(),
    })
}

/// Runs a suite. `Err` means that nothing was recorded; see [`Error::exit_code`].
pub async fn run<D, F>(suite: &Suite, setup: Setup<D, F>) -> Result<Outcome>
where
    D: Future<Output = Result<Destination>>,
    F: Future<Output = ()>,
{
    let prepared = Prepared::new(suite)?;
    let models = prepared
        .variants
        .iter()
        .map(|variant| match &suite.targets[variant.target].kind {
            Kind::Asked { model, .. } => model.open(&setup.resolver).map(Some),
            Kind::Predictions { .. } => Ok(None),
        })
        .collect::<Result<Vec<_>>>()?;
    let destination = setup.destination.await?;
    destination.check(&suite.output.experiment).await?;
    let start_ms = now_ms();
    let asks = models.iter().any(Option::is_some);
    let (mut cells, mut stopped, mut reused, mut journal_path) = (Vec::new(), None, 0, None);
    if asks {
        let journal = runner::open_journal(suite, &prepared.dataset, setup.cache_folder).await?;
        journal_path = journal.path();
        let runner = Runner {
            suite,
            dataset: &prepared.dataset,
            variants: &prepared.variants,
            models: &models,
            progress: &setup.progress,
        };
        let ran = runner.run(journal, setup.stop).await?;
        (cells, stopped, reused) = (ran.cells, ran.stopped, ran.reused);
    }
    setup.progress.phase("computing metrics and their intervals");
    let (scored, gates, differences) =
        computing(|| score(suite, &prepared, cells)).inspect_err(|_| setup.progress.finish())?;
    let evaluation = Evaluation {
        suite,
        dataset: &prepared.dataset,
        task: prepared.task,
        scored,
        gates,
        differences,
        stopped,
        reused,
        start_ms,
        end_ms: now_ms(),
    };
    setup.progress.phase("recording the results");
    let outcome = finish(&evaluation, &destination, journal_path).await;
    setup.progress.finish();
    outcome
}

/// Runs a computation where it does not keep other tasks of the runtime waiting.
fn computing<T>(compute: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(compute),
        _ => compute(),
    }
}

async fn finish(evaluation: &Evaluation<'_>, destination: &Destination, journal: Option<PathBuf>) -> Result<Outcome> {
    evaluation.write_jsonl()?;
    let recorded = destination.record(evaluation).await;
    let (recorded, record_error) = match recorded {
        Ok(recorded) => (recorded, None),
        Err(error) => (None, Some(error.to_string())),
    };
    // An answer is forgotten only when the whole run is safe elsewhere.
    if evaluation.stopped.is_none() && record_error.is_none() && journal.is_some() {
        runner::forget(journal.as_deref()).await;
    }
    let exit_code = if record_error.is_some() { 4 } else { evaluation.exit_code() };
    let mut json = report::json(evaluation);
    json["exit_code"] = exit_code.into();
    json["run_id"] = recorded.as_ref().map(|it| it.run_id.as_str()).into();
    json["experiment_id"] = recorded.as_ref().map(|it| it.experiment_id.as_str()).into();
    json["record_error"] = record_error.as_deref().into();
    let mut table = report::table(evaluation, recorded.as_ref());
    if let Some(error) = &record_error {
        table = format!("{table}\nNot recorded: {error}\nThe answers are kept; the same command records them.\n");
    }
    Ok(Outcome { exit_code, table, json, recorded, record_error })
}

/// A scored evaluation.
pub(crate) struct Evaluation<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) dataset: &'a Dataset,
    pub(crate) task: Task,
    pub(crate) scored: Vec<Scored>,
    pub(crate) gates: Vec<(Gate, Vec<Decision>)>,
    /// Differences to `compare.baseline`, where the suite names one.
    pub(crate) differences: Vec<Compared>,
    pub(crate) stopped: Option<String>,
    pub(crate) reused: usize,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
}

impl Evaluation<'_> {
    /// The exit code that gates and an early stop give.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.stopped.is_some() {
            return 4;
        }
        let decisions = || {
            let strict = self.gates.iter().filter(|it| it.0.level == Level::Fail);
            strict.flat_map(|(gate, decisions)| decisions.iter().map(move |it| (gate, it)))
        };
        if decisions().any(|it| it.1.verdict == Verdict::Fail) {
            return 1;
        }
        let is_open = |it: &Decision| matches!(it.verdict, Verdict::Inconclusive { .. });
        u8::from(decisions().any(|(gate, it)| is_open(it) && gate.inconclusive == Inconclusive::Fail)) * 2
    }

    /// The gates in one word.
    pub(crate) fn gates_word(&self) -> &'static str {
        match self.exit_code() {
            _ if self.gates.is_empty() => "none",
            0 => "pass",
            1 => "fail",
            2 => "inconclusive",
            _ => "stopped",
        }
    }

    /// The first failed cell in words.
    pub(crate) fn first_failure(&self) -> Option<String> {
        self.scored.iter().find_map(|scored| {
            let Answers::Asked(cells) = &scored.answers else { return None };
            cells.iter().enumerate().find_map(|(row, cell)| match cell {
                Cell::Failed(message) => {
                    Some(format!("{} at {}: {message}", scored.variant.name, self.dataset.place(row)))
                }
                _ => None,
            })
        })
    }

    /// Writes `output.jsonl`: one line a cell.
    fn write_jsonl(&self) -> Result<()> {
        use std::io::Write as _;
        let Some(path) = &self.suite.output.jsonl else { return Ok(()) };
        let failed = |it: std::io::Error| Error::File(format!("output.jsonl: cannot write {}: {it}", path.display()));
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
        for scored in &self.scored {
            for row in 0..self.dataset.rows.len() {
                let error = match &scored.answers {
                    Answers::Asked(cells) => match &cells[row] {
                        Cell::Failed(message) => Some(message.as_str()),
                        Cell::Skipped => continue,
                        Cell::Answered(_) => None,
                    },
                    Answers::Predicted { .. } => None,
                };
                let scores: serde_json::Map<String, serde_json::Value> = scored
                    .scores
                    .iter()
                    .filter_map(|it| Some((it.name.clone(), it.rows.as_ref()?[row]?.into())))
                    .collect();
                let line = serde_json::json!({
                    "id": self.dataset.id(row, &self.suite.data.roles),
                    "variant": scored.variant.name,
                    "row": self.dataset.object(row),
                    "output": scored.answers.text(row),
                    "error": error,
                    "scores": scores,
                });
                writeln!(file, "{line}").map_err(failed)?;
            }
        }
        file.flush().map_err(failed)
    }
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}
