//! Files that cannot be served: each gives an error that names the file and says what to do; none panics.

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use models::{LocalModel, Options};
use tempfile::TempDir;

use crate::tiny::Tiny;

/// The error for a file with this content.
fn error_of(content: &[u8]) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("some.gguf");
    std::fs::write(&path, content).unwrap();
    let error = LocalModel::open(&path, Options::default()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("some.gguf"), "{error}");
    error
}

fn tiny_bytes(tiny: &Tiny) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tiny.gguf");
    tiny.write(&path);
    std::fs::read(&path).unwrap()
}

fn check(content: &[u8], words: &str) {
    let error = error_of(content);
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_no_file_or_no_gguf() {
    let folder = TempDir::new().unwrap();
    let open = |path: &std::path::Path| LocalModel::open(path, Options::default()).map(|_| ()).unwrap_err();
    let missing = open(&folder.path().join("none.gguf"));
    assert!(matches!(missing, models::Error::NotFound { .. }));
    assert!(missing.to_string().contains("none.gguf; check the path"), "{missing}");
    assert!(open(folder.path()).to_string().contains("folder"));
    check(b"", "only 0 bytes");
    check(b"<html>404</html>", r#"starts with "<htm""#);
    check(b"version https://git-lfs.github.com/spec/v1", "git lfs pull");
    check(b"PK\x03\x04 zipped", "zip archive");
    check(b"GGUF", "header cannot be read");
    check(b"GGUF\x09\0\0\0 a version from the future", "header cannot be read");
}

#[test]
fn hostile_sizes_are_refused_before_anything_is_allocated() {
    let mut huge = b"GGUF\x03\0\0\0".to_vec();
    huge.extend(u64::MAX.to_le_bytes());
    huge.extend(u64::MAX.to_le_bytes());
    check(&huge, "header cannot be read");

    let with = |key: &str, value: Value| tiny_bytes(&Tiny::new("llama", GgmlDType::F32).with(key, Some(value)));
    check(&with("llama.block_count", Value::U32(u32::MAX)), "4294967295 blocks");
    check(&with("llama.attention.head_count_kv", Value::U32(0)), "0 KV heads");
    check(&with("llama.attention.head_count", Value::U32(7)), "contradict each other");
    check(&with("llama.attention.head_count", Value::U32(8)), "do not make a `llama` model");
    check(&with("llama.attention.key_length", Value::U32(u32::MAX)), "of the 4294967295 numbers of each head");
    check(&with("llama.embedding_length", Value::U32(1 << 30)), "contradict each other");
    check(&with("llama.context_length", Value::U32(0)), "context length is 0");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = tiny_bytes(&Tiny::new("llama", GgmlDType::Q8_0));
    for part in 1..20 {
        error_of(&whole[..whole.len() * part / 20]);
    }
    check(&whole[..whole.len() - 4000], "the download was cut short");
}

#[test]
fn a_damaged_header_is_refused_or_loads_but_never_panics() {
    let whole = tiny_bytes(&Tiny::new("llama", GgmlDType::Q8_0));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("flipped.gguf");
    for at in (4..1500).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0xff;
        std::fs::write(&path, flipped).unwrap();
        let _ = LocalModel::open(&path, Options::default());
    }
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    let tiny = || Tiny::new("llama", GgmlDType::F32);
    let text = |text: &str| Some(Value::String(text.to_owned()));
    let with = |key: &str, value| tiny_bytes(&tiny().with(key, value));
    check(&with("general.architecture", text("rwkv7")), "`rwkv7`, and those that can be computed are `llama`");
    check(&with("tokenizer.ggml.model", text("t5")), "kind `t5`");
    check(&with("tokenizer.ggml.pre", text("tekken")), "the `tekken` way");
    check(&with("tokenizer.ggml.tokens", None), "no list `tokenizer.ggml.tokens`");
    check(&with("tokenizer.ggml.merges", text("a b")), "`tokenizer.ggml.merges` is not the list");
    check(&with("llama.block_count", None), "no number `llama.block_count`");
    check(&with("llama.rope.scaling.type", text("yarn")), "RoPE scaling `yarn`");
    let mut without = tiny();
    without.tensors.retain(|it| it.0 != "blk.1.ffn_up.weight");
    check(&tiny_bytes(&without), "blk.1.ffn_up.weight");
}

#[test]
fn options_must_fit() {
    let open = |options| Tiny::new("llama", GgmlDType::F32).open(options).map(|_| ()).unwrap_err().to_string();
    let error = open(Options { context_length: Some(5000), ..Options::default() });
    assert!(error.contains("context_length 5000: give 1 to 4096"), "{error}");
    assert!(open(Options { queue_max: 0, ..Options::default() }).contains("queue_max 0"));
}
