//! Profiles of `~/.aws/credentials` and `~/.aws/config`, as far as they hold keys.

use std::{collections::HashMap, fs, io, path::PathBuf};

use super::environment::Environment;
use crate::{Error, Result};

/// Settings that ask for a login which other programs do.
const LOGINS: &[&str] = &["sso_session", "sso_start_url", "role_arn", "credential_process", "login_session"];

/// The settings of one profile, of both files. They hold secrets, so it shows nothing.
#[derive(Default)]
pub(super) struct Profile {
    name: String,
    settings: HashMap<String, String>,
}

impl Profile {
    /// Reads the profile that `AWS_PROFILE` names, or the one called `default`, which need not exist.
    pub(super) fn load(environment: &Environment) -> Result<Self> {
        let named = environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]);
        let name = named.unwrap_or("default");
        let files = [
            (file(environment, "AWS_CONFIG_FILE", "config"), config_section(name)),
            (file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), name.to_owned()),
        ];
        let mut settings = HashMap::new();
        for (path, section) in &files {
            let Some(path) = path else { continue };
            match fs::read_to_string(path) {
                Ok(text) => settings.extend(section_of(&text, section)),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => {
                    return Err(Error::invalid(format!("cannot read AWS profiles in `{}`: {error}", path.display())));
                }
            }
        }
        if settings.is_empty() && named.is_some() {
            return Err(Error::invalid(format!(
                "AWS_PROFILE is `{name}`, but neither ~/.aws/credentials nor ~/.aws/config has that profile"
            )));
        }
        Ok(Self { name: name.to_owned(), settings })
    }

    /// A setting that is there.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str).filter(|it| !it.is_empty())
    }

    /// Refuses a profile whose keys have to be fetched by a login.
    pub(super) fn check_no_login(&self) -> Result<()> {
        match LOGINS.iter().find(|key| self.get(key).is_some()) {
            None => Ok(()),
            Some(key) => Err(Error::invalid(format!(
                "AWS profile `{}` gets its keys by `{key}`, which Tidegate does not do; run `aws configure \
                 export-credentials --profile {} --format env` and start the server with what it prints",
                self.name, self.name
            ))),
        }
    }
}

fn file(environment: &Environment, variable: &str, name: &str) -> Option<PathBuf> {
    let home = environment.get("HOME").map(PathBuf::from);
    match environment.get(variable) {
        Some(path) => match (path.strip_prefix("~/"), home) {
            (Some(below), Some(home)) => Some(home.join(below)),
            _ => Some(PathBuf::from(path)),
        },
        None => home.map(|home| home.join(".aws").join(name)),
    }
}

/// The config file calls profiles `[profile x]`, except the default one.
fn config_section(name: &str) -> String {
    if name == "default" { name.to_owned() } else { format!("profile {name}") }
}

fn section_of(text: &str, section: &str) -> HashMap<String, String> {
    let mut settings = HashMap::new();
    let mut inside = false;
    for line in text.lines() {
        // Indented lines belong to a nested setting, such as `s3 =`.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(name) = line.trim().strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            inside = name.split_whitespace().eq(section.split_whitespace());
        } else if inside && let Some((key, value)) = line.split_once('=') {
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(folder: &std::path::Path, profile: &str) -> Environment {
        Environment::of(&[("HOME", folder.to_str().unwrap()), ("AWS_PROFILE", profile)])
    }

    #[test]
    fn both_files_make_a_profile() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".aws")).unwrap();
        let config = "# comment\n[default]\nregion = eu-west-1\n[profile work]\nregion=us-west-2\ns3 =\n    x = y\n\
                      [profile sso]\nsso_session = corp\n";
        fs::write(home.path().join(".aws/config"), config).unwrap();
        let keys = "[default]\naws_access_key_id=AK\n[work]\naws_access_key_id = WK\naws_secret_access_key = WS=\n";
        fs::write(home.path().join(".aws/credentials"), keys).unwrap();

        let work = Profile::load(&environment(home.path(), "work")).unwrap();
        assert_eq!(work.get("aws_access_key_id"), Some("WK"));
        assert_eq!(work.get("aws_secret_access_key"), Some("WS="));
        assert_eq!(work.get("region"), Some("us-west-2"));
        assert_eq!(work.get("x"), None);
        work.check_no_login().unwrap();
        let default = Profile::load(&environment(home.path(), "")).unwrap();
        assert_eq!((default.get("aws_access_key_id"), default.get("region")), (Some("AK"), Some("eu-west-1")));

        let login = Profile::load(&environment(home.path(), "sso")).unwrap().check_no_login().unwrap_err().to_string();
        assert!(login.contains("`sso`") && login.contains("export-credentials --profile sso"), "{login}");
        let missing = Profile::load(&environment(home.path(), "nope")).err().unwrap().to_string();
        assert!(missing.contains("AWS_PROFILE is `nope`"), "{missing}");
        assert!(Profile::load(&Environment::default()).unwrap().get("region").is_none());
    }
}
