//! Everything that can be found wrong before the first row is asked.

use serde_json::Value;

use crate::dataset::{Cell, Dataset};
use crate::error::nearest;
use crate::gate::Expression;
use crate::metric::{self, Kind as MetricKind, Metric};
use crate::prompt;
use crate::runner::Request;
use crate::score::{Answers, Labels};
use crate::suite::{Suite, Task};
use crate::target::{self, Kind};
use crate::variant::{self, Variant};
use crate::{Error, Result};

/// Columns that are the expectation when the suite names none.
const EXPECTED_NAMES: [&str; 6] = ["expected", "target", "label", "answer", "y_true", "y"];

/// A suite with its rows, ready to be asked.
pub(super) struct Prepared {
    pub(super) dataset: Dataset,
    pub(super) variants: Vec<Variant>,
    pub(super) task: Task,
    pub(super) metrics: Vec<Metric>,
    /// The column of expectations.
    pub(super) expected: Option<usize>,
    pub(super) weights: Option<Vec<Option<f64>>>,
    pub(super) labels: Option<Labels>,
}

impl Prepared {
    pub(super) fn new(suite: &Suite) -> Result<Self> {
        let variants = variant::grid(suite)?;
        let dataset = Dataset::read(&suite.data)?;
        let expected = match &suite.data.roles.expected {
            Some(name) => Some(dataset.column(name)?),
            None => EXPECTED_NAMES.iter().find_map(|name| dataset.columns.iter().position(|it| it == name)),
        };
        let weights = match &suite.data.roles.weight {
            None => None,
            Some(name) => Some(weights(&dataset, name)?),
        };
        for prompt in &suite.prompts {
            prompt.check(&dataset)?;
        }
        let asks = variants.iter().any(|it| suite.targets[it.target].is_asked());
        for variant in variants.iter().filter(|it| suite.targets[it.target].is_asked()) {
            // A template may still fail for a single row; that row's cell then fails with its own words.
            if let Ok(request) = Request::build(suite, variant, &dataset.object(0)) {
                request.check().map_err(|it| {
                    Error::Config(format!("{}: `params` of variant `{}`: {it}", suite.file.display(), variant.name))
                })?;
            }
        }
        let predicted = predicted(suite, &variants, &dataset)?;
        let task = task(suite, &dataset, expected, &predicted, asks);
        if matches!(task, Task::Regression | Task::Classification) && expected.is_none() {
            return Err(Error::Config(format!(
                "{}: `data.roles.expected` is missing: {} compares answers with a column; columns are {}",
                suite.file.display(),
                task.name(),
                dataset.columns.join(", ")
            )));
        }
        check_unused(suite, task)?;
        let labels = match (task, expected) {
            (Task::Classification, Some(column)) => Some(labels(suite, &dataset, column, &predicted)?),
            _ => None,
        };
        let has_scores = suite.targets.iter().any(|it| matches!(&it.kind, Kind::Predictions { scores: Some(_), .. }));
        let is_binary = labels.as_ref().is_some_and(|it| it.positive.is_some());
        let circumstances =
            metric::Circumstances { task, is_binary, has_scores, asks, has_expected: expected.is_some() };
        let metrics = metric::expand(&suite.metrics, circumstances);
        let prepared = Self { dataset, variants, task, metrics, expected, weights, labels };
        prepared.check_metrics(suite)?;
        prepared.check_gates(suite)?;
        // Cells that are not numbers, scores out of range and the like: found before anything is recorded.
        for (variant, answers) in prepared.variants.iter().zip(predicted) {
            if let Some(answers) = answers {
                prepared.frame(suite, variant, &answers, prepared.labels.as_ref())?;
            }
        }
        Ok(prepared)
    }

    fn check_metrics(&self, suite: &Suite) -> Result<()> {
        let wrong = |metric: &Metric, message: String| {
            Err(Error::Config(format!("{}: metric `{}`: {message}", suite.file.display(), metric.name)))
        };
        for metric in &self.metrics {
            let fits = |task: Task| self.task == task;
            match &metric.kind {
                MetricKind::Numbers(_) if !fits(Task::Regression) => {
                    let found = self.task.name();
                    return wrong(
                        metric,
                        format!("it compares numbers, but the task is {found}; set `task: regression`"),
                    );
                }
                MetricKind::Classes(_) if !fits(Task::Classification) => {
                    let found = self.task.name();
                    return wrong(
                        metric,
                        format!("it compares labels, but the task is {found}; set `task: classification`"),
                    );
                }
                MetricKind::Classes(measure) => {
                    let labels = self.labels.as_ref();
                    if measure.needs_positive() && labels.is_some_and(|it| it.positive.is_none()) {
                        let n = labels.map_or(0, |it| it.all.len());
                        return wrong(
                            metric,
                            format!("it needs two labels, found {n}; use an average over the labels"),
                        );
                    }
                    let has_scores =
                        suite.targets.iter().any(|it| matches!(&it.kind, Kind::Predictions { scores: Some(_), .. }));
                    if measure.needs_scores() && !has_scores {
                        let form = "{predictions: {label: COLUMN, scores: COLUMN}}";
                        return wrong(metric, format!("it needs probabilities; give the target as {form}"));
                    }
                }
                MetricKind::Check(check) => {
                    if check.needs_expected() && self.expected.is_none() {
                        let message = "it compares with the row's expectation; name its column in data.roles.expected, \
                                       or give the metric a value";
                        return wrong(metric, message.to_owned());
                    }
                    for template in check.templates() {
                        let checked = prompt::check_template(template, &self.dataset, &["output", "expected"]);
                        checked.or_else(|it| wrong(metric, it))?;
                    }
                    if let Some(when) = &metric.when {
                        let checked = prompt::check_expression(when, &self.dataset, &["output", "expected"]);
                        checked.or_else(|it| wrong(metric, format!("when: {it}")))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_gates(&self, suite: &Suite) -> Result<()> {
        let file = suite.file.display();
        let targets: Vec<&str> = self.variants.iter().map(|it| suite.targets[it.target].name.as_str()).collect();
        let names: Vec<&str> = self.variants.iter().map(|it| it.name.as_str()).collect();
        let is_filtered = !suite.only.is_empty();
        if let Some(baseline) = &suite.compare.baseline {
            self.check_baseline(suite, baseline, "`compare.baseline`")?;
        }
        for gate in &suite.gates {
            let metric = self.metrics.iter().find(|it| it.name == gate.metric());
            let Some(metric) = metric else {
                let hint = nearest(gate.metric(), self.metrics.iter().map(|it| it.name.as_str()));
                return Err(Error::Config(format!(
                    "{file}: gate `{}`: no metric `{}`{hint}",
                    gate.text,
                    gate.metric()
                )));
            };
            for name in &gate.targets {
                if !is_filtered && !names.contains(&name.as_str()) && !targets.contains(&name.as_str()) {
                    let hint = nearest(name, names.iter().copied());
                    return Err(Error::Config(format!("{file}: gate `{}`: no variant `{name}`{hint}", gate.text)));
                }
            }
            if let Expression::Relative { baseline, .. } = &gate.expression {
                self.check_baseline(suite, baseline, &format!("gate `{}`", gate.text))?;
                if metric.direction().is_none() {
                    return Err(Error::Config(format!(
                        "{file}: gate `{}`: nothing says which way of `{}` is better; set greater_is_better on it",
                        gate.text, metric.name
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Prepared {
    /// A baseline is one variant: by its own name, or by that of a target with a single variant.
    fn check_baseline(&self, suite: &Suite, baseline: &str, place: &str) -> Result<()> {
        let names: Vec<&str> = self.variants.iter().map(|it| it.name.as_str()).collect();
        let matching = self.variants.iter().filter(|it| suite.targets[it.target].name == baseline).count();
        if names.contains(&baseline) || matching == 1 || !suite.only.is_empty() {
            return Ok(());
        }
        let hint = if matching > 1 {
            format!("; the target has {matching} variants, name one of {}", names.join(", "))
        } else {
            nearest(baseline, names)
        };
        Err(Error::Config(format!("{}: {place}: no variant `{baseline}`{hint}", suite.file.display())))
    }
}

/// Keys that the decided task would silently leave unused are errors.
fn check_unused(suite: &Suite, task: Task) -> Result<()> {
    if task == Task::Classification {
        return Ok(());
    }
    let has_scores = suite.targets.iter().any(|it| matches!(&it.kind, Kind::Predictions { scores: Some(_), .. }));
    let key = if suite.data.positive.is_some() {
        "data.positive"
    } else if suite.data.labels.is_some() {
        "data.labels"
    } else if has_scores {
        "predictions.scores"
    } else {
        return Ok(());
    };
    let (file, found) = (suite.file.display(), task.name());
    Err(Error::Config(format!(
        "{file}: `{key}` is for classification, but the task is {found}; remove it, or set `task: classification`"
    )))
}

fn weights(dataset: &Dataset, name: &str) -> Result<Vec<Option<f64>>> {
    let weights = dataset.numbers(name)?;
    match weights.iter().position(|it| it.is_some_and(|it| !it.is_finite() || it < 0.0)) {
        None => Ok(weights),
        Some(row) => Err(Error::Data(format!(
            "{}: the weight `{name}` is {}, but must be a number from 0",
            dataset.place(row),
            weights[row].unwrap_or_default()
        ))),
    }
}

/// The answers of variants that are columns.
fn predicted(suite: &Suite, variants: &[Variant], dataset: &Dataset) -> Result<Vec<Option<Answers>>> {
    let of = |variant: &Variant| {
        let of_suite = &suite.targets[variant.target];
        let Kind::Predictions { label, scores } = &of_suite.kind else { return Ok(None) };
        let found = target::read_predictions(&of_suite.name, label.as_deref(), scores.as_ref(), dataset, &suite.data)?;
        Ok(Some(Answers::Predicted { labels: found.labels, scores: found.scores }))
    };
    variants.iter().map(of).collect()
}

fn labels(suite: &Suite, dataset: &Dataset, expected: usize, predicted: &[Option<Answers>]) -> Result<Labels> {
    let truth = dataset.rows.iter().map(|it| it[expected].clone());
    let answers = predicted.iter().flatten().flat_map(|it| match it {
        Answers::Predicted { labels, .. } => labels.as_slice(),
        Answers::Asked(_) => &[],
    });
    let seen = truth.chain(answers.cloned());
    Labels::of(
        suite.data.labels.as_ref(),
        suite.data.positive.as_ref().filter(|it| **it != Value::Null),
        seen,
        &dataset.shown(),
    )
}

/// The task: the suite's word, or what targets and columns tell.
fn task(suite: &Suite, dataset: &Dataset, expected: Option<usize>, predicted: &[Option<Answers>], asks: bool) -> Task {
    /// Whole numbers with more values than this are measurements, not labels.
    const LABELS_MAX: usize = 20;
    if suite.task != Task::Auto {
        return suite.task;
    }
    if asks {
        return Task::Generate;
    }
    let Some(expected) = expected else { return Task::Generate };
    let has_scores = suite.targets.iter().any(|it| matches!(&it.kind, Kind::Predictions { scores: Some(_), .. }));
    let truth = || dataset.rows.iter().map(|it| &it[expected]);
    let answers = predicted.iter().flatten().flat_map(|it| match it {
        Answers::Predicted { labels, .. } => labels.as_slice(),
        Answers::Asked(_) => &[],
    });
    let mut all = truth().chain(answers).filter(|it| !it.is_missing());
    if has_scores || all.clone().any(|it| !matches!(it, Cell::Int(_) | Cell::Number(_))) {
        return Task::Classification;
    }
    let mut whole: Vec<i64> = truth().filter_map(|it| if let Cell::Int(it) = it { Some(*it) } else { None }).collect();
    whole.sort_unstable();
    whole.dedup();
    if all.any(|it| matches!(it, Cell::Number(_))) || whole.len() > LABELS_MAX {
        Task::Regression
    } else {
        Task::Classification
    }
}
