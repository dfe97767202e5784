//! How the bytes of a streamed answer are cut into events.

use llm::sse::{Decoder, Event};

use super::aws_events::AwsEvents;
use crate::provider::Framing;

/// Bytes of one event at most: inline images and long tool arguments come in one.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// Turns bytes into events, however they come.
pub(super) enum Cutter {
    Sse(Decoder),
    Lines(Vec<u8>),
    Aws(AwsEvents),
}

impl Cutter {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(Decoder::new(EVENT_BYTES_MAX)),
            Framing::Lines => Self::Lines(Vec::new()),
            Framing::AwsEvents => Self::Aws(AwsEvents::new(EVENT_BYTES_MAX)),
        }
    }

    /// Takes the next bytes and appends the events that they complete, or says what is wrong with them.
    pub(super) fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), String> {
        match self {
            Self::Sse(decoder) => decoder.push(bytes, events).map_err(|error| format!("sent too much: {error}")),
            Self::Lines(held) => lines(held, bytes, events),
            Self::Aws(decoder) => decoder.push(bytes, events),
        }
    }

    /// Appends what the end of the bytes completes: a last line needs no newline.
    pub(super) fn finish(&mut self, events: &mut Vec<Event>) {
        if let Self::Lines(held) = self {
            line(&std::mem::take(held), events);
        }
    }
}

fn lines(held: &mut Vec<u8>, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), String> {
    while let Some(end) = bytes.iter().position(|it| *it == b'\n') {
        held.extend_from_slice(&bytes[..end]);
        line(held, events);
        held.clear();
        bytes = &bytes[end + 1..];
    }
    if held.len() + bytes.len() > EVENT_BYTES_MAX {
        return Err(format!("sent too much: a line of the stream is larger than {EVENT_BYTES_MAX} bytes"));
    }
    held.extend_from_slice(bytes);
    Ok(())
}

fn line(bytes: &[u8], events: &mut Vec<Event>) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    if !text.is_empty() {
        events.push(Event { event: None, data: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_however_they_are_cut() {
        let wire = "{\"a\":\"é\"}\r\n\n{\"b\":1}";
        for size in 1..wire.len() {
            let (mut cutter, mut events) = (Cutter::new(Framing::Lines), Vec::new());
            for piece in wire.as_bytes().chunks(size) {
                cutter.push(piece, &mut events).unwrap();
            }
            cutter.finish(&mut events);
            let data: Vec<&str> = events.iter().map(|it| it.data.as_str()).collect();
            assert_eq!(data, ["{\"a\":\"é\"}", "{\"b\":1}"]);
        }
    }
}
