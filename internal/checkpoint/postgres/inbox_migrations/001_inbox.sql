-- +goose Up

-- The feeds that the inbox has events of. Their numbers keep the keys of the events short.
CREATE TABLE eventfeed_inbox.feeds (
    number   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text    NOT NULL,
    feed_id  text    NOT NULL,
    feed     text    NOT NULL,
    UNIQUE (consumer, feed_id)
);

-- Every event as it came. NULL stands for an attribute, or data, that is not there.
CREATE TABLE eventfeed_inbox.feed_events (
    position        bigint      NOT NULL,
    time            timestamptz NOT NULL,
    feed_number     integer     NOT NULL, -- in feeds; a foreign key would cost a lookup for each event
    id              text        NOT NULL,
    source          text        NOT NULL,
    type            text        NOT NULL,
    subject         text,
    datacontenttype text,
    dataschema      text,
    extensions      jsonb,
    data            bytea,
    PRIMARY KEY (feed_number, position)
);

-- The same with the names.
CREATE VIEW eventfeed_inbox.events AS
SELECT f.consumer, f.feed_id, f.feed, e.position, e.id, e.source, e.type, e.subject, e.time,
       e.datacontenttype, e.dataschema, e.extensions, e.data
FROM eventfeed_inbox.feed_events e
JOIN eventfeed_inbox.feeds f ON f.number = e.feed_number;
