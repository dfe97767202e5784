//! Answers to questions that mean the same: the last thing that a user said, as a vector, beside everything else that
//! must be equal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm::{Embed, EmbedInput, Rest};
use lru::LruCache;
use serde_json::Value;

use super::Key;
use crate::Gateway;
use crate::losses::Losses;
use crate::request::Request;

/// A question that must wait longer for its vector is asked as it is.
const EMBED_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of a question that is still compared; longer ones are documents, and seldom come twice.
const QUESTION_BYTES_MAX: usize = 16 << 10;

/// The `semantic` of a cache.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SemanticConfig {
    /// The endpoint or route of this gateway that turns texts into vectors.
    pub(crate) endpoint: String,
    /// How alike two questions must be: the cosine of their vectors.
    pub(crate) threshold: f32,
    /// Questions that are remembered.
    pub(crate) entries_max: usize,
    /// Where the endpoint's name stands in the configuration file.
    pub(crate) line: u64,
    pub(crate) key: String,
}

/// What a call asks, apart from everything else.
pub(super) struct Question {
    pub(super) text: String,
    /// The body in OpenAI's words without that text.
    pub(super) rest: Value,
}

/// A question as it is remembered.
#[derive(Clone)]
pub(crate) struct Meaning {
    /// The hash of everything that must be equal.
    bucket: Key,
    /// Of length 1.
    vector: Arc<[f32]>,
}

/// The questions of one namespace, by the keys of their answers.
pub(crate) struct Index {
    entries: Mutex<LruCache<Key, Meaning>>,
    entries_max: usize,
}

impl Question {
    /// The question of a chat: the text of its last turn, if a user said it and nothing but text.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let pivot = request.pivot(&mut Losses::default()).ok()?;
        let mut rest: Value = serde_json::from_slice(&pivot.body).ok()?;
        let last = rest.get_mut("messages")?.as_array_mut()?.last_mut()?;
        if last.get("role")? != "user" {
            return None;
        }
        let content = last.get_mut("content")?;
        let text = match content {
            Value::String(text) => std::mem::take(text),
            Value::Array(parts) => match parts.as_mut_slice() {
                [part] if part.get("type")? == "text" => match part.get_mut("text")? {
                    Value::String(text) => std::mem::take(text),
                    _ => return None,
                },
                _ => return None,
            },
            _ => return None,
        };
        (!text.is_empty() && text.len() <= QUESTION_BYTES_MAX).then_some(Self { text, rest })
    }
}

impl SemanticConfig {
    /// The meaning of a question; `None` where no vector came, which costs a hit and nothing else.
    pub(super) async fn meaning(&self, gateway: &Gateway, bucket: Key, text: String) -> Option<Meaning> {
        let endpoint = &self.endpoint;
        let Some(model) = gateway.model(endpoint) else {
            tracing::warn!(endpoint, "the endpoint that a cache wants vectors from is not there");
            return None;
        };
        let embed = Embed { model: String::new(), input: EmbedInput::One(text), rest: Rest::new() };
        let reply = match tokio::time::timeout(EMBED_TIME_MAX, model.embed(embed)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                tracing::warn!(endpoint, %error, "a cache got no vector");
                return None;
            }
            Err(_) => {
                tracing::warn!(endpoint, limit = ?EMBED_TIME_MAX, "a cache waited too long for a vector");
                return None;
            }
        };
        let vector: Vec<f32> = serde_json::from_value(reply.data.into_iter().next()?.embedding).ok()?;
        let length = dot(&vector, &vector).sqrt();
        if !length.is_normal() {
            return None;
        }
        Some(Meaning { bucket, vector: vector.into_iter().map(|it| it / length).collect() })
    }
}

impl Index {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries: Mutex::new(LruCache::unbounded()), entries_max }
    }

    /// The key of the answer to the question most like this one, and how alike they are, if they are alike enough.
    pub(super) fn nearest(&self, meaning: &Meaning, threshold: f32) -> Option<(Key, f32)> {
        let candidates: Vec<(Key, Arc<[f32]>)> = {
            let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let same = entries.iter().filter(|(_, it)| it.bucket == meaning.bucket);
            same.map(|(key, it)| (*key, Arc::clone(&it.vector))).collect()
        };
        let alike = candidates.into_iter().map(|(key, vector)| (key, dot(&vector, &meaning.vector)));
        let (key, similarity) = alike.max_by(|one, other| one.1.total_cmp(&other.1))?;
        if similarity < threshold {
            return None;
        }
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).promote(&key);
        Some((key, similarity.min(1.0)))
    }

    /// Remembers a question with the key of its answer.
    pub(super) fn add(&self, key: Key, meaning: Meaning) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(key, meaning);
        while entries.len() > self.entries_max {
            entries.pop_lru();
        }
    }

    /// Forgets a question whose answer has gone.
    pub(super) fn remove(&self, key: &Key) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).pop(key);
    }
}

/// The scalar product; vectors of different lengths have nothing in common.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    if one.len() == other.len() { one.iter().zip(other).map(|(one, other)| one * other).sum() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_the_same_kind_is_found_if_it_is_near_enough() {
        let meaning = |bucket: u8, vector: &[f32]| Meaning { bucket: Key([bucket; 32]), vector: vector.into() };
        let index = Index::new(3);
        index.add(Key([1; 32]), meaning(1, &[1.0, 0.0]));
        index.add(Key([2; 32]), meaning(1, &[0.6, 0.8]));
        index.add(Key([3; 32]), meaning(2, &[0.0, 1.0]));
        let nearest = |bucket: u8, vector: &[f32]| index.nearest(&meaning(bucket, vector), 0.9).map(|it| it.0.0[0]);
        assert_eq!(nearest(1, &[1.0, 0.0]), Some(1));
        assert_eq!(nearest(1, &[0.5, 0.866]), Some(2));
        assert_eq!(nearest(1, &[0.0, 1.0]), None);
        assert_eq!(nearest(2, &[0.0, 1.0]), Some(3));
        assert_eq!(nearest(2, &[0.0, 1.0, 0.0]), None);
        // The first is the least recently used now, but for the one that was just promoted.
        assert_eq!(nearest(1, &[1.0, 0.0]), Some(1));
        index.add(Key([4; 32]), meaning(1, &[-1.0, 0.0]));
        assert_eq!(nearest(1, &[0.6, 0.8]), None);
        assert_eq!(nearest(1, &[1.0, 0.0]), Some(1));
        index.remove(&Key([1; 32]));
        assert_eq!(nearest(1, &[1.0, 0.0]), None);
    }
}
