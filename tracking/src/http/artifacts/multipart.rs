//! `mlflow-artifacts/mpu`: a client sends a large file to the bucket behind this server itself, in parts.

use axum::{Json, Router, extract::State, http::Uri, routing::post};
use rest::Fields;
use serde::Serialize;

use super::proxy::path_behind;
use crate::{
    Error, Result, Tracking,
    artifacts::{ArtifactPath, UploadedPart},
    http::json::Empty,
};

/// The parts that S3 and GCS take of one file.
const PARTS_MAX: i64 = 10_000;

/// What is below `/api/2.0/mlflow-artifacts/mpu`; the path names the folder, the request the file in it.
pub(super) fn routes() -> Router<Tracking> {
    Router::new()
        .route("/mpu/create/{*path}", post(create))
        .route("/mpu/complete/{*path}", post(complete))
        .route("/mpu/abort/{*path}", post(abort))
}

/// An upload that may begin, and where its parts go.
#[derive(Serialize)]
struct Created {
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<Credential>,
}

/// The address of one part; whoever has it may send that part.
#[derive(Serialize)]
struct Credential {
    url: String,
    part_number: usize,
}

/// `POST mpu/create/<folder>`.
async fn create(State(tracking): State<Tracking>, uri: Uri, mut fields: Fields) -> Result<Json<Created>> {
    let path = file(&uri, "create", &mut fields)?;
    let parts = fields.integer("num_parts")?.unwrap_or_default();
    let direct = tracking.artifacts().destination()?;
    let parts = u32::try_from(parts).ok().filter(|_| parts <= PARTS_MAX).ok_or_else(|| {
        Error::invalid(format!(
            "Invalid value {parts} for parameter 'num_parts' supplied. A file has at most {PARTS_MAX} parts; send larger ones"
        ))
    })?;
    let started = direct.direct().start_upload(&path, parts).await?;
    let credentials = started.part_urls.into_iter().zip(1..);
    let credentials = credentials.map(|(url, part_number)| Credential { url, part_number }).collect();
    Ok(Json(Created { upload_id: started.id, credentials }))
}

/// `POST mpu/complete/<folder>`.
async fn complete(State(tracking): State<Tracking>, uri: Uri, mut fields: Fields) -> Result<Json<Empty>> {
    let path = file(&uri, "complete", &mut fields)?;
    let id = fields.text("upload_id")?.unwrap_or_default();
    let mut listed = fields.objects("parts")?;
    if listed.is_empty() {
        return Err(fields.missing("parts"));
    }
    let mut parts = listed.iter_mut().map(part).collect::<Result<Vec<_>>>()?;
    parts.sort_by_key(|part| part.number);
    for (part, expected) in parts.iter().zip(1..) {
        if part.number != expected {
            return Err(Error::invalid(format!(
                "Invalid value for parameter 'parts' supplied: part {expected} is missing or there twice; they count from 1"
            )));
        }
    }
    tracking.artifacts().destination()?.direct().finish_upload(&path, &id, parts).await?;
    Ok(Json(Empty {}))
}

/// `POST mpu/abort/<folder>`.
async fn abort(State(tracking): State<Tracking>, uri: Uri, mut fields: Fields) -> Result<Json<Empty>> {
    let path = file(&uri, "abort", &mut fields)?;
    let id = fields.text("upload_id")?.unwrap_or_default();
    tracking.artifacts().destination()?.direct().abort_upload(&path, &id).await?;
    Ok(Json(Empty {}))
}

/// The file's path: the folder of the address, and the last part of what the client calls the file on its own disk.
fn file(uri: &Uri, step: &str, fields: &mut Fields) -> Result<ArtifactPath> {
    let folder = ArtifactPath::parse(path_behind(uri, &format!("/mpu/{step}/")))?;
    let local = fields.required_text("path")?;
    let name = local.rsplit('/').next().unwrap_or_default();
    Ok(folder.join(&ArtifactPath::file(name)?))
}

fn part(fields: &mut Fields) -> Result<UploadedPart> {
    let number = fields.required_integer("part_number")?;
    let in_range = u32::try_from(number).ok().filter(|_| (1..=PARTS_MAX).contains(&number));
    let number = in_range.ok_or_else(|| {
        Error::invalid(format!(
            "Invalid value {number} for parameter 'part_number' supplied. Parts count from 1 to {PARTS_MAX}"
        ))
    })?;
    Ok(UploadedPart { number, etag: fields.text("etag")?.unwrap_or_default() })
}
