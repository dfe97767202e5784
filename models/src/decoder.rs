//! The neural network behind one interface: tokens in, the next token's logits out.

use candle_core::{Device, Tensor};
use candle_transformers::models::{quantized_llama, quantized_qwen3};

/// Weights and the state of one sequence. A clone shares the weights and has a state of its own.
#[derive(Clone)]
pub(crate) enum Decoder {
    Llama(quantized_llama::ModelWeights),
    Qwen3(quantized_qwen3::ModelWeights),
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
    pub(crate) fn read(&mut self, tokens: &[u32]) -> candle_core::Result<Vec<f32>> {
        let input = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
        let logits = match &mut self.decoder {
            Decoder::Llama(model) => model.forward(&input, self.length)?,
            Decoder::Qwen3(model) => model.forward(&input, self.length)?,
        };
        self.length += tokens.len();
        logits.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1()
    }
}
