//! A text that comes in pieces, looked at as if it came at once: the last bytes are held back until what begins there
//! can be told.
//!
//! Pieces may be cut anywhere, and must not change what comes out. So the window looks only when the text has reached
//! certain lengths, multiples of [`STEP_BYTES`], and each time decides about what begins more than `hold` bytes before
//! the end. A match that still touches the end waits for more, within a bound.

use super::find::{Finder, Found};

/// How far apart the lengths are at which the window looks: a few words, so that text is not held much longer than it
/// must be, nor looked at for each letter.
const STEP_BYTES: usize = 16;
/// How long a match may grow. One that is longer is taken for ended, and what follows it for new text.
const MATCH_BYTES_MAX: usize = 16 << 10;

/// The window over one text.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// What is held, with a little of what went before it.
    text: String,
    /// Bytes of `text` that have been given out.
    decided: usize,
    /// Bytes that have left `text` at its front.
    gone: usize,
    /// Where the window has looked, in bytes of the whole text.
    looked: usize,
}

/// What a window gives out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Out<'a> {
    Text(&'a str),
    Found(&'a Found),
}

impl Window {
    /// Takes the next piece. `give` gets what is decided by it, in order; where it answers `false`, the text ends there.
    pub(super) fn push(&mut self, finder: &Finder, hold: usize, piece: &str, give: &mut dyn FnMut(Out<'_>) -> bool) {
        self.text.push_str(piece);
        while self.looked + STEP_BYTES <= self.gone + self.text.len() {
            self.looked += STEP_BYTES;
            let end = self.text.ceil_char_boundary(self.looked - self.gone);
            let until = self.text.floor_char_boundary(end.saturating_sub(hold));
            if until > self.decided && !self.look(finder, end, until, give) {
                return;
            }
        }
        self.trim();
    }

    /// The text has come to its end.
    pub(super) fn finish(&mut self, finder: &Finder, give: &mut dyn FnMut(Out<'_>) -> bool) {
        let mut window = std::mem::take(self);
        let end = window.text.len();
        window.look(finder, end, end + 1, give);
    }

    /// Looks at `text[..end]` and decides about what begins before `until`.
    fn look(&mut self, finder: &Finder, end: usize, until: usize, give: &mut dyn FnMut(Out<'_>) -> bool) -> bool {
        let is_last = until > end;
        let text = &self.text[..end];
        for found in finder.scan(text, self.decided, until) {
            let range = found.range.clone();
            if self.decided < range.start {
                let is_on = give(Out::Text(&text[self.decided..range.start]));
                self.decided = range.start;
                if !is_on {
                    return false;
                }
            }
            if !is_last && range.end == end && range.len() < MATCH_BYTES_MAX {
                return true;
            }
            self.decided = range.end;
            if !give(Out::Found(&found)) {
                return false;
            }
        }
        let until = until.min(end);
        if self.decided < until {
            let is_on = give(Out::Text(&text[self.decided..until]));
            self.decided = until;
            return is_on;
        }
        true
    }

    /// Lets go of what is decided, but for the character before it, at which patterns may look.
    fn trim(&mut self) {
        let Some((before, _)) = self.text[..self.decided].char_indices().next_back() else { return };
        self.text.drain(..before);
        self.decided -= before;
        self.gone += before;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::guardrails::Pii;
    use crate::guardrails::find::Rule;

    static FINDER: LazyLock<Finder> = LazyLock::new(|| {
        let own = Rule {
            label: "own".to_owned(),
            placeholder: "<own>".to_owned(),
            regex: Regex::new(r"(?i)^secret|\bproject\s+\w+\b").unwrap(),
            refine: None,
        };
        Finder::new(Pii::ALL.into_iter().map(Pii::rule).chain([own]).collect())
    });

    fn masked(finder: &Finder, hold: usize, pieces: &[&str]) -> String {
        let (mut window, mut masked) = (Window::default(), String::new());
        let mut give = |out: Out<'_>| {
            match out {
                Out::Text(text) => masked.push_str(text),
                Out::Found(found) => masked.push_str(&finder.rule(found).placeholder),
            }
            true
        };
        for piece in pieces {
            window.push(finder, hold, piece, &mut give);
        }
        window.finish(finder, &mut give);
        masked
    }

    /// The whole text at once, without a window.
    fn whole(finder: &Finder, text: &str) -> String {
        let (mut masked, mut at) = (String::new(), 0);
        for found in finder.scan(text, 0, text.len() + 1) {
            masked.push_str(&text[at..found.range.start]);
            masked.push_str(&finder.rule(&found).placeholder);
            at = found.range.end;
        }
        masked + &text[at..]
    }

    fn cut<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
        let mut cuts: Vec<usize> = cuts.iter().map(|it| text.floor_char_boundary(it % (text.len() + 1))).collect();
        cuts.sort_unstable();
        cuts.push(text.len());
        let mut at = 0;
        cuts.into_iter().map(|end| &text[std::mem::replace(&mut at, end)..end]).collect()
    }

    #[test]
    fn long_matches_are_held_until_their_end() {
        let finder = &*FINDER;
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}", "QUJD".repeat(200));
        let text = format!("Here: {key}-----END. Bye");
        assert_eq!(masked(finder, 64, &cut(&text, &[5, 40, 41, 300, 700])), "Here: [API_KEY]-----END. Bye");
        let endless = format!("{key}{}", "QUJD".repeat(MATCH_BYTES_MAX));
        assert!(masked(finder, 64, &[&endless]).starts_with("[API_KEY]"));
    }

    #[test]
    fn a_block_gives_nothing_of_what_it_blocks() {
        let (finder, mut window, mut out) = (&*FINDER, Window::default(), String::new());
        let mut give = |it: Out<'_>| match it {
            Out::Text(text) => {
                out.push_str(text);
                true
            }
            Out::Found(_) => false,
        };
        for piece in ["My address is ada@ex", "ample.com, write ", "to me whenever you like, I am always there."] {
            window.push(finder, 32, piece, &mut give);
        }
        assert_eq!(out, "My address is ");
    }

    proptest! {
        #[test]
        fn chunk_edges_change_nothing(
            words in prop::collection::vec(
                prop_oneof![
                    Just("ada@example.com"), Just("4111 1111 1111 1111"), Just("DE89 3704 0044 0532 0130 00"),
                    Just("+1 212 555 0123"), Just("192.168.0.1"), Just("secret"), Just("project  blue"), Just("Grüße"),
                    Just("sk-abcdefghijklmnopqrstuvwx"), Just("078-05-1120"), Just("x"), Just("1"), Just("a@"),
                    Just("die"), Just("\u{1f30a}\u{1f30a}"), Just("\n"),
                ],
                0..40,
            ),
            separators in prop::collection::vec(prop_oneof![Just(" "), Just(""), Just(", "), Just("-")], 40),
            cuts in prop::collection::vec(0usize..10_000, 0..60),
        ) {
            let finder = &*FINDER;
            let text: String = words.iter().zip(&separators).flat_map(|(word, it)| [*word, *it]).collect();
            let once = masked(finder, 64, &[&text]);
            prop_assert_eq!(&masked(finder, 64, &cut(&text, &cuts)), &once);
            // With room for every match, the window sees what one look at everything sees.
            prop_assert_eq!(masked(finder, 256, &cut(&text, &cuts)), whole(finder, &text));
        }
    }
}
