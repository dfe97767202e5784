//! What the fuzzer and the property tests call: texts of strangers, read as a search reads them.

use db::Dialect;

use crate::{
    experiment::{ExperimentId, ViewType},
    model::{ModelOrder, ModelSearch},
    search::{self, Query},
};

/// Reads a text as the filter and as the order of every search, for each database. It must not panic, and a search that
/// is accepted binds each of its values.
pub fn search(text: &str) {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        searches(text, &[], dialect);
        searches("", &[text.to_owned()], dialect);
    }
}

fn searches(filter: &str, order_by: &[String], dialect: Dialect) {
    let experiments = [ExperimentId(1)];
    let models = ModelSearch {
        experiment_ids: experiments.to_vec(),
        filter: filter.to_owned(),
        order_by: order_by.iter().map(|field| order(field)).collect(),
        datasets: Vec::new(),
        max_results: 100,
        page_token: None,
    };
    let found = [
        search::runs_query(&experiments, filter, order_by, ViewType::All, dialect),
        search::experiments_query(filter, order_by, ViewType::All, dialect),
        search::models_query(&models, dialect),
        search::traces_query(&experiments, filter, order_by, dialect),
    ];
    for Query { sql, args } in found.into_iter().flatten() {
        assert_eq!(sql.matches('?').count(), args.len(), "{sql}");
    }
}

fn order(field: &str) -> ModelOrder {
    ModelOrder { field_name: field.to_owned(), ascending: true, dataset_name: None, dataset_digest: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Pieces that filters are made of, whole and broken.
    const PIECES: &[&str] = &[
        "metrics.loss",
        "params.`my key`",
        "tags.\"a.b\"",
        "attributes.start_time",
        "run_name",
        "status",
        "experiment_id",
        "datasets.name",
        "dataset.context",
        "name",
        "creation_time",
        "timestamp",
        "timestamp_ms",
        "trace.status",
        "span.name",
        "span.attributes.x",
        "span.content",
        "feedback.q",
        "expectation.a",
        "issue.id",
        "prompt",
        "run_id",
        "metadata.mlflow.trace.session",
        "metadata.mlflow.trace.tokenUsage",
        "model_type",
        "source_run_id",
        "=",
        "!=",
        "<",
        ">=",
        "==",
        "LIKE",
        "ILIKE",
        "RLIKE",
        "NOT LIKE",
        "IN",
        "NOT IN",
        "IS NULL",
        "IS NOT NULL",
        "AND",
        "and",
        "OR",
        "'x'",
        "\"x\"",
        "''",
        "'it''s'",
        "'%_\\'",
        "1",
        "-2.5e-7",
        "1e400",
        "99999999999999999999",
        "0x1F",
        "('a', 'b')",
        "('a')",
        "()",
        "(1,)",
        "(",
        ")",
        ",",
        ";",
        ".",
        "DESC",
        "asc",
        "NULL",
        "f(x)",
        "a::int",
        "--",
        "'",
        "`",
        "é",
    ];

    proptest! {
        #[test]
        fn no_text_breaks_a_search(text in any::<String>()) {
            super::search(&text);
        }

        #[test]
        fn no_filter_breaks_a_search(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12),
            space in prop::sample::select(&[" ", "", "\n"][..]),
        ) {
            super::search(&pieces.join(space));
        }

        #[test]
        fn no_mutation_of_a_filter_breaks_a_search(
            place in 0_usize..90,
            length in 0_usize..4,
            with in "[ -~é\n]{0,3}",
        ) {
            let filter = "metrics.`a b` >= -1.5e3 AND tags.\"x.y\" ILIKE '%z' AND run_id IN ('a', 'b') AND params.p IS NULL";
            let mut letters: Vec<char> = filter.chars().collect();
            let end = (place + length).min(letters.len());
            letters.splice(place.min(end)..end, with.chars());
            super::search(&letters.into_iter().collect::<String>());
        }
    }
}
