//! Which architectures can be computed, and how each is loaded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Result};
use candle_transformers::models::{quantized_llama, quantized_qwen3};

use crate::decoder::{self, Decoder, Packed, STRETCH};
use crate::gguf::{ModelFile, plain};
use crate::{Error, Options};

type Reader = std::io::BufReader<std::fs::File>;

/// One architecture: its GGUF name, how candle loads it, and the longest context that candle's code can hold.
struct Architecture {
    name: &'static str,
    candle_context_max: usize,
    load: fn(Content, &mut Reader) -> Result<Decoder>,
}

/// The context length where neither the configuration nor the file asks for less: KV memory grows with it.
const CONTEXT_DEFAULT: usize = 4096;

/// No file may ask for more: tables and caches are made for it.
const CONTEXT_MAX: usize = 1 << 17;

/// More threads than any machine has cores are a mistake.
const THREADS_MAX: usize = 1024;

/// All architectures. candle's code for llama has a table of 4096 positions; for qwen3 it makes one of any length.
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "llama",
        candle_context_max: 4096,
        load: |content, reader| {
            quantized_llama::ModelWeights::from_gguf(content, reader, &Device::Cpu).map(Decoder::Llama)
        },
    },
    Architecture {
        name: "qwen3",
        candle_context_max: CONTEXT_MAX,
        load: |content, reader| {
            quantized_qwen3::ModelWeights::from_gguf(content, reader, &Device::Cpu).map(Decoder::Qwen3)
        },
    },
];

/// Loads the weights; gives them with the context length that they are good for.
pub(crate) fn load(mut file: ModelFile, options: &Options) -> std::result::Result<(Decoder, usize), Error> {
    let name = file.text("general.architecture").unwrap_or_default().to_owned();
    let Some(architecture) = ARCHITECTURES.iter().find(|it| it.name == name) else {
        let names = ARCHITECTURES.map(|it| format!("`{}`", it.name)).join(", ");
        return Err(
            file.unsupported(format!("its architecture is `{name}`, and those that can be computed are {names}"))
        );
    };
    check_shape(&file, &name)?;
    let is_ours = is_ours(&file, &name);
    let context_max = if is_ours { CONTEXT_MAX } else { architecture.candle_context_max };
    let context_length = fit_context(&file, &name, context_max, options.context_length)?;
    let threads = fit_threads(&file, is_ours, options.threads)?;
    // candle makes tables for this length: the file's own may be much longer than what we serve.
    let shown = Value::U32(u32::try_from(context_length).expect("at most CONTEXT_MAX"));
    file.content.metadata.insert(format!("{name}.context_length"), shown);

    let ModelFile { path, content, mut reader } = file;
    let broken = |reason: String| Error::Broken { path, reason };
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        if is_ours {
            Packed::load(&name, &content, &mut reader, threads).map(Decoder::Packed)
        } else {
            (architecture.load)(content, &mut reader)
        }
    }));
    match loaded {
        Ok(Ok(decoder)) => Ok((decoder, context_length)),
        Ok(Err(error)) => Err(broken(format!("its weights do not make a `{name}` model ({})", plain(&error)))),
        Err(_) => Err(broken(format!("its weights do not make a `{name}` model (loading them panicked, see the log)"))),
    }
}

/// Whether our decoder takes this file: it gains from the weights, or candle's would compute it wrongly.
fn is_ours(file: &ModelFile, name: &str) -> bool {
    let number = |key: &str| file.number(&format!("{name}.{key}"));
    let heads_fill_width =
        match (number("embedding_length"), number("attention.head_count"), number("attention.key_length")) {
            (Some(width), Some(heads), Some(head_width)) => heads.checked_mul(head_width) == Some(width),
            _ => true,
        };
    decoder::is_packable(&file.content)
        || file.content.tensor_infos.contains_key(STRETCH)
        || (name == "llama" && !heads_fill_width)
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
    if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || width != embedding_width {
        return Err(file.broken(format!(
            "its sizes contradict each other: {heads} heads, {kv_heads} KV heads, width {width}, embeddings of width \
             {embedding_width}"
        )));
    }
    let head_width = file.number(&format!("{name}.attention.key_length")).unwrap_or(width / heads);
    let rotated = file.number(&format!("{name}.rope.dimension_count")).unwrap_or(head_width);
    if rotated != head_width {
        return Err(file.unsupported(format!(
            "it rotates {rotated} of the {head_width} numbers of each head, and only whole heads can be computed"
        )));
    }
    let tokens = file.content.metadata.get("tokenizer.ggml.tokens").and_then(|it| it.to_vec().ok()).map_or(0, Vec::len);
    if tokens > vocabulary {
        return Err(file.broken(format!("its tokenizer has {tokens} tokens, but there are {vocabulary} embeddings")));
    }
    let scaling = file.text(&format!("{name}.rope.scaling.type")).filter(|it| *it != "none");
    if let Some(scaling) = scaling {
        return Err(file.unsupported(format!(
            "it stretches its positions (RoPE scaling `{scaling}`), which would be computed wrongly; take a model without"
        )));
    }
    Ok(())
}

fn fit_context(
    file: &ModelFile,
    name: &str,
    context_max: usize,
    wanted: Option<usize>,
) -> std::result::Result<usize, Error> {
    let most = file.needed_number(&format!("{name}.context_length"))?.min(context_max);
    if most == 0 {
        return Err(file.broken("its context length is 0"));
    }
    match wanted {
        None => Ok(most.min(CONTEXT_DEFAULT)),
        Some(wanted) if (1..=most).contains(&wanted) => Ok(wanted),
        Some(wanted) => Err(file.option(format!("context_length {wanted}"), format!("give 1 to {most}"))),
    }
}

/// Our decoder has threads of its own; candle has one pool for the process, sized by the environment.
fn fit_threads(file: &ModelFile, is_ours: bool, wanted: Option<usize>) -> std::result::Result<usize, Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let Some(wanted) = wanted else { return Ok(cores) };
    let option = format!("threads {wanted}");
    if !(1..=THREADS_MAX).contains(&wanted) {
        return Err(file.option(option, format!("give 1 to {THREADS_MAX}; this machine has {cores} cores")));
    }
    let there = candle_core::utils::barrier_pool().n_workers() + 1;
    if !is_ours && wanted != there {
        return Err(file.option(
            option,
            format!(
                "weights of this format are computed by candle, with {there} threads for the whole process; leave \
                 `threads` out, or start with CANDLE_NUM_THREADS={wanted} in the environment"
            ),
        ));
    }
    Ok(wanted)
}
