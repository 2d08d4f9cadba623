-- Moments are microseconds since the Unix epoch; ids that are UUIDs are their 16 bytes.

CREATE TABLE items (
    organization BLOB    NOT NULL,
    conversation BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    bytes        BLOB    NOT NULL,
    revision     INTEGER NOT NULL,
    owner        TEXT,
    expires_at   INTEGER NOT NULL,
    PRIMARY KEY (organization, conversation, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX items_by_owner ON items (owner) WHERE owner IS NOT NULL;
CREATE INDEX items_by_expiry ON items (expires_at);

CREATE TABLE owners (
    owner TEXT    NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE letters (
    owner        TEXT    NOT NULL,
    organization BLOB    NOT NULL,
    conversation BLOB    NOT NULL,
    posted_at    INTEGER NOT NULL,
    PRIMARY KEY (owner, organization, conversation)
) STRICT, WITHOUT ROWID;

CREATE TABLE nonces (
    key_id TEXT    NOT NULL,
    nonce  TEXT    NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (key_id, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_expiry ON nonces (until);

CREATE TABLE users (
    organization BLOB NOT NULL,
    agent        TEXT NOT NULL,
    user         TEXT NOT NULL,
    PRIMARY KEY (organization, agent)
) STRICT, WITHOUT ROWID;
