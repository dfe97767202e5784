//! Forms with files, which pass as they come: only the field `model` is looked for, in what comes before the files, and
//! replaced.

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use futures::{StreamExt, stream};
use llm::Error;

/// Bytes of a form or a file at most: what OpenAI takes for one file, and room for the fields beside it.
pub(super) const BYTES_MAX: u64 = (512 << 20) + (1 << 20);
/// Bytes in which the model's name is looked for; clients put the fields before the files.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes that come before it is looked for again, so that a form in tiny pieces is not read over and over.
const LOOK_BYTES: usize = 1 << 10;

/// A form of which the beginning has come.
pub(super) struct Form {
    head: Vec<u8>,
    /// Where the model's name stands in the head.
    model: Option<(usize, usize)>,
    rest: BodyDataStream,
    length: Option<u64>,
}

/// What stands between the fields of a form, where the body is one.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (essence, parameters) = value.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|it| {
        let (name, value) = it.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"').to_owned())
    })?;
    (!boundary.is_empty()).then_some(boundary)
}

/// Reads a form until its model is known, or its head is full.
pub(super) async fn open(request: Request, boundary: &str) -> Result<Form, Error> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|it| it > BYTES_MAX) {
        return Err(too_large());
    }
    let mut rest = request.into_body().into_data_stream();
    let mut head = Vec::new();
    let mut model = None;
    let (mut looked_at, mut is_over) = (0, false);
    while model.is_none() && !is_over && head.len() < HEAD_BYTES_MAX {
        match rest.next().await {
            Some(bytes) => head.extend_from_slice(&bytes.map_err(|error| broken(&error))?),
            None => is_over = true,
        }
        if is_over || head.len() - looked_at >= LOOK_BYTES {
            looked_at = head.len();
            model = model_in(&head, boundary.as_bytes());
        }
    }
    Ok(Form { head, model, rest, length })
}

impl Form {
    pub(super) fn model(&self) -> Option<&str> {
        let (start, end) = self.model?;
        std::str::from_utf8(&self.head[start..end]).ok().filter(|it| !it.is_empty())
    }

    /// The form with the provider's own model, and its length where it is known.
    pub(super) fn body(self, model: &str) -> (reqwest::Body, Option<u64>) {
        let Self { mut head, model: place, rest, length } = self;
        let mut length = length;
        if let Some((start, end)) = place {
            length = length.map(|it| it - (end - start) as u64 + model.len() as u64);
            head.splice(start..end, model.bytes());
        }
        let begun = head.len() as u64;
        let first = stream::once(std::future::ready(Ok(Bytes::from(head))));
        (reqwest::Body::wrap_stream(first.chain(counted(rest, begun))), length)
    }
}

/// A body as it comes, until it is too large.
pub(super) fn bounded(body: Body, begun: u64) -> reqwest::Body {
    reqwest::Body::wrap_stream(counted(body.into_data_stream(), begun))
}

fn counted(
    body: BodyDataStream,
    begun: u64,
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    body.scan(begun, |sum, bytes| {
        let bytes = bytes.map_err(std::io::Error::other).and_then(|bytes| {
            *sum += bytes.len() as u64;
            if *sum > BYTES_MAX { Err(std::io::Error::other(too_large())) } else { Ok(bytes) }
        });
        std::future::ready(Some(bytes))
    })
}

/// Where the value of the field `model` begins and ends, once all of it has come.
fn model_in(head: &[u8], boundary: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(part) = find(&head[at..], boundary).map(|it| at + it + boundary.len()) {
        let fields_end = part + find(&head[part..], b"\r\n\r\n")?;
        let fields = std::str::from_utf8(&head[part..fields_end]).unwrap_or_default().to_ascii_lowercase();
        let start = fields_end + 4;
        let is_model = fields.lines().any(|it| {
            it.starts_with("content-disposition:")
                && it.split(';').any(|it| matches!(it.trim(), "name=\"model\"" | "name=model"))
        });
        if is_model {
            let mut end_mark = b"\r\n--".to_vec();
            end_mark.extend_from_slice(boundary);
            return find(&head[start..], &end_mark).map(|it| (start, start + it));
        }
        at = start;
    }
    None
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

pub(super) fn too_large() -> Error {
    Error::Upstream {
        status: 413,
        message: format!("the body is larger than {BYTES_MAX} bytes; send less in one request"),
        body: None,
    }
}

fn broken(error: &axum::Error) -> Error {
    Error::Invalid { message: format!("the body broke off: {error}"), param: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_between_other_fields() {
        let check = |body: &str, expected: Option<&str>| {
            let got = model_in(body.as_bytes(), b"XX").map(|(start, end)| &body[start..end]);
            assert_eq!(got, expected, "{body}");
        };
        let field = |name: &str, value: &str| {
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        check(&format!("{}{}--XX--\r\n", field("language", "en"), field("model", "whisper")), Some("whisper"));
        check(&format!("{}--XX--\r\n", field("prompt", "name=\"model\"")), None);
        // Its end has not come yet.
        check("--XX\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhis", None);
        check("", None);
    }
}
