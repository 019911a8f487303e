-- Schema 3: stanzas that a filter has held back.

CREATE TABLE withheld (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice, as people name stanzas by it
    sender   TEXT    NOT NULL,
    target   TEXT    NOT NULL,
    accepted REAL    NOT NULL,
    expires  REAL    NOT NULL,
    rule     TEXT    NOT NULL,
    sealed   INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    content  BLOB    NOT NULL
);
