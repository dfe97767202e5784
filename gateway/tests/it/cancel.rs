//! A caller who leaves ends the provider's work, and leaves a record.

use futures::StreamExt;
use gateway::Outcome;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::support::{CHAT, Provider, Reply, TestGateway, hello};

#[tokio::test]
async fn leaving_a_stream_ends_it_upstream() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(CHAT, &provider).await;
    let (gone, went) = oneshot::channel();
    let body = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned();
    provider.will(Reply::Hang { body, gone });
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();
    let response = gateway.post("/v1/chat/completions", &request).await;
    let mut bytes = response.bytes_stream();
    assert!(bytes.next().await.unwrap().unwrap().starts_with(b"data: {"));
    drop(bytes);
    went.await.unwrap();
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!(call.outcome, Outcome::Cancelled);
    let partial: Value = serde_json::from_slice(&call.response.unwrap()).unwrap();
    assert_eq!(partial["choices"][0]["message"], json!({"role": "assistant", "content": "a"}));
}

#[tokio::test]
async fn leaving_a_unary_call_ends_it_upstream() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(CHAT, &provider).await;
    let (gone, went) = oneshot::channel();
    provider.will(Reply::Never { gone });
    let url = format!("{}/v1/chat/completions", gateway.base);
    let call = tokio::spawn(gateway.http.post(url).json(&hello(Some("chat"))).send());
    while provider.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    went.await.unwrap();
    let call = gateway.calls.recv().await.unwrap();
    assert_eq!((call.outcome, call.response), (Outcome::Cancelled, None));
}
