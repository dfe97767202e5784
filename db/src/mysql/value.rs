//! Values on their way to MySQL and from there.

use mysql_async::{
    Row, Value as Raw,
    consts::{ColumnFlags, ColumnType},
};

use crate::{Cell, Error, Result, Value};

/// A row as it came.
pub(crate) type Wire = Row;

/// A value as the driver sends it.
pub(super) fn to_wire(value: &Value) -> Raw {
    match value {
        Value::Null => Raw::NULL,
        Value::Bool(it) => Raw::Int((*it).into()),
        Value::Int(it) => Raw::Int(*it),
        Value::Real(it) => Raw::Double(*it),
        Value::Text(it) => Raw::Bytes(it.as_bytes().to_vec()),
        Value::Bytes(it) => Raw::Bytes(it.clone()),
    }
}

/// The same without a copy.
pub(super) fn into_wire(value: Value) -> Raw {
    match value {
        Value::Text(it) => Raw::Bytes(it.into_bytes()),
        Value::Bytes(it) => Raw::Bytes(it),
        other => to_wire(&other),
    }
}

/// A value of a row.
pub(crate) fn cell(row: &Row, place: usize) -> Result<Cell<'_>> {
    let columns = row.columns_ref();
    let (Some(value), Some(column)) = (row.as_ref(place), columns.get(place)) else {
        return Err(Error::driver(format!("a row of {} columns has none at place {place}", columns.len())));
    };
    let text = |bytes| std::str::from_utf8(bytes).map_err(Error::driver);
    Ok(match value {
        Raw::NULL => Cell::Null,
        Raw::Int(it) => Cell::Int(*it),
        Raw::UInt(it) => i64::try_from(*it).map_or(Cell::Null, Cell::Int),
        // The number that it was written as: 0.1, and not the 0.10000000149011612 that 32 bits make of it.
        Raw::Float(it) => Cell::Real(it.to_string().parse().unwrap_or_else(|_| (*it).into())),
        Raw::Double(it) => Cell::Real(*it),
        Raw::Bytes(bytes) => match column.column_type() {
            // Sums and averages.
            ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => {
                let digits = text(bytes)?;
                match digits.parse() {
                    Ok(whole) => Cell::Int(whole),
                    Err(_) => Cell::Real(digits.parse().map_err(Error::driver)?),
                }
            }
            // Only the character set tells text from bytes, and `_bin` collations have the flag too.
            _ if column.character_set() == BINARY && column.flags().contains(ColumnFlags::BINARY_FLAG) => {
                Cell::Bytes(bytes)
            }
            _ => Cell::Text(text(bytes)?),
        },
        other => return Err(Error::driver(format!("the value {other:?} is not one that Tidegate reads"))),
    })
}

/// The number of the character set of bytes.
const BINARY: u16 = 63;
