//! What clients ask about the server itself: is it up, which version does it speak, what can it do.

use axum::{Json, Router, extract::State, response::Html, routing::get};
use serde_json::{Value, json};

use crate::Tracking;

/// The MLflow version whose API this is; clients choose features by it.
pub(crate) const MLFLOW_VERSION: &str = "3.17.2";

/// `/health` and `/version`, which load balancers and clients ask at the root.
pub(crate) fn root_routes() -> Router<Tracking> {
    Router::new().route("/health", get(async || "OK")).route("/version", get(async || Html(MLFLOW_VERSION)))
}

/// What is below `/api/3.0/mlflow`.
pub(crate) fn v3_routes() -> Router<Tracking> {
    Router::new()
        .route("/server-info", get(server_info))
        .route("/ui-telemetry", get(ui_telemetry).post(async || Json(json!({"status": "disabled"}))))
}

/// `GET ui-telemetry`: MLflow's web app asks whether to report what people do in it. No.
async fn ui_telemetry() -> Json<Value> {
    Json(json!({"disable_ui_telemetry": true, "disable_ui_events": [], "ui_rollout_percentage": 0}))
}

/// `GET server-info`: the client's probe for what this server supports.
async fn server_info(State(tracking): State<Tracking>) -> Json<Value> {
    let direct = tracking.artifacts().direct_offers();
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": direct.multipart_upload,
        "multipart_downloads_enabled": direct.download,
        "presigned_upload_run_id_supported": true,
        "presigned_upload_model_id_supported": true,
        "features_enabled": { "gateway": tracking.limits().has_gateway },
    }))
}
