//! Byte-level BPE, as GPT-2 introduced it; families differ in how they cut a text before they merge.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

use super::{Kind, bytes};
use crate::Error;
use crate::gguf::ModelFile;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How a family cuts: the names that `tokenizer.ggml.pre` gives it, and its patterns, each applied to the pieces of the
/// one before.
struct Cut {
    names: &'static [&'static str],
    patterns: &'static [&'static str],
    /// Whole words of the vocabulary are taken as they are, before any merge.
    words_first: bool,
    adds_start: bool,
}

const CUTS: [Cut; 5] = [
    Cut { names: &["gpt-2", "gpt2"], patterns: &[GPT2], words_first: false, adds_start: false },
    Cut {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"],
        patterns: &[r"\p{N}", GPT2],
        words_first: false,
        adds_start: false,
    },
    Cut { names: &["llama-bpe", "llama3", "llama-v3"], patterns: &[LLAMA3], words_first: true, adds_start: true },
    Cut { names: &["qwen2", "deepseek-r1-qwen"], patterns: &[QWEN2], words_first: false, adds_start: false },
    Cut {
        names: &["default", ""],
        patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
        words_first: false,
        adds_start: false,
    },
];

/// The tokenizer, and whether its family puts the start token before every text.
pub(super) fn build(file: &ModelFile, tokens: &[String]) -> Result<(Tokenizer, bool), Error> {
    let name = file.text("tokenizer.ggml.pre").unwrap_or_default();
    let Some(cut) = CUTS.iter().find(|it| it.names.contains(&name)) else {
        let names: Vec<_> = CUTS.iter().flat_map(|it| it.names).filter(|it| !it.is_empty()).copied().collect();
        return Err(file.unsupported(format!(
            "its tokenizer cuts texts the `{name}` way, and the ways that are known are {}",
            names.join(", ")
        )));
    };
    let merges = file.needed_texts("tokenizer.ggml.merges")?;
    let pairs = merges.iter().map(|it| it.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())));
    let pairs = pairs.collect::<Option<Vec<_>>>();
    let pairs = pairs.ok_or_else(|| file.broken("an entry of its `tokenizer.ggml.merges` is not a pair"))?;
    let vocabulary: Vocab = tokens.iter().cloned().zip(0..).collect();
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, pairs)
        .ignore_merges(cut.words_first)
        .build()
        .map_err(|error| file.broken(format!("its merges do not fit its tokens ({error})")))?;

    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for pattern in cut.patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        steps.push(split.expect("the patterns of this file are sound").into());
    }
    steps.push(ByteLevel::new(false, false, false).into());
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok((tokenizer, cut.adds_start))
}

/// The bytes that a token adds to a text.
pub(super) fn piece(token: &str, kind: Kind) -> Box<[u8]> {
    match kind {
        Kind::Control => Box::default(),
        Kind::UserDefined => token.as_bytes().into(),
        Kind::Normal | Kind::Byte => {
            let mut piece = Vec::with_capacity(token.len());
            for character in token.chars() {
                match bytes::byte_of(character) {
                    Some(byte) => piece.push(byte),
                    None => piece.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            piece.into()
        }
    }
}
