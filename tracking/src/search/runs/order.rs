//! The order of found runs.

use db::Dialect;
use rest::python::repr_list;

use super::{
    sql::Joined,
    subject::{Attribute, Subject},
};
use crate::{Error, Result, search::parser::parse_order};

/// Order clauses as SQL, with the joins that bring their values in.
pub(super) struct Sorted {
    pub(super) joined: Joined,
    pub(super) order: String,
}

/// Runs without the value come last in both directions, runs whose metric is NaN before them; then the latest start.
pub(super) fn sort(order_by: &[String], dialect: Dialect) -> Result<Sorted> {
    let mut sorted = Sorted { joined: Joined::new(dialect), order: String::new() };
    let mut seen: Vec<Subject> = Vec::new();
    for (place, clause) in order_by.iter().enumerate() {
        let ordering = parse_order(clause)?;
        let subject = Subject::parse_in_order(&ordering.identifier)?;
        if seen.contains(&subject) {
            return Err(Error::invalid(format!(
                "`order_by` contains duplicate fields: {}",
                repr_list(order_by.iter().map(String::as_str))
            )));
        }
        let direction = if ordering.is_ascending { "ASC" } else { "DESC" };
        let name = format!("sort_{place}");
        let mut join = |table: &str, key: &str| {
            // An outer join, since runs without the value are sorted too.
            sorted.joined.args.push(key);
            sorted.joined.join("LEFT JOIN", table, &name, &format!("{name}.\"key\" = ?"));
            format!("{name}.value")
        };
        let column = match &subject {
            Subject::Metric(key) => join("latest_metrics", key),
            Subject::Param(key) => join("params", key),
            Subject::Tag(key) => join("tags", key),
            Subject::Attribute(attribute) => attribute.column().to_owned(),
            Subject::Dataset(_) => return Err(Error::invalid("Invalid identifier type 'dataset'")),
        };
        let rank = if let Subject::Metric(_) = subject {
            format!("CASE WHEN {name}.is_nan THEN 1 WHEN {column} IS NULL THEN 2 ELSE 0 END")
        } else {
            format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END")
        };
        sorted.order.extend([&rank, ", ", &column, " ", direction, ", "]);
        seen.push(subject);
    }
    if !seen.contains(&Subject::Attribute(Attribute::StartTime)) {
        sorted.order.push_str("runs.start_time DESC, ");
    }
    sorted.order.push_str("runs.run_uuid");
    Ok(sorted)
}
