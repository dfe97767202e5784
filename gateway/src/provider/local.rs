//! Models in this process, opened by whoever starts the gateway.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llm::LanguageModel;

use super::modelled::Modelled;
use super::{Builder, Provider};
use crate::config::{EndpointConfig, Form, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::optional("path", Form::Path),
    Setting::optional("threads", Form::Count),
    Setting::optional("context_length", Form::Count),
];

/// Which model file to open, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalConfig {
    /// The model's name in the configuration.
    pub name: String,
    /// The file, as written; `None` where the name alone says which.
    pub path: Option<PathBuf>,
    /// Threads to compute with.
    pub threads: Option<usize>,
    /// Tokens of prompt and answer together.
    pub context_length: Option<usize>,
    /// The folder of the configuration file, from which a relative path counts.
    pub config_dir: PathBuf,
}

/// Opens a local model, or says why it cannot.
pub type OpenLocal = Arc<dyn Fn(&LocalConfig) -> Result<Arc<dyn LanguageModel>, String> + Send + Sync>;

/// The local models opened so far: endpoints that name the same one share it.
pub(crate) struct Locals {
    open: Option<OpenLocal>,
    opened: HashMap<LocalConfig, Arc<dyn LanguageModel>>,
    /// Those of the configuration before, which need not be opened again if they are asked for again.
    before: HashMap<LocalConfig, Arc<dyn LanguageModel>>,
}

impl Locals {
    pub(crate) fn new(open: Option<OpenLocal>) -> Self {
        Self { open, opened: HashMap::new(), before: HashMap::new() }
    }

    /// The same models for another configuration; those that it does not ask for are let go when it is built.
    pub(crate) fn renewed(&self) -> Self {
        Self { open: self.open.clone(), opened: HashMap::new(), before: self.opened.clone() }
    }

    /// Lets go of the models that no endpoint has any more.
    pub(crate) fn forget_unused(&mut self) {
        self.before.clear();
    }

    fn open(&mut self, config: LocalConfig) -> Result<Arc<dyn LanguageModel>, String> {
        if let Some(model) = self.opened.get(&config).or_else(|| self.before.get(&config)).cloned() {
            self.opened.insert(config, Arc::clone(&model));
            return Ok(model);
        }
        let open = self.open.as_ref().ok_or(
            "provider `local` is not part of this build; build with the feature `local`, or name a remote provider",
        )?;
        let model = open(&config)?;
        self.opened.insert(config, Arc::clone(&model));
        Ok(model)
    }
}

pub(super) fn build(endpoint: &EndpointConfig, builder: &mut Builder<'_>) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let count = |key: &str| settings.count(key).map(|it| usize::try_from(it).expect("a u32 fits a usize here"));
    let config = LocalConfig {
        name: endpoint.model.clone(),
        path: settings.path("path").cloned(),
        threads: count("threads"),
        context_length: count("context_length"),
        config_dir: Path::to_owned(builder.config_dir),
    };
    let model = builder.locals.open(config)?;
    Ok(Arc::new(Modelled::new(model, &endpoint.model, endpoint.on_loss)))
}
