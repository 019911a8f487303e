-- Schema 1: from an empty file. Each later file takes the schema of the one before it to its own.
-- Addresses are prepared bare JIDs. Everything hangs on its account and goes with it.

CREATE TABLE accounts (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    address          TEXT    NOT NULL UNIQUE,
    epoch            TEXT    NOT NULL,            -- random; first part of the roster's versions
    roster_version   INTEGER NOT NULL DEFAULT 0,  -- counts the changes of the roster
    roster_forgotten INTEGER NOT NULL DEFAULT 0   -- removals up to this version are no longer in `removals`
);

-- RFC 5802 §3: what is kept in place of a password, once for each hash.
CREATE TABLE keys (
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash       TEXT    NOT NULL,
    salt       BLOB    NOT NULL,
    iterations INTEGER NOT NULL,
    stored_key BLOB    NOT NULL,
    server_key BLOB    NOT NULL,
    PRIMARY KEY (account, hash)
) WITHOUT ROWID;

-- RFC 6121 §2.1.2.
CREATE TABLE roster (
    account      INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    contact      TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    groups       TEXT    NOT NULL,  -- a JSON list
    subscription TEXT    NOT NULL CHECK (subscription IN ('none', 'to', 'from', 'both')),
    ask          INTEGER NOT NULL CHECK (ask IN (0, 1)),
    approved     INTEGER NOT NULL CHECK (approved IN (0, 1)),
    version      INTEGER NOT NULL,  -- of the roster, when this item last changed
    PRIMARY KEY (account, contact)
) WITHOUT ROWID;

-- Contacts that were removed, for clients that come back with an older version of the roster (RFC 6121 §2.6).
CREATE TABLE removals (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    contact TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (account, contact)
) WITHOUT ROWID;

-- Requests for our presence that were not answered yet (RFC 6121 §3.1.3).
CREATE TABLE requests (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    contact TEXT    NOT NULL,
    stanza  BLOB    NOT NULL,
    PRIMARY KEY (account, contact)
);

-- XEP-0160. AUTOINCREMENT: an id that was delivered never means another message.
CREATE TABLE offline (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    bytes   INTEGER NOT NULL,
    stanza  BLOB    NOT NULL
);
CREATE INDEX offline_by_account ON offline (account, id, bytes);

-- XEP-0191.
CREATE TABLE blocked (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    address TEXT    NOT NULL,
    PRIMARY KEY (account, address)
) WITHOUT ROWID;

-- XEP-0049, XEP-0054: kept as they came.
CREATE TABLE documents (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name    TEXT    NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (account, name)
);
