-- How many commits an organization's users have seen, and what each of them changed.
-- `origin`, `before` and `after` are JSON; a user who was not there is NULL.

CREATE TABLE user_revisions (
    organization BLOB    NOT NULL PRIMARY KEY,
    revision     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO user_revisions SELECT DISTINCT organization, 1 FROM users;

CREATE TABLE user_history (
    organization BLOB    NOT NULL,
    revision     INTEGER NOT NULL,
    agent        TEXT    NOT NULL,
    origin       TEXT    NOT NULL,
    before       TEXT,
    after        TEXT,
    PRIMARY KEY (organization, revision, agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_history_by_agent ON user_history (organization, agent, revision);
