-- +goose Up

-- While this waits for a long transaction, everyone else waits for this.
SET LOCAL lock_timeout = '2s';

-- Events of a held feed stay pending until feedserver open.
ALTER TABLE eventfeed.feeds ADD COLUMN held boolean NOT NULL DEFAULT false;

-- What the sequencer looks for all the time is found without reading every feed.
CREATE INDEX feeds_identity ON eventfeed.feeds (identity);
CREATE INDEX feeds_unsealed ON eventfeed.feeds (feed) WHERE open_page - 1 > archives;

-- The oldest version of the schema whose programs work on this one as well. A
-- migration that takes something away raises it, a release after the one that
-- no longer needs it.
CREATE TABLE eventfeed.schema_compatibility (oldest bigint NOT NULL);
INSERT INTO eventfeed.schema_compatibility VALUES (4);
