//! What can be asked about many traces at once: counts, sums, averages and percentiles, by name, state or time.

use rest::python::{float, repr, repr_list};

use crate::{Error, Result, experiment::ExperimentId};

/// Aggregations at most in one question; each is a column of its answer.
const AGGREGATIONS_MAX: usize = 100;
/// Filters at most in one question, as in a search.
const FILTERS_MAX: usize = 100;
/// Data points at most in one answer, as many as a page of runs may have.
const POINTS_MAX: i64 = 50_000;
/// The longest time bucket (s), a century, so that the nanoseconds of two can be counted.
const INTERVAL_MAX_S: i64 = 100 * 366 * 86_400;

/// What the numbers are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricView {
    /// Whole traces.
    Traces,
    /// The steps within traces.
    Spans,
    /// What people and judges say of traces.
    Assessments,
}

/// How many values become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    /// How many there are.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The value that this share of them (0 to 100) does not exceed, between two values where it falls between them.
    Percentile(f64),
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// A question about the traces of some experiments.
#[derive(Clone, Debug)]
pub struct MetricQuery {
    /// The experiments.
    pub experiment_ids: Vec<ExperimentId>,
    /// What the numbers are about.
    pub view: MetricView,
    /// Which number, by MLflow's name.
    pub metric_name: String,
    /// What is made of the numbers.
    pub aggregations: Vec<Aggregation>,
    /// What the numbers are grouped by.
    pub dimensions: Vec<String>,
    /// Conditions that all have to hold, one comparison each.
    pub filters: Vec<String>,
    /// The length of the time buckets (s) that the numbers are grouped by.
    pub time_interval_s: Option<i64>,
    /// The first moment that counts (ms since 1970).
    pub start_time_ms: Option<i64>,
    /// The last moment that counts (ms since 1970).
    pub end_time_ms: Option<i64>,
    /// Data points at most in the answer.
    pub max_results: i64,
}

/// The numbers of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct DataPoint {
    /// What the group has in common, by dimension; `time_bucket` is the bucket's begin.
    pub dimensions: Vec<(&'static str, String)>,
    /// The aggregated values by their aggregation's name, such as `AVG` and `P99.0`.
    pub values: Vec<(String, f64)>,
}

/// A number that traces, spans or assessments have.
#[derive(Debug, PartialEq)]
pub(crate) struct Metric {
    name: &'static str,
    pub(crate) subject: Subject,
    aggregations: &'static [&'static str],
    dimensions: &'static [Dimension],
}

/// What is aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A column.
    Column(&'static str),
    /// The different values of a column.
    Distinct(&'static str),
    /// A column of spans that are looked for by their own start, and not by their trace's.
    OfSpanTime(&'static str),
    /// How long a span took (ms).
    SpanDuration,
}

/// What groups have in common: MLflow's name and the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dimension {
    pub(crate) name: &'static str,
    pub(crate) column: &'static str,
}

/// A question that MLflow's rules allow.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) metric: &'static Metric,
    /// Each once.
    pub(crate) dimensions: Vec<Dimension>,
    pub(crate) interval_s: Option<i64>,
}

const COUNT: &[&str] = &["COUNT"];
const RANGE: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE"];
const AMOUNT: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE", "SUM"];

const fn dimension(name: &'static str, column: &'static str) -> Dimension {
    Dimension { name, column }
}

const TRACE_NAME: Dimension = dimension("trace_name", "trace_info.trace_name");
const SPAN_NAME: Dimension = dimension("span_name", "spans.name");
const SPAN_STATUS: Dimension = dimension("span_status", "spans.status");
const SPAN_MODEL: Dimension = dimension("span_model_name", "spans.model_name");
const SPAN_PROVIDER: Dimension = dimension("span_model_provider", "spans.model_provider");
const ASSESSMENT_NAME: Dimension = dimension("assessment_name", "assessments.name");

const fn metric(
    name: &'static str,
    subject: Subject,
    aggregations: &'static [&'static str],
    dimensions: &'static [Dimension],
) -> Metric {
    Metric { name, subject, aggregations, dimensions }
}

/// Numbers of whole traces, in MLflow's order.
const OF_TRACES: &[Metric] = &[
    metric(
        "trace_count",
        Subject::Column("trace_info.request_id"),
        COUNT,
        &[TRACE_NAME, dimension("trace_status", "trace_info.status")],
    ),
    metric("session_count", Subject::Distinct("trace_info.session_id"), COUNT, &[]),
    metric("latency", Subject::Column("trace_info.execution_time_ms"), RANGE, &[TRACE_NAME]),
    metric("input_tokens", Subject::Column("trace_info.input_tokens"), AMOUNT, &[TRACE_NAME]),
    metric("output_tokens", Subject::Column("trace_info.output_tokens"), AMOUNT, &[TRACE_NAME]),
    metric("total_tokens", Subject::Column("trace_info.total_tokens"), AMOUNT, &[TRACE_NAME]),
    metric("cache_read_input_tokens", Subject::Column("trace_info.cache_read_input_tokens"), AMOUNT, &[TRACE_NAME]),
    metric(
        "cache_creation_input_tokens",
        Subject::Column("trace_info.cache_creation_input_tokens"),
        AMOUNT,
        &[TRACE_NAME],
    ),
];

/// Numbers of spans, in MLflow's order.
const OF_SPANS: &[Metric] = &[
    metric(
        "span_count",
        Subject::Column("spans.span_id"),
        COUNT,
        &[SPAN_NAME, dimension("span_type", "spans.type"), SPAN_STATUS, SPAN_MODEL, SPAN_PROVIDER],
    ),
    metric("latency", Subject::SpanDuration, RANGE, &[SPAN_NAME, SPAN_STATUS]),
    metric("input_cost", Subject::OfSpanTime("spans.input_cost"), AMOUNT, &[SPAN_MODEL, SPAN_PROVIDER]),
    metric("output_cost", Subject::OfSpanTime("spans.output_cost"), AMOUNT, &[SPAN_MODEL, SPAN_PROVIDER]),
    metric("total_cost", Subject::OfSpanTime("spans.total_cost"), AMOUNT, &[SPAN_MODEL, SPAN_PROVIDER]),
];

/// Numbers of assessments, in MLflow's order.
const OF_ASSESSMENTS: &[Metric] = &[
    metric(
        "assessment_count",
        Subject::Column("assessments.assessment_id"),
        COUNT,
        &[ASSESSMENT_NAME, dimension("assessment_value", "assessments.value")],
    ),
    metric("assessment_value", Subject::Column("assessments.aggregate_value"), RANGE, &[ASSESSMENT_NAME]),
];

impl MetricView {
    /// The names and numbers that requests may use.
    pub(crate) const CHOICES: &[(&str, Self)] = &[
        ("TRACES", Self::Traces),
        ("SPANS", Self::Spans),
        ("ASSESSMENTS", Self::Assessments),
        ("1", Self::Traces),
        ("2", Self::Spans),
        ("3", Self::Assessments),
    ];

    /// MLflow's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Spans => "SPANS",
            Self::Assessments => "ASSESSMENTS",
        }
    }

    fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Traces => OF_TRACES,
            Self::Spans => OF_SPANS,
            Self::Assessments => OF_ASSESSMENTS,
        }
    }
}

impl Aggregation {
    /// The kinds by the names and numbers that requests may use; a percentile's share is a field of its own.
    pub(crate) const CHOICES: &[(&str, Self)] = &[
        ("COUNT", Self::Count),
        ("SUM", Self::Sum),
        ("AVG", Self::Avg),
        ("PERCENTILE", Self::Percentile(0.0)),
        ("MIN", Self::Min),
        ("MAX", Self::Max),
        ("1", Self::Count),
        ("2", Self::Sum),
        ("3", Self::Avg),
        ("4", Self::Percentile(0.0)),
        ("5", Self::Min),
        ("6", Self::Max),
    ];

    /// The aggregation of a kind, with its share where it is a percentile.
    pub(crate) fn new(kind: Self, share: Option<f64>) -> Result<Self> {
        match (kind, share) {
            (Self::Percentile(_), None) => {
                Err(Error::invalid("Percentile value is required for PERCENTILE aggregation"))
            }
            (Self::Percentile(_), Some(share)) if (0.0..=100.0).contains(&share) => Ok(Self::Percentile(share)),
            (Self::Percentile(_), Some(share)) => {
                let shown = float(share);
                Err(Error::invalid(format!("Percentile value must be between 0 and 100, got {shown}")))
            }
            (kind, Some(_)) => Err(Error::invalid(format!(
                "Percentile value is only allowed for PERCENTILE aggregation type, got {}",
                kind.kind_name()
            ))),
            (kind, None) => Ok(kind),
        }
    }

    fn kind_name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Percentile(_) => "PERCENTILE",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }

    /// The name of its values in the answer.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Percentile(share) => format!("P{}", float(share)),
            other => other.kind_name().to_owned(),
        }
    }
}

impl MetricQuery {
    /// Holds the question against what its metric allows.
    pub(crate) fn check(&self) -> Result<Checked> {
        let metrics = self.view.metrics();
        let metric = metrics.iter().find(|it| it.name == self.metric_name).ok_or_else(|| {
            let names = repr_list(metrics.iter().map(|it| it.name));
            Error::invalid(format!("metric_name must be one of {names}, got '{}'", self.metric_name))
        })?;
        let kinds = self.aggregations.iter().map(|it| it.kind_name());
        if let Some(strangers) = not_among(kinds, metric.aggregations) {
            return Err(Error::invalid(format!(
                "Found invalid aggregation_type(s): {strangers}. Supported aggregation types: {}",
                repr_list(metric.aggregations.iter().copied())
            )));
        }
        let mut names: Vec<&str> = metric.dimensions.iter().map(|it| it.name).collect();
        names.sort_unstable();
        if let Some(strangers) = not_among(self.dimensions.iter().map(String::as_str), &names) {
            return Err(Error::invalid(format!(
                "Found invalid dimension(s): {strangers}. Supported dimensions: {}",
                repr_list(names)
            )));
        }
        let interval_s = self.time_interval_s.filter(|it| *it != 0);
        if interval_s.is_some() && (self.start_time_ms.is_none() || self.end_time_ms.is_none()) {
            return Err(Error::invalid("start_time_ms and end_time_ms are required if time_interval_seconds is set"));
        }
        self.check_bounds(interval_s)?;
        let mut dimensions: Vec<Dimension> = Vec::new();
        for name in &self.dimensions {
            let named = metric.dimensions.iter().filter(|it| it.name == name && !dimensions.contains(it));
            dimensions.extend(named.copied().collect::<Vec<_>>());
        }
        Ok(Checked { metric, dimensions, interval_s })
    }

    /// What MLflow leaves to the database to refuse, or does not bound.
    fn check_bounds(&self, interval_s: Option<i64>) -> Result<()> {
        if let Some(interval_s) = interval_s.filter(|it| !(1..=INTERVAL_MAX_S).contains(it)) {
            return Err(Error::invalid(format!(
                "Invalid value {interval_s} for parameter 'time_interval_seconds' supplied. It must be at least 1 and \
                 at most {INTERVAL_MAX_S}."
            )));
        }
        if !(0..=POINTS_MAX).contains(&self.max_results) {
            return Err(Error::invalid(format!(
                "Invalid value {} for parameter 'max_results' supplied. It must be at least 0 and at most {POINTS_MAX}.",
                self.max_results
            )));
        }
        let too_many = |what: &str, max: usize, count: usize| {
            Error::invalid(format!("A query may have at most {max} {what}, and this one has {count}."))
        };
        if self.aggregations.len() > AGGREGATIONS_MAX {
            return Err(too_many("aggregations", AGGREGATIONS_MAX, self.aggregations.len()));
        }
        if self.filters.len() > FILTERS_MAX {
            return Err(too_many("filters", FILTERS_MAX, self.filters.len()));
        }
        Ok(())
    }
}

/// Those of `names` that are not known, sorted and as Python shows them.
fn not_among<'n>(names: impl Iterator<Item = &'n str>, known: &[&str]) -> Option<String> {
    let mut strangers: Vec<&str> = names.filter(|it| !known.contains(it)).collect();
    strangers.sort_unstable();
    strangers.dedup();
    let shown: Vec<String> = strangers.into_iter().map(repr).collect();
    (!shown.is_empty()).then(|| format!("[{}]", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(metric_name: &str, aggregations: &[Aggregation], dimensions: &[&str]) -> MetricQuery {
        MetricQuery {
            experiment_ids: Vec::new(),
            view: MetricView::Traces,
            metric_name: metric_name.to_owned(),
            aggregations: aggregations.to_vec(),
            dimensions: dimensions.iter().map(|it| (*it).to_owned()).collect(),
            filters: Vec::new(),
            time_interval_s: None,
            start_time_ms: None,
            end_time_ms: None,
            max_results: 10,
        }
    }

    #[test]
    fn a_percentile_has_a_share_and_nothing_else_has() {
        let check = |kind, share, expect: &str| {
            let made = Aggregation::new(kind, share).map_or_else(|error| error.to_string(), Aggregation::label);
            assert_eq!(made, expect);
        };
        check(Aggregation::Percentile(0.0), Some(99.0), "P99.0");
        check(Aggregation::Percentile(0.0), Some(99.95), "P99.95");
        check(Aggregation::Avg, None, "AVG");
        check(Aggregation::Percentile(0.0), None, "Percentile value is required for PERCENTILE aggregation");
        check(Aggregation::Percentile(0.0), Some(101.0), "Percentile value must be between 0 and 100, got 101.0");
        check(Aggregation::Percentile(0.0), Some(f64::NAN), "Percentile value must be between 0 and 100, got NaN");
        check(Aggregation::Min, Some(1.0), "Percentile value is only allowed for PERCENTILE aggregation type, got MIN");
    }

    #[test]
    fn a_dimension_groups_once() {
        let checked = query("trace_count", &[Aggregation::Count], &["trace_name", "trace_name"]).check().unwrap();
        assert_eq!(checked.dimensions, [TRACE_NAME]);
    }

    #[test]
    fn what_a_metric_does_not_have_is_named() {
        let check = |query: MetricQuery, expect: &str| assert_eq!(query.check().unwrap_err().to_string(), expect);
        check(
            query("latency", &[Aggregation::Sum, Aggregation::Count, Aggregation::Sum], &[]),
            "Found invalid aggregation_type(s): ['COUNT', 'SUM']. Supported aggregation types: ['AVG', 'MAX', 'MIN', \
             'PERCENTILE']",
        );
        check(
            query("trace_count", &[Aggregation::Count], &["x"]),
            "Found invalid dimension(s): ['x']. Supported dimensions: ['trace_name', 'trace_status']",
        );
        let buckets = MetricQuery { time_interval_s: Some(60), ..query("trace_count", &[], &[]) };
        check(buckets.clone(), "start_time_ms and end_time_ms are required if time_interval_seconds is set");
        check(
            MetricQuery { time_interval_s: Some(-1), start_time_ms: Some(0), end_time_ms: Some(1), ..buckets },
            "Invalid value -1 for parameter 'time_interval_seconds' supplied. It must be at least 1 and at most \
             3162240000.",
        );
    }
}
