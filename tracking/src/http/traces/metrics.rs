//! Numbers of many traces at once: what MLflow's overview pages and `MlflowClient.query_trace_metrics` ask.

use std::collections::BTreeMap;

use axum::extract::State;
use rest::Fields;
use serde::{Serialize, Serializer};

use crate::{
    Result, Tracking,
    experiment::ExperimentId,
    http::{double, json::Json},
    trace::{Aggregation, DataPoint, MetricQuery, MetricView},
};

/// Data points of an answer that names no number of them.
const POINTS_DEFAULT: i64 = 1000;

#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data_points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    metric_name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dimensions: BTreeMap<&'static str, String>,
    values: BTreeMap<String, Number>,
}

struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        double(&self.0, serializer)
    }
}

/// `POST traces/metrics`. As in MLflow there is one page: `page_token` is taken and means nothing.
pub(super) async fn query(State(tracking): State<Tracking>, mut fields: Fields) -> Result<Json<Answer>> {
    if !fields.has("experiment_ids") {
        return Err(fields.missing("experiment_ids"));
    }
    let ids = fields.texts("experiment_ids")?;
    let view = fields.choice("view_type", MetricView::CHOICES)?.ok_or_else(|| fields.missing("view_type"))?;
    let metric_name = fields.required_text("metric_name")?;
    let mut asked = fields.objects("aggregations")?;
    if asked.is_empty() {
        return Err(fields.missing("aggregations"));
    }
    fields.text("page_token")?;
    let query = MetricQuery {
        dimensions: fields.texts("dimensions")?,
        filters: fields.texts("filters")?,
        time_interval_s: fields.integer("time_interval_seconds")?,
        start_time_ms: fields.integer("start_time_ms")?,
        end_time_ms: fields.integer("end_time_ms")?,
        max_results: fields.integer("max_results")?.unwrap_or(POINTS_DEFAULT),
        aggregations: asked.iter_mut().map(aggregation).collect::<Result<_>>()?,
        experiment_ids: ids.iter().map(|id| ExperimentId::parse(id)).collect::<Result<_>>()?,
        view,
        metric_name,
    };
    let points = tracking.store().trace_metrics(&query).await?;
    let point = |DataPoint { dimensions, values }| Point {
        metric_name: query.metric_name.clone(),
        dimensions: dimensions.into_iter().collect(),
        values: values.into_iter().map(|(label, value)| (label, Number(value))).collect(),
    };
    Ok(Json(Answer { data_points: points.into_iter().map(point).collect() }))
}

fn aggregation(fields: &mut Fields) -> Result<Aggregation> {
    let share = fields.number("percentile_value")?;
    // The protocol's default is its first name.
    let kind = fields.choice("aggregation_type", Aggregation::CHOICES)?.unwrap_or(Aggregation::Count);
    Aggregation::new(kind, share)
}
