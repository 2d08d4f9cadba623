//! What is wrong with a session, and whether the machine it ran on could be why.

/// What could have brought a problem about, from the least to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A machine that was slow for a moment: something came some hundred milliseconds late.
    Slowness,
    /// A machine that stood still until time limits ran out.
    Standstill,
    /// Nothing but a fault of the system that is judged: sound, order, count, names.
    Fault,
}

/// What is wrong with one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) sentence: String,
    pub(super) cause: Cause,
}

/// All that is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Problems {
    sentences: Vec<String>,
    worst: Option<Cause>,
}

impl Cause {
    /// Returns what it must have been, if slowness is out of the question.
    pub(super) const fn slowness_if(possible: bool, otherwise: Self) -> Self {
        if possible { Self::Slowness } else { otherwise }
    }
}

impl Problem {
    pub(super) fn slowness(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), cause: Cause::Slowness }
    }

    pub(super) fn standstill(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), cause: Cause::Standstill }
    }

    pub(super) fn fault(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), cause: Cause::Fault }
    }
}

impl Problems {
    /// Notes one.
    pub(super) fn add(&mut self, problem: Problem) {
        self.worst = self.worst.max(Some(problem.cause));
        self.sentences.push(problem.sentence);
    }

    /// Notes one if there is one; returns whether there was none.
    pub(super) fn exact(&mut self, problem: Option<Problem>) -> bool {
        let exact = problem.is_none();
        problem.into_iter().for_each(|problem| self.add(problem));
        exact
    }

    /// Returns the sentences, and the worst cause among them.
    pub(super) fn summed_up(self) -> (Vec<String>, Option<Cause>) {
        (self.sentences, self.worst)
    }
}
