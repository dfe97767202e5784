//! Metrics of a suite: names, options and modifiers become measures.

pub(crate) mod checks;
pub(crate) mod classes;
pub(crate) mod numbers;
mod options;
mod read;

use serde_json::Value;

use crate::error::nearest;
use crate::suite::Task;
use checks::{Check, Folding, Wanted};
use options::Options;

/// One metric of a suite.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    /// The name under which it is reported, logged and gated.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Rows for which this is not true are left out.
    pub(crate) when: Option<String>,
    /// Turns a row's score into pass or fail.
    pub(crate) pass: Option<Condition>,
    pub(crate) greater_is_better: Option<bool>,
}

/// What a metric computes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// MLflow's set for the task; replaced by its members once the task is known.
    Default,
    ExampleCount,
    Numbers(numbers::Measure),
    Classes(classes::Measure),
    Check(Check),
    Usage(Usage),
}

/// What a call took; recorded whether a suite names it or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Seconds a call.
    Latency,
    /// Input and output tokens a call.
    Tokens,
    /// USD a call; known where the target has a price and the answer its token counts.
    Cost,
    /// The share of cells without an answer.
    Errors,
}

impl Usage {
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("latency", Self::Latency), ("tokens", Self::Tokens), ("cost", Self::Cost), ("errors", Self::Errors)];
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) operator: Operator,
    pub(crate) bound: f64,
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    AtMost,
    AtLeast,
    Below,
    Above,
    Equal,
}

impl Operator {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<=" => Self::AtMost,
            ">=" => Self::AtLeast,
            "<" => Self::Below,
            ">" => Self::Above,
            "==" => Self::Equal,
            _ => return None,
        })
    }

    /// Compares decimal-safe: numbers that agree to 12 digits are equal, so 0.85 meets 0.8 + 0.05.
    pub(crate) fn holds(self, value: f64, bound: f64) -> bool {
        let is_equal = (value - bound).abs() <= 1e-12 * value.abs().max(bound.abs());
        match self {
            Self::AtMost => value <= bound || is_equal,
            Self::AtLeast => value >= bound || is_equal,
            Self::Below => value < bound && !is_equal,
            Self::Above => value > bound && !is_equal,
            Self::Equal => is_equal,
        }
    }
}

/// Text checks by name.
const CHECKS: [&str; 16] = [
    "exact_match",
    "equals",
    "iequals",
    "contains",
    "icontains",
    "contains_any",
    "icontains_any",
    "starts_with",
    "ends_with",
    "regex_match",
    "response_length",
    "is_json",
    "squad_exact_match",
    "squad_f1",
    "all",
    "any",
];

/// Names of the format that later versions compute; refused with a sentence of their own.
const LATER: [&str; 30] = [
    "rouge",
    "rouge1",
    "rouge2",
    "rougeL",
    "rougeLsum",
    "bleu",
    "chrf",
    "ter",
    "wer",
    "cer",
    "meteor",
    "ndcg",
    "map",
    "mrr",
    "recip_rank",
    "precision_at_k",
    "recall_at_k",
    "ndcg_at_k",
    "acc",
    "acc_norm",
    "acc_bytes",
    "perplexity",
    "json_schema",
    "calibration_error",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "embedding_similarity",
    "bert_score",
    "pii_detection",
    "refusals",
];

/// What is wrong with a metric of a suite.
pub(crate) enum Fault {
    Wrong(String),
    Unsupported(String, String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

impl Metric {
    /// Reads one entry of `metrics`.
    pub(crate) fn parse(entry: &Value) -> Result<Self, Fault> {
        let (name, value) = match entry {
            Value::String(name) => (name.as_str(), &Value::Null),
            Value::Object(map) => {
                map.iter().next().map(|it| (it.0.as_str(), it.1)).ok_or("a metric needs a name".to_owned())?
            }
            other => return Err(format!("`{other}` is no metric; write its name, or {{name: options}}").into()),
        };
        if name == "not" {
            let inner = Self::parse(value)?;
            let Kind::Check(check) = inner.kind else {
                return Err(format!("`not` takes a check of the answer, which `{}` is not", inner.name).into());
            };
            let is_named = value.as_object().and_then(|it| it.values().next()).is_some_and(|it| it.get("as").is_some());
            let name = if is_named { inner.name } else { format!("not_{}", inner.name) };
            return Ok(Self { name, kind: Kind::Check(Check::Not(Box::new(check))), ..inner });
        }
        if name == "judge" {
            return Err(Fault::Unsupported("judge".to_owned(), "model judges".to_owned()));
        }
        let mut options = Options::of(name, value);
        let kind = Self::kind(name, &mut options)?;
        let (is_row_check, name) = (matches!(kind, Kind::Check(_)), options.text("as")?.unwrap_or(name.to_owned()));
        check_name(&name)?;
        let when = options.text("when")?;
        let pass = options.text("pass")?.map(|it| Condition::parse(&it)).transpose()?;
        let greater_is_better = options.bool("greater_is_better")?;
        for (key, what) in [("weight", "a weight of its own"), ("from", "reading a part of the output")] {
            if options.take(key).is_some() {
                return Err(Fault::Unsupported(format!("{name}.{key}"), what.to_owned()));
            }
        }
        if !is_row_check && (when.is_some() || pass.is_some()) {
            let what = "`when` and `pass` on a metric that is no check of the answer; use a gate".to_owned();
            return Err(Fault::Unsupported(format!("{name}: {{when, pass}}"), what));
        }
        options.finish()?;
        Ok(Self { name, kind, when, pass, greater_is_better })
    }

    fn kind(name: &str, options: &mut Options) -> Result<Kind, Fault> {
        if name == "default" {
            return Ok(Kind::Default);
        }
        if name == "example_count" {
            return Ok(Kind::ExampleCount);
        }
        if let Some((_, usage)) = Usage::ALL.iter().find(|it| it.0 == name) {
            return Ok(Kind::Usage(*usage));
        }
        if numbers::NAMES.contains(&name) {
            let alpha = if name == "mean_pinball_loss" { options.number("alpha")?.unwrap_or(0.5) } else { 0.5 };
            if !(0.0..=1.0).contains(&alpha) {
                return Err(format!("mean_pinball_loss.alpha must be from 0 to 1, found {alpha}").into());
            }
            let measure = numbers::Measure::named(name, alpha).expect("the name is in the list of names");
            return Ok(Kind::Numbers(measure));
        }
        if classes::NAMES.contains(&name) {
            let takes_average = ["recall_score", "precision_score", "f1_score", "roc_auc"].contains(&name);
            let average = if takes_average { options.text("average")? } else { None };
            let average = average
                .map(|it| {
                    classes::Average::named(&it).ok_or_else(|| {
                        let hint = nearest(&it, classes::Average::NAMES);
                        format!("{name}.average: unknown value `{it}`{hint}")
                    })
                })
                .transpose()?;
            return Ok(Kind::Classes(
                classes::Measure::named(name, average).expect("the name is in the list of names"),
            ));
        }
        if CHECKS.contains(&name) {
            return Ok(Kind::Check(read::check(name, options)?));
        }
        if LATER.contains(&name) {
            return Err(Fault::Unsupported(name.to_owned(), "this metric comes in a later version".to_owned()));
        }
        Err(format!("unknown metric `{name}`{}", nearest(name, known_names())).into())
    }

    /// Whether a greater value is better: the suite's word, or what is known of the metric.
    pub(crate) fn direction(&self) -> Option<bool> {
        self.greater_is_better.or(match &self.kind {
            Kind::Default | Kind::ExampleCount => None,
            Kind::Numbers(measure) => measure.greater_is_better(),
            Kind::Classes(measure) => measure.greater_is_better(),
            Kind::Check(_) => Some(true),
            Kind::Usage(_) => Some(false),
        })
    }

    fn plain(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, when: None, pass: None, greater_is_better: None }
    }
}

/// What decides the members of `default`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) task: Task,
    pub(crate) is_binary: bool,
    /// Whether a target has probabilities.
    pub(crate) has_scores: bool,
    /// Whether a target is asked.
    pub(crate) asks: bool,
    pub(crate) has_expected: bool,
}

/// Replaces `default` by MLflow's set for the task and appends what is always recorded.
pub(crate) fn expand(metrics: &[Metric], circumstances: Circumstances) -> Vec<Metric> {
    let Circumstances { task, is_binary, has_scores, asks, has_expected } = circumstances;
    let mut expanded: Vec<Metric> = Vec::new();
    let mut push = |metric: Metric| {
        if !expanded.iter().any(|it| it.name == metric.name) {
            expanded.push(metric);
        }
    };
    for metric in metrics {
        if !matches!(metric.kind, Kind::Default) {
            push(metric.clone());
            continue;
        }
        let names: &[&str] = match task {
            Task::Regression => &numbers::MLFLOW,
            Task::Classification if is_binary => &classes::MLFLOW_BINARY,
            Task::Classification => &classes::MLFLOW_MULTICLASS,
            Task::Generate | Task::Auto if has_expected => &["exact_match"],
            Task::Generate | Task::Auto => &[],
        };
        for name in names {
            let kind = match (*name, task) {
                ("example_count", _) => Kind::ExampleCount,
                (name, Task::Regression) => {
                    Kind::Numbers(numbers::Measure::named(name, 0.5).expect("MLflow's names are known"))
                }
                (name, Task::Classification) => {
                    let measure = classes::Measure::named(name, None).expect("MLflow's names are known");
                    if measure.needs_scores() && !has_scores {
                        continue;
                    }
                    Kind::Classes(measure)
                }
                _ => Kind::Check(Check::Equals { wanted: Wanted::Expected, folding: Folding::default() }),
            };
            push(Metric::plain(name, kind));
        }
    }
    if asks {
        for (name, usage) in Usage::ALL {
            push(Metric::plain(name, Kind::Usage(usage)));
        }
    }
    expanded
}

fn known_names() -> impl Iterator<Item = &'static str> {
    let usage = Usage::ALL.iter().map(|it| it.0);
    // Some names measure both numbers and labels.
    let classes = classes::NAMES.iter().filter(|it| !numbers::NAMES.contains(it));
    let names = numbers::NAMES.iter().chain(classes).chain(&CHECKS).copied();
    names.chain(usage).chain(["default", "not"])
}

impl Condition {
    fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let operator = ["<=", ">=", "==", "<", ">"].into_iter().find(|it| trimmed.starts_with(it));
        let parsed = operator.and_then(|symbol| {
            let bound = trimmed[symbol.len()..].trim().parse().ok()?;
            Some(Self { operator: Operator::parse(symbol)?, bound })
        });
        parsed.ok_or_else(|| format!("pass: `{text}` is no condition such as \">= 0.5\""))
    }
}

/// Names end up in MLflow, in gates and in file names.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |it: char| it.is_alphanumeric() || "_-/.".contains(it);
    if !name.is_empty() && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!("as: `{name}` is no metric name; use letters, digits, `_`, `-`, `.` and `/`"))
}
