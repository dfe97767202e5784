//! An MLflow server over REST: the few calls that recording needs.

use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::{DatasetRecord, RunRecord, Started, deleted};
use crate::target::{http_client, read_at_most, unreachable};
use crate::{Error, Result};

/// What stays as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An MLflow server.
#[derive(Clone)]
pub struct Server {
    base: Url,
    http: reqwest::Client,
}

impl Server {
    pub(super) fn new(url: &str) -> Result<Self> {
        /// A server that does not accept a connection in this time is not there.
        const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
        let wrong = |what: String| {
            Error::Config(format!("output.tracking: `{url}` {what}; expected an address such as http://127.0.0.1:5000"))
        };
        let base = Url::parse(url.trim_end_matches('/')).map_err(|it| wrong(format!("is no URL ({it})")))?;
        if !["http", "https"].contains(&base.scheme()) {
            return Err(wrong("is not a server's address".to_owned()));
        }
        Ok(Self { base, http: http_client(CONNECT_TIMEOUT).map_err(Error::Tracking)? })
    }

    /// The experiment's id, where there is one of that name.
    pub(super) async fn experiment(&self, name: &str) -> Result<Option<String>> {
        let path = "api/2.0/mlflow/experiments/get-by-name";
        let query = [("experiment_name", name)];
        let answer = self.call(Method::GET, path, &query, None).await;
        match answer {
            Ok(answer) => {
                let experiment = &answer["experiment"];
                if experiment["lifecycle_stage"] == "deleted" {
                    return Err(deleted(name));
                }
                Ok(Some(text(experiment, "experiment_id")?))
            }
            Err(Refusal::Missing) => Ok(None),
            Err(Refusal::Other(error)) => Err(error),
        }
    }

    pub(super) async fn open_experiment(&self, name: &str) -> Result<String> {
        if let Some(id) = self.experiment(name).await? {
            return Ok(id);
        }
        match self.post("experiments/create", json!({"name": name})).await {
            Ok(answer) => text(&answer, "experiment_id"),
            // Another run may have created it in between.
            Err(error) => self.experiment(name).await?.ok_or(error),
        }
    }

    pub(super) async fn create_run(
        &self,
        experiment: &str,
        record: &RunRecord,
        tags: &[(String, String)],
    ) -> Result<Started> {
        let body = json!({
            "experiment_id": experiment,
            "run_name": record.name,
            "user_id": super::content::user(),
            "start_time": record.start_ms,
            "tags": pairs(tags),
        });
        let answer = self.post("runs/create", body).await?;
        let info = &answer["run"]["info"];
        Ok(Started { id: text(info, "run_id")?, artifact_uri: text(info, "artifact_uri")? })
    }

    pub(super) async fn log_batch(
        &self,
        run: &Started,
        record: &RunRecord,
        metrics: &[(String, f64)],
        params: &[(String, String)],
        tags: &[(String, String)],
    ) -> Result<()> {
        let metric = |(key, value): &(String, f64)| {
            json!({
                "key": key, "value": number(*value), "timestamp": record.end_ms, "step": 0,
                "dataset_name": record.dataset.name, "dataset_digest": record.dataset.digest,
            })
        };
        let metrics: Vec<Value> = metrics.iter().map(metric).collect();
        let body = json!({"run_id": run.id, "metrics": metrics, "params": pairs(params), "tags": pairs(tags)});
        self.post("runs/log-batch", body).await.map(drop)
    }

    pub(super) async fn log_input(&self, run: &Started, dataset: &DatasetRecord) -> Result<()> {
        let body = json!({"run_id": run.id, "datasets": [{
            "tags": [{"key": "mlflow.data.context", "value": "eval"}],
            "dataset": {
                "name": dataset.name, "digest": dataset.digest, "source_type": dataset.source_type,
                "source": dataset.source, "schema": dataset.schema, "profile": dataset.profile,
            },
        }]});
        self.post("runs/log-inputs", body).await.map(drop)
    }

    pub(super) async fn end_run(&self, run: &Started, record: &RunRecord) -> Result<()> {
        let status = if record.is_failed { "FAILED" } else { "FINISHED" };
        let body = json!({"run_id": run.id, "status": status, "end_time": record.end_ms});
        self.post("runs/update", body).await.map(drop)
    }

    /// Puts an artifact where the run keeps them: through the server's proxy, or into a folder of this machine.
    pub(super) async fn upload(&self, run: &Started, path: &str, content: Vec<u8>) -> Result<()> {
        let uri = &run.artifact_uri;
        if let Some(folder) = local_folder(uri) {
            let file = Path::new(&folder).join(path);
            let failed = |it: std::io::Error| {
                Error::Tracking(format!(
                    "the run keeps its artifacts in the server's folder {folder}, which cannot be written from here: {it}; \
                     start the server with --serve-artifacts"
                ))
            };
            if let Some(parent) = file.parent() {
                tokio::fs::create_dir_all(parent).await.map_err(failed)?;
            }
            return tokio::fs::write(&file, content).await.map_err(failed);
        }
        let url = self.artifact_url(uri, path)?;
        let send = || self.http.put(url.clone()).body(content.clone());
        self.send(send, &url).await.map(drop).map_err(Refusal::into_error)
    }

    fn artifact_url(&self, artifact_uri: &str, path: &str) -> Result<Url> {
        let file = path.split('/').map(encode).collect::<Vec<_>>().join("/");
        if let Some(rest) = artifact_uri.strip_prefix("mlflow-artifacts:") {
            let (host, folder) = match rest.strip_prefix("//") {
                Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
                None => ("", rest.trim_start_matches('/')),
            };
            let folder = folder.split('/').filter(|it| !it.is_empty()).map(encode).collect::<Vec<_>>().join("/");
            let base = if host.is_empty() {
                self.base.as_str().trim_end_matches('/').to_owned()
            } else {
                format!("{}://{host}", self.base.scheme())
            };
            return parse(&format!("{base}/api/2.0/mlflow-artifacts/artifacts/{folder}/{file}"));
        }
        if artifact_uri.starts_with("http://") || artifact_uri.starts_with("https://") {
            return parse(&format!("{}/{file}", artifact_uri.trim_end_matches('/')));
        }
        let scheme = artifact_uri.split(':').next().unwrap_or(artifact_uri);
        Err(Error::Tracking(format!(
            "the run keeps its artifacts at {scheme}:…, which this version cannot write; start the server with \
             --serve-artifacts and an --artifacts-destination"
        )))
    }

    /// The page of a run in the server's web app.
    pub(super) fn run_page(&self, experiment: &str, run: &str) -> String {
        let mut page = self.base.clone();
        // Both calls only fail for URLs that cannot carry a user at all.
        let _ = page.set_username("");
        let _ = page.set_password(None);
        format!("{}/#/experiments/{experiment}/runs/{run}", page.as_str().trim_end_matches('/'))
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let path = format!("api/2.0/mlflow/{path}");
        self.call(Method::POST, &path, &[], Some(body)).await.map_err(Refusal::into_error)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Refusal> {
        let url = parse(&format!("{}/{path}", self.base.as_str().trim_end_matches('/'))).map_err(Refusal::Other)?;
        let send = || {
            let request = self.http.request(method.clone(), url.clone()).query(query);
            body.iter().fold(request, reqwest::RequestBuilder::json)
        };
        let bytes = self.send(send, &url).await?;
        serde_json::from_slice(&bytes).map_err(|it| {
            Refusal::Other(Error::Tracking(format!(
                "{}: the answer is no JSON ({it}); is this an MLflow server?",
                shown(&url)
            )))
        })
    }

    async fn send(&self, request: impl Fn() -> reqwest::RequestBuilder, url: &Url) -> Result<Vec<u8>, Refusal> {
        /// A tracking server that takes longer has lost the request.
        const TIMEOUT: Duration = Duration::from_mins(1);
        /// Tries of one request: a restart of the server is bridged, a dead one is told soon.
        const TRIES_MAX: u32 = 3;
        /// Answers are small; one above this is not MLflow's.
        const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
        let mut tries = 1;
        loop {
            let answer = request().timeout(TIMEOUT).send().await;
            let is_passing = match &answer {
                Ok(answer) => matches!(answer.status().as_u16(), 429 | 502 | 503 | 504),
                Err(error) => error.is_connect(),
            };
            if is_passing && tries < TRIES_MAX {
                tokio::time::sleep(Duration::from_millis(300) * tries).await;
                tries += 1;
                continue;
            }
            let answer = answer.map_err(|it| {
                let message = format!(
                    "tracking server: {}; is it running? Start one, or choose another with --tracking",
                    unreachable(&it)
                );
                Refusal::Other(Error::Tracking(message))
            })?;
            let status = answer.status();
            let bytes = read_at_most(answer, ANSWER_BYTES_MAX).await;
            if status.is_success() {
                return Ok(bytes);
            }
            return Err(refusal(status, &bytes, url));
        }
    }
}

/// Why a server did not do what was asked.
enum Refusal {
    /// The thing does not exist.
    Missing,
    Other(Error),
}

impl Refusal {
    fn into_error(self) -> Error {
        match self {
            Self::Missing => Error::Tracking("the tracking server does not know what was asked for".to_owned()),
            Self::Other(error) => error,
        }
    }
}

fn refusal(status: StatusCode, bytes: &[u8], url: &Url) -> Refusal {
    /// An error page is cut to its beginning.
    const SHOWN_CHARS_MAX: usize = 300;
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if body["error_code"] == "RESOURCE_DOES_NOT_EXIST" {
        return Refusal::Missing;
    }
    let words = body["message"].as_str().map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), ToOwned::to_owned);
    let words: String = words.chars().take(SHOWN_CHARS_MAX).collect();
    let hint = match status.as_u16() {
        401 | 403 => "; give user and password in the address, http://user:password@host",
        404 => "; is this an MLflow server?",
        _ => "",
    };
    Refusal::Other(Error::Tracking(format!("{} answered {}: {words}{hint}", shown(url), status.as_u16())))
}

/// An address without its user and password.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn parse(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|it| Error::Tracking(format!("`{url}` is no URL: {it}")))
}

fn encode(segment: &str) -> String {
    utf8_percent_encode(segment, SEGMENT).to_string()
}

/// The folder of a `file:` URI or plain path.
fn local_folder(uri: &str) -> Option<String> {
    match uri.strip_prefix("file:") {
        Some(_) => Some(Url::parse(uri).ok()?.to_file_path().ok()?.to_string_lossy().into_owned()),
        None if uri.starts_with('/') => Some(uri.to_owned()),
        None => None,
    }
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(ToOwned::to_owned).ok_or_else(|| {
        Error::Tracking(format!("the tracking server's answer has no `{key}`; is this an MLflow server?"))
    })
}

fn pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// A number as MLflow's protocol writes it.
fn number(value: f64) -> Value {
    match value {
        it if it.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        it => json!(it),
    }
}
