//! The `experiment` of an endpoint or a route: in which one its calls are recorded.

use std::sync::Arc;

use super::tree::Place;
use crate::ConfigError;
use crate::recording::{Experiment, Recording};

/// Characters of an experiment's name at most, as in MLflow.
const NAME_CHARS_MAX: usize = 500;

/// Reads the name of an experiment, which is made when its first call is recorded.
pub(super) fn experiment(place: &Place<'_>) -> Result<Arc<Recording>, ConfigError> {
    let name = place.text()?;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(place.error(format!(
            "must be the name of an experiment, 1 to {NAME_CHARS_MAX} characters; without it, calls are recorded in \
             `gateway/<name of the endpoint>`"
        )));
    }
    Ok(Arc::new(Recording { registered: None, experiment: Experiment::Named(name.to_owned()), is_on: true }))
}
