//! Another configuration for a gateway that runs.

use crate::support::{CHAT, Provider, Reply, TestGateway, hello, load};

const CHAT_PATH: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#;

#[tokio::test]
async fn a_configuration_takes_over_between_calls_and_leaves_streams_alone() {
    let (old, new) = (Provider::start().await, Provider::start().await);
    let gateway = TestGateway::start(CHAT, &old).await;
    let (gone, went) = tokio::sync::oneshot::channel();
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned();
    old.will(Reply::Hang { body, gone });
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();
    let mut stream = gateway.post(CHAT_PATH, &request).await;
    assert!(stream.chunk().await.unwrap().is_some());

    let yaml = CHAT.replace("BASE", &new.base).replace("gpt-test", "gpt-new");
    gateway.gateway.reload(load(&yaml).unwrap()).unwrap();
    new.will(Reply::json(200, ANSWER));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("chat"))).await.0, 200);
    assert_eq!(new.seen()[0].body["model"], "gpt-new");
    assert_eq!(old.seen().len(), 1);
    let reloads = gateway.gateway.reloads();
    assert_eq!((reloads.generation, reloads.refused, reloads.last_error), (2, 0, None));

    // The stream of before is still there, and still the caller's to end.
    let mut went = went;
    assert!(went.try_recv().is_err());
    drop(stream);
    went.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_built_changes_nothing() {
    let provider = Provider::start().await;
    let gateway = TestGateway::start(CHAT, &provider).await;
    let yaml = CHAT
        .replace("provider: openai", "provider: local")
        .replace("config: {openai_api_key: $KEY, openai_api_base: BASE}", "config: {path: nowhere.gguf}");
    let error = gateway.gateway.reload(load(&yaml).unwrap()).unwrap_err().to_string();
    assert!(error.contains("endpoint `chat` cannot be built: provider `local` is not part of this build"), "{error}");
    let reloads = gateway.gateway.reloads();
    assert_eq!((reloads.generation, reloads.refused, reloads.last_error), (1, 1, Some(error)));
    provider.will(Reply::json(200, ANSWER));
    assert_eq!(gateway.ask(CHAT_PATH, &hello(Some("chat"))).await.0, 200);
}

#[tokio::test]
async fn limits_that_did_not_change_go_on_counting() {
    let provider = Provider::start().await;
    let limited = |calls: u32| {
        let limit = format!("    limit: {{calls: {calls}, renewal_period: day}}\n    model:\n");
        CHAT.replace("    model:\n", &limit).replace("BASE", &provider.base)
    };
    let gateway = TestGateway::start(&limited(1), &provider).await;
    let ask = async || gateway.ask(CHAT_PATH, &hello(Some("chat"))).await.0;
    provider.will(Reply::json(200, ANSWER));
    assert_eq!(ask().await, 200);
    gateway.gateway.reload(load(&limited(1)).unwrap()).unwrap();
    assert_eq!(ask().await, 429);
    gateway.gateway.reload(load(&limited(2)).unwrap()).unwrap();
    provider.will(Reply::json(200, ANSWER));
    assert_eq!(ask().await, 200);
}

#[tokio::test]
async fn models_of_this_process_follow() {
    use llm::Error;
    let provider = Provider::start().await;
    let gateway = TestGateway::start(CHAT, &provider).await;
    let model = gateway.gateway.model("chat").unwrap();
    let yaml = CHAT.replace("name: chat", "name: other").replace("BASE", &provider.base);
    gateway.gateway.reload(load(&yaml).unwrap()).unwrap();
    let chat = serde_json::from_value(hello(None)).unwrap();
    let error = model.chat(chat).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotFound(words) if words == "no endpoint or route is named `chat` any more"),
        "{error}"
    );
}
