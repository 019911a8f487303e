-- Schema 2: up to which number the other server has read the stanzas of a pair, until they are settled. After a crash
-- they are not sent again.
ALTER TABLE pair ADD COLUMN read_upto INTEGER NOT NULL DEFAULT 0;
