//! Requests that a local model refuses: by the field's name, before anything is computed.

use candle_core::quantized::GgmlDType;
use llm::{Chat, Error, LanguageModel};
use models::Options;
use serde_json::{Value, json};

use crate::tiny::{self, Tiny};

fn chat(fields: &Value) -> Chat {
    let mut body = json!({ "messages": [{ "role": "user", "content": "a" }], "temperature": 0, "max_tokens": 1 });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(body).unwrap()
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name() {
    let model = tiny::open();
    for (fields, param, words) in [
        (json!({"temperature": 2.5}), "temperature", "`temperature` is 2.5; give 0 to 2"),
        (json!({"top_p": -0.1}), "top_p", "`top_p` is -0.1; give 0 to 1"),
        (json!({"frequency_penalty": "high"}), "frequency_penalty", "is \"high\"; give a number"),
        (json!({"max_tokens": 0}), "max_tokens", "give 1 or more"),
        (json!({"n": 0}), "n", "asks for 0 answers"),
        (json!({"n": 17}), "n", "1 to 16"),
        (json!({"stop": ""}), "stop", "0 bytes"),
        (json!({"stop": vec!["x"; 17]}), "stop", "17 texts"),
        (json!({"tools": [{"type": "function", "function": {"name": "f"}}]}), "tools", "call no tools yet"),
        (json!({"tool_choice": "required"}), "tool_choice", "required"),
        (json!({"response_format": {"type": "json_object"}}), "response_format", "json_object"),
        (json!({"logprobs": true}), "logprobs", "do not take true"),
        (json!({"logit_bias": {"5": -100}}), "logit_bias", "do not take"),
        (json!({"vendor_switch": 1}), "vendor_switch", "do not take 1"),
        (json!({"messages": []}), "messages", "is empty"),
        (json!({"messages": [{"role": "assistant", "content": "x"}]}), "messages", "must start with the user"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]}),
            "messages[0].content",
            "`image_url`",
        ),
    ] {
        let error = model.chat(chat(&fields)).await.unwrap_err();
        let Error::Invalid { message, param: Some(found) } = &error else { panic!("{fields}: {error:?}") };
        assert_eq!(found, param);
        assert!(message.contains(words), "{fields}: {message}");
        let streamed = model.chat_stream(chat(&fields)).await.map(|_| ()).unwrap_err();
        assert_eq!(streamed.to_string(), error.to_string());
    }
    assert_eq!(model.tokens_generated(), 0);
}

#[tokio::test]
async fn fields_without_effect_and_neutral_values_pass() {
    let model = tiny::open();
    let fields = json!({
        "user": "u", "metadata": {"k": "v"}, "store": true, "n": 1, "logprobs": false, "top_logprobs": null,
        "response_format": {"type": "text"}, "tool_choice": "auto", "frequency_penalty": 0, "logit_bias": {}, "seed": -5,
    });
    assert_eq!(model.chat(chat(&fields)).await.unwrap().choices[0].message.text(), "b");
}

#[tokio::test]
async fn tokens_must_exist() {
    let model = tiny::open();
    let request = serde_json::from_value(json!({"prompt": [1, 999]})).unwrap();
    let error = model.complete(request).await.unwrap_err();
    assert_eq!(error.to_string(), "the token 999 is not one of the model's 258");
    let request = serde_json::from_value(json!({"prompt": ""})).unwrap();
    assert!(model.complete(request).await.unwrap_err().to_string().contains("the prompt is empty"));
}

#[tokio::test]
async fn a_model_without_template_completes_but_does_not_chat() {
    let tiny = Tiny::new("llama", GgmlDType::F32).with("tokenizer.chat_template", None);
    let model = tiny.open(Options::default()).unwrap();
    let error = model.chat(chat(&json!({}))).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)));
    assert!(error.to_string().contains("`tiny` cannot chat: the file carries no chat template"), "{error}");
    let request = serde_json::from_value(json!({"prompt": "a", "max_tokens": 1, "temperature": 0})).unwrap();
    assert_eq!(model.complete(request).await.unwrap().choices[0].text, "b");
    let embed = serde_json::from_value(json!({"input": "x"})).unwrap();
    assert!(matches!(model.embed(embed).await, Err(Error::Unsupported(_))));
}
