//! What comes back: whole and streamed, stop texts, lengths, several answers, cancelled calls, a full queue.

use candle_core::quantized::GgmlDType;
use futures::StreamExt;
use futures::future::join_all;
use llm::{Chat, Completion, Error, LanguageModel};
use models::{LocalModel, Options};
use serde_json::{Value, json};

use crate::tiny::{self, Tiny};

fn completion(fields: &Value) -> Completion {
    let mut body = json!({ "temperature": 0 });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(body).unwrap()
}

/// Text, reason and usage of each answer, once whole and once put together from chunks; both must be the same.
async fn ask(model: &LocalModel, fields: Value) -> Vec<(String, String)> {
    let whole = model.complete(completion(&fields)).await.unwrap();
    let mut request = completion(&fields);
    request.rest.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    let chunks: Vec<_> = model.complete_stream(request).await.unwrap().map(Result::unwrap).collect().await;

    let mut streamed = vec![(String::new(), None); whole.choices.len()];
    for choice in chunks.iter().flat_map(|it| &it.choices) {
        let answer = &mut streamed[choice.index as usize];
        assert_eq!(answer.1, None, "nothing may follow the finish reason");
        answer.0.push_str(&choice.text);
        answer.1.clone_from(&choice.finish_reason);
    }
    let answers: Vec<_> = whole.choices.into_iter().map(|it| (it.text, it.finish_reason)).collect();
    assert_eq!(streamed, answers, "a stream gives the same text as a whole answer");
    assert_eq!(chunks.last().unwrap().usage, whole.usage);
    answers.into_iter().map(|(text, reason)| (text, reason.unwrap())).collect()
}

async fn check(model: &LocalModel, fields: Value, text: &str, reason: &str) {
    assert_eq!(ask(model, fields.clone()).await, [(text.to_owned(), reason.to_owned())], "{fields}");
}

#[tokio::test]
async fn an_answer_ends_where_it_should() {
    let model = tiny::open();
    check(&model, json!({"prompt": "v"}), "wxyzé🙂!", "stop").await;
    check(&model, json!({"prompt": "a", "max_tokens": 3}), "bcd", "length").await;
    check(&model, json!({"prompt": "a", "stop": "def"}), "bc", "stop").await;
    check(&model, json!({"prompt": "a", "stop": ["x", "fg", "efgh"]}), "bcde", "stop").await;
    check(&model, json!({"prompt": "a", "stop": "dx", "max_tokens": 3}), "bcd", "length").await;
    check(&model, json!({"prompt": "y", "stop": "é"}), "z", "stop").await;
    // Half of a character at the end is shown as such, not as broken UTF-8: é has two bytes, 🙂 four.
    check(&model, json!({"prompt": "z", "max_tokens": 4}), "é\u{fffd}", "length").await;
    check(&model, json!({"prompt": [114, 115], "max_tokens": 2}), "tu", "length").await;
}

#[tokio::test]
async fn every_architecture_and_weight_format_computes() {
    for (architecture, format) in [
        ("llama", GgmlDType::F16),
        ("llama", GgmlDType::Q8_0),
        ("llama", GgmlDType::Q4_1),
        ("llama", GgmlDType::Q5_0),
        ("llama", GgmlDType::Q5_1),
        ("llama", GgmlDType::Q4_0),
        ("qwen3", GgmlDType::F32),
    ] {
        let model = Tiny::new(architecture, format).open(Options::default()).unwrap();
        // Longer than several chunks, so that reading goes on at positions other than 0.
        let prompt = "0123456789".repeat(20);
        let answer = ask(&model, json!({"prompt": prompt, "max_tokens": 5})).await;
        assert_eq!(answer, [("01234".to_owned(), "length".to_owned())], "{architecture} {format:?}");
    }
}

#[tokio::test]
async fn our_decoder_and_candles_agree_on_the_same_weights() {
    for (architecture, format) in [("llama", GgmlDType::Q8_0), ("llama", GgmlDType::Q4_1), ("qwen3", GgmlDType::Q5_0)] {
        let tiny = || Tiny::with_layers(architecture, format, 0.05);
        let ours = tiny().open(Options::default()).unwrap();
        let candles = tiny().in_floats().open(Options::default()).unwrap();
        let (mut same, mut distinct) = (0, std::collections::BTreeSet::new());
        for start in 0..20_u32 {
            let prompt: Vec<u32> = (0..70 + start).map(|it| (it * it + start) % 256).collect();
            let fields = json!({"prompt": prompt, "max_tokens": 1});
            let (ours, candles) = (ask(&ours, fields.clone()).await, ask(&candles, fields).await);
            same += usize::from(ours == candles);
            distinct.insert(ours);
        }
        // Ours rounds activations to 8 bits, which may decide between two tokens that are nearly as likely.
        assert!(same >= 17, "{architecture} {format:?}: only {same} of 20");
        assert!(distinct.len() > 3, "the prompts lead to different answers");
    }
}

#[tokio::test]
async fn stretched_positions_are_computed() {
    let open = |divisor: Option<f32>| {
        let mut tiny = Tiny::with_layers("llama", GgmlDType::Q8_0, 0.05).in_floats();
        tiny.tensors.extend(divisor.map(|it| ("rope_freqs.weight".to_owned(), tiny::constant(8, it))));
        tiny.open(Options::default()).unwrap()
    };
    let (without, by_one, by_many) = (open(None), open(Some(1.0)), open(Some(64.0)));
    let (mut same, mut other) = (0, 0);
    for start in 0..20_u32 {
        let prompt: Vec<u32> = (0..70 + start).map(|it| (it * it + start) % 256).collect();
        let fields = json!({"prompt": prompt, "max_tokens": 1});
        let expected = ask(&without, fields.clone()).await;
        same += usize::from(ask(&by_one, fields.clone()).await == expected);
        other += usize::from(ask(&by_many, fields).await != expected);
    }
    // With divisors our decoder computes, without them candle's: these weights are floats.
    assert!(same >= 19, "only {same} of 20");
    assert!(other > 3, "only {other} of 20");
}

#[tokio::test]
async fn the_context_bounds_prompt_and_answer() {
    let options = Options { context_length: Some(24), ..Options::default() };
    let model = Tiny::new("llama", GgmlDType::F32).open(options).unwrap();
    check(&model, json!({"prompt": "0".repeat(20)}), "1234", "length").await;
    let error = model.complete(completion(&json!({"prompt": "0".repeat(24)}))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the prompt has 24 tokens, but the model's context holds 24 tokens for prompt and answer together; shorten it"
    );
    assert!(matches!(error, Error::TooLong(_)));
    let streamed = model.complete_stream(completion(&json!({"prompt": "0".repeat(25)}))).await;
    assert!(matches!(streamed.map(|_| ()), Err(Error::TooLong(_))), "refused before the first chunk");
}

#[tokio::test]
async fn several_prompts_and_answers_keep_their_order() {
    let model = tiny::open();
    let answers = ask(&model, json!({"prompt": ["a", "0"], "n": 2, "max_tokens": 2})).await;
    let texts: Vec<&str> = answers.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(texts, ["bc", "bc", "12", "12"]);
    // More answers than are computed in turns.
    let answers = ask(&model, json!({"prompt": "x", "n": 11})).await;
    assert_eq!(answers, vec![("yzé🙂!".to_owned(), "stop".to_owned()); 11]);
    let reply = model.complete(completion(&json!({"prompt": ["xyz", "0"], "n": 2, "max_tokens": 2}))).await.unwrap();
    let usage = reply.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (4, Some(8), 12));
}

#[tokio::test]
async fn a_chat_streams_as_openai_does() {
    let model = tiny::open();
    let chat: Chat = serde_json::from_value(json!({
        "messages": [{"role": "user", "content": "hi a"}], "temperature": 0, "max_tokens": 2,
        "stream_options": {"include_usage": true},
    }))
    .unwrap();
    let chunks: Vec<_> = model.chat_stream(chat.clone()).await.unwrap().map(Result::unwrap).collect().await;
    let choices: Vec<_> = chunks.iter().map(|it| serde_json::to_value(&it.choices).unwrap()).collect();
    assert_eq!(
        choices,
        [
            json!([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]),
            json!([{"index": 0, "delta": {"content": "b"}, "finish_reason": null}]),
            json!([{"index": 0, "delta": {"content": "c"}, "finish_reason": null}]),
            json!([{"index": 0, "delta": {}, "finish_reason": "length"}]),
            json!([]),
        ]
    );
    // The start token and four bytes; two answered.
    assert_eq!(chunks[4].usage, Some(llm::Usage::of(5, 2)));
    assert!(chunks.iter().all(|it| it.id == chunks[0].id && it.model == "tiny"));

    let reply = model.chat(chat).await.unwrap();
    assert_eq!(reply.choices[0].message.text(), "bc");
    assert_eq!(reply.usage, Some(llm::Usage::of(5, 2)));
}

#[tokio::test]
async fn a_dropped_stream_stops_the_computation() {
    let model = tiny::open();
    let mut stream = model.complete_stream(completion(&json!({"prompt": "0"}))).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().choices[0].text, "1");
    drop(stream);
    // Turns are taken: when this one is answered, the dropped one has had its turn to go on and did not.
    check(&model, json!({"prompt": "a", "max_tokens": 2}), "bc", "length").await;
    let generated = model.tokens_generated();
    check(&model, json!({"prompt": "a", "max_tokens": 2}), "bc", "length").await;
    assert_eq!(model.tokens_generated(), generated + 4, "only the two answers of the second check");
    assert!(generated < u64::from(tiny::CONTEXT), "the dropped answer would have filled the context");
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_so() {
    let options = Options { queue_max: 1, name: Some("small".to_owned()), ..Options::default() };
    let model = Tiny::new("llama", GgmlDType::F32).open(options).unwrap();
    let calls = (0..100).map(|_| model.complete(completion(&json!({"prompt": "0", "max_tokens": 100}))));
    let (answered, refused): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(Result::is_ok);
    assert!(answered.into_iter().all(|it| it.unwrap().choices[0].text.len() == 100));
    assert!(!refused.is_empty());
    for error in refused {
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Limited { retry_after: Some(_), .. }), "{error:?}");
        assert!(error.to_string().contains("`small` already has 1 requests waiting"), "{error}");
    }
    check(&model, json!({"prompt": "a", "max_tokens": 1}), "b", "length").await;
}
