//! Sends one body to each format that callers of the gateway speak; the fuzzer and a test of every build share it.

use axum::{
    Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// Endpoints that lead nowhere: each body is read and translated, and the call fails for want of a server.
pub(crate) const CONFIG: &str = "
endpoints:
  - name: chats
    endpoint_type: llm/v1/chat
    model: {provider: vllm, name: m, config: {api_base: 'http://127.0.0.1:1'}}
  - name: messages
    endpoint_type: llm/v1/chat
    model: {provider: anthropic, name: m, config: {api_key: k, api_base: 'http://127.0.0.1:1'}}
  - name: contents
    endpoint_type: llm/v1/chat
    model: {provider: gemini, name: m, config: {api_key: k, api_base: 'http://127.0.0.1:1'}}
  - name: converse
    endpoint_type: llm/v1/chat
    model: {provider: bedrock, name: m, config: {api_key: k, aws_region: us-east-1, api_base: 'http://127.0.0.1:1'}}
";

const ENDPOINTS: &[&str] = &["chats", "messages", "contents", "converse"];

/// Where each format is sent; the endpoint's name takes the place of the braces.
const PATHS: &[&str] = &[
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1beta/models/{}:generateContent",
    "/v1beta/models/{}:streamGenerateContent",
    "/endpoints/{}/invocations",
];

/// Sends the body to each path and endpoint. An answer is JSON, and the gateway never says that it broke.
pub(crate) async fn send_to_all(router: &Router, body: &[u8]) {
    for endpoint in ENDPOINTS {
        let body = named(body, endpoint);
        for path in PATHS {
            let path = path.replace("{}", endpoint);
            let request = Request::post(path.as_str())
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(body.clone()))
                .expect("the parts of the request are valid");
            let answer = router.clone().oneshot(request).await.expect("a router always answers");
            let status = answer.status();
            let bytes = answer.into_body().collect().await.expect("the answer is whole").to_bytes();
            let said: Result<Value, _> = serde_json::from_slice(&bytes);
            assert!(
                status != 500 && said.is_ok(),
                "{path} answered {status} {} to {}",
                String::from_utf8_lossy(&bytes),
                String::from_utf8_lossy(&body),
            );
        }
    }
}

/// The body with the endpoint's name, where it is an object.
fn named(body: &[u8], endpoint: &str) -> Vec<u8> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("model".to_owned(), endpoint.into());
            Value::from(fields).to_string().into_bytes()
        }
        _ => body.to_vec(),
    }
}
