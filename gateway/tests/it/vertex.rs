//! Vertex AI: who asks, where, and in whose words. Google's token server is a real one on a socket.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello, load};

/// Made for these tests; it opens nothing.
const KEY: &str = include_str!("../fixtures/vertex-test-key.pem");

const GEMINI_ANSWER: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP"}],
    "usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1,"totalTokenCount":3},"modelVersion":"g","responseId":"r"}"#;
const CLAUDE_ANSWER: &str = r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"hi"}],
    "stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2,"output_tokens":1}}"#;

fn granted(token: &str) -> Reply {
    Reply::json(200, &json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).to_string())
}

fn form(text: &Value) -> std::collections::HashMap<String, String> {
    url::form_urlencoded::parse(text.as_str().unwrap().as_bytes()).into_owned().collect()
}

fn part(token: &str, number: usize) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap()
}

/// An endpoint `chat` whose credentials stand in a file.
async fn gateway_with(document: &Value, model: &str, provider: &Provider) -> (TestGateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.json");
    std::fs::write(&file, serde_json::to_string_pretty(document).unwrap()).unwrap();
    let yaml = format!(
        "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: vertex_ai
      name: {model}
      config: {{vertex_location: europe-west4, vertex_credentials: {}, api_base: BASE}}
",
        file.display()
    );
    (TestGateway::start(&yaml, provider).await, folder)
}

fn service_account(google: &Provider) -> Value {
    json!({
        "type": "service_account", "project_id": "tests-1", "private_key_id": "k1", "private_key": KEY,
        "client_email": "gateway@tests-1.iam.gserviceaccount.com", "token_uri": format!("{}/token", google.base),
    })
}

#[tokio::test]
async fn a_service_account_signs_for_one_token_and_asks_gemini_with_it() {
    let (provider, google) = (Provider::start().await, Provider::start().await);
    let (gateway, _folder) = gateway_with(&service_account(&google), "gemini-3-flash", &provider).await;
    google.will(granted("ya29.one"));
    provider.will(Reply::json(200, GEMINI_ANSWER));
    provider
        .will(Reply::json(400, r#"{"error":{"code":400,"message":"bad token ya29.one","status":"INVALID_ARGUMENT"}}"#));
    let history = json!({"model": "chat", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
    ]});
    let before = time::OffsetDateTime::now_utc().unix_timestamp();
    let (status, answer) = gateway.ask("/v1/chat/completions", &history).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("hi")), "{answer}");
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 400);
    assert_eq!(answer["error"]["message"].as_str().unwrap().matches("[key]").count(), 1, "{answer}");

    let asked = google.seen();
    assert_eq!(asked.len(), 1, "the token is asked for once");
    assert_eq!(asked[0].path, "/v1/token");
    let form = form(&asked[0].body);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let token = &form["assertion"];
    let (signed, signature) = (token.rsplit_once('.').unwrap().0, part(token, 2));
    let pair = RsaKeyPair::from_pkcs8(PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap().secret_pkcs8_der());
    let public = pair.unwrap().public_key().as_ref().to_vec();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature).unwrap();
    let head: Value = serde_json::from_slice(&part(token, 0)).unwrap();
    assert_eq!(head, json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let mut claims: Value = serde_json::from_slice(&part(token, 1)).unwrap();
    let issued = claims["iat"].as_i64().unwrap();
    assert!((before..=time::OffsetDateTime::now_utc().unix_timestamp()).contains(&issued));
    assert_eq!(claims["exp"].as_i64().unwrap() - issued, 3600);
    for key in ["iat", "exp"] {
        claims.as_object_mut().unwrap().shift_remove(key);
    }
    assert_eq!(
        claims,
        json!({
            "iss": "gateway@tests-1.iam.gserviceaccount.com", "aud": format!("{}/token", google.base),
            "scope": "https://www.googleapis.com/auth/cloud-platform",
        })
    );

    let seen = provider.seen();
    let path = "/v1/projects/tests-1/locations/europe-west4/publishers/google/models/gemini-3-flash:generateContent";
    for call in &seen {
        assert_eq!((call.path.as_str(), call.headers["authorization"].as_bytes()), (path, &b"Bearer ya29.one"[..]));
    }
    // Vertex knows no ids of calls.
    let contents = &seen[0].body["contents"];
    assert_eq!(contents[1]["parts"][0]["functionCall"], json!({"name": "f", "args": {}}));
    assert_eq!(contents[2]["parts"][0]["functionResponse"], json!({"name": "f", "response": {"output": "ok"}}));
}

#[tokio::test]
async fn a_users_refusal_tells_no_secret_and_is_asked_again() {
    let (provider, google) = (Provider::start().await, Provider::start().await);
    let user = json!({
        "type": "authorized_user", "client_id": "c.apps", "client_secret": "client-s3cret", "refresh_token": "1//refresh",
        "quota_project_id": "payer", "project_id": "tests-2", "token_uri": format!("{}/token", google.base),
    });
    let (gateway, _folder) = gateway_with(&user, "gemini-3-flash", &provider).await;
    google.will(Reply::json(
        400,
        r#"{"error":"invalid_grant","error_description":"1//refresh of client-s3cret is revoked"}"#,
    ));
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await;
    let words = answer["error"]["message"].as_str().unwrap();
    assert_eq!(status, 503, "{answer}");
    assert!(words.contains("(HTTP 400): [key] of [key] is revoked"), "{words}");

    google.will(granted("ya29.two"));
    provider.will(Reply::json(200, GEMINI_ANSWER));
    let (status, _) = gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 200);
    let form = form(&google.seen()[1].body);
    assert_eq!((form["grant_type"].as_str(), form["refresh_token"].as_str()), ("refresh_token", "1//refresh"));
    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("c.apps", "client-s3cret"));
    let seen = provider.seen();
    assert_eq!(seen[0].headers["authorization"], "Bearer ya29.two");
    assert_eq!(seen[0].headers["x-goog-user-project"], "payer");
}

#[tokio::test]
async fn a_user_asks_in_the_name_of_a_service_account() {
    let (provider, google) = (Provider::start().await, Provider::start().await);
    let account = "sa@tests-1.iam.gserviceaccount.com";
    let impersonated = json!({
        "type": "impersonated_service_account", "project_id": "tests-1", "delegates": ["one@tests-1.iam.gserviceaccount.com"],
        "service_account_impersonation_url": format!("{}/projects/-/serviceAccounts/{account}:generateAccessToken", google.base),
        "source_credentials": {
            "type": "authorized_user", "client_id": "c.apps", "client_secret": "client-s3cret",
            "refresh_token": "1//refresh", "token_uri": format!("{}/token", google.base),
        },
    });
    let (gateway, _folder) = gateway_with(&impersonated, "gemini-3-flash", &provider).await;
    google.will(granted("ya29.user"));
    google.will(Reply::json(403, r#"{"error":{"code":403,"message":"ya29.user may not act as it"}}"#));
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await;
    let words = answer["error"]["message"].as_str().unwrap();
    assert_eq!(status, 503, "{answer}");
    assert!(
        words.contains(&format!("in the name of the service account `{account}` (HTTP 403): [key] may not")),
        "{words}"
    );

    google.will(granted("ya29.user"));
    google.will(Reply::json(200, r#"{"accessToken":"ya29.account","expireTime":"2999-01-01T00:00:00Z"}"#));
    provider.will(Reply::json(200, GEMINI_ANSWER));
    let (status, _) = gateway.ask("/v1/chat/completions", &hello(Some("chat"))).await;
    assert_eq!(status, 200);
    let asked = google.seen().pop().unwrap();
    assert_eq!(asked.headers["authorization"], "Bearer ya29.user");
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    let delegates = ["one@tests-1.iam.gserviceaccount.com"];
    assert_eq!(asked.body, json!({"delegates": delegates, "scope": [scope], "lifetime": "3600s"}));
    assert_eq!(provider.seen()[0].headers["authorization"], "Bearer ya29.account");
}

const OTHERS: &str = "
endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model:
      provider: vertex-ai
      name: claude-sonnet-4-5@20250929
      config: {vertex_project: p, vertex_access_token: $KEY, api_base: BASE, vertex_anthropic_betas: 'a-1, b-2'}
  - name: llama
    endpoint_type: llm/v1/chat
    model: {provider: vertex, name: meta/llama-4-maas, config: {project: p, access_token: $KEY, api_base: BASE}}
  - name: express
    endpoint_type: llm/v1/chat
    model: {provider: vertex, name: gemini-3-flash, config: {api_key: $KEY, api_base: BASE}}
  - name: vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: vertex, name: text-embedding-005, config: {project: p, access_token: $KEY, api_base: BASE}}
";

#[tokio::test]
async fn claude_is_asked_in_messages_without_a_model() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(OTHERS, &provider).await;
    provider.will(Reply::json(200, CLAUDE_ANSWER)).will(Reply::json(200, CLAUDE_ANSWER));
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("claude"))).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("hi")), "{answer}");
    let body = json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let post = |path: &str, body: &Value| {
        let post = gateway.http.post(format!("{}{path}", gateway.base)).json(body);
        post.header("anthropic-version", "2023-06-01").header("anthropic-beta", "a-1,c-3").send()
    };
    let answer: Value = post("/v1/messages", &body).await.unwrap().json().await.unwrap();
    assert_eq!(answer["content"][0]["text"], "hi", "{answer}");
    provider.will(Reply::json(200, r#"{"input_tokens":7}"#));
    let counted: Value = post("/v1/messages/count_tokens", &body).await.unwrap().json().await.unwrap();
    assert_eq!(counted, json!({"input_tokens": 7}));

    let below = "/v1/projects/p/locations/global/publishers/anthropic/models";
    let seen = provider.seen();
    assert_eq!(seen[0].path, format!("{below}/claude-sonnet-4-5@20250929:rawPredict"));
    assert_eq!(seen[0].headers["authorization"], "Bearer sk-secret");
    assert_eq!(
        seen[0].body,
        json!({"max_tokens": 8192, "messages": [{"role": "user", "content": "hi"}], "anthropic_version": "vertex-2023-10-16"})
    );
    assert_eq!(
        seen[1].body,
        json!({"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "anthropic_version": "vertex-2023-10-16"})
    );
    assert_eq!(seen[1].headers["anthropic-beta"], "a-1");
    assert!(!seen[1].headers.contains_key("anthropic-version"));
    assert_eq!(seen[2].path, format!("{below}/count-tokens:rawPredict"));
    assert_eq!(seen[2].body["model"], "claude-sonnet-4-5@20250929");

    provider.will(Reply::sse(concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":2,\"output_tokens\":0}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    )));
    let mut body = hello(Some("claude"));
    body["stream"] = true.into();
    let events = gateway.post("/v1/chat/completions", &body).await.text().await.unwrap();
    assert!(events.contains(r#""content":"hi""#) && events.contains("data: [DONE]"), "{events}");
    let seen = provider.seen();
    assert_eq!(seen[3].path, format!("{below}/claude-sonnet-4-5@20250929:streamRawPredict"));
    assert_eq!(seen[3].body["stream"], true);
}

#[tokio::test]
async fn other_makers_keys_and_vectors_have_their_own_places() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(OTHERS, &provider).await;
    provider.will(Reply::json(
        200,
        r#"{"id":"i","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}]}"#,
    ));
    provider.will(Reply::json(200, GEMINI_ANSWER));
    provider.will(Reply::json(
        200,
        r#"{"predictions":[{"embeddings":{"values":[0.5,0.25],"statistics":{"token_count":2}}}]}"#,
    ));
    for name in ["llama", "express"] {
        let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some(name))).await;
        assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("hi")), "{answer}");
    }
    let (_, answer) = gateway.ask("/v1/embeddings", &json!({"model": "vectors", "input": "a"})).await;
    assert_eq!(answer["data"][0]["embedding"], json!([0.5, 0.25]), "{answer}");
    let seen = provider.seen();
    assert_eq!(seen[0].path, "/v1/projects/p/locations/us-central1/endpoints/openapi/chat/completions");
    assert_eq!(seen[0].body["model"], "meta/llama-4-maas");
    assert_eq!(seen[1].path, "/v1/publishers/google/models/gemini-3-flash:generateContent");
    assert_eq!(seen[1].headers["x-goog-api-key"], "sk-secret");
    assert_eq!(seen[2].path, "/v1/projects/p/locations/global/publishers/google/models/text-embedding-005:predict");
    assert_eq!(seen[2].body, json!({"instances": [{"content": "a"}]}));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_when_it_is_read() {
    let check = |config: &str, expected: &str| {
        let yaml = format!(
            "endpoints: [{{name: a, endpoint_type: llm/v1/chat, model: {{provider: vertex, name: gemini-3, config: {config}}}}}]"
        );
        let refused = match load(&yaml) {
            Err(error) => error.to_string(),
            Ok(config) => gateway::Gateway::start(config, gateway::Parts::default()).err().unwrap().to_string(),
        };
        assert!(refused.contains(expected), "{config}: {refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
    };
    check("{project: p, credentials: '{\"s3cret\"'}", "`vertex_credentials` holds no credentials of Google's");
    check("{project: p, credentials: '{\"type\": \"external_account\"}'}", "is of the type `external_account`");
    check(
        "{project: p, credentials: '{\"type\": \"service_account\", \"client_email\": \"e\", \"private_key\": \"s3cret\"}'}",
        "no RSA key in PEM",
    );
    check("{project: p, access_token: s3cret, api_key: s3cret}", "keep one");
    check("{project: p, location: evil.example/x, access_token: s3cret}", "is no location of Google's");
    check("{project: 'p/../q', access_token: s3cret}", "is no id of a project");
}
