//! Targets: what is compared. Columns of the data are read, models are asked.

mod compatible;

use std::sync::Arc;

use llm::LanguageModel;
use serde_json::{Map, Value};

use crate::dataset::{Cell, Data, Dataset, Missing};
use crate::{Error, Result};

pub use compatible::{Compatible, CompatibleConfig};
pub(crate) use compatible::{http_client, read_at_most, unreachable};

/// A named target.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What kind of target it is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Predictions that are already in the data.
    Predictions { label: Option<String>, scores: Option<Scores> },
    /// A model that is asked.
    Asked { model: Asked, api: Api, params: Map<String, Value>, price: Option<Price> },
}

/// Which columns hold probabilities.
#[derive(Clone, Debug)]
pub(crate) enum Scores {
    /// Of the positive label.
    Positive(String),
    /// Of each label, by the label's text.
    PerLabel(Vec<(String, String)>),
    /// Of each label, in label order.
    InOrder(Vec<String>),
}

/// Where a model is.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// An endpoint of the gateway, by name.
    Endpoint(String),
    /// An OpenAI-compatible server.
    Url(CompatibleConfig),
}

/// Which call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Completions,
}

/// USD per million tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Price {
    pub(crate) input: f64,
    pub(crate) output: f64,
}

/// Gives the model behind a gateway endpoint, or says why there is none.
pub type Resolver = Arc<dyn Fn(&str) -> Result<Arc<dyn LanguageModel>, String> + Send + Sync>;

impl Target {
    /// The gateway endpoint that this target asks.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        match &self.kind {
            Kind::Asked { model: Asked::Endpoint(name), .. } => Some(name),
            _ => None,
        }
    }

    /// Whether answering takes calls.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.kind, Kind::Asked { .. })
    }
}

impl Asked {
    /// The model itself.
    pub(crate) fn open(&self, resolver: &Resolver) -> Result<Arc<dyn LanguageModel>> {
        match self {
            Self::Endpoint(name) => {
                resolver(name).map_err(|it| Error::Target(format!("target `endpoint:{name}`: {it}")))
            }
            Self::Url(config) => Ok(Arc::new(Compatible::new(config).map_err(Error::Target)?)),
        }
    }
}

impl Price {
    /// What a call cost.
    #[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^53")]
    pub(crate) fn cost_usd(self, usage: &llm::Usage) -> Option<f64> {
        let output = usage.completion_tokens? as f64;
        Some((usage.prompt_tokens as f64 * self.input + output * self.output) / 1e6)
    }
}

/// The answers of a predictions target, row by row: a label, and scores by column.
pub(crate) struct Predicted {
    pub(crate) labels: Vec<Cell>,
    /// Per score column its values.
    pub(crate) scores: Vec<Vec<Option<f64>>>,
}

/// Reads a predictions target from the data.
pub(crate) fn read_predictions(
    target: &str,
    label: Option<&str>,
    scores: Option<&Scores>,
    dataset: &Dataset,
    data: &Data,
) -> Result<Predicted> {
    let named = |error: Error| match error {
        Error::Data(message) => Error::Data(format!("target `{target}`: {message}")),
        other => other,
    };
    let labels = match label {
        None => vec![Cell::Missing; dataset.rows.len()],
        Some(name) => {
            let column = dataset.column(name).map_err(named)?;
            let labels: Vec<Cell> = dataset.rows.iter().map(|it| it[column].clone()).collect();
            if data.missing == Missing::Error
                && let Some(row) = labels.iter().position(Cell::is_missing)
            {
                let place = dataset.place(row);
                return Err(Error::Data(format!(
                    "target `{target}`: {place}: column `{name}` is empty; fill it, or set data.missing to drop or keep"
                )));
            }
            labels
        }
    };
    let columns: Vec<&String> = match scores {
        None => Vec::new(),
        Some(Scores::Positive(column)) => vec![column],
        Some(Scores::PerLabel(columns)) => columns.iter().map(|it| &it.1).collect(),
        Some(Scores::InOrder(columns)) => columns.iter().collect(),
    };
    let scores = columns.into_iter().map(|it| dataset.numbers(it).map_err(named)).collect::<Result<Vec<_>>>()?;
    Ok(Predicted { labels, scores })
}
