//! The section `admin`: the keys of administration and of metrics. Without them the environment says so.

use super::settings::{Outside, World, secret};
use super::tree::Place;
use crate::ConfigError;
use crate::access::{AccessConfig, SignInConfig};
use crate::secrets::Secret;

const KEYS: &[&str] = &["key", "metrics_key"];

/// What a person can remember can be guessed, and nobody counts the guesses.
const KEY_CHARS_MIN: usize = 16;

/// Bytes that a file of one key may have; a longer one is another file.
const FILE_BYTES_MAX: u64 = 4096;

/// What stands in the section and the environment; the rest is read elsewhere.
pub(super) fn access(place: Option<&Place<'_>>, env: &Outside<'_>) -> Result<AccessConfig, ConfigError> {
    let pepper = key_of(env, "TIDEGATE_KEY_PEPPER").map_err(ConfigError::Start)?;
    Ok(AccessConfig { sign_in: read(place, env)?, pepper, ..AccessConfig::default() })
}

/// Reads the section, where there is one, and the variables for what it leaves open.
fn read(place: Option<&Place<'_>>, env: &Outside<'_>) -> Result<SignInConfig, ConfigError> {
    let mut written = SignInConfig::default();
    if let Some(place) = place {
        let mut table = place.table()?;
        for (key, slot) in [("key", &mut written.admin), ("metrics_key", &mut written.metrics)] {
            let Some(place) = table.take(key) else { continue };
            let secret = secret(&place, &World { env, endpoint: "admin" })?;
            check(&secret).map_err(|words| place.error(words))?;
            *slot = Some(secret);
        }
        table.finish(KEYS)?;
    }
    let said = of_environment(env).map_err(ConfigError::Start)?;
    Ok(SignInConfig { admin: written.admin.or(said.admin), metrics: written.metrics.or(said.metrics) })
}

/// What the variables say. Each complaint names its variable.
fn of_environment(env: &Outside<'_>) -> Result<SignInConfig, String> {
    Ok(SignInConfig { admin: key_of(env, "TIDEGATE_ADMIN_KEY")?, metrics: key_of(env, "TIDEGATE_METRICS_KEY")? })
}

fn key_of(env: &Outside<'_>, name: &str) -> Result<Option<Secret>, String> {
    let Some(secret) = variable_or_file(env, name)? else { return Ok(None) };
    check(&secret).map_err(|words| format!("the environment variable {name} {words}"))?;
    Ok(Some(secret))
}

fn check(secret: &Secret) -> Result<(), String> {
    if secret.reveal().chars().count() < KEY_CHARS_MIN {
        return Err(format!(
            "has less than {KEY_CHARS_MIN} characters, which can be guessed; `openssl rand -hex 32` prints a good one"
        ));
    }
    Ok(())
}

/// The secret in a variable, or in the file that the variable with `_FILE` at its end names.
fn variable_or_file(env: &Outside<'_>, name: &str) -> Result<Option<Secret>, String> {
    let get = |name: &str| (env.variable)(name).filter(|it| !it.trim().is_empty());
    if let Some(text) = get(name) {
        return Ok(Some(Secret::new(&text)));
    }
    let of_file = format!("{name}_FILE");
    let Some(path) = get(&of_file) else { return Ok(None) };
    let path = path.trim();
    let wrong = |words: String| format!("the environment variable {of_file} names {path}, which {words}");
    let length = std::fs::metadata(path).map_err(|error| wrong(format!("cannot be read: {error}")))?.len();
    if length > FILE_BYTES_MAX {
        return Err(wrong(format!("has more than {FILE_BYTES_MAX} bytes; name a file with the key alone")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(wrong("is empty; put the key into it".to_owned())),
        text => Ok(Some(Secret::new(text))),
    }
}
