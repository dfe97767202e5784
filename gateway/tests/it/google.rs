//! Callers who speak Google's generateContent, to Google and to others.

use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-test, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: gemini
    endpoint_type: llm/v1/chat
    model: {provider: gemini, name: gemini-3-flash, config: {api_key: $KEY, api_base: BASE}}
  - name: claude
    endpoint_type: llm/v1/chat
    model: {provider: anthropic, name: claude-test, config: {anthropic_api_key: $KEY, anthropic_api_base: BASE}}
  - name: vertex
    endpoint_type: llm/v1/chat
    model: {provider: vertex, name: gemini-3, config: {vertex_project: p, vertex_access_token: $KEY, api_base: BASE}}
  - name: vectors
    endpoint_type: llm/v1/embeddings
    model: {provider: openai, name: e, config: {api_key: $KEY, api_base: BASE}}
";

fn hello() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk =
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test", "choices": [choice]});
    format!("data: {chunk}\n\n")
}

const COUNTS: &str = "data: {\"id\":\"c1\",\"model\":\"gpt-test\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\
                      \"completion_tokens\":9,\"total_tokens\":14,\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n";

#[tokio::test]
async fn a_call_reaches_an_openai_model_and_comes_back() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let reply = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-test", "choices": [{
        "index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Looking.",
        "reasoning_content": "Hm", "tool_calls": [{"id": "t1", "type": "function", "function":
            {"name": "f", "arguments": "{\"a\":1}"}}]}}], "usage": {"prompt_tokens": 5, "completion_tokens": 9,
        "total_tokens": 14, "completion_tokens_details": {"reasoning_tokens": 2}}});
    provider.will(Reply::json(200, &reply.to_string()));
    let mut body = hello();
    body["system_instruction"] = json!({"parts": [{"text": "Be brief."}]});
    body["generationConfig"] = json!({"maxOutputTokens": 9, "topK": 3.0});
    body["safetySettings"] = json!([]);
    let response = gateway.post("/v1beta/models/chat:generateContent", &body).await;
    assert_eq!(response.status(), 200);
    let warnings = response.headers()["x-tidegate-warnings"].to_str().unwrap().to_owned();
    assert!(warnings.contains("top_k") && warnings.contains("safetySettings"), "{warnings}");
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({
            "candidates": [{"content": {"parts": [{"text": "Looking."},
                {"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}}], "role": "model"},
                "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 2,
                              "totalTokenCount": 14},
            "modelVersion": "gpt-test", "responseId": "c1",
        })
    );
    let seen = &provider.seen()[0];
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(
        seen.body["messages"],
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}])
    );
    assert_eq!(seen.body["max_completion_tokens"], 9);
}

#[tokio::test]
async fn a_stream_comes_as_events_or_as_a_list_that_grows() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let call = |index: u32, id: Option<&str>, arguments: &str| {
        let mut call = json!({"index": index, "function": {"arguments": arguments}});
        if let Some(id) = id {
            call["id"] = id.into();
            call["function"]["name"] = "f".into();
        }
        json!({"tool_calls": [call]})
    };
    let list = [
        chunk(&json!({"role": "assistant", "content": ""}), None),
        chunk(&json!({"content": "He"}), None),
        chunk(&call(0, Some("a"), ""), None),
        chunk(&call(1, Some("b"), ""), None),
        chunk(&call(0, None, "{\"x\":"), None),
        chunk(&call(1, None, "{}"), None),
        chunk(&call(0, None, "1}"), None),
        chunk(&json!({}), Some("tool_calls")),
        COUNTS.to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    let expected = [
        json!({"candidates": [{"content": {"parts": [{"text": "He"}], "role": "model"}, "index": 0}],
               "modelVersion": "gpt-test", "responseId": "c1"}),
        json!({"candidates": [{"content": {"parts": [
                   {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}},
                   {"functionCall": {"id": "b", "name": "f", "args": {}}}], "role": "model"},
                   "finishReason": "STOP", "index": 0}],
               "modelVersion": "gpt-test", "responseId": "c1",
               "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 2,
                                 "totalTokenCount": 14}}),
    ];
    provider.will(Reply::sse(&list.concat()));
    let events = gateway.stream("/v1beta/models/chat:streamGenerateContent?alt=sse", &hello()).await;
    let events: Vec<Value> = events.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(events, expected);

    provider.will(Reply::sse(&list.concat()));
    let response = gateway.post("/gemini/v1beta/models/chat:streamGenerateContent", &hello()).await;
    assert_eq!(response.headers()["content-type"], "application/json; charset=UTF-8");
    assert_eq!(response.json::<Value>().await.unwrap(), json!(expected));

    // A stream that was cut short ends with an error, in either form.
    provider.will(Reply::sse(&list[..2].concat()));
    let events = gateway.stream("/v1beta/models/chat:streamGenerateContent?alt=sse", &hello()).await;
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!((&last["error"]["code"], &last["error"]["status"]), (&json!(503), &json!("UNAVAILABLE")));
    provider.will(Reply::sse(&list[..2].concat()));
    let response = gateway.post("/v1beta/models/chat:streamGenerateContent", &hello()).await;
    let list: Value = response.json().await.unwrap();
    assert_eq!(list[1]["error"]["status"], "UNAVAILABLE");
}

#[tokio::test]
async fn google_itself_gets_and_gives_everything_as_it_is() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let answer = json!({"candidates": [{"content": {"parts": [{"newThing": 1}], "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}, "other": [1]});
    provider.will(Reply::json(200, &answer.to_string()));
    let mut body = hello();
    body["futureField"] = json!({"snake_case": 1});
    let (status, got) = gateway.ask("/v1beta/models/gemini:generateContent", &body).await;
    assert_eq!((status, &got), (200, &answer));
    assert_eq!(provider.seen()[0].path, "/v1/models/gemini-3-flash:generateContent");
    assert_eq!(provider.seen()[0].body, body);
    assert_eq!(gateway.calls.recv().await.unwrap().usage.unwrap().total_tokens, 7);

    provider.will(Reply::sse(&format!("data: {answer}\r\n\r\n")));
    let events = gateway.stream("/gateway/gemini/v1beta/models/gemini:streamGenerateContent?alt=sse", &body).await;
    assert_eq!(events, [answer.to_string()]);
    assert_eq!(gateway.calls.recv().await.unwrap().usage.unwrap().completion_tokens, Some(4));
}

#[tokio::test]
async fn errors_are_googles() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let check = |got: (u16, Value), status: u16, word: &str, words: &str| {
        assert_eq!(got.0, status, "{}", got.1);
        assert_eq!((&got.1["error"]["code"], &got.1["error"]["status"]), (&json!(status), &json!(word)));
        assert!(got.1["error"]["message"].as_str().unwrap().contains(words), "{}", got.1);
    };
    let path = "/v1beta/models/chat:generateContent";
    check(gateway.ask("/v1beta/models/none:generateContent", &hello()).await, 404, "NOT_FOUND", "`none`");
    check(gateway.ask("/v1beta/models/chat:predict", &hello()).await, 404, "NOT_FOUND", "`predict` is no method");
    check(gateway.ask("/v1beta/models/vectors:generateContent", &hello()).await, 400, "INVALID_ARGUMENT", "vectors");
    check(gateway.ask(path, &json!({})).await, 400, "INVALID_ARGUMENT", "`contents` is missing");
    provider.will(Reply::json(500, r#"{"error":{"message":"oops"}}"#));
    check(gateway.ask(path, &hello()).await, 500, "INTERNAL", "oops");
    provider.will(Reply::Bytes {
        status: 429,
        headers: vec![("content-type", "application/json".to_owned()), ("retry-after", "2".to_owned())],
        body: r#"{"error":{"message":"slow down"}}"#.to_owned(),
    });
    let got = gateway.ask(path, &hello()).await;
    assert_eq!(got.1["error"]["details"][0]["retryDelay"], "2s");
    check(got, 429, "RESOURCE_EXHAUSTED", "slow down");
    // Google's own details stay.
    let own = json!({"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID"}]}});
    provider.will(Reply::json(400, &own.to_string()));
    let got = gateway.ask("/v1beta/models/gemini:generateContent", &hello()).await;
    assert_eq!(got.1["error"]["details"], json!([{"reason": "API_KEY_INVALID"}]));
    check(got, 400, "INVALID_ARGUMENT", "API key not valid");
}

#[tokio::test]
async fn texts_are_embedded_one_by_one_or_together() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let reply = r#"{"object":"list","model":"e","data":[{"object":"embedding","index":0,"embedding":[1.5]},
        {"object":"embedding","index":1,"embedding":[2.5]}],"usage":{"prompt_tokens":2,"total_tokens":2}}"#;
    let content = |text: &str| json!({"content": {"parts": [{"text": text}]}, "outputDimensionality": 1});
    provider.will(Reply::json(200, reply)).will(Reply::json(200, reply));
    let (_, got) = gateway.ask("/v1beta/models/vectors:embedContent", &content("a")).await;
    assert_eq!(got["embedding"], json!({"values": [1.5]}));
    assert_eq!(provider.seen()[0].body, json!({"model": "e", "input": ["a"], "dimensions": 1}));
    let both = json!({"requests": [content("a"), content("b")]});
    let (_, got) = gateway.ask("/v1beta/models/vectors:batchEmbedContents", &both).await;
    assert_eq!(got["embeddings"], json!([{"values": [1.5]}, {"values": [2.5]}]));
    let (_, got) = gateway.get("/v1beta/models").await;
    assert_eq!(got["models"][1]["name"], "models/gemini");
    // Where Google's clients look whose version of the protocol is `v1`.
    let request = gateway.http.get(format!("{}/v1/models", gateway.base)).header("x-goog-api-client", "gl-python");
    assert_eq!(request.send().await.unwrap().json::<Value>().await.unwrap(), got);
    assert_eq!(got["models"][4]["supportedGenerationMethods"], json!(["embedContent", "batchEmbedContents"]));
}

#[tokio::test]
async fn tokens_are_counted_by_whoever_counts() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(YAML, &provider).await;
    let mut body = hello();
    body["systemInstruction"] = json!({"parts": [{"text": "Be brief."}]});
    body["safetySettings"] = json!([]);
    let count = async |endpoint: &str, body: &Value| {
        let response = gateway.post(&format!("/v1beta/models/{endpoint}:countTokens"), body).await;
        let is_guess = response.headers().get("x-tidegate-token-count").is_some_and(|it| it == "estimate");
        (response.status().as_u16(), is_guess, response.json::<Value>().await.unwrap())
    };

    // Google's own answer passes as it came; the whole call goes in a field of its own with its model.
    let answer = json!({"totalTokens": 7, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}]});
    provider.will(Reply::json(200, &answer.to_string()));
    assert_eq!(count("gemini", &hello()).await, (200, false, answer.clone()));
    provider.will(Reply::json(200, &answer.to_string()));
    let whole = json!({"generateContentRequest": {"model": "models/gemini", "contents": body["contents"],
        "systemInstruction": body["systemInstruction"]}});
    assert_eq!(count("gemini", &whole).await, (200, false, answer.clone()));
    let seen = provider.seen();
    assert_eq!((seen[0].path.as_str(), &seen[0].body), ("/v1/models/gemini-3-flash:countTokens", &hello()));
    assert_eq!(
        seen[1].body,
        json!({"generateContentRequest": {"contents": body["contents"], "model": "models/gemini-3-flash",
            "systemInstruction": body["systemInstruction"]}})
    );

    // Vertex takes the fields that it counts.
    provider.will(Reply::json(200, r#"{"totalTokens": 8}"#));
    assert_eq!(count("vertex", &body).await, (200, false, json!({"totalTokens": 8})));
    let seen = provider.seen().pop().unwrap();
    assert!(seen.path.ends_with("/publishers/google/models/gemini-3:countTokens"), "{}", seen.path);
    assert_eq!(seen.body, json!({"contents": body["contents"], "systemInstruction": body["systemInstruction"]}));

    // Anthropic counts what the call would be there, and Google what an Anthropic call would be.
    provider.will(Reply::json(200, r#"{"input_tokens": 14}"#));
    assert_eq!(count("claude", &body).await, (200, false, json!({"totalTokens": 14})));
    let seen = provider.seen().pop().unwrap();
    let expected =
        json!({"model": "claude-test", "system": "Be brief.", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!((seen.path.as_str(), seen.body), ("/v1/messages/count_tokens", expected));
    provider.will(Reply::json(200, r#"{"totalTokens": 3}"#));
    let messages = json!({"model": "gemini", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(gateway.ask("/v1/messages/count_tokens", &messages).await, (200, json!({"input_tokens": 3})));

    assert_eq!(count("chat", &hello()).await, (200, true, json!({"totalTokens": 5})));
    let (status, _, error) = count("chat", &json!({"contents": null})).await;
    assert_eq!((status, &error["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    assert_eq!(provider.seen().len(), 5);
}
