-- Schema 1: from an empty file. Each later file takes the schema of the one before it to its own.
-- Times are seconds since 1970. Rows are bound to their pair by the program, not by foreign keys: it checks nothing else.

CREATE TABLE about (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL  -- 'key': sealed with the key of all sealed rows
) WITHOUT ROWID;

-- What is remembered of domains that are held by the operator, or cannot be reached.
CREATE TABLE domain (
    name           TEXT    PRIMARY KEY,
    held           INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    failures       INTEGER NOT NULL DEFAULT 0,
    failing_since  REAL,
    definite_since REAL,
    verdict        TEXT    NOT NULL DEFAULT '',
    reason         TEXT    NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE TABLE pair (
    id     INTEGER PRIMARY KEY,
    sender TEXT    NOT NULL,
    target TEXT    NOT NULL,
    UNIQUE (target, sender)
);

-- Stanzas of one pair that were put together.
CREATE TABLE chunk (
    sequence INTEGER PRIMARY KEY,
    pair     INTEGER NOT NULL,
    accepted REAL    NOT NULL,
    expires  REAL    NOT NULL,
    count    INTEGER NOT NULL,
    live     INTEGER NOT NULL,  -- how many have had no end
    done     INTEGER NOT NULL,  -- a bit for each that has had one
    bytes    INTEGER NOT NULL,
    sealed   INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    key      BLOB,              -- a digest: the row replaces the one that has the same
    content  BLOB    NOT NULL
);
CREATE INDEX chunk_by_pair ON chunk (pair, sequence);
CREATE UNIQUE INDEX chunk_by_key ON chunk (pair, key) WHERE key IS NOT NULL;

-- Stanzas that were taken out of their queue for the operator to look at.
CREATE TABLE aside (
    number   INTEGER PRIMARY KEY,
    sender   TEXT    NOT NULL,
    target   TEXT    NOT NULL,
    accepted REAL    NOT NULL,
    sealed   INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    reason   TEXT    NOT NULL,
    content  BLOB    NOT NULL
);
