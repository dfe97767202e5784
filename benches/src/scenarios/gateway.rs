//! What the gateway adds to a call: an upstream that answers at once, asked directly and through it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::Result;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Measured, against, plan};
use crate::client::{Call, count, load, send_all};
use crate::process::Server;
use crate::table::{Table, figure};
use crate::{mock, table};

const CONNECTIONS: [usize; 2] = [1, 32];

pub(super) fn measure() -> Result<Table> {
    let upstream = mock::start()?;
    let folder = tempfile::tempdir()?;
    let config = configuration(folder.path(), upstream)?;
    let config = config.as_str();
    let everything = ["server", "--gateway-config", config, "--backend-store-uri", "sqlite:///mlflow.db"];

    let mut table = Table::new(
        "Gateway, instant local upstream",
        &["what", "connections", "requests/s", "p50 µs", "p99 µs", "server CPU µs/request", "RSS MiB", "recorded %"],
    );
    for streamed in [false, true] {
        let kind = if streamed { format!("stream of {} events", mock::STREAM_CHUNKS) } else { "1 KiB chat".to_owned() };
        for connections in CONNECTIONS {
            let direct = load(upstream, plan(connections), move |_, _| chat(streamed), || ())?;
            let figures = [direct.per_second(), direct.quantile_us(0.5), direct.quantile_us(0.99)].map(table::figure);
            let figures = figures.into_iter().chain(["–".to_owned(), "–".to_owned(), "–".to_owned()]);
            table.row(&format!("{kind}, direct"), std::iter::once(connections.to_string()).chain(figures));
        }
        for (name, arguments) in
            [("gateway alone", ["gateway", "--config", config].as_slice()), ("server, recorded", &everything)]
        {
            for connections in CONNECTIONS {
                let data = tempfile::tempdir()?;
                let server = Server::start(arguments, data.path())?;
                let Measured { load, cpu_us_per_call, resident_mib } =
                    against(&server, connections, move |_, _| chat(streamed))?;
                let is_recorded = arguments == everything;
                let recorded_percent =
                    if is_recorded { 100.0 * recorded(&server)? / count(load.sent) } else { f64::NAN };
                let figures = [
                    load.per_second(),
                    load.quantile_us(0.5),
                    load.quantile_us(0.99),
                    cpu_us_per_call,
                    resident_mib,
                    recorded_percent,
                ];
                let figures = std::iter::once(connections.to_string()).chain(figures.map(figure));
                table.row(&format!("{kind}, {name}"), figures);
            }
        }
    }
    Ok(table)
}

/// Calls that became traces: at full speed there may be more calls than the database takes.
fn recorded(server: &Server) -> Result<f64> {
    const PAGE: usize = 500;
    let ask = |path: &str, body: Value| -> Result<Value> {
        let answers = send_all(server.address, 1, &[Call::post(path, body.to_string())])?;
        Ok(serde_json::from_slice(&answers[0])?)
    };
    let found =
        ask("/api/2.0/mlflow/experiments/search", json!({"max_results": 10, "filter": "name = 'gateway/bench'"}))?;
    let location = json!({"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {
        "experiment_id": found["experiments"][0]["experiment_id"]
    }});
    let (mut traces, mut token) = (0, Value::Null);
    loop {
        let page = ask(
            "/api/3.0/mlflow/traces/search",
            json!({"locations": [location], "max_results": PAGE, "page_token": token}),
        )?;
        traces += page["traces"].as_array().map_or(0, Vec::len);
        match page.get("next_page_token") {
            Some(next) => token = next.clone(),
            None => return Ok(count(traces)),
        }
    }
}

fn configuration(folder: &Path, upstream: SocketAddr) -> Result<String> {
    let path = folder.join("gateway.yaml");
    std::fs::write(
        &path,
        format!(
            "endpoints:\n- name: bench\n  endpoint_type: llm/v1/chat\n  model:\n    provider: openai\n    name: bench-1\n    \
             config: {{openai_api_key: none, openai_api_base: \"http://{upstream}/v1\"}}\n"
        ),
    )?;
    Ok(path.display().to_string())
}

/// Bytes of what the user says, so that the request as a whole has about a kibibyte.
const QUESTION_BYTES: usize = 800;

static UNARY: LazyLock<Bytes> = LazyLock::new(|| question("").into());
static STREAMED: LazyLock<Bytes> = LazyLock::new(|| question(r#""stream":true,"#).into());

fn chat(streamed: bool) -> Call {
    Call::post("/v1/chat/completions", if streamed { STREAMED.clone() } else { UNARY.clone() })
}

fn question(flag: &str) -> String {
    let text = mock::text(QUESTION_BYTES);
    format!(
        "{{{flag}\"model\":\"bench\",\"messages\":[{{\"role\":\"system\",\"content\":\"You know the sea.\"}},\
         {{\"role\":\"user\",\"content\":\"{text}\"}}],\"temperature\":0}}"
    )
}
