//! Values on their way to SQLite and from there.

use rusqlite::{
    ToSql,
    types::{FromSqlError, ToSqlOutput, Value as Owned, ValueRef},
};

use crate::{Cell, Error, Result, Value};

/// A value of a row.
pub(crate) fn cell(value: ValueRef<'_>) -> Result<Cell<'_>> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(it) => Cell::Int(it),
        ValueRef::Real(it) => Cell::Real(it),
        ValueRef::Text(it) => {
            Cell::Text(std::str::from_utf8(it).map_err(|error| Error::driver(FromSqlError::other(error)))?)
        }
        ValueRef::Blob(it) => Cell::Bytes(it),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Owned::Null),
            Self::Bool(it) => ToSqlOutput::Owned(Owned::Integer((*it).into())),
            Self::Int(it) => ToSqlOutput::Owned(Owned::Integer(*it)),
            Self::Real(it) => ToSqlOutput::Owned(Owned::Real(*it)),
            Self::Text(it) => ToSqlOutput::Borrowed(ValueRef::Text(it.as_bytes())),
            Self::Bytes(it) => ToSqlOutput::Borrowed(ValueRef::Blob(it)),
        })
    }
}
