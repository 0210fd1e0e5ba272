-- +goose Up

CREATE TABLE eventfeed_checkpoints (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    feed     TEXT    NOT NULL,
    epoch    TEXT    NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    holder   TEXT    NOT NULL,   -- who may move it on
    updated  TEXT    NOT NULL,
    PRIMARY KEY (consumer, feed_id)
) WITHOUT ROWID;

-- Digests of what was applied, the closer together the later they are: they tell
-- where a history that was lost or replaced leaves the one that was applied. A
-- new one takes the place of an old one in its slot.
CREATE TABLE eventfeed_digests (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    slot     INTEGER NOT NULL,   -- by the position
    position INTEGER NOT NULL,
    epoch    TEXT    NOT NULL,   -- of the event at that position
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (consumer, feed_id, slot)
) WITHOUT ROWID;
