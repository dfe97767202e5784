//! What empties the bin for good: which runs, models and experiments go, and how old they must be.

use std::time::Duration;

use crate::{Error, Result};

/// How long something must have been in the bin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    text: String,
    duration: Duration,
}

impl Age {
    /// Reads days, hours, minutes and seconds in this order, each with its letter: `1d2h3m4s`, `1.5d`, `90m`.
    ///
    /// ```
    /// use tracking::gc::Age;
    /// assert_eq!(Age::parse("1d2h").unwrap().ms(), 26 * 3_600_000);
    /// assert!(Age::parse("2 weeks").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "Could not parse any time information from '{text}'. Examples of valid strings: '8h', '2d8h5m20s', '2m4s'"
            ))
        };
        let mut rest = text;
        let mut seconds = 0.0;
        let mut parts = 0;
        for (letter, length_s) in [('d', 86_400.0), ('h', 3600.0), ('m', 60.0), ('s', 1.0)] {
            let Some((number, after)) = rest.split_once(letter) else { continue };
            if number.is_empty() || !number.chars().all(|it| it.is_ascii_digit() || it == '.') {
                return Err(wrong());
            }
            seconds += number.parse::<f64>().map_err(|_| wrong())? * length_s;
            rest = after;
            parts += 1;
        }
        if parts == 0 || !rest.is_empty() {
            return Err(wrong());
        }
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        Ok(Self { text: text.to_owned(), duration })
    }

    /// The age in milliseconds.
    pub fn ms(&self) -> i64 {
        i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX)
    }

    /// The age as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What shall go. A list that is not given stands for all that is in the bin, as with `mlflow gc`.
#[derive(Clone, Debug, Default)]
pub struct GcRequest {
    /// Only what has been in the bin for this long.
    pub older_than: Option<Age>,
    /// These runs instead of all.
    pub run_ids: Option<Vec<String>>,
    /// These experiments instead of all.
    pub experiment_ids: Option<Vec<String>>,
    /// These logged models instead of all.
    pub model_ids: Option<Vec<String>>,
    /// Whether the records of finished jobs go, too.
    pub jobs: bool,
    /// These jobs instead of all finished ones.
    pub job_ids: Option<Vec<String>>,
}

/// One thing that will go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcItem {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where its artifacts lie; none for what has none of its own.
    pub artifact_uri: Option<String>,
    /// Since when it is in the bin (ms since 1970), where that is known.
    pub deleted_ms: Option<i64>,
}

/// All that will go, in the order in which it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcPlan {
    /// Runs, also those of the experiments.
    pub runs: Vec<GcItem>,
    /// Logged models.
    pub models: Vec<GcItem>,
    /// Experiments.
    pub experiments: Vec<GcItem>,
    /// Records of jobs.
    pub jobs: Vec<GcItem>,
}

impl GcPlan {
    /// How many things will go.
    pub fn len(&self) -> usize {
        self.runs.len() + self.models.len() + self.experiments.len() + self.jobs.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let check = |text: &str, seconds: f64| {
            let duration = Age::parse(text).unwrap().duration;
            assert!((duration.as_secs_f64() - seconds).abs() < 1e-6, "{text}: {duration:?}");
        };
        check("1d2h3m4s", 93_784.0);
        check("1.2d3h4m5s", 1.2 * 86_400.0 + 3.0 * 3600.0 + 245.0);
        check("90m", 5400.0);
        check("2d8h5m20s", 2.0 * 86_400.0 + 8.0 * 3600.0 + 320.0);
        check("2m4s", 124.0);
        check("0s", 0.0);
        check(".5s", 0.5);
    }

    #[test]
    fn what_is_no_age() {
        for text in
            ["", "2", "d", "2x", "4s2m", "1d 2h", "-1d", "1e3d", "1..2d", "2weeks", "1d1d", "99999999999999999999d"]
        {
            let error = Age::parse(text).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "Could not parse any time information from '{text}'. Examples of valid strings: '8h', '2d8h5m20s', \
                     '2m4s'"
                )
            );
        }
    }
}
