//! The `run` section, and what the environment fills into names.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use yaml::{Kind, Node};

use super::super::{Budget, CacheMode, ErrorsMax, Retries, Run, Suite, duration};
use super::Builder;
use crate::Result;

/// Calls at once unless the suite says otherwise: enough to hide a network, few enough for a small model server.
const CONCURRENCY: usize = 4;
/// Calls at once at most: beyond it, sockets and memory give out before a server does.
const CONCURRENCY_MAX: usize = 1024;
/// A call that takes longer has failed, unless the suite says otherwise.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Tries after the first, unless the suite says otherwise.
const RETRIES: u32 = 3;
/// Tries after the first at most: a server that refuses this often will not answer.
const RETRIES_MAX: u32 = 20;
/// The first wait between tries, unless the suite says otherwise; each further one doubles.
const WAIT: Duration = Duration::from_secs(1);

impl Builder<'_> {
    pub(super) fn run(&self) -> Result<Run> {
        let concurrency = self.count("run.concurrency").unwrap_or(CONCURRENCY);
        if concurrency > CONCURRENCY_MAX {
            let message =
                format!("`run.concurrency`: {concurrency} is more than the {CONCURRENCY_MAX} that are allowed");
            return Err(self.wrong("run.concurrency", &message));
        }
        let retries = self.count("run.retries").or(self.count("run.retries.max"));
        let retries = retries.map_or(RETRIES, |it| u32::try_from(it).unwrap_or(u32::MAX));
        if retries > RETRIES_MAX {
            let message = format!("`run.retries`: {retries} is more than the {RETRIES_MAX} that are allowed");
            return Err(self.wrong("run.retries", &message));
        }
        Ok(Run {
            concurrency,
            timeout: self.duration("run.timeout")?.unwrap_or(TIMEOUT),
            retries: Retries { max: retries, wait: self.duration("run.retries.wait")?.unwrap_or(WAIT) },
            budget: Budget {
                usd: self.number("run.budget.usd"),
                tokens: self.tokens()?,
                requests: self.count("run.budget.requests").map(|it| it as u64),
                time: self.duration("run.budget.time")?,
            },
            cache: match self.document.at("run.cache").map(|it| &it.kind) {
                Some(Kind::Bool(true)) => CacheMode::ReadWrite,
                Some(Kind::Text(text)) if text == "refresh" => CacheMode::Refresh,
                Some(Kind::Text(text)) if text == "read" => CacheMode::Read,
                _ => CacheMode::Off,
            },
            resume: !matches!(self.document.at("run.resume").map(|it| &it.kind), Some(Kind::Bool(false))),
            errors_max: self.errors_max()?,
        })
    }

    pub(super) fn run_defaults(suite: &Suite) -> Value {
        let run = &suite.run;
        json!({
            "repeat": 1,
            "concurrency": run.concurrency,
            "timeout": format!("{}s", run.timeout.as_secs_f64()),
            "retries": {"max": run.retries.max, "wait": format!("{}s", run.retries.wait.as_secs_f64())},
            "cache": false,
            "resume": run.resume,
        })
    }

    fn duration(&self, key: &str) -> Result<Option<Duration>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        duration::parse(text).map(Some).ok_or_else(|| {
            self.wrong(key, &format!("`{key}`: `{text}` is no duration such as `250ms`, `30s`, `5m` or `1h`"))
        })
    }

    fn tokens(&self) -> Result<Option<u64>> {
        let key = "run.budget.tokens";
        let Some(text) = self.text(key) else { return Ok(self.count(key).map(|it| it as u64)) };
        let (number, scale) = match text.as_bytes().last() {
            Some(b'k') => (&text[..text.len() - 1], 1_000.0),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 1_000_000.0),
            _ => (text, 1.0),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "negative numbers are refused first"
        )]
        let tokens = number.trim().parse::<f64>().ok().filter(|it| *it >= 0.0).map(|it| (it * scale) as u64);
        tokens
            .map(Some)
            .ok_or_else(|| self.wrong(key, &format!("`{key}`: `{text}` is no count such as 50000 or `200k`")))
    }

    fn errors_max(&self) -> Result<Option<ErrorsMax>> {
        let key = "run.max_errors";
        let Some(Node { line, kind }) = self.document.at(key) else { return Ok(None) };
        let wrong = |found: &str| {
            self.wrong_at(*line, &format!("`{key}`: `{found}` is no count such as 5, and no share such as `2%`"))
        };
        match kind {
            Kind::Text(text) => {
                let share = text.strip_suffix('%').and_then(|it| it.trim().parse::<f64>().ok());
                share
                    .filter(|it| (0.0..=100.0).contains(it))
                    .map(|it| Some(ErrorsMax::Share(it / 100.0)))
                    .ok_or_else(|| wrong(text))
            }
            Kind::Int(count) => {
                usize::try_from(*count).map(|it| Some(ErrorsMax::Count(it))).map_err(|_| wrong(&count.to_string()))
            }
            Kind::Float(share) if (0.0..1.0).contains(share) => Ok(Some(ErrorsMax::Share(*share))),
            other => Err(wrong(&other.words())),
        }
    }
}

/// The short commit of the repository that holds `folder`.
pub(super) fn git_commit(folder: &Path) -> Result<String, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let output = Command::new("git").arg("-C").arg(folder).args(["rev-parse", "--short", "HEAD"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("git cannot be run: {error}")),
    }
}

/// Today in UTC, `2026-01-31`.
pub(super) fn date() -> String {
    let days = i64::try_from(llm::unix_seconds() / 86_400).unwrap_or(0);
    // Days to civil date, counted from 1 March of year 0 in eras of 400 years (146097 days).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
