//! Tiny GGUF files made on the spot: a model whose answers are known in advance.
//!
//! Its layers add nothing, its embeddings are nearly orthogonal, and its output matrix maps each token to the one that
//! follows it in [`CHAIN`] or [`CIRCLE`]: whatever came before, after `a` comes `b`.

use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use models::{LocalModel, Options};
use tempfile::TempDir;

/// After its last byte the model ends its answer.
pub(crate) const CHAIN: &str = "abcdefghijklmnopqrstuvwxyzé🙂!";
/// After its last byte comes its first.
pub(crate) const CIRCLE: &str = "0123456789";

pub(crate) const CONTEXT: u32 = 4096;
const WIDTH: usize = 64;
const INNER: usize = 96;
const BLOCKS: usize = 2;
const START: u32 = 256;
const END: u32 = 257;
const TEMPLATE: &str = "{% for message in messages %}{% if message.role == 'assistant' and loop.first %}\
    {{ raise_exception('a chat must start with the user') }}{% endif %}<|start|>{{ message.content }}{% endfor %}";

/// A model file as a list of what goes into it, to be changed before it is written.
pub(crate) struct Tiny {
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<(String, QTensor)>,
}

impl Tiny {
    /// A model with weights in the given format, whose layers add nothing.
    pub(crate) fn new(architecture: &str, format: GgmlDType) -> Self {
        Self::with_layers(architecture, format, 0.0)
    }

    /// A model whose layers add random numbers of this size, so that the whole prompt decides what comes.
    pub(crate) fn with_layers(architecture: &str, format: GgmlDType, size: f32) -> Self {
        let rows = END as usize + 1;
        let embeddings = random(rows * WIDTH, 1);
        let mut output = vec![0.0; rows * WIDTH];
        let mut follow = |token: u32, next: u32| {
            let (from, to) = (token as usize * WIDTH, next as usize * WIDTH);
            output[to..to + WIDTH].copy_from_slice(&embeddings[from..from + WIDTH]);
        };
        let (chain, circle) = (CHAIN.as_bytes(), CIRCLE.as_bytes());
        chain.windows(2).for_each(|it| follow(it[0].into(), it[1].into()));
        follow(chain[chain.len() - 1].into(), END);
        circle.windows(2).for_each(|it| follow(it[0].into(), it[1].into()));
        follow(circle[circle.len() - 1].into(), circle[0].into());

        let matrix = |values: Vec<f32>, rows: usize, columns: usize, format| {
            QTensor::quantize(&Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap(), format).unwrap()
        };
        let ones = |count: usize| constant(count, 1.0);
        let mut tensors = vec![
            ("token_embd.weight".to_owned(), matrix(embeddings.clone(), rows, WIDTH, format)),
            ("output.weight".to_owned(), matrix(output, rows, WIDTH, format)),
            ("output_norm.weight".to_owned(), ones(WIDTH)),
        ];
        for block in 0..BLOCKS {
            let seed = 10 * (block as u64 + 1);
            let mut add = |name: &str, tensor| tensors.push((format!("blk.{block}.{name}.weight"), tensor));
            add("attn_norm", ones(WIDTH));
            add("ffn_norm", ones(WIDTH));
            add("attn_q", matrix(random(WIDTH * WIDTH, seed), WIDTH, WIDTH, format));
            add("attn_k", matrix(random(WIDTH * WIDTH / 2, seed + 1), WIDTH / 2, WIDTH, format));
            add("attn_v", matrix(random(WIDTH * WIDTH / 2, seed + 2), WIDTH / 2, WIDTH, format));
            add("attn_output", matrix(scaled(WIDTH * WIDTH, seed + 5, size), WIDTH, WIDTH, format));
            add("ffn_gate", matrix(random(INNER * WIDTH, seed + 3), INNER, WIDTH, format));
            add("ffn_up", matrix(random(INNER * WIDTH, seed + 4), INNER, WIDTH, format));
            add("ffn_down", matrix(scaled(WIDTH * INNER, seed + 6, size), WIDTH, INNER, format));
            if architecture == "qwen3" {
                add("attn_q_norm", ones(WIDTH / 4));
                add("attn_k_norm", ones(WIDTH / 4));
            }
        }
        Self { metadata: metadata(architecture), tensors }
    }

    /// The same weights, spelled out as floats.
    pub(crate) fn in_floats(mut self) -> Self {
        for (_, tensor) in &mut self.tensors {
            *tensor = QTensor::quantize(&tensor.dequantize(&Device::Cpu).unwrap(), GgmlDType::F32).unwrap();
        }
        self
    }

    /// The same with another value in its metadata; `None` takes the entry out.
    pub(crate) fn with(mut self, key: &str, value: Option<Value>) -> Self {
        self.metadata.retain(|it| it.0 != key);
        self.metadata.extend(value.map(|value| (key.to_owned(), value)));
        self
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) {
        let metadata: Vec<(&str, &Value)> = self.metadata.iter().map(|it| (it.0.as_str(), &it.1)).collect();
        let tensors: Vec<(&str, &QTensor)> = self.tensors.iter().map(|it| (it.0.as_str(), &it.1)).collect();
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
        gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    }

    /// Writes the file into a folder of its own and opens it.
    pub(crate) fn open(&self, options: Options) -> Result<LocalModel, models::Error> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tiny.gguf");
        self.write(&path);
        LocalModel::open(&path, options)
    }
}

/// The usual tiny model.
pub(crate) fn open() -> LocalModel {
    Tiny::new("llama", GgmlDType::F32).open(Options::default()).unwrap()
}

/// A vector of one number.
pub(crate) fn constant(count: usize, number: f32) -> QTensor {
    QTensor::quantize(&Tensor::full(number, count, &Device::Cpu).unwrap(), GgmlDType::F32).unwrap()
}

fn metadata(architecture: &str) -> Vec<(String, Value)> {
    let text = |text: &str| Value::String(text.to_owned());
    let mut tokens: Vec<Value> = (0..=255).map(|byte| Value::String(shown(byte).to_string())).collect();
    tokens.extend([text("<|start|>"), text("<|im_end|>")]);
    let kinds = (0..tokens.len()).map(|id| Value::I32(if id >= START as usize { 3 } else { 1 })).collect();
    let mut metadata = vec![
        ("general.architecture".to_owned(), text(architecture)),
        ("tokenizer.ggml.model".to_owned(), text("gpt2")),
        ("tokenizer.ggml.pre".to_owned(), text("gpt-2")),
        ("tokenizer.ggml.tokens".to_owned(), Value::Array(tokens)),
        ("tokenizer.ggml.token_type".to_owned(), Value::Array(kinds)),
        ("tokenizer.ggml.merges".to_owned(), Value::Array(vec![])),
        ("tokenizer.ggml.bos_token_id".to_owned(), Value::U32(START)),
        ("tokenizer.ggml.eos_token_id".to_owned(), Value::U32(END)),
        ("tokenizer.chat_template".to_owned(), text(TEMPLATE)),
    ];
    for (key, value) in [
        ("block_count", Value::U32(u32::try_from(BLOCKS).unwrap())),
        ("context_length", Value::U32(CONTEXT)),
        ("embedding_length", Value::U32(u32::try_from(WIDTH).unwrap())),
        ("feed_forward_length", Value::U32(u32::try_from(INNER).unwrap())),
        ("attention.head_count", Value::U32(4)),
        ("attention.head_count_kv", Value::U32(2)),
        ("attention.key_length", Value::U32(u32::try_from(WIDTH / 4).unwrap())),
        ("rope.dimension_count", Value::U32(u32::try_from(WIDTH / 4).unwrap())),
        ("rope.freq_base", Value::F32(10_000.0)),
        ("attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
    ] {
        metadata.push((format!("{architecture}.{key}"), value));
    }
    metadata
}

/// GPT-2's visible character for a byte.
fn shown(byte: u8) -> char {
    let is_itself = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if is_itself(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|it| !is_itself(*it)).count();
    char::from_u32(256 + u32::try_from(before).unwrap()).unwrap()
}

fn scaled(count: usize, seed: u64, size: f32) -> Vec<f32> {
    random(count, seed).into_iter().map(|it| it * size).collect()
}

/// Values of -1 and 1 in a fixed disorder.
fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state.count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
    };
    (0..count).map(|_| next()).collect()
}
