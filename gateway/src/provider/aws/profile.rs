//! The profiles of `~/.aws/credentials` and `~/.aws/config`, and the ways to keys that they describe.
//!
//! Facts: <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html> and botocore, which settles what
//! counts when a profile describes several ways.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::keys::Keys;
use super::role::{Role, Trust};
use super::sso::Sso;
use super::{ROLE_SECONDS, SESSION_NAME, home, variable};
use crate::secrets::Secret;

/// Bytes of a file that are read; people keep dozens of profiles, not thousands.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Profiles that may refer to each other in a row, so that a circle ends.
const CHAIN_MAX: usize = 4;

/// What a profile says.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) region: Option<String>,
    pub(super) keys: Keys,
}

type Sections = HashMap<String, HashMap<String, String>>;

impl Profile {
    /// The profile of a name, or of `AWS_PROFILE`, or the default one. `None` where there is none.
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

/// One profile among all.
struct Section<'a> {
    sections: &'a Sections,
    name: &'a str,
    fields: &'a HashMap<String, String>,
}

fn of(sections: &Sections, name: &str, left: usize) -> Result<Option<Profile>, String> {
    let Some(fields) = sections.get(name) else { return Ok(None) };
    let section = Section { sections, name, fields };
    Ok(Some(Profile { region: section.text("region"), keys: section.keys(left)? }))
}

impl Section<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.fields.get(key).filter(|it| !it.is_empty()).cloned()
    }

    /// The ways to keys, in botocore's order: a role, SSO, keys as they are, a command.
    fn keys(&self, left: usize) -> Result<Keys, String> {
        if let Some(arn) = self.text("role_arn") {
            let trust = match self.text("web_identity_token_file") {
                Some(file) => Trust::WebIdentity(PathBuf::from(file)),
                None => Trust::Keys(Box::new(self.keys_for_role(left)?)),
            };
            let seconds = self.text("duration_seconds").and_then(|it| it.parse().ok()).unwrap_or(ROLE_SECONDS);
            return Ok(Keys::Role(Box::new(Role {
                arn,
                session_name: self.text("role_session_name").unwrap_or_else(|| SESSION_NAME.to_owned()),
                external_id: self.text("external_id"),
                seconds,
                trust,
                region: self.text("region"),
                sts: None,
            })));
        }
        if self.fields.contains_key("sso_session") || self.fields.contains_key("sso_start_url") {
            return Ok(Keys::Sso(Box::new(self.sso()?)));
        }
        if let Some(keys) = self.fixed()? {
            return Ok(keys);
        }
        if let Some(command) = self.text("credential_process") {
            let words = shlex::split(&command).filter(|it| !it.is_empty()).ok_or_else(|| {
                format!("the AWS profile `{}` has a `credential_process` whose quotes do not end", self.name)
            })?;
            return Ok(Keys::Process(words));
        }
        Ok(Keys::Elsewhere)
    }

    fn fixed(&self) -> Result<Option<Keys>, String> {
        match (self.text("aws_access_key_id"), self.text("aws_secret_access_key")) {
            (None, None) => Ok(None),
            (Some(id), Some(key)) => Ok(Some(Keys::Fixed {
                id,
                key: Secret::new(&key),
                token: self.text("aws_session_token").map(|it| Secret::new(&it)),
            })),
            _ => Err(format!(
                "the AWS profile `{}` has one of `aws_access_key_id` and `aws_secret_access_key`; they belong together",
                self.name
            )),
        }
    }

    /// Whose keys a role is taken on with.
    fn keys_for_role(&self, left: usize) -> Result<Keys, String> {
        let name = self.name;
        if self.fields.contains_key("mfa_serial") {
            return Err(format!(
                "the AWS profile `{name}` asks a person for a code (`mfa_serial`), which a server cannot do; run `aws \
                 configure export-credentials --profile {name} --format env` and set the variables that it prints"
            ));
        }
        match (self.text("source_profile"), self.text("credential_source").as_deref()) {
            (Some(source), None) => {
                // A profile may take on a role with its own keys.
                if source == name
                    && let Some(keys) = self.fixed()?
                {
                    return Ok(keys);
                }
                if left == 0 {
                    return Err(format!("the AWS profile `{name}` refers to others more than {CHAIN_MAX} deep"));
                }
                let profile = of(self.sections, &source, left - 1)?.ok_or_else(|| {
                    format!("the AWS profile `{name}` takes its keys from `{source}`, which is not there")
                })?;
                match profile.keys {
                    Keys::Elsewhere => {
                        Err(format!("the AWS profile `{name}` takes its keys from `{source}`, which has none"))
                    }
                    keys => Ok(keys),
                }
            }
            (None, Some("Environment")) => Ok(Keys::Environment),
            (None, Some("EcsContainer")) => Ok(Keys::Container),
            (None, Some("Ec2InstanceMetadata")) => Ok(Keys::Machine),
            (None, Some(other)) => Err(format!(
                "the AWS profile `{name}` has the `credential_source` `{other}`; known are `Environment`, \
                 `EcsContainer` and `Ec2InstanceMetadata`"
            )),
            (None, None) => Ok(self.fixed()?.unwrap_or(Keys::Elsewhere)),
            (Some(_), Some(_)) => {
                Err(format!("the AWS profile `{name}` has a `source_profile` and a `credential_source`; keep one"))
            }
        }
    }

    fn sso(&self) -> Result<Sso, String> {
        let name = self.name;
        let session = self.text("sso_session");
        let shared = match &session {
            Some(session) => self.sections.get(&format!("sso-session {session}")).ok_or_else(|| {
                format!("the AWS profile `{name}` names the `sso_session` `{session}`, which is not there")
            })?,
            None => self.fields,
        };
        let need = |fields: &HashMap<String, String>, key: &str| {
            fields
                .get(key)
                .or_else(|| self.fields.get(key))
                .filter(|it| !it.is_empty())
                .cloned()
                .ok_or_else(|| format!("the AWS profile `{name}` needs `{key}` for SSO; run `aws configure sso`"))
        };
        let start_url = need(shared, "sso_start_url")?;
        Ok(Sso {
            profile: name.to_owned(),
            cached_as: session.unwrap_or(start_url),
            region: need(shared, "sso_region")?,
            account_id: need(self.fields, "sso_account_id")?,
            role_name: need(self.fields, "sso_role_name")?,
        })
    }
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
[profile deep]
role_arn = arn:aws:iam::1:role/d
source_profile = work
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = dev
[sso-session corp]
sso_region = us-east-1
sso_start_url = https://corp.awsapps.com/start
[profile command]
credential_process = \"/opt/my keys\" --json
[profile pod]
role_arn = arn:aws:iam::1:role/p
web_identity_token_file = /var/run/token
[profile machine]
role_arn = arn:aws:iam::1:role/m
credential_source = Ec2InstanceMetadata
[profile person]
role_arn = a
source_profile = keys
mfa_serial = m
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
        let profile = |name: &str| of(&sections, name, CHAIN_MAX);
        let keys = |name: &str| profile(name).unwrap().unwrap().keys;
        let role = |name: &str| match keys(name) {
            Keys::Role(role) => *role,
            other => panic!("{other:?}"),
        };
        let is_user = |trust: &Trust| {
            matches!(trust, Trust::Keys(keys) if matches!(&**keys, Keys::Fixed { id, key, .. }
                if id == "AK" && key.reveal() == "SK"))
        };

        let work = role("work");
        assert_eq!((work.arn.as_str(), work.external_id.as_deref()), ("arn:aws:iam::1:role/r", Some("x")));
        assert!(is_user(&work.trust));
        let Trust::Keys(inner) = role("deep").trust else { panic!() };
        assert!(matches!(*inner, Keys::Role(inner) if is_user(&inner.trust)));
        assert!(matches!(role("pod").trust, Trust::WebIdentity(file) if file == Path::new("/var/run/token")));
        assert!(matches!(role("machine").trust, Trust::Keys(keys) if matches!(*keys, Keys::Machine)));

        assert_eq!(profile("default").unwrap().unwrap().region.as_deref(), Some("eu-west-1"));
        assert!(matches!(keys("default"), Keys::Elsewhere));
        assert!(matches!(keys("command"), Keys::Process(words) if words == ["/opt/my keys", "--json"]));
        let Keys::Sso(sso) = keys("sso") else { panic!() };
        assert_eq!((sso.cached_as.as_str(), sso.region.as_str()), ("corp", "us-east-1"));
        assert_eq!((sso.account_id.as_str(), sso.role_name.as_str()), ("123456789012", "dev"));
        assert!(profile("nobody").unwrap().is_none());
        assert!(profile("person").unwrap_err().contains("`mfa_serial`"));
        assert!(profile("circle").unwrap_err().contains("4 deep"));
    }
}
