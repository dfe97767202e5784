//! Numbers of many traces in one statement: what is grouped, what is aggregated, and the filters that it is asked with.

mod aggregate;
mod filter;

use db::Dialect;

use super::{Query, compile::Args};
use crate::{
    Error, Result,
    store::in_list,
    trace::metrics::{Checked, MetricQuery, MetricView, Subject},
};
use aggregate::Grouped;

/// Values at most in the statement; SQLite takes 32,766, and the number of rows is one of them.
const VALUES_MAX: usize = 32_765;

/// Nanoseconds in a millisecond.
const MS_NS: i128 = 1_000_000;

/// The statement for a question that [`MetricQuery::check`] allows. Its rows have the time bucket's begin (in the unit of
/// [`bucket_units_per_s`]) where there are buckets, then the dimensions, then the aggregated values.
pub(crate) fn metrics_query(query: &MetricQuery, checked: &Checked, dialect: Dialect) -> Result<Query> {
    let mut args = Args::new(dialect);
    let (marks, ids) = in_list(query.experiment_ids.iter().map(|id| id.0));
    args.extend(ids);
    let tables = match query.view {
        MetricView::Traces => "trace_info",
        MetricView::Spans => "trace_info JOIN spans ON spans.trace_id = trace_info.request_id",
        MetricView::Assessments => "assessments",
    };
    let mut conditions = match query.view {
        MetricView::Traces | MetricView::Spans => vec![format!("trace_info.experiment_id IN ({marks})")],
        // One that was corrected stays in the table, and would count twice.
        MetricView::Assessments => {
            vec![format!("assessments.experiment_id IN ({marks})"), "assessments.valid".to_owned()]
        }
    };
    for filter in &query.filters {
        conditions.push(filter::condition(filter, query.view)?.sql(query.view, &mut args));
    }
    let subject = checked.metric.subject;
    limit_time(query, subject, &mut conditions, &mut args);
    let value = subject.sql(dialect);
    // Groups without a value are none, so that they take nobody's place in the answer.
    let present = if let Subject::Distinct(column) = subject { column } else { &value };
    let columns = checked.dimensions.iter().map(|it| it.column);
    conditions.extend(std::iter::once(present).chain(columns).map(|column| format!("{column} IS NOT NULL")));
    let from = format!("{tables} WHERE {}", conditions.join(" AND "));
    let bucket = checked.interval_s.map(|seconds| {
        let unit = seconds * bucket_units_per_s(query.view);
        let time = time_column(query.view);
        format!("{time} - ((({time} % {unit}) + {unit}) % {unit})")
    });
    let groups = bucket.into_iter().chain(checked.dimensions.iter().map(|it| it.column.to_owned())).collect();
    let sql = Grouped { groups, value, from }.sql(&query.aggregations, dialect);
    args.push(query.max_results);
    if args.values.len() > VALUES_MAX {
        return Err(Error::invalid(format!(
            "The query has {} values, of its experiments and its filters; at most {VALUES_MAX} are taken. Ask for fewer \
             experiments at once.",
            args.values.len()
        )));
    }
    Ok(Query { sql, args: args.values })
}

/// How many units of a view's time columns a second has.
pub(crate) fn bucket_units_per_s(view: MetricView) -> i64 {
    match view {
        MetricView::Traces | MetricView::Assessments => 1000,
        MetricView::Spans => 1_000_000_000,
    }
}

/// When the things of a view began.
fn time_column(view: MetricView) -> &'static str {
    match view {
        MetricView::Traces => "trace_info.timestamp_ms",
        MetricView::Spans => "spans.start_time_unix_nano",
        MetricView::Assessments => "assessments.trace_timestamp_ms",
    }
}

/// Keeps what lies within the question's time. Spans count with their trace, but their costs with their own start.
fn limit_time(query: &MetricQuery, subject: Subject, conditions: &mut Vec<String>, args: &mut Args) {
    let is_span_time = matches!(subject, Subject::OfSpanTime(_));
    let column = match query.view {
        MetricView::Spans if !is_span_time => time_column(MetricView::Traces),
        view => time_column(view),
    };
    let unit = if is_span_time { MS_NS } else { 1 };
    let mut limit = |comparator: &str, bound: i128| match i64::try_from(bound) {
        Ok(bound) => {
            conditions.push(format!("{column} {comparator} ?"));
            args.push(bound);
        }
        // Beyond all times that the column can hold.
        Err(_) if (bound > 0) == (comparator == ">=") => conditions.push("1 = 0".to_owned()),
        Err(_) => {}
    };
    if let Some(start_ms) = query.start_time_ms {
        limit(">=", i128::from(start_ms) * unit);
    }
    if let Some(end_ms) = query.end_time_ms {
        limit("<", (i128::from(end_ms) + 1) * unit);
    }
}

impl Subject {
    fn sql(self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Self::Column(column) | Self::OfSpanTime(column), _) => column.to_owned(),
            (Self::Distinct(column), _) => format!("DISTINCT {column}"),
            (Self::SpanDuration, Dialect::MySql) => {
                "FLOOR((spans.end_time_unix_nano - spans.start_time_unix_nano) / 1000000)".to_owned()
            }
            (Self::SpanDuration, _) => "(spans.end_time_unix_nano - spans.start_time_unix_nano) / 1000000".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use db::Value;

    use super::*;
    use crate::{experiment::ExperimentId, trace::metrics::Aggregation};

    fn statement(query: &MetricQuery, dialect: Dialect) -> (String, Vec<Value>) {
        let Query { sql, args } = metrics_query(query, &query.check().unwrap(), dialect).unwrap();
        assert_eq!(sql.matches('?').count(), args.len(), "{sql}");
        (sql, args)
    }

    fn query(view: MetricView, metric_name: &str, aggregation: Aggregation) -> MetricQuery {
        MetricQuery {
            experiment_ids: vec![ExperimentId(1)],
            view,
            metric_name: metric_name.to_owned(),
            aggregations: vec![aggregation],
            dimensions: Vec::new(),
            filters: Vec::new(),
            time_interval_s: None,
            start_time_ms: None,
            end_time_ms: None,
            max_results: 10,
        }
    }

    #[test]
    fn one_statement_counts_by_time_and_name() {
        let asked = MetricQuery {
            dimensions: vec!["trace_name".to_owned()],
            filters: vec!["trace.status = 'OK'".to_owned()],
            time_interval_s: Some(60),
            start_time_ms: Some(5),
            end_time_ms: Some(9),
            ..query(MetricView::Traces, "trace_count", Aggregation::Count)
        };
        let (sql, args) = statement(&asked, Dialect::Postgres);
        assert_eq!(
            sql,
            "SELECT trace_info.timestamp_ms - (((trace_info.timestamp_ms % 60000) + 60000) % 60000), \
             trace_info.trace_name, COUNT(trace_info.request_id) FROM trace_info WHERE trace_info.experiment_id IN (?) \
             AND trace_info.status = ? AND trace_info.timestamp_ms >= ? AND trace_info.timestamp_ms < ? \
             AND trace_info.request_id IS NOT NULL AND trace_info.trace_name IS NOT NULL \
             GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ?"
        );
        assert_eq!(args, [1_i64.into(), "OK".into(), 5_i64.into(), 10_i64.into(), 10_i64.into()]);
    }

    #[test]
    fn times_beyond_all_times_hold_for_all_or_for_none() {
        let costs = query(MetricView::Spans, "total_cost", Aggregation::Sum);
        let check = |start_time_ms, end_time_ms, expect: &str| {
            let (sql, _) = statement(&MetricQuery { start_time_ms, end_time_ms, ..costs.clone() }, Dialect::Sqlite);
            let limits = sql.split_once("IN (?)").unwrap().1.split_once(" AND spans.total_cost").unwrap().0;
            assert_eq!(limits, expect, "{start_time_ms:?} to {end_time_ms:?}");
        };
        check(None, None, "");
        check(Some(i64::MIN), Some(i64::MAX), "");
        check(Some(i64::MAX), None, " AND 1 = 0");
        check(None, Some(i64::MIN), " AND 1 = 0");
        check(Some(1), None, " AND spans.start_time_unix_nano >= ?");
    }
}
