//! Values on their way from PostgreSQL.

use std::error::Error as StdError;

use tokio_postgres::{
    Row,
    row::RowIndex,
    types::{FromSql, Type},
};

use crate::{Cell, Error, Result};

/// A value of a row.
pub(crate) fn cell(row: &Row, place: impl RowIndex + std::fmt::Display) -> Result<Cell<'_>> {
    row.try_get::<_, Raw<'_>>(place).map(|Raw(cell)| cell).map_err(Error::driver)
}

/// What the driver reads a value of any type as.
struct Raw<'r>(Cell<'r>);

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(ty: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(match *ty {
            Type::BOOL => Cell::Bool(raw.first().is_some_and(|it| *it != 0)),
            Type::INT8 => Cell::Int(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Cell::Int(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT2 => Cell::Int(i16::from_be_bytes(raw.try_into()?).into()),
            Type::FLOAT8 => Cell::Real(f64::from_be_bytes(raw.try_into()?)),
            Type::FLOAT4 => Cell::Real(f32::from_be_bytes(raw.try_into()?).into()),
            Type::NUMERIC => Cell::Real(numeric(raw)?),
            Type::BYTEA => Cell::Bytes(raw),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON => {
                Cell::Text(std::str::from_utf8(raw)?)
            }
            // The first byte is the version of the format.
            Type::JSONB => Cell::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?),
            ref other => return Err(format!("the type {other} is not one that Tidegate reads").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A decimal number, which sums and averages are: digits to the base 10,000, of which the first has this weight.
fn numeric(raw: &[u8]) -> Result<f64, Box<dyn StdError + Sync + Send>> {
    let word = |place: usize| raw.get(place * 2..place * 2 + 2).map(|it| u16::from_be_bytes([it[0], it[1]]));
    let (Some(count), Some(weight), Some(sign)) = (word(0), word(1), word(2)) else {
        return Err("a decimal number is cut off".into());
    };
    let mut power = i32::from(weight.cast_signed());
    let mut number = 0.0;
    for place in 0..usize::from(count) {
        number += f64::from(word(4 + place).ok_or("a decimal number is cut off")?) * 10_000f64.powi(power);
        power -= 1;
    }
    match sign {
        0x0000 => Ok(number),
        0x4000 => Ok(-number),
        _ => Ok(f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers() {
        let check = |words: &[u16], expect: f64| {
            let raw: Vec<u8> = words.iter().flat_map(|it| it.to_be_bytes()).collect();
            assert!((numeric(&raw).unwrap() - expect).abs() < 1e-9, "{words:?}");
        };
        check(&[0, 0, 0, 0], 0.0);
        check(&[2, 1, 0, 0, 1, 2345], 12345.0);
        check(&[2, 0, 0x4000, 2, 3, 2500], -3.25);
    }
}
