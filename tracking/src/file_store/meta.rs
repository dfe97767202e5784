//! Fields of `meta.yaml` whose form changed over the years.

use serde::Deserialize;

use crate::{model::ModelStatus, run::RunStatus};

/// A state as a number, or by its name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub(super) enum NumberOrName {
    Number(i64),
    Name(String),
}

impl NumberOrName {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name.clone(),
        }
    }

    /// A run's state; an unknown one is an error that names it.
    pub(super) fn run_status(&self) -> Result<RunStatus, String> {
        let text = self.text();
        let known = RunStatus::CHOICES.iter().find(|(known, _)| *known == text);
        known.map(|(_, status)| *status).ok_or_else(|| format!("`{text}` is no status of a run"))
    }

    /// A model's state; an unknown one is an error that names it.
    pub(super) fn model_status(&self) -> Result<ModelStatus, String> {
        // The file store writes the names without the prefix that the API has.
        let text = self.text();
        let known = ModelStatus::CHOICES
            .iter()
            .find(|(known, _)| *known == text || known.strip_prefix("LOGGED_MODEL_") == Some(text.as_str()));
        known.map(|(_, status)| *status).ok_or_else(|| format!("`{text}` is no status of a logged model"))
    }

    /// A kind of source, by the name that the database keeps.
    pub(super) fn source_type(&self) -> String {
        match self {
            Self::Number(1) => "NOTEBOOK".to_owned(),
            Self::Number(2) => "JOB".to_owned(),
            Self::Number(3) => "PROJECT".to_owned(),
            Self::Number(4) => "LOCAL".to_owned(),
            Self::Number(_) => "UNKNOWN".to_owned(),
            Self::Name(name) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_by_number_and_name() {
        let status = |yaml: &str| serde_saphyr::from_str::<NumberOrName>(yaml).unwrap().run_status();
        assert_eq!(status("3"), Ok(RunStatus::Finished));
        assert_eq!(status("FAILED"), Ok(RunStatus::Failed));
        assert_eq!(status("'5'"), Ok(RunStatus::Killed));
        assert_eq!(status("9"), Err("`9` is no status of a run".to_owned()));
        assert_eq!(NumberOrName::Number(2).model_status(), Ok(ModelStatus::Ready));
        assert_eq!(NumberOrName::Name("READY".to_owned()).model_status(), Ok(ModelStatus::Ready));
        assert_eq!(NumberOrName::Number(4).source_type(), "LOCAL");
    }
}
