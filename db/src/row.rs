//! A row of a query, whichever driver it came from.

use crate::{Error, Result};

/// A row of a query, as [`record!`](crate::record) and tuples read it.
#[derive(Debug)]
pub struct Row<'r> {
    inner: Inner<'r>,
}

#[derive(Debug)]
enum Inner<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
}

/// The value of one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'r> {
    /// SQL's NULL.
    Null,
    /// A truth value, on databases that have them.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A float.
    Real(f64),
    /// Text.
    Text(&'r str),
    /// Bytes.
    Bytes(&'r [u8]),
}

/// What a column can be read as.
pub trait Column: Sized + Send + 'static {
    /// Reads the value; none where it is of another kind.
    fn from_cell(cell: Cell<'_>) -> Option<Self>;
}

/// Where a column is in its row: its place, or its name.
pub trait Place: Copy + std::fmt::Display {
    /// The value in a row of SQLite.
    #[doc(hidden)]
    fn in_sqlite<'r>(self, row: &'r rusqlite::Row<'_>) -> rusqlite::Result<rusqlite::types::ValueRef<'r>>;
}

impl<'r> Row<'r> {
    pub(crate) fn of_sqlite(row: &'r rusqlite::Row<'r>) -> Self {
        Self { inner: Inner::Sqlite(row) }
    }

    /// Reads a column.
    pub fn get<T: Column>(&self, place: impl Place) -> Result<T> {
        let cell = self.cell(place)?;
        T::from_cell(cell).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            Error::driver(format!("the column {place} holds {cell:?}, which cannot be read as {wanted}"))
        })
    }

    fn cell(&self, place: impl Place) -> Result<Cell<'_>> {
        match self.inner {
            Inner::Sqlite(row) => crate::sqlite::cell(place.in_sqlite(row)?),
        }
    }
}

impl Place for usize {
    fn in_sqlite<'r>(self, row: &'r rusqlite::Row<'_>) -> rusqlite::Result<rusqlite::types::ValueRef<'r>> {
        row.get_ref(self)
    }
}

impl Place for &str {
    fn in_sqlite<'r>(self, row: &'r rusqlite::Row<'_>) -> rusqlite::Result<rusqlite::types::ValueRef<'r>> {
        row.get_ref(self)
    }
}

impl Column for bool {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Bool(it) => Some(it),
            Cell::Int(it) => Some(it != 0),
            _ => None,
        }
    }
}

impl Column for i64 {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Int(it) => Some(it),
            Cell::Bool(it) => Some(it.into()),
            _ => None,
        }
    }
}

impl Column for f64 {
    #[expect(clippy::cast_precision_loss, reason = "a float column may hold a whole number, which a float stands for")]
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Real(it) => Some(it),
            Cell::Int(it) => Some(it as f64),
            _ => None,
        }
    }
}

impl Column for String {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(it) => Some(it.to_owned()),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Bytes(it) => Some(it.to_vec()),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}
