//! The files that tell each gateway of the upstream.

use std::net::SocketAddr;

/// The key of the one who calls where keys are asked for.
pub(super) const KEY: &str = "tg-bench-0123456789abcdef";

/// LiteLLM starts with a key that looks strong only.
pub(super) const LITELLM_KEY: &str = "sk-6f0c1f7d0b9e4b52a3c8d4e1f2a7b6c5d8e9f0a1b2c3d4e5";

/// nginx with connections that are kept, and streams that are not held back.
pub(super) fn nginx(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "worker_processes 2;\npid nginx.pid;\nerror_log stderr error;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n  \
         fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  keepalive_requests 1000000;\n  \
         upstream mock {{ server {upstream}; keepalive 128; keepalive_requests 1000000; }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://mock;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n    }}\n  }}\n}}\n"
    )
}

/// MLflow's file, which Tidegate reads as well.
pub(super) fn deployments(upstream: SocketAddr) -> String {
    format!(
        "endpoints:\n- name: bench\n  endpoint_type: llm/v1/chat\n  model:\n    provider: openai\n    name: bench-1\n    \
         config: {{openai_api_key: none, openai_api_base: \"http://{upstream}/v1\"}}\n"
    )
}

/// The same with a key that callers need, limits, a budget and a price.
pub(super) fn everything(upstream: SocketAddr) -> String {
    let endpoints = deployments(upstream);
    format!(
        "{endpoints}keys: [{{name: bench, team: bench, key: {KEY}}}]\nlimits:\n- {{per: key, requests: 4000000000, \
         window: minute}}\n- {{per: team, tokens: 4000000000, window: minute}}\nbudgets: [{{per: all, usd: 1000000, \
         window: month}}]\nprices: [{{provider: openai, model: bench-1, input: 0.25, output: 2}}]\n"
    )
}

/// LiteLLM's file.
pub(super) fn litellm(upstream: SocketAddr) -> String {
    format!(
        "model_list:\n- model_name: bench\n  litellm_params:\n    model: openai/bench-1\n    api_key: none\n    \
         api_base: http://{upstream}/v1\nlitellm_settings:\n  telemetry: false\n  \
         use_chat_completions_url_for_anthropic_messages: true\ngeneral_settings:\n  master_key: {LITELLM_KEY}\n"
    )
}

/// TensorZero's file, without its own record of calls.
pub(super) fn tensorzero(upstream: SocketAddr) -> String {
    format!(
        "[gateway]\nobservability.enabled = false\n[models.bench]\nrouting = [\"mock\"]\n\
         [models.bench.providers.mock]\ntype = \"openai\"\nmodel_name = \"bench-1\"\n\
         api_base = \"http://{upstream}/v1/\"\napi_key_location = \"none\"\n"
    )
}

/// Starts the gateway that TensorZero's package holds, and writes down where it listens.
pub(super) const TENSORZERO_SCRIPT: &str = r#"
import pathlib, signal
from openai import OpenAI
from tensorzero import patch_openai_client

client = patch_openai_client(OpenAI(api_key="none"), config_file="tensorzero.toml", async_setup=False)
pathlib.Path("address.part").write_text(f"{client.base_url.host}:{client.base_url.port}")
pathlib.Path("address.part").rename("address")
signal.pause()
"#;
