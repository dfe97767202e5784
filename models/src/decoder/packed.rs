//! Our own decoder for llama and qwen3: the matrices are multiplied by `kernels`, and what a sequence has read lies in
//! pages that clones share.

use std::io::{Read, Seek};
use std::sync::Arc;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Result, bail};
use kernels::vector::{self, Heads, Page};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::weights::{Embeddings, Linear, Source};
use crate::prefixes::CHUNK;

/// Positions of a page: a remembered beginning ends where a page ends, so that it is shared and never copied.
const PAGE: usize = CHUNK;

/// The tensor that stretches the positions of Llama 3: divisors of the frequencies. candle's decoders do not read it.
pub(crate) const STRETCH: &str = "rope_freqs.weight";

/// Shared weights, and what one sequence has read.
#[derive(Clone)]
pub(crate) struct Packed {
    weights: Arc<Weights>,
    /// For each block of the network, the pages in order.
    pages: Vec<Vec<Arc<KeysAndValues>>>,
    length: usize,
}

#[derive(Clone, Default)]
struct KeysAndValues {
    keys: Vec<f32>,
    values: Vec<f32>,
}

struct Weights {
    width: usize,
    inner_width: usize,
    heads: Heads,
    epsilon: f32,
    /// Pairs are halves of a head (qwen3) instead of neighbours (llama).
    rotates_halves: bool,
    frequencies: Vec<f32>,
    embeddings: Embeddings,
    blocks: Vec<Block>,
    norm: Vec<f32>,
    output: Linear,
    pool: ThreadPool,
}

struct Block {
    attention_norm: Vec<f32>,
    /// Queries, keys and values.
    attention_in: Linear,
    query_norm: Option<Vec<f32>>,
    key_norm: Option<Vec<f32>>,
    attention_out: Linear,
    inner_norm: Vec<f32>,
    /// Gate and up.
    inner_in: Linear,
    inner_out: Linear,
}

impl Packed {
    /// Loads a file whose sizes have been checked.
    pub(crate) fn load<R: Read + Seek>(name: &str, content: &Content, reader: &mut R, threads: usize) -> Result<Self> {
        let mut source = Source { content, reader };
        let number = |source: &Source<'_, R>, key: &str| match source.number(&format!("{name}.{key}")) {
            Some(number) => Ok(number),
            None => bail!("the metadata has no number `{name}.{key}`"),
        };
        let (width, count) = (number(&source, "embedding_length")?, number(&source, "attention.head_count")?);
        let kept = number(&source, "attention.head_count_kv")?;
        let head_width = source.number(&format!("{name}.attention.key_length")).unwrap_or(width / count);
        let inner_width = number(&source, "feed_forward_length")?;
        let heads = Heads { count, kept, width: head_width };
        if head_width == 0
            || !head_width.is_multiple_of(2)
            || source.number(&format!("{name}.expert_count")).unwrap_or(0) > 1
        {
            bail!("heads of {head_width} numbers and mixtures of experts cannot be computed");
        }
        let float = |key: &str| content.metadata.get(&format!("{name}.{key}")).and_then(|it| it.to_f32().ok());
        let Some(epsilon) = float("attention.layer_norm_rms_epsilon") else { bail!("the metadata has no epsilon") };
        let base = float("rope.freq_base").unwrap_or(10_000.0);

        let mut blocks = Vec::new();
        for index in 0..number(&source, "block_count")? {
            blocks.push(Block::load(&mut source, &format!("blk.{index}"), width, inner_width, heads)?);
        }
        let vocabulary = content.tensor_infos.get("token_embd.weight").map_or(0, |it| it.shape.dims()[0]);
        let (embeddings, output) = source.embeddings(vocabulary, width)?;
        let pool =
            ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("kernels {index}")).build();
        #[expect(clippy::cast_precision_loss, reason = "the width of a head is far below 2^24")]
        let frequency = |pair: usize| 1.0 / base.powf(2.0 * pair as f32 / head_width as f32);
        let mut frequencies: Vec<f32> = (0..head_width / 2).map(frequency).collect();
        if source.has(STRETCH) {
            for (frequency, divisor) in frequencies.iter_mut().zip(source.vector(STRETCH, head_width / 2)?) {
                *frequency /= divisor;
            }
        }
        let weights = Weights {
            width,
            inner_width,
            heads,
            epsilon,
            rotates_halves: name == "qwen3",
            frequencies,
            embeddings,
            norm: source.vector("output_norm.weight", width)?,
            output,
            pool: pool.map_err(candle_core::Error::wrap)?,
            blocks,
        };
        Ok(Self { pages: vec![Vec::new(); weights.blocks.len()], weights: Arc::new(weights), length: 0 })
    }

    /// Reads further tokens and gives the logits of the token after them.
    pub(crate) fn forward(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let weights = Arc::clone(&self.weights);
        weights.pool.install(|| self.forward_here(&weights, tokens))
    }

    fn forward_here(&mut self, weights: &Weights, tokens: &[u32]) -> Result<Vec<f32>> {
        let mut stream: Vec<f32> = Vec::with_capacity(tokens.len() * weights.width);
        for token in tokens {
            stream.extend(weights.embedding(*token as usize)?);
        }
        let angles: Vec<_> = (self.length..self.length + tokens.len()).map(|it| weights.angles(it)).collect();
        for (block, pages) in weights.blocks.iter().zip(&mut self.pages) {
            let attended = block.attend(weights, pages, self.length, &stream, &angles)?;
            vector::add(&mut stream, &attended);
            let inner = block.think(weights, &stream)?;
            vector::add(&mut stream, &inner);
        }
        self.length += tokens.len();
        let last = &mut stream[(tokens.len() - 1) * weights.width..];
        vector::normalise(last, &weights.norm, weights.epsilon);
        weights.output.multiply(last, weights.width)
    }
}

impl Weights {
    fn embedding(&self, token: usize) -> Result<Vec<f32>> {
        match (&self.embeddings, &self.output) {
            (Embeddings::Packed(Some(matrix)), _) | (Embeddings::Packed(None), Linear::Packed(matrix)) => {
                Ok(matrix.row(token))
            }
            (Embeddings::Plain(numbers), _) => Ok(numbers[token * self.width..][..self.width].to_vec()),
            (Embeddings::Packed(None), _) => bail!("the token vectors are missing"),
        }
    }

    /// Cosines and sines of a position.
    fn angles(&self, position: usize) -> (Vec<f32>, Vec<f32>) {
        #[expect(clippy::cast_precision_loss, reason = "contexts are far below 2^24")]
        let position = position as f32;
        self.frequencies.iter().map(|it| ((position * it).cos(), (position * it).sin())).unzip()
    }
}

impl Block {
    fn load<R: Read + Seek>(
        source: &mut Source<'_, R>,
        name: &str,
        width: usize,
        inner_width: usize,
        heads: Heads,
    ) -> Result<Self> {
        let asked = heads.count * heads.width;
        let kept = heads.kept * heads.width;
        let mut optional = |key: &str| {
            let key = format!("{name}.{key}.weight");
            if source.has(&key) { source.vector(&key, heads.width).map(Some) } else { Ok(None) }
        };
        Ok(Self {
            query_norm: optional("attn_q_norm")?,
            key_norm: optional("attn_k_norm")?,
            attention_norm: source.vector(&format!("{name}.attn_norm.weight"), width)?,
            attention_in: source.stacked(&[("attn_q", asked), ("attn_k", kept), ("attn_v", kept)], name, width)?,
            attention_out: source.linear(&format!("{name}.attn_output.weight"), width, asked)?,
            inner_norm: source.vector(&format!("{name}.ffn_norm.weight"), width)?,
            inner_in: source.stacked(&[("ffn_gate", inner_width), ("ffn_up", inner_width)], name, width)?,
            inner_out: source.linear(&format!("{name}.ffn_down.weight"), width, inner_width)?,
        })
    }

    /// What the attention adds to each row of the stream; remembers the rows' keys and values.
    fn attend(
        &self,
        weights: &Weights,
        pages: &mut Vec<Arc<KeysAndValues>>,
        before: usize,
        stream: &[f32],
        angles: &[(Vec<f32>, Vec<f32>)],
    ) -> Result<Vec<f32>> {
        let Weights { width, heads, epsilon, rotates_halves, .. } = *weights;
        let (asked, kept) = (heads.count * heads.width, heads.kept * heads.width);
        let mut normal = stream.to_vec();
        vector::normalise(&mut normal, &self.attention_norm, epsilon);
        let mut rows = self.attention_in.multiply(&normal, width)?;
        let mut queries = Vec::with_capacity(angles.len() * asked);
        for (row, (cosines, sines)) in rows.chunks_exact_mut(asked + 2 * kept).zip(angles) {
            let (query, rest) = row.split_at_mut(asked);
            let (key, value) = rest.split_at_mut(kept);
            for (numbers, norm) in [(&mut *query, &self.query_norm), (&mut *key, &self.key_norm)] {
                if let Some(norm) = norm {
                    vector::normalise(numbers, norm, epsilon);
                }
                for head in numbers.chunks_exact_mut(heads.width) {
                    vector::rotate(head, cosines, sines, rotates_halves);
                }
            }
            queries.extend_from_slice(query);
            remember(pages, key, value);
        }
        let views: Vec<Page<'_>> = pages.iter().map(|page| (&page.keys[..], &page.values[..])).collect();
        let mut attended = vec![0.0; queries.len()];
        vector::attend(&queries, &views, before, heads, &mut attended);
        self.attention_out.multiply(&attended, asked)
    }

    /// What the inner layer adds to each row of the stream.
    fn think(&self, weights: &Weights, stream: &[f32]) -> Result<Vec<f32>> {
        let mut normal = stream.to_vec();
        vector::normalise(&mut normal, &self.inner_norm, weights.epsilon);
        let both = self.inner_in.multiply(&normal, weights.width)?;
        let mut gated = vec![0.0; both.len() / 2];
        vector::gate(&both, weights.inner_width, &mut gated);
        self.inner_out.multiply(&gated, weights.inner_width)
    }
}

/// Appends one position. A page that another sequence shares is copied first; full ones never are.
fn remember(pages: &mut Vec<Arc<KeysAndValues>>, key: &[f32], value: &[f32]) {
    if pages.last().is_none_or(|it| it.keys.len() == PAGE * key.len()) {
        pages.push(Arc::default());
    }
    let page = Arc::make_mut(pages.last_mut().expect("it was pushed above"));
    page.keys.extend_from_slice(key);
    page.values.extend_from_slice(value);
}
