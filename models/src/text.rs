//! From the bytes of tokens to the text that may be shown: whole characters only, and nothing of a stop text.

/// An answer's text on its way out.
pub(crate) struct Text {
    /// Bytes that do not make a whole character yet.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop text.
    held: String,
    stops: Vec<String>,
}

/// What new bytes gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Text that can be shown now.
    pub(crate) text: String,
    /// Whether a stop text came; nothing may follow.
    pub(crate) is_stopped: bool,
}

impl Text {
    /// The text of an answer that ends where one of `stops` begins; none of them is empty.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { bytes: Vec::new(), held: String::new(), stops }
    }

    /// Takes the bytes of the next token.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Shown {
        self.bytes.extend_from_slice(bytes);
        self.take_characters();
        if let Some(at) = self.stops.iter().filter_map(|it| self.held.find(it.as_str())).min() {
            self.held.truncate(at);
            self.bytes.clear();
            return Shown { text: std::mem::take(&mut self.held), is_stopped: true };
        }
        let keep = self.stops.iter().map(|it| overlap(&self.held, it)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Shown { text: std::mem::replace(&mut self.held, rest), is_stopped: false }
    }

    /// What is left when no further token comes; half a character becomes `U+FFFD`.
    pub(crate) fn finish(mut self) -> String {
        self.held.push_str(&String::from_utf8_lossy(&self.bytes));
        self.held
    }

    fn take_characters(&mut self) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(text) => {
                    self.held.push_str(text);
                    self.bytes.clear();
                    return;
                }
                Err(error) => {
                    let (whole, rest) = self.bytes.split_at(error.valid_up_to());
                    self.held.push_str(std::str::from_utf8(whole).expect("valid up to there"));
                    let Some(wrong) = error.error_len() else {
                        self.bytes = rest.to_vec();
                        return;
                    };
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    self.bytes = rest[wrong..].to_vec();
                }
            }
        }
    }
}

/// How many bytes at the end of `text` are a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let lengths = stop.char_indices().map(|(at, _)| at).skip(1);
    lengths.filter(|length| text.ends_with(&stop[..*length])).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` in the expectation marks what each push shows; `$` says that it stopped.
    fn check(stops: &[&str], tokens: &[&[u8]], expected: &str) {
        let mut text = Text::new(stops.iter().map(|it| (*it).to_owned()).collect());
        let mut shown = Vec::new();
        for token in tokens {
            let new = text.push(token);
            shown.push(new.text);
            if new.is_stopped {
                assert_eq!(shown.join("|") + "$", expected);
                return;
            }
        }
        shown.push(text.finish());
        assert_eq!(shown.join("|"), expected);
    }

    #[test]
    fn shows_whole_characters_only() {
        check(&[], &[b"a", b"\xf0\x9f", b"\x99\x82b"], "a||🙂b|");
        check(&[], &[b"a\xff\xc3", b"\xa9"], "a\u{fffd}|é|");
        check(&[], &[b"a", b"\xf0\x9f"], "a||\u{fffd}");
    }

    #[test]
    fn stop_texts_are_never_shown() {
        check(&["END"], &[b"one E", b"N", b"D two"], "one ||$");
        check(&["END"], &[b"one E", b"N", b"d"], "one ||ENd|");
        check(&["END"], &[b"EN"], "|EN");
        check(&["\n\n", "User:"], &[b"a\n", b"Us", b"er", b": b\n\n"], "a|\n||$");
        check(&["aab"], &[b"a", b"a", b"a", b"b"], "||a|$");
        check(&["é!"], &[b"\xc3", b"\xa9", b"?"], "||é?|");
        check(&["xy", "y"], &[b"ax", b"y"], "a|$");
    }
}
