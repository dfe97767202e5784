//! Reads a request's parameters as MLflow does: JSON body or query string, snake or camel case, int64 as text or number.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use http::{
    HeaderMap, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde_json::{Map, Value};

use crate::Error;

/// The named parameters of one request, or of one object inside it.
///
/// Each accessor takes its parameter out, so texts are moved and not copied. A wrong type is an
/// [`Error::Invalid`] that names the parameter with its path (`metrics[3].value`).
#[derive(Debug)]
pub(super) struct Fields {
    path: String,
    values: Map<String, Value>,
    /// In a query string everything is text, and a list of one looks like a single value.
    from_query: bool,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let query = request.uri().query().unwrap_or_default();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_read && !query.is_empty() {
            return Ok(Self::from_query(query));
        }
        let (headers, body) = read(request, state).await?;
        if is_read && body.is_empty() {
            return Ok(Self::from_query(""));
        }
        check_content_type(&headers)?;
        Self::from_json(&body)
    }
}

/// The parameters of a request whose body has them whatever its method.
#[derive(Debug)]
pub(super) struct Body(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        Fields::from_json(&read_json(request, state).await?).map(Self)
    }
}

/// Reads a body that says that it is JSON.
pub(super) async fn read_json<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    let (headers, body) = read(request, state).await?;
    check_content_type(&headers)?;
    Ok(body)
}

/// Reads the whole body, up to its limit.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<(HeaderMap, Bytes), Error> {
    let headers = request.headers().clone();
    let too_large = || {
        Error::TooLarge(format!("The request body is larger than {} bytes; split the request.", super::MAX_BODY_BYTES))
    };
    // A client that says so beforehand need not send it first.
    if content_length(&headers).is_some_and(|it| it > super::MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let body = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        http::StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ if is_timeout(&rejection) => too_slow(),
        _ => Error::invalid(format!("The request body could not be read: {}", rejection.body_text())),
    })?;
    Ok((headers, body))
}

/// What reading a body gives when its client keeps the server waiting.
pub(super) fn too_slow() -> Error {
    Error::TooSlow(
        "The request's body did not come in time. Send it again over a connection that is faster.".to_owned(),
    )
}

/// Whether reading failed because the client was too slow.
pub(super) fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Fields {
    /// Parameters that are at hand.
    pub(super) fn of(values: Map<String, Value>) -> Self {
        Self { path: String::new(), values, from_query: false }
    }

    /// Reads a JSON body; an empty one has no parameters.
    pub(super) fn from_json(body: &[u8]) -> Result<Self, Error> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::from_query(""));
        }
        match parse(body)? {
            // Old clients encode their JSON twice.
            Value::String(inner) => Self::from_object(parse(inner.as_bytes())?),
            value => Self::from_object(value),
        }
    }

    /// Takes an optional text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes a text that must be there and not be empty.
    pub(super) fn required_text(&mut self, name: &str) -> Result<String, Error> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(name))
    }

    /// Takes `run_id`, or its old name `run_uuid`.
    pub(super) fn run_id(&mut self) -> Result<String, Error> {
        let old = self.text("run_uuid")?;
        self.text("run_id")?
            .filter(|id| !id.is_empty())
            .or(old.filter(|id| !id.is_empty()))
            .ok_or_else(|| self.missing("run_id"))
    }

    /// Takes an optional 64-bit integer, written as a number or as text.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.take_filled(name)? else { return Ok(None) };
        let parsed = match &value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.wrong_type(name, &value))
    }

    /// Takes a 64-bit integer that must be there.
    pub(super) fn required_integer(&mut self, name: &str) -> Result<i64, Error> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes an optional number; the texts `NaN`, `Infinity` and `-Infinity` are numbers too.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.take_filled(name)? else { return Ok(None) };
        let parsed = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => parse_number(text.trim()),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.wrong_type(name, &value))
    }

    /// Takes a number that must be there.
    pub(super) fn required_number(&mut self, name: &str) -> Result<f64, Error> {
        self.number(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes an optional truth value.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(Value::String(text)) if self.from_query => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(Error::invalid(format!("Invalid boolean value: {text}, must be 'true' or 'false'."))),
            },
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes an optional member of a closed set, e.g. a run status, by its name or its number in the protocol.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Error> {
        let text = match self.take(name)? {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => number.to_string(),
            Some(other) => return Err(self.wrong_type(name, &other)),
        };
        if let Some((_, value)) = choices.iter().find(|(choice, _)| *choice == text) {
            return Ok(Some(*value));
        }
        let names = choices.iter().map(|(choice, _)| *choice);
        let known: Vec<&str> = names.filter(|name| name.parse::<i64>().is_err()).collect();
        Err(Error::invalid(format!(
            "Invalid value \"{text}\" for parameter '{}{name}' supplied. It must be one of: {}.",
            self.path,
            known.join(", ")
        )))
    }

    /// Takes a list of texts; an absent one is empty.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, Error> {
        let items = self.list(name)?;
        if !items.iter().all(Value::is_string) {
            return Err(self.wrong_type(name, &Value::Array(items)));
        }
        let text = |item| if let Value::String(text) = item { Some(text) } else { None };
        Ok(items.into_iter().filter_map(text).collect())
    }

    /// Takes a list of objects; an absent one is empty.
    pub(super) fn objects(&mut self, name: &str) -> Result<Vec<Fields>, Error> {
        let path = &self.path;
        let nested = |(index, item)| match item {
            Value::Object(values) => Ok(Fields { path: format!("{path}{name}[{index}]."), values, from_query: false }),
            other => Err(Error::wrong_type(&format!("{path}{name}[{index}]"), &other)),
        };
        let items = take_list(path, &mut self.values, name, self.from_query)?;
        items.into_iter().enumerate().map(nested).collect()
    }

    /// Takes an optional object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Fields>, Error> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::Object(values)) => {
                Ok(Some(Fields { path: format!("{}{name}.", self.path), values, from_query: false }))
            }
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes an object that must be there.
    pub(super) fn required_object(&mut self, name: &str) -> Result<Fields, Error> {
        self.object(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes whatever JSON value the parameter has; `null` counts as absent.
    ///
    /// Both spellings at once are refused, since two readers could then act on different ones.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<Value>, Error> {
        let value = take(&mut self.values, name, self.from_query)?;
        Ok(match value {
            // Of a parameter that a query string repeats and that is no list, the first counts.
            Some(Value::Array(mut items)) if self.from_query => (!items.is_empty()).then(|| items.swap_remove(0)),
            value => value,
        })
    }

    /// Whether the parameter is there.
    pub(super) fn has(&self, name: &str) -> bool {
        let is_there = |name: &str| self.values.get(name).is_some_and(|it| !it.is_null());
        is_there(name) || (!self.from_query && is_there(&camel_case(name)))
    }

    /// The same, where an empty text counts as absent.
    fn take_filled(&mut self, name: &str) -> Result<Option<Value>, Error> {
        Ok(self.take(name)?.filter(|it| it.as_str() != Some("")))
    }

    /// The error for a parameter that must be there and is not.
    pub(super) fn missing(&self, name: &str) -> Error {
        Error::missing(&format!("{}{name}", self.path))
    }

    /// The error for a parameter whose value has the wrong type.
    pub(super) fn wrong_type(&self, name: &str, value: &Value) -> Error {
        Error::wrong_type(&format!("{}{name}", self.path), value)
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value>, Error> {
        take_list(&self.path, &mut self.values, name, self.from_query)
    }

    fn from_object(value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(values) => Ok(Self { path: String::new(), values, from_query: false }),
            other => Err(Error::invalid(format!("The request body must be a JSON object, got: {}", shorten(&other)))),
        }
    }

    /// Reads a query string, for requests whose body is something else.
    pub(crate) fn from_query(query: &str) -> Self {
        let mut values = Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = Value::String(value.into_owned());
            match values.get_mut(name.as_ref()) {
                None => {
                    values.insert(name.into_owned(), value);
                }
                Some(Value::Array(items)) => items.push(value),
                Some(single) => *single = Value::Array(vec![single.take(), value]),
            }
        }
        Self { path: String::new(), values, from_query: true }
    }
}

fn take(values: &mut Map<String, Value>, name: &str, from_query: bool) -> Result<Option<Value>, Error> {
    // Nothing is left to look for in most objects when their rare parameters are asked for.
    if values.is_empty() {
        return Ok(None);
    }
    let value = values.swap_remove(name);
    // Query strings know no camel case.
    let value = if !from_query && name.contains('_') {
        let alias = camel_case(name);
        match (value, values.swap_remove(&alias)) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(format!(
                    "Request specifies both '{name}' and '{alias}'; provide only one of them."
                )));
            }
            (value, aliased) => value.or(aliased),
        }
    } else {
        value
    };
    Ok(value.filter(|value| !value.is_null()))
}

fn take_list(path: &str, values: &mut Map<String, Value>, name: &str, from_query: bool) -> Result<Vec<Value>, Error> {
    match take(values, name, from_query)? {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items),
        Some(single) if from_query => Ok(vec![single]),
        Some(other) => Err(Error::wrong_type(&format!("{path}{name}"), &other)),
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Error> {
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Err(Error::invalid("Bad Request. Content-Type header is missing."));
    };
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."))
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn parse(body: &[u8]) -> Result<Value, Error> {
    // Editors on Windows begin files with a mark that JSON does not know.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| {
        let text = String::from_utf8_lossy(body);
        let hint = if text.contains("NaN") || text.contains("Infinity") {
            " JSON has no NaN or Infinity: write \"NaN\", \"Infinity\" or \"-Infinity\" in quotes."
        } else {
            ""
        };
        Error::invalid(format!("Malformed JSON in the request body: {error}.{hint}"))
    })
}

fn parse_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust also reads "inf" and "nan", which the protocol does not know.
        _ if text.contains(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E') => None,
        _ => text.parse().ok(),
    }
}

/// `3.0` is the integer 3 in JSON, `3.5` is none.
#[expect(clippy::cast_possible_truncation, reason = "the value is whole and within 53 bits")]
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        match letter {
            '_' => raise = true,
            letter if raise => {
                camel.extend(letter.to_uppercase());
                raise = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

/// Enough of a value to recognise it in a message.
fn shorten(value: &Value) -> String {
    const SHOWN: usize = 100;
    let text = value.to_string();
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}
