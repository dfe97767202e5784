//! Providers who quote all that they were sent: no key of any provider comes back to the caller, or into records.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello};

/// Each secret holds this word, and nothing else does.
const WORD: &str = "s3cret";

/// Endpoints of every kind of provider, and how each is told who asks.
const PROVIDERS: &[&str] = &[
    "{provider: openai, name: m, config: {api_key: k-s3cret, api_base: BASE}}",
    "{provider: openai, name: m, config: {api_key: k-s3cret, api_base: BASE, headers: {x-more: 'a/b+s3cret'}}}",
    "{provider: azure, name: m, config: {openai_api_key: k-s3cret, api_base: BASE, openai_api_version: '2025-04-01', openai_deployment_name: d}}",
    "{provider: openai, name: m, config: {openai_api_type: azuread, openai_api_key: t-s3cret, openai_api_base: BASE, openai_api_version: '2025-04-01', openai_deployment_name: d}}",
    "{provider: groq, name: m, config: {groq_api_key: k-s3cret, api_base: BASE}}",
    "{provider: perplexity, name: m, config: {api_key: k-s3cret, api_base: BASE}}",
    "{provider: vllm, name: m, config: {api_key: k-s3cret, api_base: BASE}}",
    "{provider: openai-compatible, name: m, config: {api_key: k-s3cret, api_base: BASE}}",
    "{provider: anthropic, name: m, config: {anthropic_api_key: k-s3cret, api_base: BASE}}",
    "{provider: gemini, name: m, config: {gemini_api_key: k-s3cret, api_base: BASE}}",
    "{provider: vertex, name: gemini-3, config: {vertex_project: p, api_key: k-s3cret, api_base: BASE}}",
    "{provider: vertex, name: gemini-3, config: {vertex_project: p, access_token: t-s3cret, api_base: BASE}}",
    "{provider: vertex, name: claude-4, config: {vertex_project: p, access_token: t-s3cret, api_base: BASE}}",
    "{provider: vertex, name: meta/llama-4, config: {vertex_project: p, access_token: t-s3cret, api_base: BASE}}",
    "{provider: bedrock, name: m, config: {aws_region: us-east-1, aws_bearer_token: k-s3cret, api_base: BASE}}",
    "{provider: bedrock, name: m, config: {aws_region: us-east-1, aws_access_key_id: AKIDs3cret, aws_secret_access_key: k-s3cret, aws_session_token: t/s3cret+=, api_base: BASE}}",
    "{provider: cohere, name: m, config: {cohere_api_key: k-s3cret, api_base: BASE}}",
    "{provider: mistral, name: m, config: {mistral_api_key: k-s3cret, api_base: BASE}}",
    "{provider: ollama, name: m, config: {api_base: ROOT, headers: {authorization: 'Bearer k-s3cret'}}}",
    "{provider: ollama, name: m, config: {api_base: BASE, api_key: k-s3cret}}",
    "{provider: databricks, name: m, config: {databricks_token: k-s3cret, api_base: BASE}}",
    "{provider: mlflow-model-serving, name: m, config: {model_server_url: ROOT, headers: {authorization: 'Bearer k-s3cret'}}}",
    "{provider: huggingface-text-generation-inference, name: m, config: {hf_server_url: ROOT, headers: {authorization: 'Bearer k-s3cret'}}}",
    "{provider: portkey, name: m, config: {api_key: k-s3cret, provider_api_key: p-s3cret, portkey_config: c, api_base: BASE}}",
];

/// Those who are granted a token first.
const GRANTED: &[&str] = &[
    "{provider: databricks, name: m, config: {client_id: me, client_secret: k-s3cret, api_base: BASE}}",
    "{provider: vertex, name: gemini-3, config: {vertex_project: p, api_base: BASE, vertex_credentials: '{\"type\": \"authorized_user\", \"client_id\": \"me\", \"client_secret\": \"k-s3cret\", \"refresh_token\": \"r-s3cret\", \"token_uri\": \"BASE/token\"}'}}",
];

fn yaml(model: &str) -> String {
    format!("endpoints:\n  - name: chat\n    endpoint_type: llm/v1/chat\n    model: {model}\n")
}

fn is_clean(text: &str, model: &str) {
    assert!(!text.contains(WORD), "{text}\n\nof {model}");
}

async fn ask(gateway: &mut TestGateway, body: &Value, model: &str) -> String {
    let text = gateway.post("/v1/chat/completions", body).await.text().await.unwrap();
    is_clean(&text, model);
    let record = gateway.calls.recv().await.unwrap();
    is_clean(&format!("{record:?}"), model);
    text
}

#[tokio::test]
async fn what_providers_quote_of_a_key_is_not_passed_on() {
    for (model, is_granted) in PROVIDERS.iter().map(|it| (it, false)).chain(GRANTED.iter().map(|it| (it, true))) {
        let provider = Provider::start().await;
        let mut gateway = TestGateway::start(&yaml(model), &provider).await;
        if is_granted {
            provider.will(Reply::json(200, r#"{"access_token":"t.s3cret.granted","expires_in":3600}"#));
        }
        for status in [400, 401, 429, 503] {
            provider.will(Reply::Echo { status });
            let text = ask(&mut gateway, &hello(Some("chat")), model).await;
            assert!(text.contains("[key]"), "{status} tells nothing: {text}\n\nof {model}");
        }
        // An error in an answer that looks good, and one where a stream should be.
        for stream in [false, true] {
            let mut body = hello(Some("chat"));
            body["stream"] = stream.into();
            provider.will(Reply::Echo { status: 200 });
            ask(&mut gateway, &body, model).await;
            provider.forget();
        }
        // What was sent did hold a key.
        let seen = provider.seen();
        let head = format!(
            "{:?}",
            seen.last()
                .unwrap()
                .headers
                .values()
                .map(axum::http::HeaderValue::as_bytes)
                .map(String::from_utf8_lossy)
                .collect::<Vec<_>>()
        );
        assert!(head.contains(WORD), "{head}\n\nof {model}");
        let explained =
            gateway.post("/v1/chat/completions?explain=true", &hello(Some("chat"))).await.text().await.unwrap();
        assert!(explained.contains("tidegate.explanation"), "{explained}");
        is_clean(&explained, model);
    }
}

#[tokio::test]
async fn a_refused_grant_tells_no_secret() {
    for model in GRANTED {
        let provider = Provider::start().await;
        let mut gateway = TestGateway::start(&yaml(model), &provider).await;
        provider.will(Reply::Echo { status: 401 });
        let text = ask(&mut gateway, &hello(Some("chat")), model).await;
        assert!(text.contains("[key]") && text.contains("HTTP 401"), "{text}");
    }
}

/// Errors in the middle of a stream, in the three framings that have a place for them.
#[tokio::test]
async fn an_error_event_is_clean_too() {
    let quoted = json!({"type": "error", "error": {"type": "authentication_error", "message": "Bearer k-s3cret"}});
    for model in [PROVIDERS[0], PROVIDERS[4], PROVIDERS[8], PROVIDERS[9], PROVIDERS[17]] {
        for head in ["event: error\n", ""] {
            let provider = Provider::start().await;
            let mut gateway = TestGateway::start(&yaml(model), &provider).await;
            provider.will(Reply::sse(&format!("{head}data: {quoted}\n\n")));
            let mut body = hello(Some("chat"));
            body["stream"] = true.into();
            let text = ask(&mut gateway, &body, model).await;
            // Anthropic's events have names, and one without is none.
            let is_event = !head.is_empty() || !model.contains("anthropic");
            assert!(!is_event || text.contains("[key]"), "{text}\n\nof {model}");
        }
    }
}
