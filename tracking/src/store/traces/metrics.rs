//! Numbers of many traces at once, each question one statement.

use db::Value;
use time::OffsetDateTime;

use crate::{
    Result, search,
    store::Store,
    trace::{DataPoint, MetricQuery},
};

/// The dimension that time buckets are.
const TIME_BUCKET: &str = "time_bucket";

impl Store {
    /// Aggregates a number of traces, spans or assessments, in groups; the groups come in their order.
    pub async fn trace_metrics(&self, query: &MetricQuery) -> Result<Vec<DataPoint>> {
        let checked = query.check()?;
        let statement = search::metrics_query(query, &checked, self.db.dialect())?;
        let rows: Vec<Vec<Value>> = self.db.fetch_all(statement.sql, statement.args).await?;
        let units_per_s = search::bucket_units_per_s(query.view);
        let point = |row: Vec<Value>| {
            let mut cells = row.into_iter();
            let mut dimensions = Vec::new();
            if checked.interval_s.is_some() {
                // Without a time there is no bucket, and no point.
                let Value::Int(begin) = cells.next()? else { return None };
                dimensions.push((TIME_BUCKET, moment(begin / units_per_s)));
            }
            for dimension in &checked.dimensions {
                let Value::Text(text) = cells.next()? else { return None };
                dimensions.push((dimension.name, text));
            }
            let values: Vec<(String, f64)> = query
                .aggregations
                .iter()
                .zip(cells)
                .filter_map(|(it, cell)| Some((it.label(), number(&cell)?)))
                .collect();
            (!values.is_empty()).then_some(DataPoint { dimensions, values })
        };
        Ok(rows.into_iter().filter_map(point).collect())
    }
}

/// A bucket's begin (s since 1970) as MLflow writes it: `2025-01-31T12:00:00+00:00`.
fn moment(seconds: i64) -> String {
    // A client's mistake can be a time that no calendar has.
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[expect(clippy::cast_precision_loss, reason = "the protocol's numbers are floats")]
fn number(cell: &Value) -> Option<f64> {
    match cell {
        Value::Int(it) => Some(*it as f64),
        Value::Real(it) => Some(*it),
        _ => None,
    }
}
