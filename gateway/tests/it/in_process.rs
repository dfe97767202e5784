//! Endpoints for callers in the same process, local models, and the channel of records.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use gateway::{Gateway, LocalConfig, Outcome, Parts};
use llm::{Chat, ChatChunk, ChatReply, Embed, EmbedInput, Error, LanguageModel, Rest, Stream};
use serde_json::{Value, json};

use crate::support::{CHAT, Provider, Reply, TestGateway, hello, load};

#[tokio::test]
async fn an_endpoint_is_a_language_model() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(CHAT, &provider).await;
    assert!(gateway.gateway.model("nope").is_none());
    let model = gateway.gateway.model("chat").unwrap();
    provider.will(Reply::json(
        200,
        r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#,
    ));
    let reply = model.chat(Chat::of("hi")).await.unwrap();
    assert_eq!(reply.choices[0].message.text(), "hello");

    provider.will(Reply::sse(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    ));
    let chunks: Vec<ChatChunk> = model.chat_stream(Chat::of("hi")).await.unwrap().map(|it| it.unwrap()).collect().await;
    let text: String = chunks.iter().filter_map(|it| it.choices[0].delta.content.as_deref()).collect();
    assert_eq!(text, "hello");
    for _ in 0..2 {
        assert_eq!(gateway.calls.recv().await.unwrap().outcome, Outcome::Ok);
    }

    let embed = Embed { model: String::new(), input: EmbedInput::One("a".to_owned()), rest: Rest::new() };
    let Err(Error::Invalid { message, .. }) = model.embed(embed).await else { panic!("a chat endpoint embeds") };
    assert!(message.starts_with("endpoint `chat` is of type llm/v1/chat, not llm/v1/embeddings"), "{message}");
}

/// Says back what it was told.
struct Echo;

#[async_trait]
impl LanguageModel for Echo {
    async fn chat(&self, request: Chat) -> llm::Result<ChatReply> {
        let said = json!({"id": "e", "model": request.model, "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": request.messages[0].text()}}]});
        Ok(serde_json::from_value(said).unwrap())
    }

    async fn chat_stream(&self, request: Chat) -> llm::Result<Stream<ChatChunk>> {
        let chunk: ChatChunk = serde_json::from_value(json!({"id": "e", "choices": [
            {"index": 0, "delta": {"content": request.messages[0].text()}}]}))
        .unwrap();
        Ok(Box::pin(stream::iter([Ok(chunk), Err(Error::Unavailable("the queue is full; try later".to_owned()))])))
    }
}

const LOCAL: &str = "
endpoints:
  - name: one
    endpoint_type: llm/v1/chat
    model: {provider: local, name: echo, config: {path: models/echo.gguf, threads: 2}}
  - name: two
    endpoint_type: llm/v1/chat
    model: {provider: local, name: echo, config: {path: models/echo.gguf, threads: 2}}
  - name: bare
    endpoint_type: llm/v1/embeddings
    model: {provider: local, name: default}
";

#[tokio::test]
async fn local_models_are_opened_once_and_answer() {
    let opened: Arc<Mutex<Vec<LocalConfig>>> = Arc::default();
    let log = Arc::clone(&opened);
    let parts = Parts {
        open_local: Some(Arc::new(move |config: &LocalConfig| {
            log.lock().unwrap().push(config.clone());
            Ok(Arc::new(Echo) as Arc<dyn LanguageModel>)
        })),
        calls: None,
    };
    let gateway = TestGateway::start_with(LOCAL, parts).await;
    let opened = opened.lock().unwrap().clone();
    assert_eq!(opened.len(), 2);
    assert_eq!((opened[0].name.as_str(), opened[0].threads), ("echo", Some(2)));
    assert_eq!(opened[0].path.as_deref(), Some(Path::new("models/echo.gguf")));
    assert!(opened[0].config_dir.is_absolute());
    assert_eq!((opened[1].path.clone(), opened[1].name.as_str()), (None, "default"));

    let (status, body) = gateway.ask("/v1/chat/completions", &hello(Some("two"))).await;
    assert_eq!(
        (status, &body["choices"][0]["message"]["content"], &body["model"]),
        (200, &json!("hi"), &json!("echo"))
    );

    let mut request = hello(Some("one"));
    request["stream"] = true.into();
    let events = gateway.stream("/v1/chat/completions", &request).await;
    assert_eq!(events.len(), 2);
    let error: Value = serde_json::from_str(&events[1]).unwrap();
    assert_eq!(error["error"]["message"], "the queue is full; try later");

    let (status, body) = gateway.ask("/v1/embeddings", &json!({"model": "bare", "input": "a"})).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("unsupported")));
    let (status, _) = gateway.ask("/endpoints/bare/invocations", &json!({"input": "a"})).await;
    assert_eq!(status, 501);
}

#[tokio::test]
async fn a_local_model_that_cannot_be_opened() {
    let error = Gateway::start(load(LOCAL).unwrap(), Parts::default()).err().unwrap().to_string();
    assert!(error.contains("gateway.yaml:5: `endpoints[0].model`: endpoint `one` cannot be built"), "{error}");
    assert!(error.contains("provider `local` is not part of this build"), "{error}");
    let open = Arc::new(|_: &LocalConfig| Err("no file models/echo.gguf".to_owned()));
    let parts = Parts { open_local: Some(open), calls: None };
    let error = Gateway::start(load(LOCAL).unwrap(), parts).err().unwrap().to_string();
    assert!(error.ends_with("endpoint `one` cannot be built: no file models/echo.gguf"), "{error}");
}

#[tokio::test]
async fn a_full_channel_loses_records_and_says_so() {
    let provider = Provider::start().await;
    // One is full after one call, the other one has room for calls but not for the bodies of two.
    for (calls_max, bytes_max) in [(1, usize::MAX), (64, 100)] {
        let (calls, mut receiver) = gateway::calls(calls_max, bytes_max);
        let config = load(&CHAT.replace("BASE", &provider.base)).unwrap();
        let gateway = Gateway::start(config, Parts { open_local: None, calls: Some(calls) }).unwrap();
        let model = gateway.model("chat").unwrap();
        let chat = async || {
            provider.will(Reply::json(200, r#"{"choices":[]}"#));
            model.chat(Chat::of("hi")).await.unwrap();
        };
        for _ in 0..3 {
            chat().await;
        }
        assert_eq!(gateway.dropped_calls(), 2, "{calls_max} calls, {bytes_max} bytes");
        let first = receiver.recv().await.unwrap();
        assert!((51..=100).contains(&first.body_bytes()), "{}", first.body_bytes());
        chat().await; // what was taken has left room
        assert_eq!(gateway.dropped_calls(), 2);
        assert!(receiver.recv().await.is_some());
    }
}
