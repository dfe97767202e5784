//! Gates: conditions on the results that decide the exit code.

mod decide;
mod grammar;

use serde_json::Value;

use crate::metric::{Fault, Operator};

pub(crate) use decide::{Decision, Verdict, baseline_position, decide};

/// One gate of a suite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gate {
    /// As written.
    pub(crate) text: String,
    pub(crate) expression: Expression,
    pub(crate) level: Level,
    /// The variants or targets it is for; empty is all.
    pub(crate) targets: Vec<String>,
    pub(crate) inconclusive: Inconclusive,
}

/// What a gate asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    /// `metric.stat <= value`.
    Threshold { metric: String, stat: Stat, operator: Operator, bound: f64 },
    /// `metric better than V by m`, and its kin.
    Relative { metric: String, relation: Relation, baseline: String, margin: Margin },
}

/// Which number of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stat {
    Mean,
    CiLow,
    CiHigh,
    /// 0 to 1.
    Quantile(f64),
    Min,
    Max,
    Sum,
}

/// How a variant shall stand to its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Better,
    NotWorse,
    Equivalent,
}

/// By how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Margin {
    Absolute(f64),
    /// Of the baseline's value.
    Share(f64),
}

/// What a failed gate means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Fail,
    Warn,
}

/// What an open decision means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inconclusive {
    Fail,
    Pass,
    Report,
}

impl Gate {
    /// Reads one entry of `gates`; its keys were checked by the schema.
    pub(crate) fn parse(entry: &Value) -> Result<Self, Fault> {
        let text = entry.as_str().or(entry.get("gate").and_then(Value::as_str)).unwrap_or_default();
        let word = |key: &str| entry.get(key).and_then(Value::as_str);
        let targets = match entry.get("target") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
            None => Vec::new(),
            Some(other) => return Err(format!("target: expected a name or a list of names, found {other}").into()),
        };
        Ok(Self {
            text: text.to_owned(),
            expression: grammar::parse(text)?,
            level: if word("level") == Some("warn") { Level::Warn } else { Level::Fail },
            targets,
            inconclusive: match word("inconclusive") {
                Some("fail") => Inconclusive::Fail,
                Some("pass") => Inconclusive::Pass,
                _ => Inconclusive::Report,
            },
        })
    }

    /// The metric it looks at.
    pub(crate) fn metric(&self) -> &str {
        match &self.expression {
            Expression::Threshold { metric, .. } | Expression::Relative { metric, .. } => metric,
        }
    }
}
