//! Whose recordings there are: which provider is asked for each, and how the words and counts of each are to be read.

use std::fmt::Write as _;

use serde_json::Value;

/// One server of which there are recordings.
pub(super) struct Host {
    family: &'static str,
    at: &'static str,
    provider: &'static str,
    /// The settings, YAML; `BASE` is the replaying server, `ROOT` the same without `/v1`.
    config: &'static str,
    /// OpenAI's word for one of the family's finish reasons; the flag tells whether tools are called.
    pub(super) finish: fn(&str, bool) -> &str,
    /// Input and output tokens, from the family's own counts.
    pub(super) tokens: fn(&Value) -> (u64, u64),
}

const KEYED: &str = "{api_key: $KEY, api_base: BASE}";
const AZURE: &str =
    "{openai_api_key: $KEY, openai_api_base: BASE, openai_api_version: '2024-02-01', openai_deployment_name: d}";

const fn openai(at: &'static str, provider: &'static str, config: &'static str) -> Host {
    Host { family: "openai", at, provider, config, finish: |it, _| it, tokens: openai_tokens }
}

const HOSTS: &[Host] = &[
    openai("api.openai.com", "openai", KEYED),
    openai("api.groq.com", "groq", KEYED),
    openai("api.mistral.ai", "mistral", KEYED),
    openai("api.deepseek.com", "deepseek", KEYED),
    openai("api.cerebras.ai", "cerebras", KEYED),
    openai("api.together.xyz", "together", KEYED),
    openai("openrouter.ai", "openrouter", KEYED),
    openai("router.huggingface.co", "huggingface", KEYED),
    openai("traceloop-stg.openai.azure.com", "azure", AZURE),
    openai("resource-name.cognitiveservices.azure.com", "azure", AZURE),
    openai("api.inference.crusoecloud.com", "openai-compatible", KEYED),
    openai("api.z.ai", "openai-compatible", KEYED),
    openai("localhost:8000", "vllm", KEYED),
    openai("localhost:8787", "openai-compatible", KEYED),
    openai("myorg-myaccount.snowflakecomputing.com", "openai-compatible", KEYED),
    Host {
        family: "anthropic",
        at: "api.anthropic.com",
        provider: "anthropic",
        config: KEYED,
        finish: |it, _| match it {
            "tool_use" => "tool_calls",
            "max_tokens" => "length",
            "refusal" => "content_filter",
            _ => "stop",
        },
        tokens: |usage| {
            let count = |key: &str| usage[key].as_u64().unwrap_or_default();
            (
                count("input_tokens") + count("cache_read_input_tokens") + count("cache_creation_input_tokens"),
                count("output_tokens"),
            )
        },
    },
    Host {
        family: "bedrock",
        at: "bedrock-runtime.us-east-1.amazonaws.com",
        provider: "bedrock",
        config: "{aws_config: {aws_region: us-east-1, aws_access_key_id: AKID, aws_secret_access_key: $KEY}, api_base: BASE}",
        finish: |it, _| match it {
            "tool_use" => "tool_calls",
            "max_tokens" => "length",
            "guardrail_intervened" => "content_filter",
            _ => "stop",
        },
        tokens: |usage| {
            let count = |key: &str| usage[key].as_u64().unwrap_or_default();
            (
                count("inputTokens") + count("cacheReadInputTokens") + count("cacheWriteInputTokens"),
                count("outputTokens"),
            )
        },
    },
    Host {
        family: "responses",
        at: "api.openai.com",
        provider: "openai",
        config: KEYED,
        finish: |_, calls_tools| if calls_tools { "tool_calls" } else { "stop" },
        tokens: |usage| {
            let count = |key: &str| usage[key].as_u64().unwrap_or_default();
            (count("input_tokens"), count("output_tokens"))
        },
    },
    gemini("generativelanguage.googleapis.com", "gemini", KEYED),
    gemini("aiplatform.googleapis.com", "vertex", "{project: p, access_token: $KEY, api_base: BASE}"),
    Host {
        family: "cohere2",
        at: "api.cohere.com",
        provider: "cohere",
        config: KEYED,
        finish: |it, _| match it {
            "TOOL_CALL" => "tool_calls",
            "MAX_TOKENS" => "length",
            _ => "stop",
        },
        tokens: |usage| {
            let count = |key: &str| usage["tokens"][key].as_u64().unwrap_or_default();
            (count("input_tokens"), count("output_tokens"))
        },
    },
    Host {
        family: "ollama",
        at: "127.0.0.1:11434",
        provider: "ollama",
        config: "{api_base: ROOT}",
        finish: |it, _| it,
        tokens: |usage| {
            let count = |key: &str| usage[key].as_u64().unwrap_or_default();
            (count("prompt_eval_count"), count("eval_count"))
        },
    },
];

const fn gemini(at: &'static str, provider: &'static str, config: &'static str) -> Host {
    Host {
        family: "gemini",
        at,
        provider,
        config,
        finish: |it, calls_tools| match it {
            "MAX_TOKENS" => "length",
            _ if calls_tools => "tool_calls",
            _ => "stop",
        },
        tokens: |usage| {
            let count = |key: &str| usage[key].as_u64().unwrap_or_default();
            (
                count("promptTokenCount") + count("toolUsePromptTokenCount"),
                count("candidatesTokenCount") + count("thoughtsTokenCount"),
            )
        },
    }
}

impl Host {
    /// The endpoint that asks this server.
    pub(super) fn endpoint(&self) -> String {
        format!("{}-{}", self.family, self.at.replace(':', "-"))
    }
}

pub(super) fn host_of(recording: &Value) -> Option<&'static Host> {
    HOSTS.iter().find(|it| recording["family"] == it.family && recording["host"] == it.at)
}

/// A gateway with an endpoint for each server.
pub(super) fn yaml() -> String {
    let mut yaml = "endpoints:\n".to_owned();
    for host in HOSTS {
        let (name, provider, config) = (host.endpoint(), host.provider, host.config);
        writeln!(yaml, "  - name: {name}\n    endpoint_type: llm/v1/chat").unwrap();
        writeln!(yaml, "    model: {{provider: {provider}, name: m, config: {config}}}").unwrap();
    }
    yaml
}

fn openai_tokens(usage: &Value) -> (u64, u64) {
    let count = |key: &str| usage[key].as_u64().unwrap_or_default();
    (count("prompt_tokens"), count("completion_tokens"))
}
