//! The profiles of `~/.aws/credentials` and `~/.aws/config`.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::variable;
use crate::secrets::Secret;

/// Bytes of a file that are read; people keep dozens of profiles, not thousands.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Profiles that may refer to each other in a row, so that a circle ends.
const CHAIN_MAX: usize = 4;

/// What a profile says, with the keys of the one that it refers to.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub(super) access_key_id: Option<String>,
    pub(super) secret_access_key: Option<Secret>,
    pub(super) session_token: Option<Secret>,
    pub(super) region: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) external_id: Option<String>,
}

type Sections = HashMap<String, HashMap<String, String>>;

impl Profile {
    /// The profile of a name, or of `AWS_PROFILE`, or the default one. `None` where there is none that says anything.
    pub(super) fn find(name: Option<&str>) -> Result<Option<Self>, String> {
        let name = name.map(str::to_owned).or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        let mut sections = Sections::new();
        for (variable_name, file) in [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")] {
            let path =
                variable(variable_name).map(PathBuf::from).or_else(|| home().map(|it| it.join(".aws").join(file)));
            if let Some(path) = path {
                read(&path, &mut sections)?;
            }
        }
        of(&sections, &name, CHAIN_MAX)
    }
}

fn home() -> Option<PathBuf> {
    variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from)
}

fn read(path: &Path, sections: &mut Sections) -> Result<(), String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    parse(&text, sections);
    Ok(())
}

/// Adds what a file says. A later file, or line, overrules an earlier one.
fn parse(text: &str, sections: &mut Sections) {
    let mut current = None;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || is_nested {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|it| it.split_once(']')) {
            let name = header.0.trim();
            let name = name.strip_prefix("profile ").unwrap_or(name).trim();
            current = Some(name.trim_matches('"').to_owned());
        } else if let (Some(section), Some((key, value))) = (&current, line.split_once('=')) {
            let section = sections.entry(section.clone()).or_default();
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
}

fn of(sections: &Sections, name: &str, left: usize) -> Result<Option<Profile>, String> {
    let Some(section) = sections.get(name) else { return Ok(None) };
    let text = |key: &str| section.get(key).filter(|it| !it.is_empty()).cloned();
    let mut profile = Profile {
        access_key_id: text("aws_access_key_id"),
        secret_access_key: text("aws_secret_access_key").map(|it| Secret::new(&it)),
        session_token: text("aws_session_token").map(|it| Secret::new(&it)),
        region: text("region"),
        role_arn: text("role_arn"),
        external_id: text("external_id"),
    };
    if profile.access_key_id.is_none() {
        for key in ["credential_process", "sso_session", "sso_start_url"] {
            if section.contains_key(key) {
                return Err(format!(
                    "the AWS profile `{name}` gets its keys by `{key}`, which is not offered here; run `aws configure \
                     export-credentials --profile {name} --format env` and set the variables that it prints"
                ));
            }
        }
        if let Some(source) = text("source_profile") {
            if left == 0 {
                return Err(format!("the AWS profile `{name}` refers to others more than {CHAIN_MAX} deep"));
            }
            let keys = of(sections, &source, left - 1)?.ok_or_else(|| {
                format!("the AWS profile `{name}` takes its keys from `{source}`, which is not there")
            })?;
            if keys.role_arn.is_some() {
                return Err(format!(
                    "the AWS profile `{name}` takes on a role with the keys of a role, `{source}`; only keys of a user \
                     or of the machine are taken for that"
                ));
            }
            profile.access_key_id = keys.access_key_id;
            profile.secret_access_key = keys.secret_access_key;
            profile.session_token = keys.session_token;
            profile.region = profile.region.or(keys.region);
        } else if profile.role_arn.is_none() {
            // A profile with a region alone leaves the keys to the machine.
            return Ok(Some(profile).filter(|it| it.region.is_some()));
        }
    }
    Ok(Some(profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
[default]
region = eu-west-1
[profile work]
role_arn = arn:aws:iam::1:role/r
source_profile = keys
external_id = x
s3 =
  max_concurrent_requests = 20
[profile sso]
sso_session = corp
[profile circle]
role_arn = a
source_profile = circle
";
    const CREDENTIALS: &str = "# comment\n[keys]\naws_access_key_id=AK\naws_secret_access_key = SK\nregion=us-west-2\n";

    #[test]
    fn profiles_of_both_files() {
        let mut sections = Sections::new();
        parse(CONFIG, &mut sections);
        parse(CREDENTIALS, &mut sections);
        let work = of(&sections, "work", CHAIN_MAX).unwrap().unwrap();
        assert_eq!(work.access_key_id.as_deref(), Some("AK"));
        assert_eq!(work.secret_access_key, Some(Secret::new("SK")));
        assert_eq!(work.role_arn.as_deref(), Some("arn:aws:iam::1:role/r"));
        assert_eq!((work.external_id.as_deref(), work.region.as_deref()), (Some("x"), Some("us-west-2")));
        assert_eq!(of(&sections, "default", CHAIN_MAX).unwrap().unwrap().region.as_deref(), Some("eu-west-1"));
        assert!(of(&sections, "nobody", CHAIN_MAX).unwrap().is_none());
        assert!(of(&sections, "sso", CHAIN_MAX).unwrap_err().contains("by `sso_session`"));
        assert!(of(&sections, "circle", CHAIN_MAX).is_err());
    }
}
