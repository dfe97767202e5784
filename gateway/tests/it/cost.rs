//! What calls cost: in the head of an answer, at the end of a stream, in the record.

use gateway::Usd;
use serde_json::{Value, json};

use crate::support::{Provider, Reply, TestGateway, hello, load};

const YAML: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-5, config: {openai_api_key: $KEY, openai_api_base: BASE}}
  - name: own
    endpoint_type: llm/v1/chat
    model: {provider: vllm, name: mine, config: {api_base: BASE}}
  - name: deployment
    endpoint_type: llm/v1/chat
    model: {provider: vllm, name: blue, config: {api_base: BASE}}
  - name: unknown
    endpoint_type: llm/v1/chat
    model: {provider: vllm, name: yours, config: {api_base: BASE}}
prices:
  - {model: mine, input: 0.5, output: 2, call: 0.001, long: [{above: 1000, input: 1}], flex: {output: '1'}}
  - {provider: vllm, model: blue, as: openai/gpt-5, output: 100}
";

fn answer(prompt: u64, tier: Option<&str>) -> String {
    let mut answer = json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": 10, "total_tokens": prompt + 10},
    });
    if let Some(tier) = tier {
        answer["service_tier"] = tier.into();
    }
    answer.to_string()
}

#[tokio::test]
async fn the_head_of_an_answer_and_the_record_tell_what_it_cost() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    for (endpoint, prompt, tier, expected) in [
        // 1,000 * 1.25 + 10 * 10, per million.
        ("chat", 1000, None, Some("0.00135")),
        ("chat", 1000, Some("default"), Some("0.00135")),
        ("chat", 1000, Some("priority"), Some("0.0027")),
        // 1,000 * 0.5 + 10 * 2, and a tenth of a cent for the call.
        ("own", 1000, None, Some("0.00152")),
        ("own", 1001, None, Some("0.002021")),
        ("own", 1000, Some("flex"), Some("0.00151")),
        ("deployment", 1000, None, Some("0.00225")),
        ("unknown", 1000, None, None),
    ] {
        provider.will(Reply::json(200, &answer(prompt, tier)));
        let response = gateway.post("/v1/chat/completions", &hello(Some(endpoint))).await;
        assert_eq!(response.status(), 200);
        let told = response.headers().get("x-tidegate-cost-usd").map(|it| it.to_str().unwrap());
        assert_eq!(told, expected, "{endpoint} {prompt} {tier:?}");
        let cost = gateway.calls.recv().await.unwrap().cost;
        assert_eq!(cost.map(|it| it.total), expected.and_then(Usd::parse), "{endpoint} {prompt} {tier:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_what_it_cost_where_no_client_looks() {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(YAML, &provider).await;
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({"id": "c1", "object": "chat.completion.chunk",
        "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let usage = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
        "service_tier": "priority",
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}});
    let body = format!(
        "data: {}\n\ndata: {}\n\ndata: {usage}\n\ndata: [DONE]\n\n",
        chunk(json!({"content": "hi"}), None),
        chunk(json!({}), Some("stop"))
    );
    provider.will(Reply::sse(&body));
    let mut request = hello(Some("chat"));
    request["stream"] = true.into();
    let response = gateway.post("/v1/chat/completions", &request).await;
    assert_eq!(response.headers().get("x-tidegate-cost-usd"), None);
    let text = response.text().await.unwrap();
    assert!(text.ends_with(": x-tidegate-cost-usd 0.0027\n\ndata: [DONE]\n\n"), "{text}");
    assert_eq!(gateway.calls.recv().await.unwrap().cost.unwrap().total, Usd::parse("0.0027").unwrap());
}

#[test]
fn a_wrong_price_is_told_with_its_place() {
    let endpoint = "endpoints: []\n";
    for (prices, expected) in [
        ("prices: [{model: m}]", "`prices[0]`: the price of `m` says nothing; write `input: 0.25`"),
        ("prices: [{model: m, input: -1}]", "`prices[0].input`: must be an amount of US dollars, such as 0.25"),
        ("prices: [{model: m, input: much}]", "must be an amount of US dollars, such as 0.25, but is `much`"),
        ("prices: [{model: m, input: 0.0000001}]", "has more than six digits behind the point"),
        ("prices: [{model: m, as: gpt-5}]", "the price table has no `gpt-5`; write provider and model as in"),
        ("prices: [{model: m, inputs: 1}]", "unknown key `inputs`; did you mean `input`?"),
        ("prices: [{provider: opnai, model: m, input: 1}]", "unknown provider `opnai`"),
        ("prices: {model: m}", "must be a list, but is a table"),
    ] {
        let error = load(&format!("{endpoint}{prices}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{prices}: {error}");
    }
}
