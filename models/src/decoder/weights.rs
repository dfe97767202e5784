//! Weights as the packed decoder wants them: matrices in tiles where the format allows, else as candle multiplies them.

use std::io::{Read, Seek};

use candle_core::quantized::gguf_file::Content;
use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{DType, Device, Module, Result, Tensor, bail};
use kernels::{Activations, Format, Matrix};

/// The format of `kernels` for a format of GGUF files, if it has one.
pub(super) fn format(kind: GgmlDType) -> Option<Format> {
    match kind {
        GgmlDType::Q4_0 => Some(Format::Q4_0),
        GgmlDType::Q4_1 => Some(Format::Q4_1),
        GgmlDType::Q5_0 => Some(Format::Q5_0),
        GgmlDType::Q5_1 => Some(Format::Q5_1),
        GgmlDType::Q8_0 => Some(Format::Q8_0),
        _ => None,
    }
}

/// The tensors of a file, taken out one by one.
pub(super) struct Source<'a, R> {
    pub(super) content: &'a Content,
    pub(super) reader: &'a mut R,
}

/// One matrix, or several with the same inputs.
pub(super) enum Linear {
    Packed(Matrix),
    Candle(QMatMul),
    Several(Vec<Linear>),
}

/// The vectors of the tokens.
pub(super) enum Embeddings {
    /// Rows of a packed matrix; `None` where the output matrix is the same one.
    Packed(Option<Matrix>),
    Plain(Vec<f32>),
}

impl<R: Read + Seek> Source<'_, R> {
    /// A metadata number of the architecture.
    pub(super) fn number(&self, key: &str) -> Option<usize> {
        usize::try_from(self.content.metadata.get(key)?.to_u64().ok()?).ok()
    }

    /// Whether there is such a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// A vector of `length` numbers.
    pub(super) fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        let vector = self.tensor(name)?.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        if vector.len() != length {
            bail!("the tensor `{name}` has {} numbers, expected {length}", vector.len());
        }
        Ok(vector)
    }

    /// A matrix of `rows` outputs from `columns` inputs.
    pub(super) fn linear(&mut self, name: &str, rows: usize, columns: usize) -> Result<Linear> {
        let tensor = self.tensor(name)?;
        if tensor.shape().dims() != [rows, columns] {
            bail!("the tensor `{name}` has the shape {:?}, expected {rows} x {columns}", tensor.shape().dims());
        }
        Ok(match packed(&tensor)? {
            Some(matrix) => Linear::Packed(matrix),
            None => Linear::Candle(QMatMul::from_qtensor(tensor)?),
        })
    }

    /// Several matrices with the same inputs, one below the other.
    pub(super) fn stacked(&mut self, names: &[(&str, usize)], block: &str, columns: usize) -> Result<Linear> {
        let parts = names.iter().map(|(name, rows)| self.linear(&format!("{block}.{name}.weight"), *rows, columns));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        if parts.iter().any(|it| !matches!(it, Linear::Packed(_))) {
            return Ok(Linear::Several(parts));
        }
        let matrices =
            parts.into_iter().filter_map(|it| if let Linear::Packed(matrix) = it { Some(matrix) } else { None });
        Ok(match Matrix::stack(matrices.collect()) {
            Ok(matrix) => Linear::Packed(matrix),
            Err(matrices) => Linear::Several(matrices.into_iter().map(Linear::Packed).collect()),
        })
    }

    /// The token vectors and the output matrix; many models use one matrix for both.
    pub(super) fn embeddings(&mut self, vocabulary: usize, width: usize) -> Result<(Embeddings, Linear)> {
        const TOKENS: &str = "token_embd.weight";
        if self.has("output.weight") {
            let output = self.linear("output.weight", vocabulary, width)?;
            let tokens = self.tensor(TOKENS)?;
            let tokens = match packed(&tokens)? {
                Some(matrix) => Embeddings::Packed(Some(matrix)),
                None => Embeddings::Plain(plain(&tokens)?),
            };
            return Ok((tokens, output));
        }
        Ok(match self.linear(TOKENS, vocabulary, width)? {
            output @ Linear::Packed(_) => (Embeddings::Packed(None), output),
            output => (Embeddings::Plain(plain(&self.tensor(TOKENS)?)?), output),
        })
    }

    fn tensor(&mut self, name: &str) -> Result<QTensor> {
        self.content.tensor(self.reader, name, &Device::Cpu)
    }
}

fn packed(tensor: &QTensor) -> Result<Option<Matrix>> {
    let (rows, columns) = tensor.shape().dims2()?;
    let Some(format) = format(tensor.dtype()) else { return Ok(None) };
    Ok(Matrix::pack(format, rows, columns, &tensor.data()?))
}

fn plain(tensor: &QTensor) -> Result<Vec<f32>> {
    tensor.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

impl Linear {
    /// The products with rows of inputs, row after row.
    pub(super) fn multiply(&self, inputs: &[f32], columns: usize) -> Result<Vec<f32>> {
        match self {
            Self::Packed(matrix) => Ok(matrix.multiply(&Activations::of(inputs, columns))),
            Self::Candle(matrix) => {
                let inputs = Tensor::from_slice(inputs, (inputs.len() / columns, columns), &Device::Cpu)?;
                matrix.forward(&inputs)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
            }
            Self::Several(parts) => {
                let count = inputs.len() / columns;
                let products = parts.iter().map(|it| it.multiply(inputs, columns)).collect::<Result<Vec<_>>>()?;
                let rows = (0..count).flat_map(|row| {
                    products.iter().flat_map(move |it| {
                        let width = it.len() / count;
                        &it[row * width..(row + 1) * width]
                    })
                });
                Ok(rows.copied().collect())
            }
        }
    }
}
