//! Bedrock's Converse behind chats: where a call goes, how it is signed, and how its errors come back.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello, load};

const YAML: &str = "
endpoints:
  - name: signed
    endpoint_type: llm/v1/chat
    model:
      provider: amazon-bedrock
      name: us.amazon.nova-micro-v1:0
      config:
        aws_config: {aws_region: eu-west-1, aws_access_key_id: AKID, aws_secret_access_key: $KEY, aws_session_token: TOKEN}
        api_base: BASE
  - name: keyed
    endpoint_type: llm/v1/chat
    model: {provider: bedrock, name: m, config: {aws_bearer_token: $KEY, api_base: BASE}}
  - name: titan
    endpoint_type: llm/v1/embeddings
    model: {provider: bedrock, name: amazon.titan-embed-text-v2:0, config: {api_key: $KEY, api_base: BASE}}
  - name: role
    endpoint_type: llm/v1/chat
    model:
      provider: bedrock
      name: m
      config:
        aws_region: eu-west-1
        aws_access_key_id: AKID
        aws_secret_access_key: $KEY
        aws_role_arn: arn:aws:iam::1:role/r
        aws_sts_endpoint: BASE
        api_base: BASE
";

const ANSWER: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hello"}]}},"stopReason":"end_turn",
    "usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3,"cacheReadInputTokens":4},"metrics":{"latencyMs":5},
    "trace":{"guardrail":{"actionReason":"none"}}}"#;

#[tokio::test]
async fn a_call_is_signed_and_its_answer_a_chats() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    provider.will(Reply::json(200, ANSWER));
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("signed"))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "hello");
    assert_eq!(answer["usage"]["prompt_tokens"], 5);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(answer["trace"]["guardrail"]["actionReason"], "none");
    let seen = &provider.seen()[0];
    assert_eq!(seen.path, "/v1/model/us.amazon.nova-micro-v1%3A0/converse");
    assert_eq!(seen.body, json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}));
    let authorization = seen.headers["authorization"].to_str().unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/bedrock/aws4_request"), "{authorization}");
    assert_eq!(seen.headers["x-amz-security-token"], "TOKEN");

    provider.will(Reply::json(200, ANSWER));
    gateway.ask("/v1/chat/completions", &hello(Some("keyed"))).await;
    let seen = &provider.seen()[1];
    assert_eq!(seen.headers["authorization"], "Bearer sk-secret");
    assert!(!seen.headers.contains_key("x-amz-date"));
}

#[tokio::test]
async fn refusals_keep_their_words_and_lose_what_was_signed() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let quoted = json!({"message": "The signature does not match. It should have been\nx-amz-security-token:TOKEN"});
    provider.will(Reply::json(403, &quoted.to_string()));
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("signed"))).await;
    assert_eq!(status, 403);
    let words = answer.to_string();
    assert!(words.contains("The signature does not match") && !words.contains("TOKEN"), "{words}");

    provider.will(Reply::json(429, r#"{"message":"Too many requests"}"#));
    let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("keyed"))).await;
    assert_eq!(status, 429);
    assert!(answer["error"]["message"].as_str().unwrap().contains("Too many requests"), "{answer}");
}

#[tokio::test]
async fn a_role_is_taken_on_once() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let grant = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
        <SecretAccessKey>S</SecretAccessKey><SessionToken>GRANTED</SessionToken></Credentials></AssumeRoleResult>\
        </AssumeRoleResponse>";
    provider.will(Reply::Raw { status: 200, content_type: "text/xml".to_owned(), body: grant.into() });
    provider.will(Reply::json(200, ANSWER)).will(Reply::json(200, ANSWER));
    for _ in 0..2 {
        let (status, answer) = gateway.ask("/v1/chat/completions", &hello(Some("role"))).await;
        assert_eq!(status, 200, "{answer}");
    }
    let seen = provider.seen();
    assert_eq!(seen.len(), 3);
    let form = seen[0].body.as_str().unwrap();
    assert!(
        form.contains("Action=AssumeRole&") && form.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"),
        "{form}"
    );
    assert!(seen[0].headers["authorization"].to_str().unwrap().contains("/eu-west-1/sts/aws4_request"));
    assert_eq!(seen[2].headers["x-amz-security-token"], "GRANTED");
}

#[tokio::test]
async fn embeddings_come_as_numbers_or_as_base64() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let answer = r#"{"embedding":[1.0,-0.5],"inputTextTokenCount":3}"#;
    provider.will(Reply::json(200, answer)).will(Reply::json(200, answer));
    let body = json!({"model": "titan", "input": ["a"], "dimensions": 256});
    let (_, got) = gateway.ask("/v1/embeddings", &body).await;
    assert_eq!(got["data"][0]["embedding"], json!([1.0, -0.5]));
    assert_eq!(got["usage"]["prompt_tokens"], 3);
    let seen = &provider.seen()[0];
    assert_eq!(seen.path, "/v1/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_eq!(seen.body, json!({"inputText": "a", "dimensions": 256}));

    let body = json!({"model": "titan", "input": "a", "encoding_format": "base64"});
    let (_, got) = gateway.ask("/v1/embeddings", &body).await;
    assert_eq!(got["data"][0]["embedding"], "AACAPwAAAL8=");
    let (status, refused) = gateway.ask("/v1/embeddings", &json!({"model": "titan", "input": ["a", "b"]})).await;
    assert_eq!((status, &refused["error"]["param"]), (400, &Value::from("input")));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let check = |config: &str, words: &str| {
        let yaml = format!(
            "endpoints:\n  - name: b\n    endpoint_type: llm/v1/chat\n    model: {{provider: bedrock, name: m, config: {config}}}\n"
        );
        let error = load(&yaml)
            .and_then(|it| gateway::Gateway::start(it, gateway::Parts::default()).map(|_| ()))
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    check("{aws_region: eu-west-1, aws_access_key_id: a}", "belong together; give both or neither");
    check("{aws_config: {aws_regio: x}}", "did you mean `aws_region`?");
    check("{aws_config: 5}", "must be a table");
    check(
        "{aws_region: eu-west-1, aws_profile: no-such-profile-anywhere}",
        "no AWS profile `no-such-profile-anywhere`",
    );
}
