//! Recordings that are not complete, and sessions of which nothing comes any more.

use super::*;

impl<R: RecordingStore, L: LeaseStore> Recorder<R, L> {
    /// Looks after recordings that are not complete: puts in what came late, lets go of the
    /// parts of those that ended more than an hour ago, and finishes what was not finished.
    ///
    /// To be called now and then, once a minute in a long-lived process.
    /// Errors: the first [`ConsumerError`]; what one session met does not keep it from others.
    pub async fn tidy(&mut self, now: Timestamp) -> Result<(), ConsumerError> {
        let mut first = Ok(());
        for stored in self.finisher.recordings.sessions_with_parts().await? {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return first.and(Err(ConsumerError::TimedOut { session: stored.session }));
            }
            match self.tidy_session(stored, now).await {
                Ok(()) => {}
                // It would be the same with the next one.
                Err(error @ ConsumerError::Store(_)) => return first.and(Err(error)),
                Err(error) => first = first.and(Err(error)),
            }
        }
        self.has_tidied = true;
        first
    }

    async fn tidy_session(
        &mut self,
        stored: RecordedSession,
        now: Timestamp,
    ) -> Result<(), ConsumerError> {
        if self.has_tidied && self.runs(stored, now) {
            return Ok(());
        }
        let session = stored.session;
        let names = self.finisher.recordings.part_names(stored).await?;
        let there = Coverage::of_names(&names);
        for key in self.keys_of(stored, &names).await? {
            if self.background.as_ref().is_some_and(|jobs| jobs.has((session, key))) {
                continue;
            }
            let patience = Patience::Observe;
            let job = Job { patience, ..Job::ended(key, session) };
            let recorded = match self.known(key, session).await? {
                Known::Refused => continue,
                Known::Running { last_made_at } => {
                    let without_end = self.is_silent(stored, &names, last_made_at, now).await?;
                    if without_end || names.iter().any(|name| name.ends) {
                        self.finish(Job { without_end, ..job }).await?;
                    }
                    continue;
                }
                Known::Recorded(recorded) => recorded,
            };
            let due = recorded.ended_at.is_none_or(|ended| ended + LATE_MAX <= now);
            let beyond = there.beyond(&recorded.holds);
            let is_late = beyond > 0 && beyond == recorded.late_records;
            let is_known = recorded.settled && recorded.holds.covers(&there);
            if is_late || (is_known && !due && !recorded.complete) {
                continue;
            }
            let then_remove = if due { names.clone() } else { Vec::new() };
            self.finish(Job { then_remove, ..job }).await?;
        }
        Ok(())
    }

    async fn finish(&mut self, job: Job) -> Result<(), ConsumerError> {
        if let Some(background) = &mut self.background {
            background.push(job);
            return Ok(());
        }
        self.known.remove(&(job.session, job.key.key));
        let known = self.finisher.finish(&job, self.deadline).await?;
        self.know_of(job.key, job.session, known);
        Ok(())
    }

    /// Returns whether all that is known of a session came lately and ended nothing: its end is
    /// noticed when it comes, so its parts need no look.
    fn runs(&self, stored: RecordedSession, now: Timestamp) -> bool {
        let mut keys = self.known_keys(stored).peekable();
        keys.peek().is_some()
            && keys.all(|key| match self.known.get(&(stored.session, key.key)) {
                Some(Known::Running { last_made_at }) => *last_made_at + SILENT_MAX > now,
                Some(Known::Recorded(_) | Known::Refused) | None => false,
            })
    }

    /// Returns the conversations that have parts of a session: one, as a rule.
    async fn keys_of(
        &self,
        stored: RecordedSession,
        names: &[PartName],
    ) -> Result<Vec<SessionKey>, ConsumerError> {
        let known: Vec<SessionKey> = self.known_keys(stored).collect();
        if !known.is_empty() {
            return Ok(known);
        }
        // Nothing of it came since this process began; its first part tells.
        let Some(name) = names.first() else { return Ok(known) };
        let keys = by_session(self.finisher.records_of(stored, name).await?).into_keys();
        let is_own = |key: &SessionKey| {
            key.session == Some(stored.session) && key.key.organization == stored.organization
        };
        Ok(keys.filter(is_own).collect())
    }

    /// Returns the conversations of a session that came since this process began.
    fn known_keys(&self, stored: RecordedSession) -> impl Iterator<Item = SessionKey> {
        let RecordedSession { organization, session } = stored;
        let first = (
            session,
            ConversationKey { organization, conversation: ConversationId::new(uuid::Uuid::nil()) },
        );
        let own = self.known.range(first..).map(|(id, _)| *id);
        let own =
            own.take_while(move |(one, key)| *one == session && key.organization == organization);
        own.map(move |(_, key)| SessionKey { key, session: Some(session) })
    }

    /// Returns whether nothing came of a session for so long that its end will not.
    async fn is_silent(
        &self,
        stored: RecordedSession,
        names: &[PartName],
        last_made_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, ConsumerError> {
        if last_made_at + SILENT_MAX > now {
            return Ok(false);
        }
        // The last part of each connection is the newest.
        for (place, name) in names.iter().enumerate() {
            let is_last =
                names.get(place + 1).is_none_or(|next| next.connection != name.connection);
            if !is_last {
                continue;
            }
            let records = self.finisher.records_of(stored, name).await?;
            if records.iter().any(|record| record.made_at + SILENT_MAX > now) {
                return Ok(false);
            }
        }
        Ok(!names.is_empty())
    }
}
