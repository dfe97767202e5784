//! What can stop an evaluation, by what the caller can do about it.

/// Why a suite did not run. Each message is written for the person who wrote the suite.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The suite is wrong: an unknown key, a value out of range, a gate that does not parse.
    #[error("{0}")]
    Config(String),
    /// The suite asks for a part of the format that this version does not run.
    #[error("not supported yet: {0}")]
    Unsupported(String),
    /// The rows cannot be read or lack something that the suite needs.
    #[error("{0}")]
    Data(String),
    /// A target cannot be asked at all.
    #[error("{0}")]
    Target(String),
    /// The tracking server or store refused or cannot be reached.
    #[error("{0}")]
    Tracking(String),
    /// The caller asked to stop; finished cells are kept and the next run goes on from there.
    #[error("interrupted: {finished} of {total} cells are kept; run the same command again to go on from there")]
    Interrupted {
        /// Cells that have an answer in the journal.
        finished: usize,
        /// Cells of the whole suite.
        total: usize,
    },
    /// A file of ours (journal, cache, output) cannot be read or written.
    #[error("{0}")]
    File(String),
}

impl Error {
    /// The exit code that the format gives to this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted { .. } => 130,
            Self::Config(_)
            | Self::Unsupported(_)
            | Self::Data(_)
            | Self::Target(_)
            | Self::Tracking(_)
            | Self::File(_) => 3,
        }
    }
}

/// What the evaluation engine gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// `; did you mean …?`, or the list of what there is when nothing is near.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    /// Below this likeness a suggestion would be a guess.
    const LIKENESS_MIN: f64 = 0.7;
    /// A word of three letters with one edit is near, though edits alone put it at 0.66.
    const EDITS_BONUS: f64 = 0.05;
    /// A longer list does not help a reader.
    const LISTED_MAX: usize = 30;
    let known: Vec<&str> = known.into_iter().collect();
    let likeness = |name: &str| {
        let (a, b) = (wrong.to_lowercase(), name.to_lowercase());
        // Edits tell more about short words, common beginnings about long ones.
        strsim::jaro_winkler(&a, &b).max(strsim::normalized_damerau_levenshtein(&a, &b) + EDITS_BONUS)
    };
    let best = known.iter().map(|it| (likeness(it), *it)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, name)) if likeness >= LIKENESS_MIN => format!("; did you mean `{name}`?"),
        None => String::new(),
        Some(_) if known.len() > LISTED_MAX => format!("; known are {}, …", known[..LISTED_MAX].join(", ")),
        Some(_) => format!("; known are {}", known.join(", ")),
    }
}
