//! A tracking server in this process over a database of its own.

use crate::databases::TestDatabase;
use axum::{Router, body::Body};
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use tracking::{ArtifactOptions, Tracking, router};

/// Everything that MLflow's version 2 API has is below this path.
const ROOT: &str = "/api/2.0/mlflow";

pub(crate) struct TestServer {
    pub(crate) tracking: Tracking,
    router: Router,
    folder: TempDir,
    _database: TestDatabase,
}

/// An answer: its status and its JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::create().await;
        let db = db::Db::open(&database.uri).await.unwrap();
        let destination = folder.path().join("artifacts").display().to_string();
        let options = ArtifactOptions::resolve(None, Some(destination), true);
        let tracking = Tracking::open(db, options).await.unwrap();
        Self { router: router(tracking.clone()), tracking, folder, _database: database }
    }

    /// The folder that holds this server's artifacts.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Everything that the server answers.
    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// Sends any request and gives the answer as it came.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.raw(request).await;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status, body }
    }

    /// Asks for a path below the API's root.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_at(&format!("{ROOT}/{path}")).await
    }

    /// Asks for any path.
    pub(crate) async fn get_at(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Posts JSON to a path below the API's root.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    /// Posts a text that calls itself JSON to a path below the API's root.
    pub(crate) async fn post_text(&self, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(Method::POST).uri(format!("{ROOT}/{path}"));
        let request = request.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_owned()));
        self.send(request.unwrap()).await
    }

    /// Creates an experiment and gives its id.
    pub(crate) async fn experiment(&self, name: &str) -> String {
        let answer = self.post("experiments/create", json!({ "name": name })).await.ok();
        answer["experiment_id"].as_str().unwrap().to_owned()
    }

    /// Creates a run and gives its id.
    pub(crate) async fn run(&self, experiment_id: &str, name: &str, start_time: i64) -> String {
        let body = json!({ "experiment_id": experiment_id, "run_name": name, "start_time": start_time });
        let answer = self.post("runs/create", body).await.ok();
        answer["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    /// The body of an answer that has to be a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// The message of an answer that has to be this error.
    #[track_caller]
    pub(crate) fn error(self, status: u16, code: &str) -> String {
        assert_eq!((self.status.as_u16(), self.body["error_code"].as_str()), (status, Some(code)), "{}", self.body);
        self.body["message"].as_str().unwrap().to_owned()
    }

    /// The message of an answer that has to be a refused parameter.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        self.error(400, "INVALID_PARAMETER_VALUE")
    }
}
