-- What the consumers of this folder keep: SQLite 3.24 on, and PostgreSQL 9.5 on, as it stands.
--
-- An entry of the stream may be delivered twice, by a crash between COMMIT and XACK, say. So its id is a unique key,
-- and what it does is in the same transaction: (1) the first INSERT changes no row when the entry was handled before, and
-- then nothing else is done; (2) one counts it; (3) one of the UPDATEs lets a message go forward only.
--
--     BEGIN;
--     INSERT INTO entries (stream, entry_id) VALUES (?, ?) ON CONFLICT DO NOTHING;                               -- 1
--     INSERT INTO messages (id, recipient) VALUES (?, ?)
--         ON CONFLICT (id) DO UPDATE SET updates = messages.updates + 1;                                        -- 2
--     UPDATE messages SET status = ?, rank = ?, at = ? WHERE id = ? AND rank < ?;       -- 3, sent to played
--     UPDATE messages SET failed = ? WHERE id = ? AND failed IS NULL;                   -- 3, failed
--     COMMIT;
--
-- Rows of `entries` are needed for as long as their entries are in the stream (TRIM_KEEP, and what is pending longer).

CREATE TABLE IF NOT EXISTS entries (
    stream TEXT NOT NULL,       -- its name; that of the partition
    entry_id TEXT NOT NULL,     -- 1795859369863-0
    PRIMARY KEY (stream, entry_id)
);
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 512),
    recipient TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT '',        -- of the highest rank so far; empty: none of those that have one
    rank INTEGER NOT NULL DEFAULT 0,        -- sent 1, delivered 2, read 3, played 4; another status has none
    at BIGINT NOT NULL DEFAULT 0 CHECK (at BETWEEN 0 AND 99999999999),      -- Unix seconds of this status
    failed BIGINT CHECK (failed BETWEEN 0 AND 99999999999),                 -- Unix seconds; NULL: it has not failed
    updates INTEGER NOT NULL DEFAULT 1      -- how many entries it had: what handling one twice would spoil
);
