//! Writes a metric's history piece by piece, as the caller reads it: one of 100,000 points is 6 MB of JSON.

use std::{convert::Infallible, vec};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::{http::double, metric::Point, page::Page};

/// Points in a piece: some 110 KB, about what a socket takes at once.
const PIECE_POINTS: usize = 1000;
/// Room for the JSON of a point with a short name.
const POINT_BYTES: usize = 128;

/// The answer to a question for the history of one metric.
pub(super) fn answer(metric_key: &str, page: Page<Point>) -> Response {
    let is_short = page.items.len() <= PIECE_POINTS;
    let mut pieces = Pieces::new(metric_key, page);
    let body = if is_short {
        // One piece has a length that can be told beforehand.
        Body::from(pieces.next().unwrap_or_default())
    } else {
        Body::from_stream(futures::stream::iter(pieces.map(Ok::<_, Infallible>)))
    };
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// The text of an answer, in pieces.
struct Pieces {
    /// The metric's name as JSON.
    key: Vec<u8>,
    points: vec::IntoIter<Point>,
    next_page_token: Option<String>,
    next: Next,
}

/// What the next piece begins with.
#[derive(PartialEq, Eq)]
enum Next {
    Start,
    Points,
    Nothing,
}

impl Pieces {
    fn new(metric_key: &str, page: Page<Point>) -> Self {
        let (points, next_page_token) = (page.items.into_iter(), page.next_page_token);
        Self { key: json(metric_key), points, next_page_token, next: Next::Start }
    }

    fn write_points(&mut self, text: &mut Vec<u8>, mut is_first: bool) {
        for Point { value, timestamp, step, key } in self.points.by_ref().take(PIECE_POINTS) {
            text.extend_from_slice(if is_first { b"\n    {\n" } else { b",\n    {\n" });
            is_first = false;
            text.extend_from_slice(b"      \"key\": ");
            match key {
                None => text.extend_from_slice(&self.key),
                Some(key) => text.extend(json(key.as_ref())),
            }
            text.extend_from_slice(b",\n      \"value\": ");
            write(text, &Number(value));
            text.extend_from_slice(b",\n      \"timestamp\": ");
            write(text, &timestamp);
            text.extend_from_slice(b",\n      \"step\": ");
            write(text, &step);
            text.extend_from_slice(b"\n    }");
        }
    }
}

/// The text is laid out as everywhere else, with two spaces for each level.
impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.next == Next::Nothing {
            return None;
        }
        let mut text = Vec::with_capacity(POINT_BYTES * (1 + self.points.len().min(PIECE_POINTS)));
        let is_start = self.next == Next::Start;
        // MLflow leaves an empty list out.
        let has_points = !is_start || self.points.len() > 0;
        if is_start {
            text.extend_from_slice(if has_points { b"{\n  \"metrics\": [" } else { b"{" });
        }
        self.write_points(&mut text, is_start);
        self.next = Next::Points;
        if self.points.len() == 0 {
            self.next = Next::Nothing;
            let token = self.next_page_token.take();
            if has_points {
                text.extend_from_slice(b"\n  ]");
            }
            if let Some(token) = &token {
                text.extend_from_slice(if has_points { b",\n" } else { b"\n" });
                text.extend_from_slice(b"  \"next_page_token\": ");
                write(&mut text, token);
            }
            text.extend_from_slice(if has_points || token.is_some() { b"\n}" } else { b"}" });
        }
        Some(text.into())
    }
}

/// A number as the protocol writes it.
#[derive(Serialize)]
struct Number(#[serde(serialize_with = "double")] f64);

fn json(text: &str) -> Vec<u8> {
    let mut json = Vec::new();
    write(&mut json, text);
    json
}

fn write(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(text, value).expect("texts and numbers always become JSON");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(points: usize, next_page_token: Option<&str>) -> Value {
        let point = |step: i64| Point { value: 0.5, timestamp: 7, step, key: (step == 1).then(|| "LOSS".into()) };
        let items = (0..i64::try_from(points).unwrap()).map(point).collect();
        let page = Page { items, next_page_token: next_page_token.map(str::to_owned) };
        let pieces: Vec<Bytes> = Pieces::new("loss", page).collect();
        assert_eq!(pieces.len(), points.div_ceil(PIECE_POINTS).max(1));
        let value: Value = serde_json::from_slice(&pieces.concat()).unwrap();
        assert_eq!(pieces.concat(), serde_json::to_vec_pretty(&value).unwrap(), "the usual layout");
        value
    }

    #[test]
    fn pieces_are_one_answer() {
        assert_eq!(text(0, None), json!({}));
        assert_eq!(text(0, Some("t")), json!({"next_page_token": "t"}));
        let point = |key: &str, step: usize| json!({"key": key, "value": 0.5, "timestamp": 7, "step": step});
        assert_eq!(text(2, None), json!({"metrics": [point("loss", 0), point("LOSS", 1)]}));
        for points in [PIECE_POINTS, PIECE_POINTS + 1, 2 * PIECE_POINTS] {
            let answer = text(points, Some("t"));
            assert_eq!(answer["metrics"].as_array().unwrap().len(), points);
            assert_eq!(answer["metrics"][points - 1], point("loss", points - 1));
            assert_eq!(answer["next_page_token"], "t");
        }
    }
}
