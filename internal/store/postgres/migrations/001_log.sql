-- +goose Up

-- One row a feed. Its lock is the only fence between sequencers and sealers.
-- The hot tables have no foreign key to it: the key-share lock would make
-- writers wait for the sequencer.
CREATE TABLE eventfeed.feeds (
    feed        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text        NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    id          text        NOT NULL UNIQUE,
    title       text        NOT NULL,
    author      text        NOT NULL,
    page_size   int         NOT NULL CHECK (page_size BETWEEN 1 AND 10000),
    page_bytes  int         NOT NULL CHECK (page_bytes > 0),
    created     timestamptz NOT NULL DEFAULT now(),
    modified    timestamptz NOT NULL,               -- Last-Modified of the feed's documents: another second with each change
    identity    text        NOT NULL,               -- of the database that the history was last written on
    position    bigint      NOT NULL DEFAULT 0,     -- last one given
    digest      bytea       NOT NULL CHECK (octet_length(digest) = 32),
    open_page   bigint      NOT NULL DEFAULT 1,     -- the page that events are being placed on
    open_first  bigint      NOT NULL DEFAULT 1,
    open_bytes  bigint      NOT NULL DEFAULT 0,
    archives    bigint      NOT NULL DEFAULT 0      -- number of sealed pages
) WITH (fillfactor = 50);

CREATE TABLE eventfeed.epochs (
    feed           bigint      NOT NULL,
    ordinal        int         NOT NULL,
    epoch          text        NOT NULL UNIQUE,
    first_position bigint      NOT NULL,
    first_page     bigint      NOT NULL,
    digest_before  bytea       NOT NULL CHECK (octet_length(digest_before) = 32),
    reason         text        NOT NULL,
    started        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, ordinal)
);

-- Written in the caller's transaction, together with a row in pending.
CREATE TABLE eventfeed.events (
    insert_no       bigint      GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY, -- breaks ties, never a cursor
    feed            bigint      NOT NULL,
    id              text        NOT NULL,
    source          text        NOT NULL,
    type            text        NOT NULL,
    subject         text,
    time            timestamptz NOT NULL,
    datacontenttype text,
    dataschema      text,
    extensions      jsonb,
    data            bytea,
    UNIQUE (feed, source, id)
);

-- What has no position yet. Always short, always changing.
CREATE TABLE eventfeed.pending (
    feed      bigint NOT NULL,
    insert_no bigint NOT NULL,
    PRIMARY KEY (feed, insert_no)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE eventfeed.positions (
    feed      bigint      NOT NULL,
    position  bigint      NOT NULL,
    insert_no bigint      NOT NULL UNIQUE,
    digest    bytea       NOT NULL CHECK (octet_length(digest) = 32),
    recorded  timestamptz NOT NULL,
    PRIMARY KEY (feed, position)
);

-- What has got its position is pending no longer. Nobody else deletes from pending:
-- an event that is taken from there without a position would never be published.
-- +goose StatementBegin
CREATE FUNCTION eventfeed.placed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of bigint;
BEGIN
    FOR of IN SELECT DISTINCT n.feed FROM new_positions n LOOP -- each by the index, whatever the statistics say
        DELETE FROM eventfeed.pending p
        WHERE p.feed = of AND p.insert_no = ANY (ARRAY(SELECT n.insert_no FROM new_positions n WHERE n.feed = of));
    END LOOP;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER placed AFTER INSERT ON eventfeed.positions REFERENCING NEW TABLE AS new_positions
    FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.placed();

-- Closed pages. They are sealed in the order of their numbers.
CREATE TABLE eventfeed.pages (
    feed           bigint NOT NULL,
    page           bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    PRIMARY KEY (feed, page)
);

-- Sealed pages as they are served: put once, never changed. Only a newest
-- stage may go, once the final one stands.
CREATE TABLE eventfeed.documents (
    feed   bigint      NOT NULL,
    epoch  text        NOT NULL,
    page   bigint      NOT NULL,
    stage  text        NOT NULL CHECK (stage IN ('newest', 'final')),
    format int         NOT NULL,
    body   bytea       NOT NULL,
    sealed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, epoch, page, stage)
);
ALTER TABLE eventfeed.documents ALTER COLUMN body SET STORAGE EXTERNAL; -- compressed already

-- What eventfeed.append_or_refuse could not append, as it was given, until it is
-- repaired or discarded. It is no part of a feed.
CREATE TABLE eventfeed.refused (
    number          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed            bigint      NOT NULL,
    refused         timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason          text        NOT NULL,
    id              text,
    source          text,
    type            text,
    subject         text,
    time            timestamptz,
    datacontenttype text,
    dataschema      text,
    extensions      jsonb,
    data            bytea
);
CREATE INDEX refused_feed ON eventfeed.refused (feed, number);

-- +goose StatementBegin
CREATE FUNCTION eventfeed.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'eventfeed.% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'what was published never changes; append another event instead';
END $$;
-- +goose StatementEnd

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.events    FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.positions FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.pages     FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.epochs    FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE           ON eventfeed.documents FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER final_stays BEFORE DELETE ON eventfeed.documents FOR EACH ROW WHEN (OLD.stage = 'final') EXECUTE FUNCTION eventfeed.refuse();
