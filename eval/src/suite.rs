//! Suites: the YAML file that says which rows, targets, prompts, metrics and gates make an evaluation.

mod build;
mod duration;
mod overrides;
mod refuse;
pub(crate) mod schema;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::dataset::Data;
use crate::gate::Gate;
use crate::metric::Metric;
use crate::prompt::Prompt;
use crate::target::Target;
use crate::{Error, Result};

pub use overrides::Overrides;
pub use schema::SCHEMA;

/// An evaluation, read and checked: nothing in it can fail for its form any more.
#[derive(Debug)]
pub struct Suite {
    /// The file it came from; relative paths of the suite start at its folder.
    pub(crate) file: PathBuf,
    /// The run's name, placeholders filled in.
    pub(crate) name: String,
    pub(crate) task: Task,
    pub(crate) data: Data,
    pub(crate) targets: Vec<Target>,
    pub(crate) prompts: Vec<Prompt>,
    /// Fixed parameters and grid axes, in file order.
    pub(crate) params: Vec<Param>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) compare: Compare,
    pub(crate) gates: Vec<Gate>,
    pub(crate) run: Run,
    pub(crate) output: Output,
    /// `--only axis=name` filters, as given.
    pub(crate) only: Vec<(String, String)>,
    /// The document after overrides with every default filled in.
    pub(crate) resolved: Value,
    /// The suite file's own text, kept beside the results.
    pub(crate) source: String,
}

/// What kind of answer is judged; picks the default metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Decided from the data and the targets.
    Auto,
    /// Numbers against numbers.
    Regression,
    /// Labels against labels.
    Classification,
    /// Free text.
    Generate,
}

impl Task {
    /// The format's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Regression => "regression",
            Self::Classification => "classification",
            Self::Generate => "generate",
        }
    }
}

/// A model parameter: one value, or a grid axis of several.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) values: Vec<Value>,
}

/// Statistics: how intervals are made and what comparisons are against.
#[derive(Clone, Debug)]
pub(crate) struct Compare {
    pub(crate) baseline: Option<String>,
    pub(crate) confidence: f64,
    pub(crate) resamples: usize,
    pub(crate) seed: u64,
}

/// How cells are executed.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    pub(crate) retries: Retries,
    pub(crate) budget: Budget,
    pub(crate) cache: CacheMode,
    pub(crate) resume: bool,
    pub(crate) errors_max: Option<ErrorsMax>,
}

/// How often and how patiently a failed call is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    pub(crate) max: u32,
    pub(crate) wait: Duration,
}

/// What a run may spend; `None` is no bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    pub(crate) usd: Option<f64>,
    pub(crate) tokens: Option<u64>,
    pub(crate) requests: Option<u64>,
    pub(crate) time: Option<Duration>,
}

/// How the answer cache is used across runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheMode {
    Off,
    ReadWrite,
    /// Ask again and keep the new answers.
    Refresh,
    /// Use what is there, add nothing.
    Read,
}

/// How many failed cells are too many.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ErrorsMax {
    Count(usize),
    Share(f64),
}

/// Where results go.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) tracking: Option<String>,
    pub(crate) experiment: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) jsonl: Option<PathBuf>,
}

impl Suite {
    /// Reads the suite at `path`, applies `overrides` and checks everything that can be checked without reading rows.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self> {
        /// A suite is written by hand; anything larger is the wrong file (inline rows included).
        const BYTES_MAX: u64 = 16 * 1024 * 1024;
        let shown = path.display();
        let unreadable = |error| Error::Config(format!("cannot read the suite {shown}: {error}"));
        let mut text = String::new();
        // The length that a device or a pipe claims says nothing, so what is read is counted.
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > BYTES_MAX {
            return Err(Error::Config(format!("{shown} has more than {BYTES_MAX} bytes, which no suite has")));
        }
        Self::parse(&text, path, overrides)
    }

    /// Like [`Suite::load`], with the text given; `path` is what messages name and where relative paths start.
    pub fn parse(text: &str, path: &Path, overrides: &Overrides) -> Result<Self> {
        let mut document = yaml::Node::parse(text).map_err(|error| {
            let at = error.location().map(|it| format!(":{}:{}", it.line(), it.column())).unwrap_or_default();
            let message = error.without_snippet().to_string();
            Error::Config(format!("{}{at}: not valid YAML: {message}", path.display()))
        })?;
        overrides.apply(&mut document)?;
        schema::check(&document).map_err(|it| Error::Config(located(path, it.line, &it.message)))?;
        build::Builder { path, document: &document }.suite(text, overrides)
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the suite wants its results recorded: `output.tracking`, a URI.
    pub fn tracking_uri(&self) -> Option<&str> {
        self.output.tracking.as_deref()
    }

    /// The names of the gateway endpoints that the suite's targets ask.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter_map(Target::endpoint)
    }

    /// The suite with overrides applied and every default filled in, as YAML: what `--dry-run` prints.
    pub fn resolved_yaml(&self) -> String {
        serde_saphyr::to_string(&self.resolved).unwrap_or_else(|_| self.resolved.to_string())
    }

    /// The same as JSON.
    pub fn resolved(&self) -> &Value {
        &self.resolved
    }

    /// A digest over everything that decides what is asked: another digest is another run.
    pub(crate) fn lock(&self) -> String {
        let mut resolved = self.resolved.clone();
        if let Some(map) = resolved.as_object_mut() {
            for key in ["output", "gates", "compare", "metrics", "name", "run"] {
                map.remove(key);
            }
        }
        crate::digest::of_json(&Value::Object(Map::from_iter([("suite".to_owned(), resolved)])))
    }
}

/// `file:line: message`; line 0 is the command line.
pub(crate) fn located(path: &Path, line: u64, message: &str) -> String {
    if line == 0 {
        format!("{} (after --set): {message}", path.display())
    } else {
        format!("{}:{line}: {message}", path.display())
    }
}
