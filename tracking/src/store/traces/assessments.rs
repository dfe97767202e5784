//! Assessments of traces.

use std::collections::HashMap;

use db::{Db, OnConflict, Tx, Value};
use serde_json::{Map, Value as Json, json};

use super::no_trace;
use crate::{
    Error, Result,
    assessment::{Assessment, AssessmentError, AssessmentUpdate, SourceKind, Verdict, aggregate_value},
    store::{Store, in_list, now_ms},
    trace::{TraceInfo, text::python_json},
};

const COLUMNS: &str = "assessment_id, trace_id, name, assessment_type, value, error, created_timestamp, \
                       last_updated_timestamp, source_type, source_id, run_id, span_id, rationale, overrides, valid, \
                       assessment_metadata";

/// The columns that a change of an assessment may change.
const CHANGING: [&str; 9] = [
    "name",
    "value",
    "error",
    "last_updated_timestamp",
    "rationale",
    "valid",
    "assessment_metadata",
    "aggregate_value",
    "is_numeric_value",
];

struct Row {
    assessment_id: String,
    trace_id: String,
    name: String,
    assessment_type: String,
    value: String,
    error: Option<String>,
    created_timestamp: i64,
    last_updated_timestamp: i64,
    source_type: String,
    source_id: Option<String>,
    run_id: Option<String>,
    span_id: Option<String>,
    rationale: Option<String>,
    overrides: Option<String>,
    valid: bool,
    assessment_metadata: Option<String>,
}

db::record!(Row {
    assessment_id,
    trace_id,
    name,
    assessment_type,
    value,
    error,
    created_timestamp,
    last_updated_timestamp,
    source_type,
    source_id,
    run_id,
    span_id,
    rationale,
    overrides,
    valid,
    assessment_metadata,
});

impl Store {
    /// Adds an assessment to a trace; the one that it overrides does not count any more.
    pub async fn create_assessment(&self, assessment: Assessment) -> Result<Assessment> {
        assessment.check()?;
        let stored = assessment.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let (experiment_id, timestamp_ms) = place(tx, &stored.trace_id).await?;
                    if let Some(old) = &stored.overrides {
                        let args = vec![stored.trace_id.as_str().into(), old.as_str().into()];
                        let sql = "UPDATE assessments SET valid = FALSE WHERE trace_id = ? AND assessment_id = ?";
                        if tx.execute(sql, args).await? == 0 {
                            return Err(not_found(&stored.trace_id, old));
                        }
                    }
                    let taken = stored.assessment_id.clone();
                    write(tx, vec![values(&stored, experiment_id, timestamp_ms)], OnConflict::Error).await.map_err(
                        |error| match error {
                            Error::Database(db::Error::Constraint(_)) => {
                                Error::AlreadyExists(format!("Assessment with ID '{taken}' already exists"))
                            }
                            other => other,
                        },
                    )
                })
            })
            .await?;
        Ok(assessment)
    }

    /// One assessment of a trace.
    pub async fn assessment(&self, trace_id: &str, assessment_id: &str) -> Result<Assessment> {
        let sql = format!("SELECT {COLUMNS} FROM assessments WHERE trace_id = ? AND assessment_id = ?");
        let row: Option<Row> = self.db.fetch_optional(sql, vec![trace_id.into(), assessment_id.into()]).await?;
        if let Some(row) = row {
            return row.try_into();
        }
        self.trace_info(trace_id).await?;
        Err(not_found(trace_id, assessment_id))
    }

    /// Changes an assessment.
    pub async fn update_assessment(
        &self,
        trace_id: &str,
        assessment_id: &str,
        update: AssessmentUpdate,
    ) -> Result<Assessment> {
        let (trace_id, assessment_id) = (trace_id.to_owned(), assessment_id.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let (experiment_id, timestamp_ms) = place(tx, &trace_id).await?;
                    let lock = tx.for_update();
                    let sql =
                        format!("SELECT {COLUMNS} FROM assessments WHERE trace_id = ? AND assessment_id = ?{lock}");
                    let args = vec![trace_id.as_str().into(), assessment_id.as_str().into()];
                    let row: Option<Row> = tx.fetch_optional(sql, args).await?;
                    let old: Assessment = row.ok_or_else(|| not_found(&trace_id, &assessment_id))?.try_into()?;
                    let new = updated(old, update)?;
                    let replace = OnConflict::Update { key: &["assessment_id"], columns: &CHANGING };
                    write(tx, vec![values(&new, experiment_id, timestamp_ms)], replace).await?;
                    Ok(new)
                })
            })
            .await
    }

    /// Deletes an assessment; the one that it replaced counts again. Deleting nothing is fine.
    pub async fn delete_assessment(&self, trace_id: &str, assessment_id: &str) -> Result<()> {
        let (trace_id, assessment_id) = (trace_id.to_owned(), assessment_id.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    place(tx, &trace_id).await?;
                    let ids = || vec![trace_id.as_str().into(), assessment_id.as_str().into()];
                    let sql = "UPDATE assessments SET valid = TRUE WHERE assessment_id = \
                               (SELECT overrides FROM assessments WHERE trace_id = ? AND assessment_id = ?)";
                    tx.execute(sql, ids()).await?;
                    tx.execute("DELETE FROM assessments WHERE trace_id = ? AND assessment_id = ?", ids()).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The assessments of traces by the traces' ids, in the order in which they were made.
pub(super) async fn of_traces(db: &Db, trace_ids: &[&str]) -> Result<HashMap<String, Vec<Assessment>>> {
    let (marks, args) = in_list(trace_ids.iter().copied());
    let sql = format!(
        "SELECT {COLUMNS} FROM assessments WHERE trace_id IN ({marks}) ORDER BY created_timestamp, assessment_id"
    );
    let rows: Vec<Row> = db.fetch_all(sql, args).await?;
    let mut by_trace: HashMap<String, Vec<Assessment>> = HashMap::new();
    for row in rows {
        by_trace.entry(row.trace_id.clone()).or_default().push(row.try_into()?);
    }
    Ok(by_trace)
}

/// Writes the assessments that came with a trace.
pub(super) async fn insert(tx: &mut Tx, info: &TraceInfo) -> Result<()> {
    let rows = info.assessments.iter().map(|it| values(it, info.experiment_id.0, info.request_time_ms)).collect();
    write(tx, rows, OnConflict::Ignore).await
}

/// The experiment and the start of a trace, of which its assessments keep a copy.
async fn place(tx: &mut Tx, trace_id: &str) -> Result<(i64, i64)> {
    let sql = "SELECT experiment_id, timestamp_ms FROM trace_info WHERE request_id = ?";
    let found: Option<(i64, i64)> = tx.fetch_optional(sql, vec![trace_id.into()]).await?;
    found.ok_or_else(|| no_trace(trace_id))
}

async fn write(tx: &mut Tx, rows: Vec<Vec<Value>>, on_conflict: OnConflict<'_>) -> Result<()> {
    let copies = ["experiment_id", "trace_timestamp_ms", "aggregate_value", "is_numeric_value"];
    let columns: Vec<&str> = COLUMNS.split(", ").chain(copies).collect();
    tx.insert_rows("assessments", &columns, on_conflict, rows.into_iter().flatten().collect()).await?;
    Ok(())
}

fn values(it: &Assessment, experiment_id: i64, timestamp_ms: i64) -> Vec<Value> {
    let issue;
    let (value, error) = match &it.verdict {
        Verdict::Feedback { value, error } => (value, error.as_ref().map(error_json)),
        Verdict::Expectation(value) => (value, None),
        Verdict::Issue { issue_name } => {
            issue = json!({"issue_name": issue_name});
            (&issue, None)
        }
    };
    let (aggregate, is_numeric) = aggregate_value(value);
    let metadata = (!it.metadata.is_empty()).then(|| python_json(&it.metadata));
    vec![
        it.assessment_id.as_str().into(),
        it.trace_id.as_str().into(),
        it.name.as_str().into(),
        it.verdict.kind().into(),
        python_json(value).into(),
        error.as_ref().map(python_json).into(),
        it.create_time_ms.into(),
        it.last_update_time_ms.into(),
        it.source_kind.name().into(),
        it.source_id.clone().into(),
        it.run_id.clone().into(),
        it.span_id.clone().into(),
        it.rationale.clone().into(),
        it.overrides.clone().into(),
        it.valid.into(),
        metadata.into(),
        experiment_id.into(),
        timestamp_ms.into(),
        aggregate.into(),
        is_numeric.into(),
    ]
}

fn error_json(error: &AssessmentError) -> Json {
    json!({"error_code": error.error_code, "error_message": error.error_message, "stack_trace": error.stack_trace})
}

fn updated(old: Assessment, update: AssessmentUpdate) -> Result<Assessment> {
    let verdict = match update.verdict {
        None => old.verdict,
        Some(new) if new.kind() == old.verdict.kind() => new,
        Some(new) => {
            return Err(Error::invalid(format!(
                "Cannot update {} value on a {} assessment.",
                new.kind(),
                capitalised(old.verdict.kind())
            )));
        }
    };
    let mut metadata = old.metadata;
    metadata.extend(update.metadata.unwrap_or_default());
    let new = Assessment {
        name: update.name.unwrap_or(old.name),
        verdict,
        rationale: update.rationale.or(old.rationale),
        metadata,
        valid: update.valid.unwrap_or(old.valid),
        last_update_time_ms: now_ms(),
        ..old
    };
    new.check()?;
    Ok(new)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl TryFrom<Row> for Assessment {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let id = row.assessment_id.clone();
        let broken =
            |what: &str, error: String| Error::internal(format!("reading the {what} of assessment {id}"), error);
        let value: Json = serde_json::from_str(&row.value).map_err(|error| broken("value", error.to_string()))?;
        let verdict = match row.assessment_type.as_str() {
            "feedback" => {
                let error = row.error.as_deref().map(serde_json::from_str::<Json>).transpose();
                let error = error.map_err(|error| broken("error", error.to_string()))?;
                Verdict::Feedback { value, error: error.as_ref().map(read_error) }
            }
            "expectation" => Verdict::Expectation(value),
            "issue" => Verdict::Issue { issue_name: value["issue_name"].as_str().map(str::to_owned) },
            other => return Err(broken("type", format!("unknown assessment type {other}"))),
        };
        let metadata: Option<Map<String, Json>> = row
            .assessment_metadata
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| broken("metadata", error.to_string()))?;
        Ok(Self {
            assessment_id: row.assessment_id,
            name: row.name,
            trace_id: row.trace_id,
            span_id: row.span_id,
            source_kind: SourceKind::parse(&row.source_type).unwrap_or(SourceKind::Unspecified),
            source_id: row.source_id,
            create_time_ms: row.created_timestamp,
            last_update_time_ms: row.last_updated_timestamp,
            verdict,
            rationale: row.rationale,
            metadata: metadata.unwrap_or_default(),
            overrides: row.overrides,
            valid: row.valid,
            run_id: row.run_id,
        })
    }
}

fn read_error(error: &Json) -> AssessmentError {
    let text = |key: &str| error[key].as_str().map(str::to_owned);
    AssessmentError {
        error_code: text("error_code"),
        error_message: text("error_message"),
        stack_trace: text("stack_trace"),
    }
}

fn not_found(trace_id: &str, assessment_id: &str) -> Error {
    Error::not_found(format!("Assessment with ID '{assessment_id}' not found for trace '{trace_id}'"))
}
