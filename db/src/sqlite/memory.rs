//! What a connection found before, for as long as the database stays as it was.

use std::{collections::VecDeque, sync::Arc};

/// Answers at most that a connection keeps.
const ANSWERS_MAX: usize = 16;

/// Numbers at most in all the answers that a connection keeps (4 MB).
const NUMBERS_MAX: usize = 500_000;

/// Bytes at most of a query, with its values, whose answer is kept.
const QUERY_BYTES_MAX: usize = 16 * 1024;

/// The answers of a connection to long queries for numbers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The version of the database that all answers belong to.
    version: i64,
    /// The answers, the one used last at the end.
    answers: VecDeque<(String, Answer)>,
}

/// What is known of a query.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It was asked once: whoever asks again may want to read on, so that the whole answer is worth its price.
    Asked,
    /// The whole answer.
    Whole(Arc<[i64]>),
    /// The answer is too long to be kept.
    TooLong,
}

impl Memory {
    /// What is known of a query; `None` when it was not asked since the database changed.
    pub(crate) fn recall(&mut self, version: i64, query: &str) -> Option<Answer> {
        if query.len() > QUERY_BYTES_MAX {
            return Some(Answer::TooLong);
        }
        if version != self.version {
            self.answers.clear();
            self.version = version;
        }
        let place = self.answers.iter().position(|(known, _)| known == query)?;
        let found = self.answers.remove(place)?;
        let answer = found.1.clone();
        self.answers.push_back(found);
        Some(answer)
    }

    /// Keeps what is known of a query, and forgets what was not used for longest where there is no room.
    pub(crate) fn keep(&mut self, query: String, answer: Answer) {
        self.answers.retain(|(known, _)| *known != query);
        self.answers.push_back((query, answer));
        while self.answers.len() > ANSWERS_MAX || (self.answers.len() > 1 && self.numbers() > NUMBERS_MAX) {
            self.answers.pop_front();
        }
    }

    /// The answer as it is kept.
    pub(crate) fn whole(numbers: &Arc<[i64]>) -> Answer {
        if numbers.len() > NUMBERS_MAX { Answer::TooLong } else { Answer::Whole(Arc::clone(numbers)) }
    }

    fn numbers(&self) -> usize {
        self.answers.iter().map(|(_, answer)| if let Answer::Whole(it) = answer { it.len() } else { 0 }).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(length: usize) -> Answer {
        Memory::whole(&vec![1; length].into())
    }

    fn length(memory: &mut Memory, version: i64, query: &str) -> Option<usize> {
        match memory.recall(version, query)? {
            Answer::Whole(numbers) => Some(numbers.len()),
            Answer::Asked | Answer::TooLong => None,
        }
    }

    #[test]
    fn answers_are_kept_until_the_database_changes() {
        let mut memory = Memory::default();
        assert!(memory.recall(1, "a").is_none());
        memory.keep("a".to_owned(), Answer::Asked);
        assert!(matches!(memory.recall(1, "a"), Some(Answer::Asked)));
        memory.keep("a".to_owned(), whole(3));
        assert_eq!(length(&mut memory, 1, "a"), Some(3));
        assert!(memory.recall(2, "a").is_none());
        assert!(memory.recall(1, "a").is_none());
    }

    #[test]
    fn memory_has_bounds() {
        let mut memory = Memory::default();
        memory.recall(1, "a");
        assert!(matches!(whole(NUMBERS_MAX + 1), Answer::TooLong));
        memory.keep("a".to_owned(), whole(NUMBERS_MAX / 2));
        memory.keep("b".to_owned(), whole(NUMBERS_MAX / 2));
        assert_eq!(length(&mut memory, 1, "a"), Some(NUMBERS_MAX / 2));
        memory.keep("c".to_owned(), whole(1));
        assert!(memory.recall(1, "b").is_none(), "it was used before the others");
        for place in 0..ANSWERS_MAX {
            memory.keep(place.to_string(), whole(1));
        }
        assert!(memory.recall(1, "a").is_none());
        assert!(matches!(memory.recall(1, &"x".repeat(QUERY_BYTES_MAX + 1)), Some(Answer::TooLong)));
    }
}
