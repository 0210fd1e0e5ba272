-- +goose Up
-- +goose StatementBegin

-- The feeds that the inbox has events of. Their numbers keep the keys of the events short.
CREATE TABLE eventfeed_inbox_feeds (
    number   INTEGER PRIMARY KEY,
    consumer TEXT NOT NULL,
    feed_id  TEXT NOT NULL,
    feed     TEXT NOT NULL,
    UNIQUE (consumer, feed_id)
);
-- +goose StatementEnd
-- +goose StatementBegin

-- Every event as it came. NULL stands for an attribute, or data, that is not there.
CREATE TABLE eventfeed_inbox_feed_events (
    feed_number     INTEGER NOT NULL,   -- in eventfeed_inbox_feeds
    position        INTEGER NOT NULL,
    id              TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    type            TEXT    NOT NULL,
    subject         TEXT,
    time            TEXT    NOT NULL,   -- RFC 3339, UTC
    datacontenttype TEXT,
    dataschema      TEXT,
    extensions      TEXT,               -- JSON
    data            BLOB,
    PRIMARY KEY (feed_number, position)
) WITHOUT ROWID;
-- +goose StatementEnd
-- +goose StatementBegin

-- The same with the names.
CREATE VIEW eventfeed_inbox_events AS
SELECT f.consumer, f.feed_id, f.feed, e.position, e.id, e.source, e.type, e.subject, e.time,
       e.datacontenttype, e.dataschema, e.extensions, e.data
FROM eventfeed_inbox_feed_events e
JOIN eventfeed_inbox_feeds f ON f.number = e.feed_number;
-- +goose StatementEnd
