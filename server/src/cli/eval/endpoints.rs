//! The models behind `endpoint:` targets: a running gateway's, or those of a gateway in this process.

use std::{path::PathBuf, sync::Arc, time::Duration};

use eval::{Compatible, CompatibleConfig, Error, Resolver};
use gateway::Parts;
use llm::LanguageModel;
use serde::Deserialize;

use crate::serve;

/// Where a gateway is looked for when nothing says where it is: where `make run` puts it.
const DEFAULT_GATEWAY: &str = "http://127.0.0.1:5000";

/// How long a gateway may take to list its endpoints.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// The endpoints of a gateway that this process runs for itself.
pub(super) async fn in_process(file: PathBuf, names: &[&str]) -> eval::Result<Resolver> {
    let wrong = |words: String| Error::Target(format!("--gateway-config {}: {words}", file.display()));
    let config = gateway::Config::load(&file).map_err(|error| wrong(error.to_string()))?;
    let parts = Parts { open_local: serve::open_local(), calls: None };
    let gateway = serve::start_gateway(config, parts).await.map_err(|error| wrong(format!("{error:#}")))?;
    let offered: Vec<String> = gateway.endpoints().map(|it| it.name).collect();
    check(names, &offered, &file.display().to_string())?;
    Ok(Arc::new(move |name| gateway.model(name).ok_or_else(|| format!("the gateway has no endpoint `{name}`"))))
}

/// The endpoints of a gateway that runs at `url`, asked once which ones it has.
pub(super) async fn running(url: Option<&str>, names: &[&str]) -> eval::Result<Resolver> {
    let url = url.filter(|it| it.starts_with("http")).unwrap_or(DEFAULT_GATEWAY).trim_end_matches('/').to_owned();
    if !names.is_empty() {
        check(names, &list(&url).await?, &url)?;
    }
    Ok(Arc::new(move |name| {
        let config =
            CompatibleConfig { url: format!("{url}/v1"), model: name.to_owned(), key: None, headers: Vec::new() };
        Ok(Arc::new(Compatible::new(&config)?) as Arc<dyn LanguageModel>)
    }))
}

fn check(names: &[&str], offered: &[String], gateway: &str) -> eval::Result<()> {
    match names.iter().find(|name| !offered.iter().any(|it| it == *name)) {
        None => Ok(()),
        Some(name) => Err(Error::Target(format!(
            "target `endpoint:{name}`: the gateway {gateway} has no such endpoint; it has {}",
            if offered.is_empty() { "none".to_owned() } else { offered.join(", ") }
        ))),
    }
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

/// The names of a gateway's endpoints and routes.
async fn list(url: &str) -> eval::Result<Vec<String>> {
    let failed = |words: String| {
        Error::Target(format!(
            "cannot ask the gateway {url} for its endpoints: {words}. Start one (`make run`), name another with --gateway, or \
             give a configuration with --gateway-config"
        ))
    };
    // Another part of the process may have chosen already; either choice will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(LIST_TIMEOUT).build().map_err(|error| failed(error.to_string()))?;
    let answer = client
        .get(format!("{url}/v1/models"))
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| failed(cause(&error)))?;
    let listing: Listing = answer.json().await.map_err(|error| failed(format!("its answer is no list: {error}")))?;
    Ok(listing.data.into_iter().map(|it| it.id).collect())
}

/// The last cause of a failed request: "connection refused" says more than "error sending request".
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
