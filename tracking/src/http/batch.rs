//! Reads a batch of metrics, params and tags: the body that training scripts send most, and the largest.

use axum::extract::{FromRequest, Request};
use rest::{Fields, read_json};
use serde::Deserialize;

use super::{
    json::{param, tags},
    runs::metric,
};
use crate::{
    Error, Result,
    experiment::Tag,
    metric::Metric,
    run::{Batch, Param},
};

/// What `runs/log-batch` is asked.
#[derive(Debug, PartialEq)]
pub(super) struct LogBatch {
    pub(super) run_id: String,
    pub(super) batch: Batch,
}

impl<S: Send + Sync> FromRequest<S> for LogBatch {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let body = read_json(request, state).await?;
        // Reading into these types costs a quarter of reading into a tree of values, as MLflow's liberties need it.
        match Plain::read(&body) {
            Some(it) => Ok(it.into()),
            None => Self::from_fields(Fields::from_json(&body)?),
        }
    }
}

impl LogBatch {
    fn from_fields(mut fields: Fields) -> Result<Self> {
        Ok(Self {
            run_id: fields.run_id()?,
            batch: Batch {
                metrics: fields.objects("metrics")?.iter_mut().map(metric).collect::<Result<_>>()?,
                params: fields.objects("params")?.iter_mut().map(param).collect::<Result<_>>()?,
                tags: tags(&mut fields)?,
            },
        })
    }
}

/// A batch as MLflow's clients write it: nothing in camel case, no number as text, nothing missing or unknown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    run_id: String,
    #[serde(default)]
    metrics: Vec<PlainMetric>,
    #[serde(default)]
    params: Vec<PlainText>,
    #[serde(default)]
    tags: Vec<PlainText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainMetric {
    key: String,
    value: f64,
    timestamp: i64,
    #[serde(default)]
    step: i64,
    model_id: Option<String>,
}

/// A param or a tag.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainText {
    key: String,
    value: String,
}

impl Plain {
    /// Reads a body, or gives nothing where it is not plain; then [`Fields`] reads it, or says what is wrong.
    fn read(body: &[u8]) -> Option<Self> {
        let it: Self = serde_json::from_slice(body).ok()?;
        let mut keys = (it.metrics.iter().map(|it| &it.key)).chain(it.params.iter().chain(&it.tags).map(|it| &it.key));
        (!it.run_id.is_empty() && !keys.any(String::is_empty)).then_some(it)
    }
}

impl From<Plain> for LogBatch {
    fn from(it: Plain) -> Self {
        let metric = |it: PlainMetric| Metric {
            key: it.key,
            value: it.value,
            timestamp: it.timestamp,
            step: it.step,
            model_id: it.model_id.filter(|text| !text.is_empty()),
            dataset_name: None,
            dataset_digest: None,
        };
        let batch = Batch {
            metrics: it.metrics.into_iter().map(metric).collect(),
            params: it.params.into_iter().map(|it| Param { key: it.key, value: it.value }).collect(),
            tags: it.tags.into_iter().map(|it| Tag { key: it.key, value: it.value }).collect(),
        };
        Self { run_id: it.run_id, batch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_reads_the_same_both_ways() {
        let check = |body: &str| {
            let plain = LogBatch::from(Plain::read(body.as_bytes()).unwrap_or_else(|| panic!("not plain: {body}")));
            assert_eq!(plain, LogBatch::from_fields(Fields::from_json(body.as_bytes()).unwrap()).unwrap(), "{body}");
        };
        check(r#"{"run_id": "r"}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1, "timestamp": 2}]}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "ä\n", "value": -1.5e-3, "timestamp": -2, "step": 3}]}"#);
        check(
            r#"{"run_id": "r", "metrics": [{"key": "a", "value": 18446744073709551615, "timestamp": 0, "model_id": "m"}]}"#,
        );
        check(r#"{"run_id": "r", "params": [{"key": "p", "value": ""}], "tags": [{"key": "t", "value": "v"}]}"#);
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_fields() {
        let check = |body: &str| assert!(Plain::read(body.as_bytes()).is_none(), "{body}");
        check("");
        check(r#"{"runId": "r"}"#);
        check(r#"{"run_id": ""}"#);
        check(r#"{"run_id": "r", "run_id": "s"}"#);
        check(r#"{"run_id": "r", "metrics": null}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "a", "timestamp": 2}]}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "", "value": 1, "timestamp": 2}]}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "a", "value": "NaN", "timestamp": 2}]}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1, "timestamp": "2"}]}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1, "timestamp": 2.0}]}"#);
        check(r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1, "timestamp": 2, "dataset_name": "d"}]}"#);
        check(r#"{"run_id": "r", "params": [{"key": "p"}]}"#);
    }
}
