//! Assessments of one trace.

use axum::{
    Json,
    extract::{Path, State},
};
use rest::Fields;
use serde_json::{Value, json};

use super::{parse, wire};
use crate::{Error, Result, Tracking, assessment::AssessmentUpdate, http::json::Empty};

/// The fields that an update may name.
const UPDATABLE: &[&str] = &["assessment_name", "expectation", "feedback", "rationale", "metadata", "valid"];

/// `POST assessments`.
pub(super) async fn create(
    State(tracking): State<Tracking>,
    Path(trace_id): Path<String>,
    mut fields: Fields,
) -> Result<Json<Value>> {
    let assessment = parse::assessment(fields.required_object("assessment")?, &trace_id)?;
    let assessment = tracking.store().create_assessment(assessment).await?;
    Ok(Json(json!({"assessment": wire::assessment(&assessment)})))
}

/// `GET assessments/{assessment_id}`.
pub(super) async fn read(
    State(tracking): State<Tracking>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let assessment = tracking.store().assessment(&trace_id, &assessment_id).await?;
    Ok(Json(json!({"assessment": wire::assessment(&assessment)})))
}

/// `PATCH assessments/{assessment_id}`: only what `update_mask` names changes.
pub(super) async fn update(
    State(tracking): State<Tracking>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
    mut fields: Fields,
) -> Result<Json<Value>> {
    let mut assessment = fields.required_object("assessment")?;
    let mask = fields.take("update_mask")?.ok_or_else(|| fields.missing("update_mask"))?;
    let mask = mask_paths(&mask)?;
    let has = |name: &str| mask.iter().any(|it| it == name);
    let verdict = parse::verdict(&mut assessment)?.filter(|_| has("feedback") || has("expectation"));
    let update = AssessmentUpdate {
        name: assessment.text("assessment_name")?.filter(|_| has("assessment_name")),
        verdict,
        rationale: assessment.text("rationale")?.filter(|_| has("rationale")),
        metadata: has("metadata").then(|| parse::object(assessment.take("metadata")?, "metadata")).transpose()?,
        valid: assessment.boolean("valid")?.filter(|_| has("valid")),
    };
    let assessment = tracking.store().update_assessment(&trace_id, &assessment_id, update).await?;
    Ok(Json(json!({"assessment": wire::assessment(&assessment)})))
}

/// `DELETE assessments/{assessment_id}`.
pub(super) async fn delete(
    State(tracking): State<Tracking>,
    Path((trace_id, assessment_id)): Path<(String, String)>,
) -> Result<Json<Empty>> {
    tracking.store().delete_assessment(&trace_id, &assessment_id).await?;
    Ok(Json(Empty {}))
}

/// Protobuf's JSON writes a mask as names with commas, in camel case; some clients send `{"paths": [...]}`.
fn mask_paths(value: &Value) -> Result<Vec<String>> {
    let paths: Vec<String> = match value {
        Value::String(text) => text.split(',').map(str::to_owned).collect(),
        Value::Object(object) => {
            let paths = object.get("paths").and_then(Value::as_array);
            paths.into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
        }
        other => return Err(Error::wrong_type("update_mask", other)),
    };
    let snake_case = |path: String| if path == "assessmentName" { "assessment_name".to_owned() } else { path };
    let paths: Vec<String> = paths.into_iter().map(snake_case).filter(|it| !it.is_empty()).collect();
    match paths.iter().find(|it| !UPDATABLE.contains(&it.as_str())) {
        Some(unknown) => Err(Error::invalid(format!(
            "Invalid path '{unknown}' in update_mask. It may name: {}.",
            UPDATABLE.join(", ")
        ))),
        None => Ok(paths),
    }
}
