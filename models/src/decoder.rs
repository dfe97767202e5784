//! The neural network behind one interface: tokens in, the next token's logits out.

mod packed;
mod weights;

use candle_core::quantized::gguf_file::Content;
use candle_core::{DType, Device, Result, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen3};

pub(crate) use packed::{Packed, STRETCH};

/// Weights and the state of one sequence. A clone shares the weights and has a state of its own.
#[derive(Clone)]
pub(crate) enum Decoder {
    /// Ours, for the formats of `kernels`.
    Packed(Packed),
    /// candle's llama.
    Llama(quantized_llama::ModelWeights),
    /// candle's qwen3.
    Qwen3(quantized_qwen3::ModelWeights),
}

/// Whether [`Packed`] gains from these weights: at least one matrix is in a format that `kernels` packs. Files of other
/// formats (halves, K-quants) are what candle's own decoders are good at.
pub(crate) fn is_packable(content: &Content) -> bool {
    content.tensor_infos.values().any(|it| it.shape.rank() == 2 && weights::format(it.ggml_dtype).is_some())
}

/// A sequence of tokens that a decoder has read.
#[derive(Clone)]
pub(crate) struct Sequence {
    decoder: Decoder,
    length: usize,
}

impl Sequence {
    /// An empty sequence; `decoder` must not have read anything yet.
    pub(crate) fn start(decoder: &Decoder) -> Self {
        Self { decoder: decoder.clone(), length: 0 }
    }

    /// How many tokens have been read.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Reads further tokens (at least one) and gives the logits of the token after them.
    pub(crate) fn read(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let input = || Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0);
        let logits = match &mut self.decoder {
            Decoder::Packed(model) => model.forward(tokens)?,
            Decoder::Llama(model) => plain(&model.forward(&input()?, self.length)?)?,
            Decoder::Qwen3(model) => plain(&model.forward(&input()?, self.length)?)?,
        };
        self.length += tokens.len();
        Ok(logits)
    }
}

fn plain(logits: &Tensor) -> Result<Vec<f32>> {
    logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()
}
