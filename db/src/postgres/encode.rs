//! Statements and values on their way to PostgreSQL.

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::Value;

type Encoded = Result<IsNull, Box<dyn StdError + Sync + Send>>;

/// The statement with `$1`, `$2`, … for its `?` marks; those in quotes are no marks.
pub(super) fn numbered(sql: &str) -> String {
    let mut numbered = String::with_capacity(sql.len() + 32);
    let mut quote = None;
    let mut marks = 0;
    for char in sql.chars() {
        match char {
            '\'' | '"' if quote == Some(char) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(char),
            '?' if quote.is_none() => {
                marks += 1;
                numbered.push('$');
                numbered.push_str(&marks.to_string());
                continue;
            }
            _ => {}
        }
        numbered.push(char);
    }
    numbered
}

/// The values of one column of many rows, as an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnOf<'a> {
    pub(super) values: &'a [Value],
    pub(super) column: usize,
    pub(super) columns: usize,
}

/// A parameter, which takes the form that the statement wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyParam<'a> {
    One(&'a Value),
    Column(ColumnOf<'a>),
}

/// Values as parameters.
pub(super) fn params(values: &[Value]) -> Vec<AnyParam<'_>> {
    values.iter().map(AnyParam::One).collect()
}

/// The types of a statement's parameters with wider integers where a number does not fit, if one does not.
///
/// A column of 32 bits holds no such number, so that a comparison with it is true or false and no mistake; the server
/// finds that out where it is told that the number has 64 bits.
pub(super) fn widened(types: &[Type], params: &[AnyParam<'_>]) -> Option<Vec<Type>> {
    let is_too_large = |(ty, param): (&Type, &AnyParam<'_>)| match (ty, param) {
        (&Type::INT4, AnyParam::One(Value::Int(it))) => i32::try_from(*it).is_err(),
        (&Type::INT2, AnyParam::One(Value::Int(it))) => i16::try_from(*it).is_err(),
        _ => false,
    };
    if !types.iter().zip(params).any(is_too_large) {
        return None;
    }
    let each = types.iter().zip(params);
    Some(each.map(|it| if is_too_large(it) { Type::INT8 } else { it.0.clone() }).collect())
}

impl ToSql for AnyParam<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        match self {
            Self::One(value) => encode(value, ty, out),
            Self::Column(column) => encode_array(column, ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn encode_array(column: &ColumnOf<'_>, ty: &Type, out: &mut BytesMut) -> Encoded {
    let Kind::Array(element) = ty.kind() else {
        return Err(format!("the type {ty} is no array").into());
    };
    let cells = column.values.iter().skip(column.column).step_by(column.columns);
    let has_null = cells.clone().any(|it| *it == Value::Null);
    // One dimension, of which the first place is 1.
    out.put_i32(1);
    out.put_i32(has_null.into());
    out.put_u32(element.oid());
    out.put_i32(i32::try_from(cells.len())?);
    out.put_i32(1);
    for cell in cells {
        let start = out.len();
        out.put_i32(-1);
        if let IsNull::No = encode(cell, element, out)? {
            let length = i32::try_from(out.len() - start - 4)?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(IsNull::No)
}

#[expect(clippy::cast_precision_loss, reason = "the statement compares with a float")]
#[expect(clippy::cast_possible_truncation, reason = "what would be cut is refused, or is the column's own precision")]
fn encode(value: &Value, ty: &Type, out: &mut BytesMut) -> Encoded {
    let integer = match value {
        Value::Null => return Ok(IsNull::Yes),
        Value::Bool(it) => Some(i64::from(*it)),
        Value::Int(it) => Some(*it),
        Value::Real(it) if it.fract() == 0.0 && it.abs() < 9e15 => Some(*it as i64),
        _ => None,
    };
    match (ty, value, integer) {
        (&Type::BOOL, Value::Bool(it), _) => out.put_u8((*it).into()),
        (&Type::BOOL, Value::Int(it @ (0 | 1)), _) => out.put_u8((*it == 1).into()),
        (&Type::INT8, _, Some(it)) => out.put_i64(it),
        (&Type::INT4, _, Some(it)) => out.put_i32(i32::try_from(it).map_err(|_| too_large(it, ty))?),
        (&Type::INT2, _, Some(it)) => out.put_i16(i16::try_from(it).map_err(|_| too_large(it, ty))?),
        (&Type::FLOAT8, Value::Real(it), _) => out.put_f64(*it),
        (&Type::FLOAT8, _, Some(it)) => out.put_f64(it as f64),
        (&Type::FLOAT4, Value::Real(it), _) => out.put_f32(*it as f32),
        (&Type::FLOAT4, _, Some(it)) => out.put_f32(it as f32),
        (&Type::BYTEA, Value::Bytes(it), _) => out.put_slice(it),
        (_, Value::Text(it), _) if is_text(ty) => out.put_slice(it.as_bytes()),
        (_, Value::Int(it), _) if is_text(ty) => out.put_slice(it.to_string().as_bytes()),
        (&Type::JSONB, Value::Text(it), _) => {
            // The version of the format.
            out.put_u8(1);
            out.put_slice(it.as_bytes());
        }
        _ => return Err(format!("a value of the kind {} does not fit the type {ty}", value.kind()).into()),
    }
    Ok(IsNull::No)
}

fn is_text(ty: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN, Type::JSON].contains(ty)
}

fn too_large(number: i64, ty: &Type) -> String {
    format!("the number {number} is too large for the type {ty}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_numbers() {
        let check = |sql: &str, expect: &str| assert_eq!(numbered(sql), expect);
        check("SELECT 1", "SELECT 1");
        check(
            "SELECT ? WHERE \"k?\" = ? AND v = '?''?' AND x = ?",
            "SELECT $1 WHERE \"k?\" = $2 AND v = '?''?' AND x = $3",
        );
    }

    #[test]
    fn integers_that_do_not_fit_make_their_parameters_wider() {
        let check = |types: &[Type], values: &[Value], expect: Option<&[Type]>| {
            assert_eq!(widened(types, &params(values)).as_deref(), expect, "{values:?}");
        };
        let types = [Type::INT4, Type::VARCHAR, Type::INT4];
        check(&types, &[7.into(), "a".into(), i64::from(i32::MAX).into()], None);
        check(&types, &[7.into(), "a".into(), (1_i64 << 31).into()], Some(&[Type::INT4, Type::VARCHAR, Type::INT8]));
        check(&types, &[Value::Null, "a".into(), Value::Null], None);
    }

    #[test]
    fn values_take_the_form_that_is_wanted() {
        let check = |value: Value, ty: Type, expect: Option<&[u8]>| {
            let mut out = BytesMut::new();
            let encoded = encode(&value, &ty, &mut out).ok();
            assert_eq!(encoded.map(|_| out.as_ref().to_vec()).as_deref(), expect, "{value:?} as {ty}");
        };
        check(Value::Int(7), Type::INT4, Some(&[0, 0, 0, 7]));
        check(Value::Int(1 << 40), Type::INT4, None);
        check(Value::Bool(true), Type::BOOL, Some(&[1]));
        check(Value::Int(1), Type::BOOL, Some(&[1]));
        check(Value::Int(2), Type::BOOL, None);
        check(Value::Int(1), Type::FLOAT8, Some(&1f64.to_be_bytes()));
        check(Value::Real(2.0), Type::INT8, Some(&2i64.to_be_bytes()));
        check(Value::Real(2.5), Type::INT8, None);
        check("ä".into(), Type::VARCHAR, Some("ä".as_bytes()));
        check("1".into(), Type::INT8, None);
    }
}
