//! Searching runs by metrics, params, tags, attributes and datasets.

mod condition;
mod order;
mod sql;
mod subject;

use condition::{Clause, Condition, Keyed};
use db::Dialect;
use sql::Joined;

use super::{
    Query,
    compile::{Args, TextTest},
    parser::{Grammar, parse},
};
use crate::{
    Error, Result,
    experiment::{ExperimentId, ViewType},
    store::in_list,
};

/// Keys at most that a search filters and sorts by: each is a join, and SQLite joins at most 64 tables.
const KEYS_MAX: usize = 60;
/// Experiments at most that a search looks in: each is one of the values that a statement can have.
const EXPERIMENTS_MAX: usize = 10_000;

/// Joins, conditions and order of a search over the table `runs`.
pub(crate) fn runs_query(
    experiment_ids: &[ExperimentId],
    filter: &str,
    order_by: &[String],
    view: ViewType,
    dialect: Dialect,
) -> Result<Query> {
    let clauses = parse(filter, Grammar::Runs)?.into_iter().map(Clause::read).collect::<Result<Vec<_>>>()?;
    let sorted = order::sort(order_by, dialect)?;
    let mut conditions = clauses.into_iter().map(Clause::condition).collect::<Result<Vec<_>>>()?;
    conditions.sort_by_key(Condition::width);
    let keyed = conditions.iter().filter(|condition| matches!(condition, Condition::Keyed(_))).count();
    if keyed + order_by.len() > KEYS_MAX {
        return Err(Error::invalid(format!(
            "A search may filter and sort by at most {KEYS_MAX} metrics, params and tags together; this one has {}.",
            keyed + order_by.len()
        )));
    }
    if experiment_ids.len() > EXPERIMENTS_MAX {
        return Err(Error::invalid(format!(
            "A search may look in at most {EXPERIMENTS_MAX} experiments; this one names {}.",
            experiment_ids.len()
        )));
    }
    let mut joined = Joined::new(dialect);
    let mut args = Args::new(dialect);
    let (marks, ids) = in_list(experiment_ids.iter().map(|id| id.0));
    args.extend(ids);
    let stages: Vec<String> = view.stages().iter().map(|stage| format!("'{stage}'")).collect();
    let mut tests =
        vec![format!("runs.experiment_id IN ({marks})"), format!("runs.lifecycle_stage IN ({})", stages.join(", "))];
    for (place, condition) in conditions.into_iter().enumerate() {
        match condition {
            Condition::Keyed(Keyed::Text { table, key, test: test @ TextTest::Equal(_) }) if place == 0 => {
                tests.push(sql::lookup(table, &key, test, &mut args));
            }
            Condition::Keyed(condition) => condition.join(&format!("filter_{place}"), &mut joined),
            Condition::Own(condition) => tests.push(condition.sql(&mut args)),
        }
    }
    let sql = format!("{}{}WHERE {} ORDER BY {}", joined.sql, sorted.joined.sql, tests.join(" AND "), sorted.order);
    let args = [joined.args.values, sorted.joined.args.values, args.values].concat();
    Ok(Query { sql, args })
}

#[cfg(test)]
mod tests {
    use db::Value;
    use proptest::prelude::*;

    use super::*;

    fn query(filter: &str, order_by: &[&str]) -> Result<Query> {
        let order_by: Vec<String> = order_by.iter().map(|clause| (*clause).to_owned()).collect();
        runs_query(&[ExperimentId(1)], filter, &order_by, ViewType::ActiveOnly, Dialect::Sqlite)
    }

    #[test]
    fn a_search_is_one_statement_with_bound_values() {
        let found = query("metrics.a > 1 AND params.b LIKE 'x%' AND attr.status = \"DONE\"", &["metrics.m DESC"]);
        let found = found.unwrap();
        assert_eq!(
            found.sql,
            "JOIN params AS filter_0 ON filter_0.run_uuid = runs.run_uuid AND filter_0.\"key\" = ? AND filter_0.value \
             LIKE ? JOIN latest_metrics AS filter_1 ON filter_1.run_uuid = runs.run_uuid AND filter_1.\"key\" = ? AND \
             (filter_1.value > ? AND NOT filter_1.is_nan) LEFT JOIN latest_metrics AS sort_0 ON sort_0.run_uuid = \
             runs.run_uuid AND sort_0.\"key\" = ? WHERE runs.experiment_id IN (?) AND runs.lifecycle_stage IN \
             ('active') AND runs.status = ? ORDER BY CASE WHEN sort_0.is_nan THEN 1 WHEN sort_0.value IS NULL THEN 2 \
             ELSE 0 END, sort_0.value DESC, runs.start_time DESC, runs.run_uuid"
        );
        let expect: Vec<Value> =
            vec!["b".into(), "x%".into(), "a".into(), 1.0.into(), "m".into(), 1_i64.into(), "DONE".into()];
        assert_eq!(found.args, expect);
    }

    #[test]
    fn the_narrowest_condition_is_looked_up_first() {
        let found = query("metrics.a > 1 AND params.b = 'x' AND tags.c = 'y'", &["start_time"]).unwrap();
        assert_eq!(
            found.sql,
            "JOIN tags AS filter_1 ON filter_1.run_uuid = runs.run_uuid AND filter_1.\"key\" = ? AND filter_1.value = ? \
             JOIN latest_metrics AS filter_2 ON filter_2.run_uuid = runs.run_uuid AND filter_2.\"key\" = ? AND \
             (filter_2.value > ? AND NOT filter_2.is_nan) WHERE runs.experiment_id IN (?) AND runs.lifecycle_stage IN \
             ('active') AND runs.run_uuid IN (SELECT params.run_uuid FROM params WHERE params.\"key\" = ? AND params.value = ?) ORDER BY \
             CASE WHEN runs.start_time IS NULL THEN 1 ELSE 0 END, runs.start_time ASC, runs.run_uuid"
        );
        let expect: Vec<Value> =
            vec!["c".into(), "y".into(), "a".into(), 1.0.into(), 1_i64.into(), "b".into(), "x".into()];
        assert_eq!(found.args, expect);
    }

    #[test]
    fn what_cannot_be_searched_is_said() {
        let check = |filter: &str, expect: &str| {
            let message = query(filter, &[]).unwrap_err().to_string();
            assert!(message.starts_with(expect), "{filter}: {message}");
        };
        check("attributes.foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{");
        check(
            "foo.bar = 'x'",
            "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute'",
        );
        check("metrics.a = 'x'", "Expected numeric value type for metric. Found 'x'");
        check("metrics.a LIKE 1", "Invalid comparator 'LIKE' not one of '{'>', '>=");
        check("params.a = 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1");
        check("params.a = x", "Parameter value is either not quoted");
        check("params.a > 'x'", "Invalid comparator '>' not one of");
        check("tags.a RLIKE 'x'", "Invalid comparator 'RLIKE' not one of");
        check("status IN ('x')", "Only ['run_id'] attributes support comparison with a list");
        check(
            "run_id IN ()",
            "While parsing a list in the query, expected a non-empty list of string values, but got e",
        );
        check("run_id IN (1)", "While parsing a list in the query, expected string value, punctuation");
        check("run_id IN ('a' b)", "While parsing a list in the query, expected a non-empty list of string values, bu");
        check("run_id = ('a')", "Invalid comparator '=' not one of");
        check("start_time > 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'");
        check("metrics.a IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'a'");
        check("dataset.foo = 'x'", "Invalid dataset key 'foo' specified");
        check(&["metrics.a > 1"; 61].join(" AND "), "A search may filter and sort by at most 60 metrics");
        check(&format!("run_id IN ('x'{})", ",'x'".repeat(5_000)), "Error on parsing filter 'run_id IN ('x','x'");
        check(&format!("run_name LIKE '{}'", "%".repeat(50_001)), "A text in a filter may have at most 50000 bytes");
    }

    #[test]
    fn order_by_names_each_key_once() {
        let error = |order_by: &[&str]| query("", order_by).unwrap_err().to_string();
        let twice = error(&["start_time", "attributes.created DESC"]);
        assert_eq!(twice, "`order_by` contains duplicate fields: ['start_time', 'attributes.created DESC']");
        assert_eq!(error(&["dataset.name"]), "Invalid identifier type 'dataset'");
        assert!(query("", &["start_time"]).unwrap().sql.ends_with(
            "ORDER BY CASE WHEN runs.start_time IS NULL THEN 1 ELSE 0 END, runs.start_time ASC, runs.run_uuid"
        ));
    }

    proptest! {
        #[test]
        fn every_accepted_filter_binds_each_value(
            filter in r"(metrics\.a|params\.b|run_id|status|dataset\.name|start_time) (=|!=|<|LIKE|IN|IS NULL) ('x'|1|2\.5|\('a','b'\)|x)?( AND tags\.c = 'd')?"
        ) {
            if let Ok(found) = query(&filter, &["tags.x"]) {
                prop_assert_eq!(found.sql.matches('?').count(), found.args.len());
            }
        }
    }
}
