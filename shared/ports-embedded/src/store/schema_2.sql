-- Leases that are given back keep their fence, so that it grows with every holder.
-- `offered_fence` is the last fence whose holder had offered the lease when another took it.

CREATE TABLE leases (
    name          TEXT    NOT NULL PRIMARY KEY,
    holder        TEXT,
    fence         INTEGER NOT NULL,
    until         INTEGER NOT NULL,
    offered       INTEGER NOT NULL,
    offered_fence INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
    connection TEXT    NOT NULL PRIMARY KEY,
    bytes      BLOB    NOT NULL,
    revision   INTEGER NOT NULL,
    due        INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connections_by_due ON connections (due) WHERE due IS NOT NULL;
CREATE INDEX connections_by_expiry ON connections (expires_at);
