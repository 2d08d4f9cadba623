-- What was changed of organizations' settings, by number, also of those that are no longer served.
-- `origin` and `change` are JSON; never a secret.

CREATE TABLE organization_history (
    organization BLOB    NOT NULL,
    revision     INTEGER NOT NULL,
    origin       TEXT    NOT NULL,
    change       TEXT    NOT NULL,
    PRIMARY KEY (organization, revision)
) STRICT, WITHOUT ROWID;
