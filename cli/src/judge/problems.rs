//! What is wrong with a session, and whether a machine that stood still could be why.

/// Sentences, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Problems {
    sentences: Vec<String>,
    firm: bool,
}

/// What is wrong with one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) sentence: String,
    /// It is a question of some hundred milliseconds.
    pub(super) timing: bool,
}

impl Problem {
    /// Something that cannot be, however slow the machine is.
    pub(super) fn firm(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), timing: false }
    }

    /// Something that came late, or was placed a little off.
    pub(super) fn timing(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), timing: true }
    }
}

impl Problems {
    /// Notes one.
    pub(super) fn add(&mut self, problem: Problem) {
        self.firm |= !problem.timing;
        self.sentences.push(problem.sentence);
    }

    /// Notes one if there is one; returns whether there was none.
    pub(super) fn exact(&mut self, problem: Option<Problem>) -> bool {
        let exact = problem.is_none();
        problem.into_iter().for_each(|problem| self.add(problem));
        exact
    }

    /// Returns whether there are some, and all are questions of time.
    pub(super) fn is_timing_alone(&self) -> bool {
        !self.sentences.is_empty() && !self.firm
    }

    /// Returns the sentences.
    pub(super) fn into_sentences(self) -> Vec<String> {
        self.sentences
    }
}
