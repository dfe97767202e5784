//! Tokenizers of the kinds that the demo model does not have, on vocabularies small enough to follow by hand.

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use models::{LocalModel, Options};

use crate::tiny::Tiny;

fn texts(list: &[&str]) -> Value {
    Value::Array(list.iter().map(|it| Value::String((*it).to_owned())).collect())
}

/// A model with this tokenizer; each token has its kind and its score.
fn open(model: &str, pre: &str, tokens: &[(&str, i32, f32)], merges: &[&str]) -> LocalModel {
    let names: Vec<&str> = tokens.iter().map(|it| it.0).collect();
    Tiny::new("llama", GgmlDType::F32)
        .with("tokenizer.ggml.model", Some(Value::String(model.to_owned())))
        .with("tokenizer.ggml.pre", Some(Value::String(pre.to_owned())))
        .with("tokenizer.ggml.tokens", Some(texts(&names)))
        .with("tokenizer.ggml.token_type", Some(Value::Array(tokens.iter().map(|it| Value::I32(it.1)).collect())))
        .with("tokenizer.ggml.scores", Some(Value::Array(tokens.iter().map(|it| Value::F32(it.2)).collect())))
        .with("tokenizer.ggml.merges", Some(texts(merges)))
        .with("tokenizer.ggml.bos_token_id", Some(Value::U32(1)))
        .with("tokenizer.ggml.eos_token_id", Some(Value::U32(2)))
        .with("tokenizer.ggml.unknown_token_id", Some(Value::U32(0)))
        .open(Options::default())
        .unwrap()
}

#[test]
fn sentencepiece_merges_by_score_and_spells_the_rest_in_bytes() {
    let model = open(
        "llama",
        "default",
        &[
            ("<unk>", 2, 0.0),
            ("<s>", 3, 0.0),
            ("</s>", 3, 0.0),
            ("<0xC3>", 6, 0.0),
            ("<0xA9>", 6, 0.0),
            ("▁", 1, -10.0),
            ("h", 1, -10.0),
            ("i", 1, -10.0),
            ("hi", 1, -2.0),
            ("▁hi", 1, -1.0),
            ("▁h", 1, -3.0),
        ],
        &[],
    );
    let check = |text: &str, ids: &[u32]| assert_eq!(model.tokenize(text).unwrap(), ids, "{text:?}");
    check("hi", &[1, 9]);
    check(" hi", &[1, 5, 9]);
    check("hihi", &[1, 9, 8]);
    check("hé", &[1, 10, 3, 4]);
    check("ix", &[1, 5, 7, 0]);
    // A text that brings its own start token does not get a second one.
    check("<s>hi</s>", &[1, 9, 2]);
}

#[test]
fn families_cut_digits_in_their_own_way() {
    let check = |pre: &str, ids: &[u32]| {
        let mut tokens = vec![("<unk>", 3, 0.0), ("<s>", 3, 0.0), ("</s>", 3, 0.0)];
        tokens.extend(["1", "2", "3", "4", "12", "123", "1234"].map(|it| (it, 1, 0.0)));
        let model = open("gpt2", pre, &tokens, &["1 2", "12 3", "123 4"]);
        assert_eq!(model.tokenize("1234").unwrap(), ids, "{pre}");
    };
    check("gpt-2", &[9]);
    check("smollm", &[3, 4, 5, 6]);
    check("qwen2", &[3, 4, 5, 6]);
    check("default", &[8, 6]);
    check("llama-bpe", &[1, 8, 6]);
}
