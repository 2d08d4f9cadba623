-- Settings of the organizations that are served here, as JSON; never a secret.

CREATE TABLE organizations (
    organization BLOB NOT NULL PRIMARY KEY,
    settings     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
