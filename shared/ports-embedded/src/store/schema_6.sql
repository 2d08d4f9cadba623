-- A lease or an owner is alive as long as its beat moves; `life_ms` is how long it may stand still.
-- No moment is stored: those who look compare what they saw by their own clocks.

CREATE TABLE beating_owners (
    owner   TEXT    NOT NULL PRIMARY KEY,
    beat    INTEGER NOT NULL,
    life_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO beating_owners SELECT owner, 0, 15000 FROM owners;
DROP TABLE owners;
ALTER TABLE beating_owners RENAME TO owners;

CREATE TABLE beating_leases (
    name          TEXT    NOT NULL PRIMARY KEY,
    holder        TEXT,
    fence         INTEGER NOT NULL,
    beat          INTEGER NOT NULL,
    life_ms       INTEGER NOT NULL,
    offered       INTEGER NOT NULL,
    offered_fence INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO beating_leases SELECT name, holder, fence, 0, 30000, offered, offered_fence FROM leases;
DROP TABLE leases;
ALTER TABLE beating_leases RENAME TO leases;
