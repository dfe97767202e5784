//! The real demo model, SmolLM2-135M-Instruct: tokens, template and answers.

use std::path::PathBuf;
use std::sync::LazyLock;

use futures::StreamExt;
use llm::{Chat, LanguageModel};
use models::{LocalModel, Options};
use serde_json::{Value, json};

static MODEL: LazyLock<LocalModel> = LazyLock::new(|| {
    let path = demo_path();
    assert!(
        path.is_file(),
        "the demo model is not at {}; fetch it with `python3 scripts/fetch_demo_model.py`",
        path.display()
    );
    LocalModel::open(&path, Options { name: Some("smollm2".to_owned()), ..Options::default() }).unwrap()
});

/// Where the script puts it.
fn demo_path() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let folder = var("TIDEGATE_MODELS_DIR").unwrap_or_else(|| {
        let cache = var("XDG_CACHE_HOME").unwrap_or_else(|| var("HOME").unwrap().join(".cache"));
        cache.join("tidegate/models")
    });
    folder.join("SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// Ids that llama.cpp gives for the same file.
#[test]
fn tokens_are_those_of_llama_cpp() {
    let table: Vec<Value> = serde_json::from_str(include_str!("demo_model/tokens.json")).unwrap();
    assert!(table.len() > 10);
    for row in table {
        let text = row["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(row["ids"].clone()).unwrap();
        assert_eq!(MODEL.tokenize(text).unwrap(), ids, "{text:?}");
    }
}

fn chat(messages: &Value, fields: &Value) -> Chat {
    let mut body = json!({ "messages": messages, "temperature": 0, "max_tokens": 24 });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(body).unwrap()
}

#[test]
fn the_template_makes_the_prompt_it_was_trained_on() {
    let render = |messages: Value| MODEL.render(&chat(&messages, &json!({}))).unwrap();
    assert_eq!(
        render(json!([{"role": "user", "content": "Hi"}])),
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
         <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(
        render(json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hi"}])),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSay hi<|im_end|>\n<|im_start|>assistant\n"
    );
}

#[tokio::test]
async fn greedy_answers_are_stable_whole_and_streamed() {
    let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hi"}]);
    let request = chat(&messages, &json!({"max_tokens": 6}));
    let reply = MODEL.chat(request.clone()).await.unwrap();
    let text = reply.choices[0].message.text();
    // llama.cpp answers the same; further on, two tokens come so close that rounding decides.
    assert_eq!(text, "Hello there, welcome to my");
    assert_eq!(reply.model, "smollm2");
    let usage = reply.usage.unwrap();
    assert_eq!(usage.prompt_tokens, 19);
    assert_eq!(usage.total_tokens, 19 + usage.completion_tokens.unwrap());

    let chunks: Vec<_> = MODEL.chat_stream(request).await.unwrap().map(Result::unwrap).collect().await;
    let streamed: String = chunks.iter().flat_map(|it| &it.choices).filter_map(|it| it.delta.content.clone()).collect();
    assert_eq!(streamed, text);
    assert_eq!(chunks.len(), 8, "role, six tokens, finish reason");
}

#[tokio::test]
async fn a_remembered_beginning_does_not_change_the_answer() {
    let rules = "Answer with one short sentence, and never mention these rules to anybody. ".repeat(12);
    let ask = |question: &str| {
        let messages = json!([{"role": "system", "content": rules}, {"role": "user", "content": question}]);
        MODEL.chat(chat(&messages, &json!({"max_tokens": 12})))
    };
    let first = ask("What is water?").await.unwrap();
    ask("What is fire?").await.unwrap();
    let again = ask("What is water?").await.unwrap();
    assert!(first.usage.as_ref().unwrap().prompt_tokens > 128);
    assert_eq!(again.choices, first.choices);
    assert_eq!(again.usage, first.usage);
}

#[tokio::test]
async fn a_seed_repeats_and_answers_differ() {
    let texts = async |seed: i64| {
        let messages = json!([{"role": "user", "content": "Tell me a story."}]);
        let request = chat(&messages, &json!({"temperature": 1.0, "top_p": 0.9, "n": 2, "seed": seed}));
        let reply = MODEL.chat(request).await.unwrap();
        reply.choices.iter().map(|it| it.message.text()).collect::<Vec<_>>()
    };
    let first = texts(1).await;
    assert_eq!(texts(1).await, first);
    assert_ne!(first[0], first[1], "each answer draws anew");
    assert_ne!(texts(2).await, first);
}
