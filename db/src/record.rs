//! Rows of a query as values of Rust.

use crate::{Column, Result, Row, Value};

/// What a row of a query becomes: a tuple, in the order of the columns, or a struct with [`record!`](crate::record).
pub trait Record: Sized + Send + 'static {
    /// Reads the row.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

/// All columns, for statements that are not known beforehand.
impl Record for Vec<Value> {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        (0..row.width()).map(|place| row.get(place)).collect()
    }
}

macro_rules! tuples {
    ($($name:ident $place:tt),+) => {
        impl<$($name: Column),+> Record for ($($name,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.get::<$name>($place)?,)+))
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// Makes a struct a [`Record`]: each named field is read from the column of its name, and each field after `with` is a
/// record that finds its own columns in the same row.
#[macro_export]
macro_rules! record {
    ($name:ident { $($field:ident),+ $(,)? } $(with { $($part:ident),+ $(,)? })?) => {
        impl $crate::Record for $name {
            fn from_row(row: &$crate::Row<'_>) -> $crate::Result<Self> {
                Ok(Self {
                    $($field: row.get(stringify!($field))?,)+
                    $($($part: $crate::Record::from_row(row)?,)+)?
                })
            }
        }
    };
}
