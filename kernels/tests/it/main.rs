//! The kernels against candle's own reading of the same weights.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use kernels::{Activations, Format, Level, Matrix};

const FORMATS: [(Format, GgmlDType); 5] = [
    (Format::Q4_0, GgmlDType::Q4_0),
    (Format::Q4_1, GgmlDType::Q4_1),
    (Format::Q5_0, GgmlDType::Q5_0),
    (Format::Q5_1, GgmlDType::Q5_1),
    (Format::Q8_0, GgmlDType::Q8_0),
];

/// Numbers in a fixed disorder, from -1 to 1.
fn numbers(count: usize, mut state: u32) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn quantised(kind: GgmlDType, rows: usize, columns: usize) -> (QTensor, Vec<f32>) {
    let weights = Tensor::from_vec(numbers(rows * columns, 3), (rows, columns), &Device::Cpu).unwrap();
    let weights = QTensor::quantize(&weights, kind).unwrap();
    let plain = weights.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (weights, plain)
}

#[test]
fn packing_loses_nothing() {
    for (format, kind) in FORMATS {
        let (weights, plain) = quantised(kind, 40, 96);
        let matrix = Matrix::pack(format, 40, 96, &weights.data().unwrap()).unwrap();
        for (row, expected) in plain.chunks_exact(96).enumerate() {
            for (found, expected) in matrix.row(row).iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-6, "{format:?} row {row}: {found} {expected}");
            }
        }
    }
}

#[test]
fn every_level_multiplies_right() {
    let levels: Vec<Level> = Level::all().into_iter().filter(|it| it.is_available()).collect();
    assert!(levels.contains(&Level::Portable));
    for (format, kind) in FORMATS {
        for (rows, columns, count) in [(48, 576, 1), (40, 64, 15), (272, 1536, 3)] {
            let (weights, plain) = quantised(kind, rows, columns);
            let matrix = Matrix::pack(format, rows, columns, &weights.data().unwrap()).unwrap();
            let inputs = numbers(count * columns, 99);
            let activations = Activations::of(&inputs, columns);
            for level in &levels {
                let products = matrix.multiply_at(*level, &activations);
                assert_eq!(products.len(), rows * count);
                for (at, product) in products.iter().enumerate() {
                    let (input, weight) = (at / rows * columns, at % rows * columns);
                    let pairs = inputs[input..input + columns].iter().zip(&plain[weight..weight + columns]);
                    let (exact, size) = pairs.fold((0.0_f64, 0.0_f64), |(sum, size), (input, weight)| {
                        let product = f64::from(*input) * f64::from(*weight);
                        (sum + product, size + product * product)
                    });
                    // Rounding activations to 8 bits is an error of about 1/254 each, in random directions.
                    let allowed = 0.03 * size.sqrt();
                    let off = (f64::from(*product) - exact).abs();
                    assert!(off < allowed, "{level:?} {format:?} {rows}x{columns}: {product} instead of {exact}");
                }
            }
        }
    }
}

#[test]
fn extreme_values_do_not_overflow() {
    let weights = Tensor::from_vec(vec![-1.0_f32; 16 * 32], (16, 32), &Device::Cpu).unwrap();
    for (format, kind) in FORMATS {
        let bytes = QTensor::quantize(&weights, kind).unwrap();
        let matrix = Matrix::pack(format, 16, 32, &bytes.data().unwrap()).unwrap();
        let exact: f32 = -100.0 * matrix.row(0).iter().map(|it| it.abs()).sum::<f32>();
        for level in Level::all().into_iter().filter(|it| it.is_available()) {
            let products = matrix.multiply_at(level, &Activations::of(&[100.0; 32], 32));
            assert!(products.iter().all(|it| (it / exact - 1.0).abs() < 1e-3), "{level:?} {format:?}: {products:?}");
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    let (weights, _) = quantised(GgmlDType::Q4_1, 64, 576);
    let matrix = Matrix::pack(Format::Q4_1, 64, 576, &weights.data().unwrap()).unwrap();
    let inputs = numbers(13 * 576, 5);
    for level in Level::all().into_iter().filter(|it| it.is_available()) {
        let together = matrix.multiply_at(level, &Activations::of(&inputs, 576));
        let alone = inputs.chunks_exact(576).flat_map(|row| matrix.multiply_at(level, &Activations::of(row, 576)));
        assert!(alone.zip(&together).all(|(alone, together)| alone.to_bits() == together.to_bits()), "{level:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(Matrix::pack(Format::Q8_0, 2, 32, &[0; 67]).is_none());
    assert!(Matrix::pack(Format::Q8_0, 2, 33, &[0; 68]).is_none());
    assert!(Matrix::pack(Format::Q8_0, usize::MAX, 64, &[0; 68]).is_none());
    let pack =
        |format: Format, rows: usize| Matrix::pack(format, rows, 32, &vec![0; rows * format.block_bytes()]).unwrap();
    assert!(Matrix::stack(vec![pack(Format::Q8_0, 16), pack(Format::Q4_0, 16)]).is_err());
    assert!(Matrix::stack(vec![pack(Format::Q8_0, 8), pack(Format::Q8_0, 16)]).is_err());
    assert_eq!(Matrix::stack(vec![pack(Format::Q8_0, 32), pack(Format::Q8_0, 16)]).ok().unwrap().rows(), 48);
}

#[test]
fn undefined_and_tiny_inputs_stay_what_they_are() {
    let matrix = Matrix::pack(Format::Q8_0, 16, 32, &[1; 16 * 34]).unwrap();
    for level in Level::all().into_iter().filter(|it| it.is_available()) {
        let products = |input: f32| matrix.multiply_at(level, &Activations::of(&[input; 32], 32));
        assert!(products(f32::INFINITY).iter().all(|it| it.is_nan()));
        assert!(products(f32::NAN).iter().all(|it| it.is_nan()));
        assert!(products(1e-40).iter().all(|it| *it == 0.0));
    }
}
