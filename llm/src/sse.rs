//! Server-sent events, in and out (WHATWG HTML, section 9.2: event stream interpretation).

/// One event. Comments and `retry` lines are not events and are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's type; `None` where the stream names none.
    pub event: Option<String>,
    /// The data lines, joined by newlines.
    pub data: String,
}

/// An event that does not fit into the bound that the decoder was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {bytes_max} bytes")]
pub struct TooLarge {
    /// The bound.
    pub bytes_max: usize,
}

/// Turns bytes into events, however they are cut.
#[derive(Debug)]
pub struct Decoder {
    line: Vec<u8>,
    event: Option<String>,
    data: Option<String>,
    after_cr: bool,
    at_start: bool,
    bytes_max: usize,
}

impl Decoder {
    /// A decoder that refuses a single event of more than `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { line: Vec::new(), event: None, data: None, after_cr: false, at_start: true, bytes_max }
    }

    /// Takes the next bytes and appends the events that they complete to `events`.
    pub fn push(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let end = bytes.iter().position(|it| matches!(it, b'\n' | b'\r'));
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
            if held + piece.len() > self.bytes_max {
                return Err(TooLarge { bytes_max: self.bytes_max });
            }
            self.line.extend_from_slice(piece);
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_line(events);
        }
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = if self.at_start { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
        self.at_start = false;
        if text.is_empty() {
            if let Some(data) = self.data.take() {
                events.push(Event { event: self.event.take(), data });
            }
            self.event = None;
        } else {
            let (field, value) = text.split_once(':').unwrap_or((text, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => match &mut self.data {
                    None => self.data = Some(value.to_owned()),
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                },
                "event" => self.event = Some(value.to_owned()),
                _ => {}
            }
        }
        self.line = line;
        self.line.clear();
    }
}

/// Writes one event; newlines in `data` become further data lines.
pub fn encode(event: Option<&str>, data: &str, out: &mut Vec<u8>) {
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    for line in data.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::new(1000), Vec::new());
        for piece in pieces {
            decoder.push(piece, &mut events).unwrap();
        }
        events
    }

    fn data(text: &str) -> Event {
        Event { event: None, data: text.to_owned() }
    }

    #[test]
    fn reads_what_the_standard_describes() {
        assert_eq!(decode(&[b"\xef\xbb\xbfdata: a\n\n"]), [data("a")]);
        assert_eq!(decode(&[b"data:a\r", b"\ndata: b\r\n\r\n"]), [data("a\nb")]);
        assert_eq!(decode(&[b": keep-alive\n\nretry: 3\n\ndata\n\n"]), [data("")]);
        assert_eq!(
            decode(&[b"event: ping\n\nevent: x\rdata: 1\r\r"]),
            [Event { event: Some("x".to_owned()), data: "1".to_owned() }]
        );
        assert_eq!(decode(&[b"data: never finished\n"]), []);
    }

    #[test]
    fn refuses_an_event_over_the_bound() {
        let mut decoder = Decoder::new(8);
        assert_eq!(decoder.push(b"data: 123456789", &mut Vec::new()), Err(TooLarge { bytes_max: 8 }));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(
            texts in prop::collection::vec("[^\r\u{feff}]{0,40}", 1..6),
            cut in 1usize..9,
        ) {
            let mut wire = Vec::new();
            for text in &texts {
                encode(Some("e"), text, &mut wire);
            }
            let pieces: Vec<&[u8]> = wire.chunks(cut).collect();
            let read: Vec<String> = decode(&pieces).into_iter().map(|it| it.data).collect();
            prop_assert_eq!(read, texts);
        }
    }
}
