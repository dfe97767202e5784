//! Identities of other clouds (workload and workforce identity federation): a token of theirs is exchanged for one of
//! Google's.
//!
//! Facts: <https://google.aip.dev/auth/4117>, <https://docs.cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>
//! and Google's own client for Python.

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::credentials::{Reach, Server};
use super::token::SCOPE;
use super::variable;
use crate::provider::grant::{Authority, Grant, ToldBy, bearer_token, form, run};
use crate::secrets::Secret;

/// Bytes of a file with a token at most; one has about two thousand.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// How long a command may take where nobody says, and may be given at most.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const COMMAND_TIMEOUT_MAX: Duration = Duration::from_mins(2);

/// What whoever impersonates a service account asks for.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/iam";

/// The fields of a file that describe such an identity.
#[derive(Deserialize)]
pub(super) struct Written {
    audience: Option<String>,
    subject_token_type: Option<String>,
    credential_source: Option<CredentialSource>,
    workforce_pool_user_project: Option<String>,
}

/// Where the other cloud's token is.
#[derive(Deserialize)]
struct CredentialSource {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    executable: Option<Executable>,
    environment_id: Option<String>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Executable {
    command: String,
    timeout_millis: Option<u64>,
    output_file: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    subject_token_field_name: Option<String>,
}

/// An identity of another cloud.
pub(super) struct External {
    audience: String,
    token_type: String,
    subject: Subject,
    /// Who asks for a workforce's tokens.
    client: Option<(String, Secret)>,
    user_project: Option<String>,
    scope: &'static str,
    server: Server,
}

enum Subject {
    File(PathBuf, Shape),
    Url(Server, HeaderMap, Shape),
    Command { words: Vec<String>, longest: Duration, output: Option<PathBuf>, email: Option<String> },
}

/// A token alone, or the field of a JSON object that holds it.
type Shape = Option<String>;

impl External {
    pub(super) fn new(
        written: Written,
        server: Server,
        client: Option<(String, Secret)>,
        email: Option<String>,
        place: &str,
        reach: Reach,
    ) -> Result<Self, String> {
        if !reach.is_operators {
            return Err(format!(
                "{place} is of the type `external_account`, which reads files, asks servers or runs commands of this \
                 machine; it is for the operator's own configuration file"
            ));
        }
        let lacks = |field: &str| format!("{place} is of the type `external_account` and lacks `{field}`");
        let source = written.credential_source.ok_or_else(|| lacks("credential_source"))?;
        Ok(Self {
            audience: written.audience.ok_or_else(|| lacks("audience"))?,
            token_type: written.subject_token_type.ok_or_else(|| lacks("subject_token_type"))?,
            // Whoever goes on to impersonate needs no more than that.
            scope: if email.is_some() { IMPERSONATION_SCOPE } else { SCOPE },
            subject: subject(source, email, place, reach)?,
            client,
            user_project: written.workforce_pool_user_project,
            server,
        })
    }

    /// Google's token for the other cloud's.
    pub(super) async fn ask(&self) -> Result<Grant<Secret>, String> {
        let subject =
            self.subject_token().await.map_err(|error| format!("the token of `{}`: {error}", self.audience))?;
        let options = self.user_project.as_ref().filter(|_| self.client.is_none());
        let options = options.map(|it| json!({"userProject": it}).to_string());
        let options = options.map(|it| utf8_percent_encode(&it, NON_ALPHANUMERIC).to_string());
        let mut pairs = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &self.audience),
            ("scope", self.scope),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", subject.reveal()),
            ("subject_token_type", &self.token_type),
        ];
        pairs.extend(options.as_deref().map(|it| ("options", it)));
        let mut request = form(&self.server.client, &self.server.address, &pairs);
        let mut secrets = vec![subject.clone()];
        if let Some((id, secret)) = &self.client {
            request = request.basic_auth(id, Some(secret.reveal()));
            secrets.push(secret.clone());
        }
        let what = format!("a token for `{}`", self.audience);
        bearer_token(&Authority { name: "Google's STS", what: &what, secrets: &secrets }, request).await
    }

    async fn subject_token(&self) -> Result<Secret, String> {
        match &self.subject {
            Subject::File(file, shape) => token_in(&read(file).await?, shape.as_deref(), &file.display().to_string()),
            Subject::Url(server, headers, shape) => {
                let name = server.address.host_str().unwrap_or_default();
                let request = server.client.get(server.address.clone()).headers(headers.clone());
                let secrets: Vec<Secret> =
                    headers.values().filter_map(|it| it.to_str().ok()).map(Secret::new).collect();
                let authority = Authority { name, what: "a token", secrets: &secrets };
                token_in(&authority.ask(request, ToldBy::Json).await?, shape.as_deref(), name)
            }
            Subject::Command { words, longest, output, email } => {
                if let Some(file) = output
                    && let Ok(kept) = read(file).await
                    && let Ok((token, Some(_))) = printed(&kept, &self.token_type)
                {
                    return Ok(token);
                }
                let mut variables = vec![
                    ("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", self.audience.as_str()),
                    ("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", self.token_type.as_str()),
                    ("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0"),
                    ("GOOGLE_EXTERNAL_ACCOUNT_REVOKE", "0"),
                ];
                variables.extend(email.as_deref().map(|it| ("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", it)));
                let file = output.as_deref().and_then(Path::to_str);
                variables.extend(file.map(|it| ("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", it)));
                let text = run(words, &variables, *longest).await?;
                let text = match output {
                    Some(file) if text.is_empty() => read(file).await?,
                    _ => text,
                };
                Ok(printed(&text, &self.token_type)?.0)
            }
        }
    }
}

fn subject(source: CredentialSource, email: Option<String>, place: &str, reach: Reach) -> Result<Subject, String> {
    let shape = match source.format {
        None => None,
        Some(format) if format.kind == "text" => None,
        Some(format) if format.kind == "json" => {
            Some(format.subject_token_field_name.ok_or_else(|| {
                format!("{place} has a `format` of the type `json` without `subject_token_field_name`")
            })?)
        }
        Some(format) => {
            return Err(format!("{place} has a `format` of the type `{}`; known are `text` and `json`", format.kind));
        }
    };
    if let Some(id) = source.environment_id {
        return Err(format!(
            "{place} takes its token from `{id}`, which is not offered here; have it from a file, a `url` or an \
             `executable`"
        ));
    }
    match (source.file, source.url, source.executable) {
        (Some(file), None, None) => Ok(Subject::File(file, shape)),
        (None, Some(url), None) => {
            let mut headers = HeaderMap::new();
            for (name, value) in &source.headers {
                let pair =
                    HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value.as_str().unwrap_or("\n")).ok());
                let (name, value) = pair.ok_or_else(|| format!("{place} has a header `{name}` that cannot be sent"))?;
                headers.insert(name, value);
            }
            Ok(Subject::Url(reach.server(&url, "credential_source.url", place)?, headers, shape))
        }
        (None, None, Some(executable)) => {
            if variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES").as_deref() != Some("1") {
                return Err(format!(
                    "{place} has its token from a command; set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 if it may \
                     run"
                ));
            }
            let words = shlex::split(&executable.command)
                .ok_or_else(|| format!("{place} has an `executable.command` whose quotes do not end"))?;
            let longest = executable.timeout_millis.map_or(COMMAND_TIMEOUT, Duration::from_millis);
            let longest = longest.min(COMMAND_TIMEOUT_MAX);
            Ok(Subject::Command { words, longest, output: executable.output_file, email })
        }
        _ => Err(format!("{place} needs one of `file`, `url` and `executable` under `credential_source`")),
    }
}

/// A file, which is read each time: its token is renewed in place.
async fn read(file: &Path) -> Result<Vec<u8>, String> {
    use tokio::io::AsyncReadExt as _;
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", file.display());
    let mut bytes = Vec::new();
    let opened = tokio::fs::File::open(file).await.map_err(failed)?;
    opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes).await.map_err(failed)?;
    Ok(bytes)
}

fn token_in(bytes: &[u8], shape: Option<&str>, place: &str) -> Result<Secret, String> {
    let token = match shape {
        None => Some(Secret::new(&String::from_utf8_lossy(bytes))),
        Some(field) => {
            let object: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
            object.get(field).and_then(Value::as_str).map(Secret::new)
        }
    };
    token.filter(|it| !it.reveal().is_empty()).ok_or_else(|| match shape {
        None => format!("{place} is empty"),
        Some(field) => format!("{place} holds no JSON object with `{field}`"),
    })
}

/// What a command prints.
#[derive(Deserialize)]
struct Printed {
    version: u64,
    success: bool,
    token_type: Option<String>,
    id_token: Option<String>,
    saml_response: Option<String>,
    expiration_time: Option<i64>,
    code: Option<String>,
    message: Option<String>,
}

/// The token that a command printed, and when it ends.
fn printed(bytes: &[u8], token_type: &str) -> Result<(Secret, Option<i64>), String> {
    // The parser's words may quote the token.
    let printed: Printed =
        serde_json::from_slice(bytes).map_err(|_| "the command printed no answer in Google's form".to_owned())?;
    if printed.version != 1 {
        return Err(format!("the command printed version {} of its answer; known is 1", printed.version));
    }
    if !printed.success {
        let (code, message) = (printed.code.unwrap_or_default(), printed.message.unwrap_or_default());
        return Err(format!("the command had no token: {code} {message}"));
    }
    if printed.expiration_time.is_some_and(|it| it <= OffsetDateTime::now_utc().unix_timestamp()) {
        return Err("the command printed a token that has expired".to_owned());
    }
    let kind = printed.token_type.unwrap_or_default();
    if kind != token_type {
        return Err(format!("the command printed a token of the type `{kind}`; asked for was `{token_type}`"));
    }
    let token = if kind.ends_with(":saml2") { printed.saml_response } else { printed.id_token };
    let token = token.filter(|it| !it.is_empty()).ok_or("the command printed no token")?;
    Ok((Secret::new(&token), printed.expiration_time))
}
