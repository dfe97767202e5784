//! A request's parameters as MLflow reads them: JSON or query string, snake or camel case, int64 as text or number.

use serde_json::{Map, Value};

use crate::error::SEE_DOCS;
use crate::{Error, Result, python};

/// The named parameters of one request, or of one object inside it.
///
/// Each accessor takes its parameter out, so texts are moved and not copied. A wrong type is an
/// [`Error::Invalid`] that names the parameter with its path (`metrics[3].value`).
#[derive(Debug)]
pub struct Fields {
    path: String,
    values: Map<String, Value>,
    /// In a query string everything is text, and a list of one looks like a single value.
    from_query: bool,
}

impl Fields {
    /// Parameters that are at hand.
    pub fn of(values: Map<String, Value>) -> Self {
        Self { path: String::new(), values, from_query: false }
    }

    /// Reads a JSON body; an empty one has no parameters.
    pub fn from_json(body: &[u8]) -> Result<Self> {
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
    pub fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes an optional text; an empty one counts as absent.
    pub fn filled_text(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// Takes a text that must be there and not be empty.
    pub fn required_text(&mut self, name: &str) -> Result<String> {
        self.filled_text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes `run_id`, or its old name `run_uuid`.
    pub fn run_id(&mut self) -> Result<String> {
        let old = self.filled_text("run_uuid")?;
        self.filled_text("run_id")?.or(old).ok_or_else(|| self.missing("run_id"))
    }

    /// Takes an optional 64-bit integer, written as a number or as text.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.take_filled(name)? else { return Ok(None) };
        let parsed = match &value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.wrong_type(name, &value))
    }

    /// Takes a 64-bit integer that must be there.
    pub fn required_integer(&mut self, name: &str) -> Result<i64> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes an optional number; the texts `NaN`, `Infinity` and `-Infinity` are numbers too.
    pub fn number(&mut self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.take_filled(name)? else { return Ok(None) };
        let parsed = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => parse_number(text.trim()),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| self.wrong_type(name, &value))
    }

    /// Takes an optional number that is neither NaN nor infinite.
    pub fn finite_number(&mut self, name: &str) -> Result<Option<f64>> {
        let number = self.number(name)?;
        match number {
            Some(number) if !number.is_finite() => Err(self.wrong_type(name, &number.to_string().into())),
            number => Ok(number),
        }
    }

    /// Takes a number that must be there.
    pub fn required_number(&mut self, name: &str) -> Result<f64> {
        self.number(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes an optional truth value.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>> {
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
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let text = match self.take(name)? {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => number.to_string(),
            Some(other) => return Err(self.wrong_type(name, &other)),
        };
        if let Some((_, value)) = choices.iter().find(|(choice, _)| *choice == text) {
            return Ok(Some(*value));
        }
        Err(self.not_one_of(name, &Value::String(text), choices))
    }

    /// Takes an optional member of a closed set by its name, or by its number in the protocol, which counts from 1.
    /// 0 stands for none.
    pub fn member<T: Copy>(&mut self, name: &str, members: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        let found = match &value {
            Value::String(text) => members.iter().find(|(member, _)| member == text),
            Value::Number(number) if number.as_u64() == Some(0) => return Ok(None),
            Value::Number(number) => {
                number.as_u64().and_then(|it| usize::try_from(it).ok()).and_then(|it| members.get(it.checked_sub(1)?))
            }
            _ => None,
        };
        found.map(|(_, member)| Some(*member)).ok_or_else(|| self.not_one_of(name, &value, members))
    }

    /// Takes a list of texts; an absent one is empty.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let items = self.list(name)?;
        if !items.iter().all(Value::is_string) {
            return Err(self.wrong_type(name, &Value::Array(items)));
        }
        let text = |item| if let Value::String(text) = item { Some(text) } else { None };
        Ok(items.into_iter().filter_map(text).collect())
    }

    /// Takes a list of objects; an absent one is empty.
    pub fn objects(&mut self, name: &str) -> Result<Vec<Fields>> {
        let path = &self.path;
        let nested = |(index, item)| match item {
            Value::Object(values) => Ok(Fields { path: format!("{path}{name}[{index}]."), values, from_query: false }),
            other => Err(Error::wrong_type(&format!("{path}{name}[{index}]"), &other)),
        };
        let items = take_list(path, &mut self.values, name, self.from_query)?;
        items.into_iter().enumerate().map(nested).collect()
    }

    /// Takes an optional object.
    pub fn object(&mut self, name: &str) -> Result<Option<Fields>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::Object(values)) => {
                Ok(Some(Fields { path: format!("{}{name}.", self.path), values, from_query: false }))
            }
            Some(other) => Err(self.wrong_type(name, &other)),
        }
    }

    /// Takes an object that must be there.
    pub fn required_object(&mut self, name: &str) -> Result<Fields> {
        self.object(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes texts by names of the caller's choice; absent ones are empty. Values are secrets, so no message shows any.
    pub fn secrets(&mut self, name: &str) -> Result<Map<String, Value>> {
        match self.take(name)? {
            None => Ok(Map::new()),
            Some(Value::Object(texts)) if texts.values().all(Value::is_string) => Ok(texts),
            Some(other) => Err(Error::invalid(format!(
                "Invalid value for parameter '{}{name}' supplied: it must be an object whose values are texts, but is a \
                 value of type '{}'.{SEE_DOCS}",
                self.path,
                python::type_name(&other)
            ))),
        }
    }

    /// Takes whatever JSON value the parameter has; `null` counts as absent.
    ///
    /// Both spellings at once are refused, since two readers could then act on different ones.
    pub fn take(&mut self, name: &str) -> Result<Option<Value>> {
        let value = take(&mut self.values, name, self.from_query)?;
        Ok(match value {
            // Of a parameter that a query string repeats and that is no list, the first counts.
            Some(Value::Array(mut items)) if self.from_query => (!items.is_empty()).then(|| items.swap_remove(0)),
            value => value,
        })
    }

    /// Whether the parameter is there.
    pub fn has(&self, name: &str) -> bool {
        let is_there = |name: &str| self.values.get(name).is_some_and(|it| !it.is_null());
        is_there(name) || (!self.from_query && is_there(&camel_case(name)))
    }

    /// Refuses a request without the parameter or with an empty text, and leaves it for the accessor of its type.
    pub fn need(&self, name: &str) -> Result<()> {
        let is_filled = |name: &str| self.values.get(name).is_some_and(|it| !it.is_null() && it.as_str() != Some(""));
        if is_filled(name) || (!self.from_query && is_filled(&camel_case(name))) {
            Ok(())
        } else {
            Err(self.missing(name))
        }
    }

    /// Whether the parameter was given as `null`.
    pub fn is_null(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Value::is_null)
    }

    /// [`Self::take`], where an empty text counts as absent.
    fn take_filled(&mut self, name: &str) -> Result<Option<Value>> {
        Ok(self.take(name)?.filter(|it| it.as_str() != Some("")))
    }

    /// The error for a parameter that must be there and is not.
    pub fn missing(&self, name: &str) -> Error {
        Error::missing(&format!("{}{name}", self.path))
    }

    /// The error for a parameter whose value has the wrong type.
    pub fn wrong_type(&self, name: &str, value: &Value) -> Error {
        Error::wrong_type(&format!("{}{name}", self.path), value)
    }

    fn not_one_of<T>(&self, name: &str, value: &Value, choices: &[(&str, T)]) -> Error {
        let names = choices.iter().map(|(choice, _)| *choice);
        let known: Vec<&str> = names.filter(|name| name.parse::<i64>().is_err()).collect();
        Error::invalid(format!(
            "Invalid value {value} for parameter '{}{name}' supplied. It must be one of: {}.",
            self.path,
            known.join(", ")
        ))
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value>> {
        take_list(&self.path, &mut self.values, name, self.from_query)
    }

    fn from_object(value: Value) -> Result<Self> {
        match value {
            Value::Object(values) => Ok(Self { path: String::new(), values, from_query: false }),
            other => {
                // Its words stay out of the answer: they may be a secret that came in the wrong form.
                let kind = python::type_name(&other);
                Err(Error::invalid(format!("The request body must be a JSON object, not a value of type '{kind}'.")))
            }
        }
    }

    /// Reads a query string, for requests whose body is something else.
    pub fn from_query(query: &str) -> Self {
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

fn take(values: &mut Map<String, Value>, name: &str, from_query: bool) -> Result<Option<Value>> {
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

fn take_list(path: &str, values: &mut Map<String, Value>, name: &str, from_query: bool) -> Result<Vec<Value>> {
    match take(values, name, from_query)? {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items),
        Some(single) if from_query => Ok(vec![single]),
        Some(other) => Err(Error::wrong_type(&format!("{path}{name}"), &other)),
    }
}

fn parse(body: &[u8]) -> Result<Value> {
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
