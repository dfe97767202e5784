//! Which architectures can be computed, and how each is loaded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Result};
use candle_transformers::models::{quantized_llama, quantized_qwen3};

use crate::Error;
use crate::decoder::Decoder;
use crate::gguf::ModelFile;
use crate::requantized;

type Reader = requantized::Requantized<std::io::BufReader<std::fs::File>>;

/// One architecture: its GGUF name, how it is loaded, and the longest context that its code can hold.
struct Architecture {
    name: &'static str,
    context_max: usize,
    load: fn(Content, &mut Reader) -> Result<Decoder>,
}

/// The context length where neither the configuration nor the file asks for less: KV memory grows with it.
const CONTEXT_DEFAULT: usize = 4096;

/// All architectures. candle's code for llama has a table of 4096 positions; the others take the length from the file.
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "llama",
        context_max: 4096,
        load: |content, reader| {
            quantized_llama::ModelWeights::from_gguf(content, reader, &Device::Cpu).map(Decoder::Llama)
        },
    },
    Architecture {
        name: "qwen3",
        context_max: 1 << 17,
        load: |content, reader| {
            quantized_qwen3::ModelWeights::from_gguf(content, reader, &Device::Cpu).map(Decoder::Qwen3)
        },
    },
];

/// Loads the weights; gives them with the context length that they are good for.
pub(crate) fn load(mut file: ModelFile, context_length: Option<usize>) -> std::result::Result<(Decoder, usize), Error> {
    let name = file.text("general.architecture").unwrap_or_default().to_owned();
    let Some(architecture) = ARCHITECTURES.iter().find(|it| it.name == name) else {
        let names = ARCHITECTURES.map(|it| format!("`{}`", it.name)).join(", ");
        return Err(
            file.unsupported(format!("its architecture is `{name}`, and those that can be computed are {names}"))
        );
    };
    check_shape(&file, &name)?;
    let context_length = fit_context(&file, architecture, context_length)?;
    // The tables of rotations are computed for this length: the file's own may be much longer than what we serve.
    let shown = Value::U32(u32::try_from(context_length).expect("at most context_max"));
    file.content.metadata.insert(format!("{name}.context_length"), shown);

    let path = file.path;
    let broken = |reason: String| Error::Broken { path: path.clone(), reason };
    let (content, mut reader) = requantized::view(file.content, file.reader);
    let loaded = catch_unwind(AssertUnwindSafe(|| (architecture.load)(content, &mut reader)));
    match loaded {
        Ok(Ok(decoder)) => Ok((decoder, context_length)),
        Ok(Err(error)) => Err(broken(format!("its weights do not make a `{name}` model ({error})"))),
        Err(_) => Err(broken(format!("its weights do not make a `{name}` model (loading them panicked, see the log)"))),
    }
}

/// The numbers from which the loaders allocate, held against the tensors that are there.
fn check_shape(file: &ModelFile, name: &str) -> std::result::Result<(), Error> {
    let number = |key: &str| file.needed_number(&format!("{name}.{key}"));
    let (blocks, width) = (number("block_count")?, number("embedding_length")?);
    let (heads, kv_heads) = (number("attention.head_count")?, number("attention.head_count_kv")?);
    let (vocabulary, embedding_width) = file.matrix("token_embd.weight")?;
    if blocks == 0 || blocks > file.content.tensor_infos.len() {
        return Err(file.broken(format!("it says that it has {blocks} blocks, but the tensors are not there")));
    }
    if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || width % heads != 0 || width != embedding_width {
        return Err(file.broken(format!(
            "its sizes contradict each other: {heads} heads, {kv_heads} KV heads, width {width}, embeddings of width \
             {embedding_width}"
        )));
    }
    let rotated = file.number(&format!("{name}.rope.dimension_count"));
    if name == "llama" && rotated != Some(width / heads) {
        return Err(file.unsupported(format!(
            "it rotates {} of the {} numbers of each head, and only whole heads can be computed",
            rotated.unwrap_or_default(),
            width / heads
        )));
    }
    let tokens = file.content.metadata.get("tokenizer.ggml.tokens").and_then(|it| it.to_vec().ok()).map_or(0, Vec::len);
    if tokens > vocabulary {
        return Err(file.broken(format!("its tokenizer has {tokens} tokens, but there are {vocabulary} embeddings")));
    }
    let scaling = file.text(&format!("{name}.rope.scaling.type")).filter(|it| *it != "none");
    if file.content.tensor_infos.contains_key("rope_freqs.weight") || scaling.is_some() {
        let kind = scaling.unwrap_or("rope_freqs.weight");
        return Err(file.unsupported(format!(
            "it stretches its positions (RoPE scaling `{kind}`), which would be computed wrongly; take a model without"
        )));
    }
    Ok(())
}

fn fit_context(
    file: &ModelFile,
    architecture: &Architecture,
    wanted: Option<usize>,
) -> std::result::Result<usize, Error> {
    let trained = file.needed_number(&format!("{}.context_length", architecture.name))?;
    let most = trained.min(architecture.context_max);
    if most == 0 {
        return Err(file.broken("its context length is 0"));
    }
    match wanted {
        None => Ok(most.min(CONTEXT_DEFAULT)),
        Some(wanted) if (1..=most).contains(&wanted) => Ok(wanted),
        Some(wanted) => Err(Error::Option {
            path: file.path.clone(),
            option: format!("context_length {wanted}"),
            reason: format!("give 1 to {most}"),
        }),
    }
}
