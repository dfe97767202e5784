//! The values under a model's `config` key, read as its vendor declares them.

use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::database::Origin;
use super::tree::{Place, nearest, stranger};
use crate::ConfigError;
use crate::secrets::Secret;

/// One key that a vendor understands. `api_key` of the vendor `groq` may also be written `groq_api_key`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) is_required: bool,
}

impl Setting {
    pub(crate) const fn optional(name: &'static str, form: Form) -> Self {
        Self { name, form, is_required: false }
    }

    pub(crate) const fn required(name: &'static str, form: Form) -> Self {
        Self { name, form, is_required: true }
    }
}

/// What a setting's value must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Secret,
    /// A secret of several lines: the text itself, `$NAME`, or the path of a file.
    Document,
    Text,
    /// A list of texts, or one text with commas in between, as MLflow has both.
    Texts,
    Address,
    Path,
    Count,
    Headers,
    /// A table of further settings, which count as if they stood beside it.
    Group(&'static [Setting]),
}

#[derive(Clone, Debug)]
enum Value {
    Secret(Secret),
    Text(String),
    Texts(Vec<String>),
    Address(Url),
    Path(PathBuf),
    Count(u32),
    Headers(HeaderMap),
}

/// The settings of one endpoint's model, checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(Vec<(&'static str, Value)>);

macro_rules! getter {
    ($name:ident, $variant:ident, $type:ty) => {
        pub(crate) fn $name(&self, name: &str) -> Option<&$type> {
            self.0.iter().find_map(|(key, value)| match value {
                Value::$variant(value) if *key == name => Some(value),
                _ => None,
            })
        }
    };
}

impl Settings {
    getter!(secret, Secret, Secret);
    getter!(text, Text, String);
    getter!(texts, Texts, Vec<String>);
    getter!(address, Address, Url);
    getter!(path, Path, PathBuf);
    getter!(headers, Headers, HeaderMap);

    /// All that is secret in it.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().filter_map(|(_, value)| match value {
            Value::Secret(it) => Some(it),
            _ => None,
        })
    }

    pub(crate) fn count(&self, name: &str) -> Option<u32> {
        self.0.iter().find_map(|(key, value)| match value {
            Value::Count(value) if *key == name => Some(*value),
            _ => None,
        })
    }
}

/// Where values may come from that are not written down.
pub(super) struct Outside<'a> {
    /// Gives the value of an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whose words are read. `$NAME` and the paths of files mean something in the operator's own file alone: whoever
    /// makes endpoints over the API could else read this machine's variables and files.
    pub(super) origin: Origin,
    /// The Redis that replicas share, where there is one.
    pub(super) redis: Option<&'a Secret>,
}

/// What reading needs to know of the world outside the file.
pub(super) struct World<'a> {
    pub(super) env: &'a Outside<'a>,
    pub(super) endpoint: &'a str,
}

/// Reads `config`, whose absence is fine where the vendor requires nothing.
pub(super) fn read(
    config: Option<&Place<'_>>,
    model: &Place<'_>,
    provider: &str,
    prefix: &str,
    vendor: &'static [Setting],
    world: &World<'_>,
) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    let mut known: Vec<String> = Vec::new();
    let mut entries = config.map(Place::table).transpose()?;
    for setting in vendor {
        let prefixed = format!("{prefix}{}", setting.name);
        let place = entries.as_mut().and_then(|it| it.take(setting.name).or_else(|| it.take(&prefixed)));
        if let Some(place) = place.as_ref().filter(|_| !is_open(setting, world.env.origin)) {
            return Err(place.error("is for the operator's own configuration file; name the server with `api_base`"));
        }
        match place {
            Some(place) if let Form::Group(inner) = setting.form => {
                settings.0.extend(read(Some(&place), model, provider, prefix, inner, world)?.0);
            }
            Some(place) => settings.0.push((setting.name, value(&place, setting.form, world)?)),
            None if setting.is_required => {
                if let Some((found, place)) = entries.as_ref().and_then(|it| it.lookalike(&prefixed)) {
                    return Err(place.error(format!("unknown key `{found}`; did you mean `{prefixed}`?")));
                }
                return Err(config.unwrap_or(model).error(format!(
                    "provider `{provider}` of endpoint `{}` needs `{prefixed}`; {}",
                    world.endpoint,
                    advice(setting.form, &prefixed)
                )));
            }
            None => {}
        }
        known.push(prefixed);
        known.push(setting.name.to_owned());
    }
    for (key, place) in entries.map(|mut it| it.drain()).unwrap_or_default() {
        // A key that was given twice, once with and once without the vendor's prefix.
        if known.iter().any(|it| it == key) && !place.is_null() {
            return Err(place.error("is given twice, with and without the provider's name in front; keep one"));
        }
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        stranger(key, &place, &names)?;
    }
    Ok(settings)
}

/// Whether a setting may be given by whoever describes the endpoint. Over the API that is no file of this machine, and
/// no address but the one that is checked; tables are for the file too, for no secret has any.
fn is_open(setting: &Setting, origin: Origin) -> bool {
    match setting.form {
        _ if origin == Origin::File => true,
        Form::Path | Form::Headers | Form::Group(_) => false,
        Form::Address => setting.name == "api_base",
        _ => true,
    }
}

fn advice(form: Form, key: &str) -> String {
    match form {
        Form::Secret | Form::Document => {
            let variable = key.to_uppercase();
            format!("write `{key}: ${variable}` under `model.config` and set the variable")
        }
        Form::Address => format!("write `{key}: http://host:port/v1` under `model.config`"),
        _ => format!("write it under `model.config` as `{key}: …`"),
    }
}

fn value(place: &Place<'_>, form: Form, world: &World<'_>) -> Result<Value, ConfigError> {
    Ok(match form {
        Form::Secret => Value::Secret(secret(place, world)?),
        Form::Document => Value::Secret(document(place, world)?),
        Form::Texts => Value::Texts(texts(place)?),
        Form::Text => Value::Text(expand(place, world)?),
        Form::Path => Value::Path(PathBuf::from(expand(place, world)?)),
        Form::Count => Value::Count(place.count(1)?),
        Form::Address => Value::Address(address(place, &expand(place, world)?)?),
        Form::Headers => Value::Headers(headers(place, world)?),
        Form::Group(_) => return Err(place.wrong("a table")),
    })
}

/// A key: `$NAME` of a variable, the path of a file that holds it, or the key itself, as MLflow has it.
pub(super) fn secret(place: &Place<'_>, world: &World<'_>) -> Result<Secret, ConfigError> {
    header_safe(document(place, world)?, place)
}

fn document(place: &Place<'_>, world: &World<'_>) -> Result<Secret, ConfigError> {
    let text = place.secret_text()?;
    if world.env.origin != Origin::File {
        return Ok(Secret::new(text));
    }
    if let Some(name) = text.strip_prefix('$') {
        return variable(name, place, world).map(|it| Secret::new(&it));
    }
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(Secret::new(text));
    }
    let content = std::fs::read_to_string(path)
        .map_err(|error| place.error(format!("names the file {text}, which cannot be read: {error}")))?;
    if content.trim().is_empty() {
        return Err(place.error(format!("names the file {text}, which is empty; put the key into it")));
    }
    Ok(Secret::new(&content))
}

fn texts(place: &Place<'_>) -> Result<Vec<String>, ConfigError> {
    if place.is_list() {
        return place.list()?.iter().map(|it| it.text().map(|it| it.trim().to_owned())).collect();
    }
    match place.json().as_str() {
        Some(text) => Ok(text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()),
        None => Err(place.wrong("a list of texts")),
    }
}

/// A key travels in a header; one that cannot is refused here, where its author sees it.
fn header_safe(secret: Secret, place: &Place<'_>) -> Result<Secret, ConfigError> {
    match HeaderValue::from_str(secret.reveal()) {
        Ok(_) => Ok(secret),
        Err(_) => Err(place.error("holds a key with line breaks or control characters; give the key alone")),
    }
}

/// A text, or what the environment variable holds that it names.
pub(super) fn expand(place: &Place<'_>, world: &World<'_>) -> Result<String, ConfigError> {
    let text = place.text()?;
    match text.strip_prefix('$').filter(|_| world.env.origin == Origin::File) {
        Some(name) => variable(name, place, world),
        None => Ok(text.trim().to_owned()),
    }
}

/// As [`expand`], for values that may be secret.
fn unseen(place: &Place<'_>, world: &World<'_>) -> Result<String, ConfigError> {
    let text = place.secret_text()?;
    match text.strip_prefix('$').filter(|_| world.env.origin == Origin::File) {
        Some(name) => variable(name, place, world),
        None => Ok(text.trim().to_owned()),
    }
}

fn variable(name: &str, place: &Place<'_>, world: &World<'_>) -> Result<String, ConfigError> {
    let name = name.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(name);
    (world.env.variable)(name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).ok_or_else(|| {
        place.error(format!(
            "endpoint `{}` takes this from the environment variable {name}, which is not set; \
             run `export {name}=…` first, or name another variable",
            world.endpoint
        ))
    })
}

pub(super) fn address(place: &Place<'_>, text: &str) -> Result<Url, ConfigError> {
    let example = "write an address like `https://host/v1`";
    let url = Url::parse(text).map_err(|error| place.error(format!("`{text}` is no address: {error}; {example}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(place.error(format!("`{text}` is no address of an HTTP server; {example}")));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(
            place.error(format!("must be an address without user, `?` and `#`; {example}, the key under `api_key`"))
        );
    }
    Ok(url)
}

pub(super) fn headers(place: &Place<'_>, world: &World<'_>) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for (key, place) in place.table()?.drain() {
        let name = HeaderName::try_from(key)
            .map_err(|_| place.error(format!("`{key}` is no name of an HTTP header; use letters, digits and `-`")))?;
        let mut value = HeaderValue::try_from(unseen(&place, world)?)
            .map_err(|_| place.error("is no value of an HTTP header; leave out line breaks and control characters"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// The vendor's name nearest to one that nobody knows.
pub(super) fn suggest<'c>(text: &str, names: impl Iterator<Item = &'c str>) -> String {
    nearest(text, names).map_or_else(String::new, |it| format!(" (did you mean `{it}`?)"))
}
