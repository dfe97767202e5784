//! Local models for the gateway: finds their files, loads each once.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use gateway::{LocalConfig, OpenLocal};
use llm::LanguageModel;
use models::{LocalModel, Options};

/// What opens local models: endpoints that name the same file with the same settings share one loaded model.
pub(crate) fn opener() -> OpenLocal {
    let loaded: Mutex<HashMap<Settings, Arc<LocalModel>>> = Mutex::default();
    Arc::new(move |config: &LocalConfig| {
        let settings = Settings {
            file: find(config, models_folder().as_deref())?,
            threads: config.threads,
            context_length: config.context_length,
        };
        let mut loaded = loaded.lock().map_err(|_| "an earlier model failed to load".to_owned())?;
        if let Some(model) = loaded.get(&settings) {
            return Ok(Arc::clone(model) as Arc<dyn LanguageModel>);
        }
        let options = options(config);
        let model = Arc::new(LocalModel::open(&settings.file, options).map_err(|error| error.to_string())?);
        tracing::info!(file = %settings.file.display(), "loaded a local model");
        loaded.insert(settings, Arc::clone(&model));
        Ok(model as Arc<dyn LanguageModel>)
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Settings {
    file: PathBuf,
    threads: Option<usize>,
    context_length: Option<usize>,
}

fn options(config: &LocalConfig) -> Options {
    Options {
        name: Some(config.name.clone()),
        threads: config.threads,
        context_length: config.context_length,
        ..Options::default()
    }
}

/// The model's file: the path that the configuration gives, or the name, beside the configuration or among the cached
/// models.
fn find(config: &LocalConfig, models: Option<&Path>) -> Result<PathBuf, String> {
    let wanted = config.path.as_deref().unwrap_or(Path::new(&config.name));
    let folders = [Some(config.config_dir.as_path()), models];
    let places: Vec<PathBuf> = folders.into_iter().flatten().map(|folder| folder.join(wanted)).collect();
    if let Some(file) = places.iter().find(|it| it.exists()) {
        return file.canonicalize().map_err(|error| format!("cannot open the model {}: {error}", file.display()));
    }
    let mut tried: Vec<String> = places.iter().map(|it| it.display().to_string()).collect();
    tried.dedup();
    Err(format!(
        "no model file `{}`; looked for {}. `make model` fetches the demo model; `config: {{path: …}}` names a file of yours",
        wanted.display(),
        tried.join(" and ")
    ))
}

/// Where fetched models are kept: `$TIDEGATE_MODELS_DIR`, or `tidegate/models` in the user's cache folder.
fn models_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    variable("TIDEGATE_MODELS_DIR").or_else(|| {
        Some(variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?.join("tidegate/models"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_beside_the_configuration_then_in_the_cache() {
        let (beside, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = LocalConfig {
            name: "m.gguf".to_owned(),
            path: None,
            threads: None,
            context_length: None,
            config_dir: beside.path().to_owned(),
        };
        let words = find(&config, Some(cache.path())).unwrap_err();
        assert!(words.contains("`m.gguf`") && words.contains(cache.path().to_str().unwrap()), "{words}");
        std::fs::write(cache.path().join("m.gguf"), "").unwrap();
        assert_eq!(find(&config, Some(cache.path())).unwrap(), cache.path().join("m.gguf").canonicalize().unwrap());
        std::fs::write(beside.path().join("m.gguf"), "").unwrap();
        assert_eq!(find(&config, Some(cache.path())).unwrap(), beside.path().join("m.gguf").canonicalize().unwrap());
    }
}
