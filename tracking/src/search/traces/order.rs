//! The order of traces.

use db::Value;
use rest::python::repr_list;

use super::{
    super::parser::{parse_order, split_identifier},
    END_TIME, Subject, subject,
};
use crate::{Error, Result, trace::keys};

/// Order clauses as SQL, with the joins that bring their values in.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) joins: String,
    pub(super) join_args: Vec<Value>,
    pub(super) order: String,
}

/// Traces without the value come last in both directions; then the latest start.
pub(super) fn sort(order_by: &[String]) -> Result<Sorted> {
    let mut sorted = Sorted::default();
    let mut seen: Vec<String> = Vec::new();
    for (place, clause) in order_by.iter().enumerate() {
        let ordering = parse_order(clause)?;
        let direction = if ordering.is_ascending { "ASC" } else { "DESC" };
        let joined = format!("sort_{place}");
        let (field, column) = match sort_subject(&ordering.identifier)? {
            Key::Column(column) => (column.to_owned(), column.to_owned()),
            Key::Tag(key) => (format!("tag {key}"), sorted.join("trace_tags", &joined, &key)),
            Key::Metadata(key) => (format!("metadata {key}"), sorted.join("trace_request_metadata", &joined, &key)),
        };
        if seen.contains(&field) {
            return Err(Error::invalid(format!(
                "`order_by` contains duplicate fields: {}",
                repr_list(order_by.iter().map(String::as_str))
            )));
        }
        let term = format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END, {column} {direction}, ");
        sorted.order.push_str(&term);
        seen.push(field);
    }
    if !seen.iter().any(|it| it == "trace_info.timestamp_ms") {
        sorted.order.push_str("trace_info.timestamp_ms DESC, ");
    }
    sorted.order.push_str("trace_info.request_id");
    Ok(sorted)
}

enum Key {
    Column(&'static str),
    Tag(String),
    Metadata(String),
}

fn sort_subject(identifier: &str) -> Result<Key> {
    let (entity, key) = split_identifier(identifier);
    if key == "experiment_id" && matches!(entity, None | Some("attribute" | "attributes" | "trace")) {
        return Ok(Key::Column("trace_info.experiment_id"));
    }
    let refused = |kind: &str| Err(Error::invalid(format!("Invalid identifier type '{kind}'")));
    match subject(identifier)? {
        Subject::Number("end_time_ms", _) => Ok(Key::Column(END_TIME)),
        Subject::Number(_, column) | Subject::Text(column) => Ok(Key::Column(column)),
        Subject::Tag(key) => Ok(Key::Tag(key)),
        Subject::Metadata(key) if key == keys::TOKEN_USAGE || key == keys::COST => Err(Error::invalid(format!(
            "Ordering by reserved metadata '{key}' is not supported because it is represented by multiple columns."
        ))),
        Subject::Metadata(key) => Ok(Key::Metadata(key)),
        Subject::RunId => Ok(Key::Metadata(keys::SOURCE_RUN.to_owned())),
        Subject::Prompt => refused("prompt"),
        Subject::Span(_) => refused("span"),
        Subject::Assessment(kind, _) => refused(kind),
        Subject::Issue(_) => refused("issue"),
    }
}

impl Sorted {
    /// Joins the value of a key, and gives its column.
    fn join(&mut self, table: &str, joined: &str, key: &str) -> String {
        let join = format!(
            "LEFT JOIN {table} AS {joined} ON {joined}.request_id = trace_info.request_id AND {joined}.\"key\" = ? "
        );
        self.joins.push_str(&join);
        self.join_args.push(key.into());
        format!("{joined}.value")
    }
}
