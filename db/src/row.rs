//! A row of a query, whichever driver it came from.

use crate::{Error, Result, Value, mysql, postgres, sqlite};

/// A row of a query, as [`record!`](crate::record) and tuples read it.
#[derive(Debug)]
pub struct Row<'r> {
    inner: Inner<'r>,
}

#[derive(Clone, Copy, Debug)]
enum Inner<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
    MySql(&'r mysql::Wire),
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

/// Where a column is in its row.
#[derive(Clone, Copy, Debug)]
pub enum Place<'n> {
    /// At this place, from 0.
    At(usize),
    /// Where the column has this name.
    Named(&'n str),
}

impl<'r> Row<'r> {
    pub(crate) fn of_sqlite(row: &'r rusqlite::Row<'r>) -> Self {
        Self { inner: Inner::Sqlite(row) }
    }

    pub(crate) fn of_postgres(row: &'r tokio_postgres::Row) -> Self {
        Self { inner: Inner::Postgres(row) }
    }

    pub(crate) fn of_mysql(row: &'r mysql::Wire) -> Self {
        Self { inner: Inner::MySql(row) }
    }

    /// Reads a column.
    pub fn get<'n, T: Column>(&self, place: impl Into<Place<'n>>) -> Result<T> {
        let place = place.into();
        let cell = self.cell(place)?;
        T::from_cell(cell).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            Error::driver(format!("the column {place:?} holds {cell:?}, which cannot be read as {wanted}"))
        })
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        match self.inner {
            Inner::Sqlite(row) => row.as_ref().column_count(),
            Inner::Postgres(row) => row.len(),
            Inner::MySql(row) => row.len(),
        }
    }

    fn cell(&self, place: Place<'_>) -> Result<Cell<'_>> {
        match (self.inner, place) {
            (Inner::Sqlite(row), Place::At(place)) => sqlite::cell(row.get_ref(place)?),
            (Inner::Sqlite(row), Place::Named(name)) => sqlite::cell(row.get_ref(name)?),
            (Inner::Postgres(row), Place::At(place)) => postgres::cell(row, place),
            (Inner::Postgres(row), Place::Named(name)) => postgres::cell(row, name),
            (Inner::MySql(row), Place::At(place)) => mysql::cell(row, place),
            (Inner::MySql(row), Place::Named(name)) => {
                let place = row.columns_ref().iter().position(|it| it.name_ref() == name.as_bytes());
                mysql::cell(row, place.ok_or_else(|| Error::driver(format!("no column is called {name}")))?)
            }
        }
    }
}

impl From<usize> for Place<'_> {
    fn from(place: usize) -> Self {
        Self::At(place)
    }
}

impl<'n> From<&'n str> for Place<'n> {
    fn from(name: &'n str) -> Self {
        Self::Named(name)
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

/// Whatever it holds.
impl Column for Value {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        Some(match cell {
            Cell::Null => Self::Null,
            Cell::Bool(it) => Self::Bool(it),
            Cell::Int(it) => Self::Int(it),
            Cell::Real(it) => Self::Real(it),
            Cell::Text(it) => Self::Text(it.to_owned()),
            Cell::Bytes(it) => Self::Bytes(it.to_vec()),
        })
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
