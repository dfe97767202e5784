//! AWS's binary event streams: messages of headers and a payload, each guarded by two checksums.
//!
//! A message is its length and that of its headers (big-endian `u32`s), the CRC-32 of these eight bytes, the headers,
//! the payload, and the CRC-32 of all before it:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html> and the Smithy specification's
//! `application/vnd.amazon.eventstream`.

use llm::sse::Event;
use serde_json::{Value, json};

/// The two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// What a message has besides headers and payload.
const OVERHEAD_BYTES: usize = PRELUDE_BYTES + 4;

/// Turns the bytes of such a stream into events, however they are cut. An exception becomes an event of the type
/// `error` with the fields `type` and `message`.
pub(super) struct AwsEvents {
    held: Vec<u8>,
    bytes_max: usize,
}

impl AwsEvents {
    /// A decoder that refuses a single message of more than `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { held: Vec::new(), bytes_max }
    }

    pub(super) fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), String> {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(length) = self.length(at)? {
            let message = &self.held[at..at + length];
            events.push(event(message)?);
            at += length;
        }
        self.held.drain(..at);
        Ok(())
    }

    /// The length of the message that begins at `at`, once all of it is here.
    fn length(&self, at: usize) -> Result<Option<usize>, String> {
        let Some(prelude) = self.held.get(at..at + PRELUDE_BYTES) else { return Ok(None) };
        if crc32fast::hash(&prelude[..8]) != number(&prelude[8..]) {
            return Err("sent a message whose beginning fails its checksum".to_owned());
        }
        let length = number(prelude) as usize;
        if length > self.bytes_max {
            return Err(format!("sent too much: a message of the stream is larger than {} bytes", self.bytes_max));
        }
        if length < OVERHEAD_BYTES + number(&prelude[4..]) as usize {
            return Err("sent a message that is shorter than its headers".to_owned());
        }
        Ok((self.held.len() - at >= length).then_some(length))
    }
}

/// A whole message as an event.
fn event(message: &[u8]) -> Result<Event, String> {
    let (body, checksum) = message.split_at(message.len() - 4);
    if crc32fast::hash(body) != number(checksum) {
        return Err("sent a message that fails its checksum".to_owned());
    }
    let headers_end = PRELUDE_BYTES + number(&body[4..]) as usize;
    let headers = headers(&body[PRELUDE_BYTES..headers_end])?;
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let payload = String::from_utf8_lossy(&body[headers_end..]);
    match header(":message-type") {
        Some("exception") => {
            let words: Value = serde_json::from_str(&payload).unwrap_or_default();
            let words = words["message"].as_str().or_else(|| words["Message"].as_str()).unwrap_or(&payload);
            Ok(failure(header(":exception-type"), words))
        }
        Some("error") => Ok(failure(header(":error-code"), header(":error-message").unwrap_or_default())),
        _ => Ok(Event { event: header(":event-type").map(str::to_owned), data: payload.into_owned() }),
    }
}

fn failure(kind: Option<&str>, words: &str) -> Event {
    let kind = kind.unwrap_or("exception");
    let words = if words.is_empty() { kind } else { words };
    Event { event: Some("error".to_owned()), data: json!({"type": kind, "message": words}).to_string() }
}

/// The headers that are texts, by their names.
fn headers(mut bytes: &[u8]) -> Result<Vec<(&str, &str)>, String> {
    let mut headers = Vec::new();
    let broken = || "sent a message with broken headers".to_owned();
    while let Some((name_length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*name_length)).ok_or_else(broken)?;
        let (kind, rest) = rest.split_first().ok_or_else(broken)?;
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            6 | 7 => {
                let (length, rest) = rest.split_at_checked(2).ok_or_else(broken)?;
                (usize::from(u16::from_be_bytes([length[0], length[1]])), rest)
            }
            9 => (16, rest),
            _ => return Err(broken()),
        };
        let (value, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        if *kind == 7 {
            let text = |it| std::str::from_utf8(it).map_err(|_| broken());
            headers.push((text(name)?, text(value)?));
        }
        bytes = rest;
    }
    Ok(headers)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        for (name, value) in headers {
            head.push(u8::try_from(name.len()).unwrap());
            head.extend_from_slice(name.as_bytes());
            head.push(7);
            head.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            head.extend_from_slice(value.as_bytes());
        }
        let total = u32::try_from(OVERHEAD_BYTES + head.len() + payload.len()).unwrap();
        let mut out = total.to_be_bytes().to_vec();
        out.extend_from_slice(&u32::try_from(head.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        let checksum = crc32fast::hash(&out).to_be_bytes();
        out.extend_from_slice(&checksum);
        out
    }

    fn decode(wire: &[u8], cut: usize) -> Result<Vec<Event>, String> {
        let (mut decoder, mut events) = (AwsEvents::new(1000), Vec::new());
        for piece in wire.chunks(cut) {
            decoder.push(piece, &mut events)?;
        }
        Ok(events)
    }

    #[test]
    fn exceptions_are_errors_in_words() {
        let exception = [(":message-type", "exception"), (":exception-type", "throttlingException")];
        let events = decode(&message(&exception, b"{\"message\":\"slow down\"}"), 7).unwrap();
        assert_eq!(events[0].event.as_deref(), Some("error"));
        assert_eq!(events[0].data, r#"{"type":"throttlingException","message":"slow down"}"#);
        let error = [(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "oops")];
        assert_eq!(decode(&message(&error, b""), 3).unwrap()[0].data, r#"{"type":"InternalFailure","message":"oops"}"#);
    }

    #[test]
    fn what_is_broken_is_said() {
        let check = |wire: &[u8], words: &str| {
            let error = decode(wire, 7).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        let good = message(&[(":event-type", "a")], b"{}");
        let with = |at: usize| {
            let mut wire = good.clone();
            wire[at] ^= 1;
            wire
        };
        check(&with(3), "whose beginning fails");
        check(&with(good.len() - 6), "that fails its checksum");
        check(&message(&[], &[b'x'; 1001]), "larger than 1000 bytes");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(
            payloads in prop::collection::vec("[^\u{0}]{0,40}", 1..6),
            cut in 1usize..50,
        ) {
            let headers = [(":event-type", "contentBlockDelta"), (":message-type", "event")];
            let wire: Vec<u8> = payloads.iter().flat_map(|it| message(&headers, it.as_bytes())).collect();
            let events = decode(&wire, cut).unwrap();
            prop_assert!(events.iter().all(|it| it.event.as_deref() == Some("contentBlockDelta")));
            let read: Vec<String> = events.into_iter().map(|it| it.data).collect();
            prop_assert_eq!(read, payloads);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1usize..20) {
            let _ = decode(&bytes, cut);
        }
    }
}
