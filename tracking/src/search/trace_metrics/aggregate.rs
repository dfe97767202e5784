//! Groups and their aggregated values as SQL.

use db::Dialect;

use crate::trace::metrics::Aggregation;

/// Rows in groups, of which one value each is aggregated.
#[derive(Debug)]
pub(super) struct Grouped {
    /// What the rows of a group have in common.
    pub(super) groups: Vec<String>,
    /// The value, which may begin with `DISTINCT`.
    pub(super) value: String,
    /// Tables and conditions.
    pub(super) from: String,
}

impl Grouped {
    /// The statement; it ends in a mark for the number of rows.
    ///
    /// PostgreSQL knows percentiles. Elsewhere the rows of a group are numbered first. MySQL's are MLflow's: it takes ranks
    /// that equal values share, so that a percentile next to equal values is another one than PostgreSQL's.
    pub(super) fn sql(self, aggregations: &[Aggregation], dialect: Dialect) -> String {
        let has_percentile = aggregations.iter().any(|it| matches!(it, Aggregation::Percentile(_)));
        let inner = match dialect {
            Dialect::Sqlite if has_percentile => self.numbered(),
            Dialect::MySql if has_percentile => self.ranked(),
            _ => self,
        };
        let Self { groups, value, from } = inner;
        let places: Vec<String> = (1..=groups.len()).map(|place| place.to_string()).collect();
        let by = match places.join(", ") {
            places if places.is_empty() => String::new(),
            places => format!(" GROUP BY {places} ORDER BY {places}"),
        };
        let values = aggregations.iter().map(|it| aggregated(*it, &value, dialect));
        let columns: Vec<String> = groups.into_iter().chain(values).collect();
        format!("SELECT {} FROM {from}{by} LIMIT ?", columns.join(", "))
    }

    /// The rows of each group numbered from 0 by their value, with their count.
    fn numbered(self) -> Self {
        let value = self.value.clone();
        let within = self.partition();
        self.within(&format!(
            "ROW_NUMBER() OVER ({within} ORDER BY {value}) - 1 AS place, COUNT(*) OVER ({within}) - 1 AS last"
        ))
    }

    /// The rows of each group with their rank by their value: 0 for the smallest, 1 for the last.
    fn ranked(self) -> Self {
        let window = format!("PERCENT_RANK() OVER ({} ORDER BY {}) AS share", self.partition(), self.value);
        self.within(&window)
    }

    fn partition(&self) -> String {
        if self.groups.is_empty() { String::new() } else { format!("PARTITION BY {}", self.groups.join(", ")) }
    }

    /// The same rows with more columns, as a table.
    fn within(self, more: &str) -> Self {
        let names: Vec<String> = (0..self.groups.len()).map(|place| format!("g{place}")).collect();
        let mut columns: Vec<String> =
            self.groups.iter().zip(&names).map(|(group, name)| format!("{group} AS {name}")).collect();
        columns.push(format!("{} AS v, {more}", self.value));
        let from = format!("(SELECT {} FROM {}) AS grouped", columns.join(", "), self.from);
        Self { groups: names, value: "v".to_owned(), from }
    }
}

fn aggregated(aggregation: Aggregation, value: &str, dialect: Dialect) -> String {
    match (aggregation, dialect) {
        (Aggregation::Count, _) => format!("COUNT({value})"),
        (Aggregation::Sum, _) => format!("SUM({value})"),
        // As the nearest float: a decimal number has more digits than a float holds.
        (Aggregation::Avg, Dialect::Postgres) => format!("CAST(AVG({value}) AS DOUBLE PRECISION)"),
        (Aggregation::Avg, _) => format!("AVG({value})"),
        (Aggregation::Min, _) => format!("MIN({value})"),
        (Aggregation::Max, _) => format!("MAX({value})"),
        (Aggregation::Percentile(share), Dialect::Postgres) => {
            format!("percentile_cont({}) WITHIN GROUP (ORDER BY {value})", share_of_one(share))
        }
        (Aggregation::Percentile(share), Dialect::Sqlite) => between_neighbours(share, value),
        (Aggregation::Percentile(share), Dialect::MySql) => between_ranks(share, value),
    }
}

/// The value at a share of the way through the numbered rows, between two of them where it falls between them.
fn between_neighbours(share: f64, value: &str) -> String {
    let at = format!("({} * last)", share_of_one(share));
    let below = format!("CAST({at} AS INTEGER)");
    let low = format!("MAX(CASE WHEN place = {below} THEN {value} END)");
    let high = format!("MAX(CASE WHEN place = MIN({below} + 1, last) THEN {value} END)");
    format!("{low} + (MAX({at}) - MAX({below})) * ({high} - {low})")
}

/// The value at a share of all ranks, between two of them where no row has that rank.
fn between_ranks(share: f64, value: &str) -> String {
    let share = share_of_one(share);
    let low = format!("MAX(CASE WHEN share <= {share} THEN {value} END)");
    let high = format!("MIN(CASE WHEN share >= {share} THEN {value} END)");
    let low_rank = format!("MAX(CASE WHEN share <= {share} THEN share END)");
    let high_rank = format!("MIN(CASE WHEN share >= {share} THEN share END)");
    format!("COALESCE({low} + ({high} - {low}) * ({share} - {low_rank}) / NULLIF({high_rank} - {low_rank}, 0), {low})")
}

/// A percentile (0 to 100) as a share of 1, with an exponent, so that MySQL takes it for a float.
fn share_of_one(percentile: f64) -> String {
    format!("{:e}", percentile / 100.0)
}
