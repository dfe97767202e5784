//! What MySQL's and MariaDB's errors mean.

use mysql_async::{DriverError as Broken, Error as DriverError};

use crate::{Error, server::Failure};

/// What helps against an error.
pub(super) fn failure(error: &DriverError) -> Failure {
    match error {
        DriverError::Server(said) => match said.code {
            // A deadlock, a row that changed under a snapshot.
            1213 | 1020 => Failure::Conflict,
            // Too many connections, shutdown, a killed connection, one that was silent for too long.
            1040 | 1053 | 1077 | 1079 | 1152 | 1184 | 1203 | 1927 | 2006 | 2013 | 4031 => Failure::Lost,
            _ => Failure::Statement,
        },
        DriverError::Driver(
            Broken::PacketTooLarge
            | Broken::StmtParamsMismatch { .. }
            | Broken::StmtParamsNumberExceedsLimit { .. }
            | Broken::BulkExecute(_)
            | Broken::MixedParams
            | Broken::Params(_),
        ) => Failure::Statement,
        _ => Failure::Lost,
    }
}

/// The error in the words of this crate.
pub(super) fn translate(error: DriverError) -> Error {
    match failure(&error) {
        Failure::Conflict => return Error::Busy,
        Failure::Lost => return Error::Unavailable(error.to_string()),
        Failure::Statement => {}
    }
    let cannot = |text: &str| Error::Value(format!("The database cannot take a value of the request: {text}."));
    match &error {
        DriverError::Server(said) => match said.code {
            // Duplicate keys, foreign keys, checks.
            1062 | 1586 | 1216 | 1217 | 1451 | 1452 | 3819 | 4025 => Error::Constraint(said.message.clone()),
            // Too long, out of range, letters that the column's character set does not have, bad JSON, bad patterns.
            1406 | 1264 | 1690 | 1366 | 1300 | 3140 | 3988 | 1071 | 1118 | 1153 | 1139 | 3685..=3699 => {
                cannot(&said.message)
            }
            // It has waited long enough for a lock not to wait again.
            1205 | 3572 => Error::Busy,
            _ => Error::driver(error),
        },
        DriverError::Driver(Broken::PacketTooLarge | Broken::BulkExecute(_)) => {
            cannot("it is larger than the server's max_allowed_packet")
        }
        _ => Error::driver(error),
    }
}
