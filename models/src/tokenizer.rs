//! The tokenizer that a GGUF file describes: texts to token ids, and token ids back to bytes.

mod bytes;
mod gpt2;
mod sentencepiece;

use tokenizers::AddedToken;

use crate::Error;
use crate::gguf::ModelFile;

/// Texts to ids and back, for one model.
pub(crate) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    pieces: Vec<Box<[u8]>>,
    /// Bytes of text at most that one token stands for.
    token_bytes_max: usize,
    /// The token that starts a text, with its own text, and whether it is put before every text.
    start: Option<(u32, String)>,
    adds_start: bool,
    ends: Vec<u32>,
    end_text: Option<String>,
}

/// What a token is, as `tokenizer.ggml.token_type` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    /// Unknown, control or unused: never part of a text that is shown.
    Control,
    UserDefined,
    Byte,
}

/// Control tokens that end a turn in the chat formats at large; files name only one of theirs as the end.
const TURN_ENDS: [&str; 6] = ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>"];

/// The bytes that a token of a kind adds to a text.
type Decode = fn(&str, Kind) -> Box<[u8]>;

impl Tokenizer {
    /// Builds the tokenizer from the file's metadata.
    pub(crate) fn from_gguf(file: &ModelFile) -> Result<Self, Error> {
        let tokens = file.needed_texts("tokenizer.ggml.tokens")?;
        let kinds = kinds(file, tokens.len())?;
        let model = file.text("tokenizer.ggml.model").unwrap_or_default().to_owned();
        let (mut inner, decode, adds_start): (_, Decode, bool) = match model.as_str() {
            "gpt2" => {
                let (inner, adds_start) = gpt2::build(file, &tokens)?;
                (inner, gpt2::piece, adds_start)
            }
            "llama" => (sentencepiece::build(file, &tokens, &kinds)?, sentencepiece::piece, true),
            other => {
                return Err(file.unsupported(format!(
                    "its tokenizer is of the kind `{other}`, and those that can be built are `gpt2` and `llama`"
                )));
            }
        };
        let special = tokens.iter().zip(&kinds).filter(|(_, kind)| matches!(kind, Kind::Control | Kind::UserDefined));
        let special =
            special.map(|(token, kind)| AddedToken::from(token.as_str(), *kind == Kind::Control).normalized(false));
        inner
            .add_special_tokens(special)
            .map_err(|error| file.broken(format!("its special tokens do not work together ({error})")))?;

        let known = |key: &str| file.token(key).filter(|id| (*id as usize) < tokens.len());
        let text = |id: u32| tokens[id as usize].clone();
        let end = known("tokenizer.ggml.eos_token_id");
        let mut ends: Vec<u32> = [end, known("tokenizer.ggml.eot_token_id"), known("tokenizer.ggml.eom_token_id")]
            .into_iter()
            .flatten()
            .collect();
        ends.extend((0_u32..).zip(tokens.iter().zip(&kinds)).filter_map(|(id, (token, kind))| {
            (*kind == Kind::Control && TURN_ENDS.contains(&token.as_str())).then_some(id)
        }));
        Ok(Self {
            // A token's own spelling is never shorter than what it stands for.
            token_bytes_max: tokens.iter().map(String::len).max().unwrap_or_default(),
            pieces: tokens.iter().zip(&kinds).map(|(token, kind)| decode(token, *kind)).collect(),
            start: known("tokenizer.ggml.bos_token_id").map(|id| (id, text(id))),
            adds_start: file.flag("tokenizer.ggml.add_bos_token").unwrap_or(adds_start),
            ends,
            end_text: end.map(text),
            inner,
        })
    }

    /// The ids of a text; the names of special tokens in it become those tokens.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoded = self.inner.encode_fast(text, false).map_err(|error| error.to_string())?;
        let mut ids = encoded.get_ids().to_vec();
        if let Some((start, _)) = self.start.as_ref().filter(|_| self.adds_start)
            && ids.first() != Some(start)
        {
            ids.insert(0, *start);
        }
        Ok(ids)
    }

    /// Whether a text is so long that it has more than so many tokens, whatever it says; found without reading it.
    pub(crate) fn exceeds(&self, text: &str, tokens: usize) -> bool {
        text.len() / self.token_bytes_max.max(1) > tokens
    }

    /// The bytes that a token adds to a text; none for control tokens.
    pub(crate) fn piece(&self, id: u32) -> &[u8] {
        self.pieces.get(id as usize).map_or(&[], |it| it)
    }

    /// Whether a token ends the answer.
    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// How many tokens there are.
    pub(crate) fn size(&self) -> usize {
        self.pieces.len()
    }

    /// The text of the token that starts a text.
    pub(crate) fn start_text(&self) -> Option<&str> {
        self.start.as_ref().map(|(_, text)| text.as_str())
    }

    /// The text of the token that ends a text.
    pub(crate) fn end_text(&self) -> Option<&str> {
        self.end_text.as_deref()
    }
}

fn kinds(file: &ModelFile, tokens: usize) -> Result<Vec<Kind>, Error> {
    use candle_core::quantized::gguf_file::Value;
    let number = |value: &Value| match value {
        Value::I32(it) => Some(i64::from(*it)),
        Value::U32(it) => Some(i64::from(*it)),
        _ => None,
    };
    let Some(numbers) = file.list("tokenizer.ggml.token_type", number)? else { return Ok(vec![Kind::Normal; tokens]) };
    if numbers.len() != tokens {
        return Err(file.broken(format!("it has {tokens} tokens, but the kinds of {}", numbers.len())));
    }
    let kind = |number| match number {
        2 | 3 | 5 => Kind::Control,
        4 => Kind::UserDefined,
        6 => Kind::Byte,
        _ => Kind::Normal,
    };
    Ok(numbers.into_iter().map(kind).collect())
}
