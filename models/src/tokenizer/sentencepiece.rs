//! The BPE of `SentencePiece`: words carry their space as `▁`, merges follow from the tokens' scores, and what is in no
//! token is spelled in bytes.

use std::collections::HashSet;

use candle_core::quantized::gguf_file::Value;
use tokenizers::Tokenizer;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{NormalizerWrapper, prepend::Prepend, replace::Replace, utils::Sequence};

use super::Kind;
use crate::Error;
use crate::gguf::ModelFile;

const SPACE: char = '▁';

/// The tokenizer of a file whose tokens have scores instead of merges.
pub(super) fn build(file: &ModelFile, tokens: &[String], kinds: &[Kind]) -> Result<Tokenizer, Error> {
    let score = |value: &Value| value.to_f32().ok();
    let scores = file.list("tokenizer.ggml.scores", score)?;
    let scores = scores.filter(|it| it.len() == tokens.len());
    let scores = scores.ok_or_else(|| file.broken("its tokens have no scores, which a `llama` tokenizer needs"))?;
    let unknown = file.token("tokenizer.ggml.unknown_token_id").and_then(|id| tokens.get(id as usize));

    let vocabulary: Vocab = tokens.iter().cloned().zip(0..).collect();
    let mut model =
        BPE::builder().vocab_and_merges(vocabulary, merges(tokens, kinds, &scores)).byte_fallback(true).fuse_unk(true);
    if let Some(unknown) = unknown {
        model = model.unk_token(unknown.clone());
    }
    let model = model.build().map_err(|error| file.broken(format!("its tokens do not make a tokenizer ({error})")))?;

    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if file.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true) {
        steps.push(Prepend::new(" ".to_owned()).into());
    }
    steps.push(Replace::new(" ", SPACE.to_string()).expect("a plain text is a sound pattern").into());
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(Some(Sequence::new(steps)))
        .map_err(|error| file.broken(format!("its tokens do not make a tokenizer ({error})")))?;
    Ok(tokenizer)
}

/// The bytes that a token adds to a text.
pub(super) fn piece(token: &str, kind: Kind) -> Box<[u8]> {
    match kind {
        Kind::Control => Box::default(),
        Kind::UserDefined => token.as_bytes().into(),
        Kind::Byte => {
            let byte = token.strip_prefix("<0x").and_then(|it| it.strip_suffix('>'));
            byte.and_then(|it| u8::from_str_radix(it, 16).ok())
                .map_or_else(|| token.as_bytes().into(), |it| [it].into())
        }
        Kind::Normal => token.replace(SPACE, " ").into_bytes().into(),
    }
}

/// Each way to put a token together from two others, the token with the best score first.
fn merges(tokens: &[String], kinds: &[Kind], scores: &[f32]) -> Vec<(String, String)> {
    let known: HashSet<&str> = tokens.iter().map(String::as_str).collect();
    let mut order: Vec<usize> = (0..tokens.len()).filter(|it| kinds[*it] == Kind::Normal).collect();
    order.sort_by(|left, right| scores[*right].total_cmp(&scores[*left]).then(left.cmp(right)));
    let mut merges = Vec::new();
    for index in order {
        for (at, _) in tokens[index].char_indices().skip(1) {
            let (left, right) = tokens[index].split_at(at);
            if known.contains(left) && known.contains(right) {
                merges.push((left.to_owned(), right.to_owned()));
            }
        }
    }
    merges
}
