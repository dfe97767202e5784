//! The gateways that are compared, each as its users start it, in front of the same upstream.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use hyper::header::HeaderMap;

use super::body::{self, Form};
use super::files;
use crate::client::Call;
use crate::group::{Group, Launched, free_address};
use crate::process;

/// One of the gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    /// nginx with `proxy_pass`: what a proxy costs that understands nothing. `$TIDEGATE_BENCH_NGINX`.
    Nginx,
    /// The binary under test, `tidegate gateway`.
    Tidegate,
    /// `tidegate server` with keys, limits, prices and a trace for each call in SQLite.
    TidegateFull,
    /// TensorZero's gateway out of its Python package. `$TIDEGATE_BENCH_TENSORZERO`, a Python.
    TensorZero,
    /// `mlflow gateway start`. `$TIDEGATE_BENCH_MLFLOW`.
    Mlflow,
    /// Portkey's gateway. `$TIDEGATE_BENCH_PORTKEY`, the folder of its npm package.
    Portkey,
    /// LiteLLM's proxy. `$TIDEGATE_BENCH_LITELLM`.
    LiteLlm,
}

impl Contestant {
    /// All of them, the cheapest first.
    pub(super) const ALL: [Self; 7] =
        [Self::Nginx, Self::Tidegate, Self::TidegateFull, Self::TensorZero, Self::Mlflow, Self::Portkey, Self::LiteLlm];

    /// As tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Tidegate => "Tidegate",
            Self::TidegateFull => "Tidegate, all on",
            Self::TensorZero => "TensorZero",
            Self::Mlflow => "MLflow",
            Self::Portkey => "Portkey",
            Self::LiteLlm => "LiteLLM",
        }
    }

    /// Whether it takes calls of this form.
    pub(super) fn takes(self, form: Form) -> bool {
        match form {
            Form::Chat | Form::Stream => true,
            Form::Messages => matches!(self, Self::Tidegate | Self::TidegateFull | Self::LiteLlm),
        }
    }

    /// Its program, where this machine has one.
    pub(super) fn program(self) -> Result<Option<PathBuf>> {
        let named = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        Ok(match self {
            Self::Nginx => named("TIDEGATE_BENCH_NGINX"),
            Self::Tidegate | Self::TidegateFull => Some(process::binary()?),
            Self::TensorZero => named("TIDEGATE_BENCH_TENSORZERO"),
            Self::Mlflow => named("TIDEGATE_BENCH_MLFLOW"),
            Self::Portkey => named("TIDEGATE_BENCH_PORTKEY"),
            Self::LiteLlm => named("TIDEGATE_BENCH_LITELLM"),
        })
    }

    /// The call that asks it for an answer of this form.
    pub(super) fn call(self, form: Form, upstream: SocketAddr) -> Result<Call> {
        let model = match self {
            // MLflow's file names the model, and a request must not.
            Self::Mlflow => None,
            Self::TensorZero => Some("tensorzero::model_name::bench"),
            _ => Some("bench"),
        };
        let path = match (self, form) {
            (Self::Mlflow, _) => "/endpoints/bench/invocations",
            (Self::TensorZero, _) => "/openai/v1/chat/completions",
            (_, Form::Messages) => "/v1/messages",
            _ => "/v1/chat/completions",
        };
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| -> Result<()> {
            headers.insert(name, value.parse().context("a header")?);
            Ok(())
        };
        match self {
            Self::Portkey => {
                add("x-portkey-provider", "openai")?;
                add("x-portkey-custom-host", &format!("http://{upstream}/v1"))?;
                add("authorization", "Bearer none")?;
            }
            Self::TidegateFull => add("authorization", &format!("Bearer {}", files::KEY))?,
            Self::LiteLlm => add("authorization", &format!("Bearer {}", files::LITELLM_KEY))?,
            _ => {}
        }
        Ok(Call::post(path, body::of(form, model)).with_headers(&Arc::new(headers)))
    }

    /// Starts it in front of the upstream, in a folder that also takes its files and its log.
    pub(super) fn start(self, upstream: SocketAddr, folder: &Path) -> Result<Group> {
        let program = self.program()?.with_context(|| format!("{} is not installed", self.name()))?;
        let mut address = free_address()?;
        let port = address.port().to_string();
        let write = |name: &str, text: String| -> Result<String> {
            let path = folder.join(name);
            std::fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let mut command = Command::new(&program);
        command.env("TIDEGATE_LOG", "warn");
        match self {
            Self::Nginx => {
                let file = write("nginx.conf", files::nginx(address, upstream))?;
                command.args(["-c", &file, "-p", &folder.display().to_string(), "-g", "daemon off;"]);
            }
            Self::Tidegate => {
                let file = write("gateway.yaml", files::deployments(upstream))?;
                command.args(["gateway", "--config", &file, "--port", &port]);
            }
            Self::TidegateFull => {
                let file = write("gateway.yaml", files::everything(upstream))?;
                command.args(["server", "--gateway-config", &file, "--port", &port]);
                command.args(["--backend-store-uri", "sqlite:///mlflow.db"]);
            }
            Self::TensorZero => {
                write("tensorzero.toml", files::tensorzero(upstream))?;
                // It chooses its own port, and says it in this file.
                let script = write("serve.py", files::TENSORZERO_SCRIPT.to_owned())?;
                command.arg(script);
                let mut launched = Launched::of(self.name(), command, folder)?;
                address = launched.said_address(&folder.join("address"))?;
                return launched.ready(address, &self.call(Form::Chat, upstream)?);
            }
            Self::Mlflow => {
                let file = write("gateway.yaml", files::deployments(upstream))?;
                command.args(["gateway", "start", "--config-path", &file, "--host", "127.0.0.1", "--port", &port]);
            }
            Self::Portkey => {
                command = Command::new("node");
                command.arg(program.join("build/start-server.js")).args([&format!("--port={port}"), "--headless"]);
            }
            Self::LiteLlm => {
                let file = write("litellm.yaml", files::litellm(upstream))?;
                command.args(["--config", &file, "--host", "127.0.0.1", "--port", &port, "--num_workers", "1"]);
                command.env("LITELLM_LOG", "ERROR");
            }
        }
        Group::start(self.name(), command, address, folder, &self.call(Form::Chat, upstream)?)
    }
}
