//! A GGUF file seen with other weight formats: what candle computes slowly is handed over in a format that it computes
//! fast.
//!
//! candle multiplies `Q4_1`, `Q5_0` and `Q5_1` with scalar code. Each of their blocks of 32 weights fits into a `Q8_0`
//! block of 32, for which there is vector code, at the price of more memory and of a rounding of at most 1/254 of the
//! block's largest weight.

use std::io::{self, Read, Seek, SeekFrom};

use candle_core::quantized::gguf_file::{Content, TensorInfo};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{D, Device};

/// What each slow format is read as.
fn faster(kind: GgmlDType) -> Option<GgmlDType> {
    matches!(kind, GgmlDType::Q4_1 | GgmlDType::Q5_0 | GgmlDType::Q5_1).then_some(GgmlDType::Q8_0)
}

/// A reader over the file as [`view`] describes it.
pub(crate) struct Requantized<R> {
    inner: R,
    original: Content,
    /// Where each tensor lies in the view, in order.
    layout: Vec<(u64, u64, String)>,
    position: u64,
    length: u64,
    /// The tensor that was read last, and its bytes in the view.
    current: Option<(usize, Vec<u8>)>,
}

/// The header with the faster formats, and the reader that goes with it.
pub(crate) fn view<R: Read + Seek>(content: Content, inner: R) -> (Content, Requantized<R>) {
    let mut tensors: Vec<_> = content.tensor_infos.iter().collect();
    tensors.sort_by(|left, right| (left.1.offset, left.0).cmp(&(right.1.offset, right.0)));
    let (mut offset, mut layout) = (0, Vec::with_capacity(tensors.len()));
    let mut infos = std::collections::HashMap::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let kind = faster(tensor.ggml_dtype).unwrap_or(tensor.ggml_dtype);
        let bytes = (tensor.shape.elem_count() / kind.block_size() * kind.type_size()) as u64;
        infos.insert(name.clone(), TensorInfo { ggml_dtype: kind, shape: tensor.shape.clone(), offset });
        layout.push((offset, bytes, name.clone()));
        offset += bytes;
    }
    let seen = Content {
        magic: content.magic,
        metadata: content.metadata.clone(),
        tensor_infos: infos,
        tensor_data_offset: 0,
    };
    (seen, Requantized { inner, original: content, layout, position: 0, length: offset, current: None })
}

impl<R: Read + Seek> Requantized<R> {
    fn load(&mut self, index: usize) -> candle_core::Result<Vec<u8>> {
        let name = &self.layout[index].2;
        let tensor = self.original.tensor(&mut self.inner, name, &Device::Cpu)?;
        let Some(kind) = faster(tensor.dtype()) else { return Ok(tensor.data()?.into_owned()) };
        let weights = tensor.dequantize(&Device::Cpu)?;
        let wide = weights.reshape((weights.elem_count() / weights.dim(D::Minus1)?, weights.dim(D::Minus1)?))?;
        Ok(QTensor::quantize(&wide, kind)?.data()?.into_owned())
    }
}

impl<R: Read + Seek> Read for Requantized<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(index) =
            self.layout.iter().position(|(start, bytes, _)| (*start..start + bytes).contains(&self.position))
        else {
            return Ok(0);
        };
        if self.current.as_ref().is_none_or(|(current, _)| *current != index) {
            self.current = Some((index, self.load(index).map_err(io::Error::other)?));
        }
        let (_, bytes) = self.current.as_ref().expect("it was loaded in the line above");
        let from = usize::try_from(self.position - self.layout[index].0).map_err(io::Error::other)?;
        let count = out.len().min(bytes.len() - from);
        out[..count].copy_from_slice(&bytes[from..from + count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R> Seek for Requantized<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
