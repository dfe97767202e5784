//! Another configuration for a gateway that runs: built first, then put in the place of the old one at once.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::state::{Added, State};
use super::{Gateway, Kept};
use crate::otlp::Exporter;
use crate::{Config, ConfigError};

/// How often a gateway has taken another configuration, and what became of the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    /// Which configuration is served: 1 is the one that it was started with.
    pub generation: u64,
    /// When that one took over, milliseconds since the epoch.
    pub loaded_unix_ms: u64,
    /// Configurations that were refused so far.
    pub refused: u64,
    /// Why the last one was refused; `None` where it is the one that is served.
    pub last_error: Option<String>,
}

impl Gateway {
    /// Serves another configuration. Running calls end as they began, connections and limits that did not change live
    /// on; a configuration that cannot be built changes nothing. Opens local models, so this may take a while.
    pub fn reload(&self, config: Config) -> Result<(), ConfigError> {
        self.change(|kept| kept.config = config)
    }

    /// Reads the configuration file again and serves what it says now. A file that cannot be read, or says something
    /// that makes no gateway, changes nothing; [`Self::reloads`] remembers why.
    pub fn reload_file(&self) -> Result<Reloads, ConfigError> {
        let Some(file) = self.file() else {
            let words = "this gateway was started without a configuration file, so there is none to read again";
            return Err(ConfigError::Start(words.to_owned()));
        };
        self.reload(Config::load(&file).inspect_err(|error| self.refuse(error))?)?;
        Ok(self.reloads())
    }

    /// The configuration file, where there is one.
    pub fn file(&self) -> Option<PathBuf> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Some(kept.config.file.clone()).filter(|it| !it.as_os_str().is_empty())
    }

    /// Serves other endpoints of the database beside those of the file.
    pub(crate) fn reload_added(&self, added: Added) -> Result<(), ConfigError> {
        self.change(|kept| kept.added = added)
    }

    fn refuse(&self, error: &ConfigError) {
        let mut reloads = self.0.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        reloads.refused += 1;
        reloads.last_error = Some(error.to_string());
    }

    /// How often it has taken another configuration, and what became of the last one.
    pub fn reloads(&self) -> Reloads {
        self.0.reloads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), ConfigError> {
        // One at a time, so that the last one asked for is the one that stays.
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = kept.clone();
        change(&mut next);
        // Started before anything changes, so that one that cannot be changes nothing.
        let (old, new) = (&kept.config.otlp, &next.config.otlp);
        let exporter = (old != new).then(|| {
            let started = new.clone().map(|it| Exporter::start(it, self.metrics().clone())).transpose();
            started.map_err(ConfigError::Start)
        });
        let exporter = exporter.transpose().inspect_err(|error| self.refuse(error))?;
        let built = {
            let before = self.0.state.load_full();
            let mut workshop = self.0.workshop.lock().unwrap_or_else(PoisonError::into_inner);
            State::build(&next.config, &next.added, &mut workshop, &before)
        };
        match built {
            Ok(state) => {
                *kept = next;
                if let Some(exporter) = exporter {
                    self.0.recorder.export_to(exporter);
                }
                self.0.state.store(Arc::new(state));
                let mut reloads = self.0.reloads.lock().unwrap_or_else(PoisonError::into_inner);
                reloads.generation += 1;
                reloads.loaded_unix_ms = super::unix_ms();
                reloads.last_error = None;
                Ok(())
            }
            Err(error) => {
                self.refuse(&error);
                Err(error)
            }
        }
    }
}
