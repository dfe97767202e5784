//! A request's parameters as MLflow reads them: JSON body or query string, snake or camel case.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};

use super::BODY_BYTES_MAX;
use crate::admin::error::{Error, Result};

/// The named parameters of one request, or of one object inside it. Each accessor takes its parameter out.
#[derive(Debug)]
pub(super) struct Fields {
    path: String,
    values: Map<String, Value>,
    /// In a query string everything is text.
    from_query: bool,
}

/// MLflow ends its messages about parameters with this.
const SEE_DOCS: &str = " See the API docs for more information about request parameters.";

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let query = request.uri().query().unwrap_or_default();
        if is_read && !query.is_empty() {
            return Ok(Self::from_query(query));
        }
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Error::TooLarge(format!("The request body is larger than {BODY_BYTES_MAX} bytes."))
            }
            _ => Error::invalid(format!("The request body could not be read: {}", rejection.body_text())),
        })?;
        if is_read && body.is_empty() {
            return Ok(Self::from_query(""));
        }
        check_content_type(&headers)?;
        Self::from_json(&body)
    }
}

impl Fields {
    fn from_query(query: &str) -> Self {
        let mut values = Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            // Of a parameter that is repeated the first counts.
            values.entry(name.into_owned()).or_insert_with(|| Value::String(value.into_owned()));
        }
        Self { path: String::new(), values, from_query: true }
    }

    fn from_json(body: &[u8]) -> Result<Self> {
        if body.trim_ascii().is_empty() {
            return Ok(Self { from_query: false, ..Self::from_query("") });
        }
        let value = match parse(body)? {
            // Old clients encode their JSON twice.
            Value::String(inner) => parse(inner.as_bytes())?,
            value => value,
        };
        match value {
            Value::Object(values) => Ok(Self { path: String::new(), values, from_query: false }),
            other => {
                let kind = python_type(&other);
                Err(Error::invalid(format!("The request body must be a JSON object, not a value of type '{kind}'.")))
            }
        }
    }

    /// Takes an optional text; an empty one counts as absent, as it does in MLflow's store.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.set_text(name)?.filter(|it| !it.is_empty()))
    }

    /// Takes a text that may be given as the empty one.
    pub(super) fn set_text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes a text that must be there and not be empty.
    pub(super) fn required_text(&mut self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes an optional 64-bit integer, written as a number or as text.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.take(name)?.filter(|it| it.as_str() != Some("")) else { return Ok(None) };
        let parsed = match &value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.wrong_type(name, &value))
    }

    /// Takes an optional finite number, written as a number or as text.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.take(name)?.filter(|it| it.as_str() != Some("")) else { return Ok(None) };
        let parsed = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.filter(|it: &f64| it.is_finite()).map(Some).ok_or_else(|| self.wrong_type(name, &value))
    }

    /// Takes an optional truth value.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes an optional member of a closed set by its name, or by its number in the protocol, which counts from 1.
    /// 0 stands for none.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        let found = match &value {
            Value::String(text) => choices.iter().find(|(choice, _)| choice == text),
            Value::Number(number) if number.as_u64() == Some(0) => return Ok(None),
            Value::Number(number) => {
                number.as_u64().and_then(|it| usize::try_from(it).ok()).and_then(|it| choices.get(it.checked_sub(1)?))
            }
            _ => None,
        };
        if let Some((_, found)) = found {
            return Ok(Some(*found));
        }
        let known: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        Err(Error::invalid(format!(
            "Invalid value {value} for parameter '{}{name}' supplied. It must be one of: {}.{SEE_DOCS}",
            self.path,
            known.join(", ")
        )))
    }

    /// Takes a list of objects, if there is one.
    pub(super) fn objects(&mut self, name: &str) -> Result<Option<Vec<Self>>> {
        let items = match self.take(name)? {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.wrong_type(name, &other)),
        };
        let nested = |(index, item)| match item {
            Value::Object(values) => {
                Ok(Self { path: format!("{}{name}[{index}].", self.path), values, from_query: false })
            }
            other => Err(self.wrong_type(&format!("{name}[{index}]"), &other)),
        };
        items.into_iter().enumerate().map(nested).collect::<Result<_>>().map(Some)
    }

    /// Takes an optional object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::Object(values)) => {
                Ok(Some(Self { path: format!("{}{name}.", self.path), values, from_query: false }))
            }
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes texts by names of the caller's choice; absent ones are empty. Values are secrets, so no message shows any.
    pub(super) fn texts_by_name(&mut self, name: &str) -> Result<Map<String, Value>> {
        match self.take(name)? {
            None => Ok(Map::new()),
            Some(Value::Object(texts)) if texts.values().all(Value::is_string) => Ok(texts),
            Some(other) => Err(Error::invalid(format!(
                "Invalid value for parameter '{}{name}' supplied: it must be an object whose values are texts, but is a \
                 value of type '{}'.{SEE_DOCS}",
                self.path,
                python_type(&other)
            ))),
        }
    }

    /// Refuses a request without the parameter, and leaves it for the accessor of its type.
    pub(super) fn need(&self, name: &str) -> Result<()> {
        let is_there = |name: &str| self.values.get(name).is_some_and(|it| !it.is_null() && it.as_str() != Some(""));
        if is_there(name) || is_there(&camel_case(name)) { Ok(()) } else { Err(self.missing(name)) }
    }

    /// Whether the parameter was given as `null`.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Value::is_null)
    }

    /// Takes whatever JSON value the parameter has; `null` counts as absent. Both spellings at once are refused, since
    /// two readers could then act on different ones.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<Value>> {
        let mut value = self.values.swap_remove(name);
        if !self.from_query && name.contains('_') {
            let alias = camel_case(name);
            match (&value, self.values.swap_remove(&alias)) {
                (Some(_), Some(_)) => {
                    return Err(Error::invalid(format!(
                        "Request specifies both '{name}' and '{alias}'; provide only one of them."
                    )));
                }
                (None, aliased) => value = aliased,
                _ => {}
            }
        }
        Ok(value.filter(|it| !it.is_null()))
    }

    /// The error for a parameter that must be there and is not.
    pub(super) fn missing(&self, name: &str) -> Error {
        Error::invalid(format!("Missing value for required parameter '{}{name}'.{SEE_DOCS}", self.path))
    }

    fn wrong_type(&self, name: &str, value: &Value) -> Error {
        let kind = python_type(value);
        Error::invalid(format!(
            "Invalid value {value} for parameter '{}{name}' supplied:  Hint: Value was of type '{kind}'.{SEE_DOCS}",
            self.path
        ))
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<()> {
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

fn parse(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|error| {
        // The parser's words would show the text around the mistake to nobody, but its place helps.
        Error::invalid(format!(
            "Malformed JSON in the request body at line {}, column {}.",
            error.line(),
            error.column()
        ))
    })
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

/// The type's name as MLflow's messages spell it.
fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
