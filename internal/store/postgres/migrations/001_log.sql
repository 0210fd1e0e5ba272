-- +goose Up

-- The oldest version of the schema whose programs work on this one as well. A
-- migration that takes something away raises it, a release after the one that
-- no longer needs it.
CREATE TABLE eventfeed.schema_compatibility (oldest bigint NOT NULL);
INSERT INTO eventfeed.schema_compatibility VALUES (1);

-- One row a feed. Its lock is the only fence between sequencers and sealers.
-- The hot tables have no foreign key to it: the key-share lock would make
-- writers wait for the sequencer.
CREATE TABLE eventfeed.feeds (
    feed        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text        NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$' AND name !~ '\.(atom|gz)$'),
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
    archives    bigint      NOT NULL DEFAULT 0,     -- number of sealed pages
    held        boolean     NOT NULL DEFAULT false  -- events stay pending until feedserver open
) WITH (fillfactor = 50);

-- What the sequencer looks for all the time is found without reading every feed.
CREATE INDEX feeds_identity ON eventfeed.feeds (identity);
CREATE INDEX feeds_unsealed ON eventfeed.feeds (feed) WHERE open_page - 1 > archives;

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

-- How many archived events of a feed have a type and a dataschema ('' for none), and the
-- positions of the first and the last of them. The sealer counts them in the transaction
-- that moves feeds.archives, so these are exactly the events of the sealed pages.
CREATE TABLE eventfeed.event_types (
    feed           bigint NOT NULL,
    type           text   COLLATE "C" NOT NULL,
    dataschema     text   COLLATE "C" NOT NULL,
    events         bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    PRIMARY KEY (feed, type, dataschema)
) WITH (fillfactor = 70);

-- What an append looks up: a feed's number by its name, and whether it has entities, which
-- are versions for the events of each subject. Not in feeds, whose rows the sequencer
-- writes all the time.
CREATE TABLE eventfeed.entity_feeds (
    feed     bigint  PRIMARY KEY,
    name     text    NOT NULL UNIQUE,
    entities boolean NOT NULL
);

-- A row while feedserver entities gives versions to a feed's history: the last position
-- whose event has its version.
CREATE TABLE eventfeed.entity_numbering (
    feed     bigint PRIMARY KEY,
    position bigint NOT NULL
);

-- A subject that a caller gives may have another collation, by the column that it comes
-- from: what is compared with one of these says COLLATE "C", or there would be two.

-- One row an entity, which is what all events of one subject are about. Its lock is the
-- fence between appends to the entity. It is taken before an event draws its insert_no,
-- so the order of versions is the order of positions.
CREATE TABLE eventfeed.entities (
    feed    bigint NOT NULL,
    subject text   COLLATE "C" NOT NULL,
    version bigint NOT NULL, -- number of its events
    PRIMARY KEY (feed, subject)
) WITH (fillfactor = 70);

CREATE TABLE eventfeed.entity_events (
    feed      bigint NOT NULL,
    subject   text   COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    insert_no bigint NOT NULL,
    PRIMARY KEY (feed, subject, version)
);

-- The state of an entity at a version, as a service computed it. A cache: every row
-- may be deleted at any time. insert_no is the event of that version: a snapshot of
-- events that were rolled back does not fit the ones that came instead.
CREATE TABLE eventfeed.snapshots (
    feed      bigint      NOT NULL,
    subject   text        COLLATE "C" NOT NULL,
    name      text        COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    revision  text        COLLATE "C" NOT NULL CHECK (octet_length(revision) BETWEEN 1 AND 255),
    version   bigint      NOT NULL,
    insert_no bigint      NOT NULL,
    digest    bytea       CHECK (octet_length(digest) = 32), -- of the entity's events, see docs/format.md
    state     bytea       NOT NULL,
    taken     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (feed, subject, name, revision)
);

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
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.entity_events FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE           ON eventfeed.documents FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER final_stays BEFORE DELETE ON eventfeed.documents FOR EACH ROW WHEN (OLD.stage = 'final') EXECUTE FUNCTION eventfeed.refuse();

-- What writers call. These functions are the only thing that they compile
-- against; tables may change behind them.

-- +goose StatementBegin
-- It and the next one have no SET, or they would not be inlined; so they name
-- everything with its schema.
CREATE FUNCTION eventfeed.uuidv7() RETURNS text LANGUAGE sql VOLATILE
AS $$
    -- RFC 9562, section 5.7: 48 bits of Unix milliseconds in front of a random UUID, version 7.
    SELECT pg_catalog.encode(
        pg_catalog.set_bit(pg_catalog.set_bit(
            pg_catalog.overlay(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()),
                pg_catalog.substring(pg_catalog.int8send(
                    pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000)::bigint), 3),
                1, 6),
            52, 1), 53, 1), 'hex')::pg_catalog.uuid::pg_catalog.text
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.extension_strings(extensions jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$
    -- Canonical strings of CloudEvents, and nothing for no extension at all.
    SELECT pg_catalog.jsonb_object_agg(e.key, e.value OPERATOR(pg_catalog.#>>) '{}'::pg_catalog.text[])
    FROM pg_catalog.jsonb_each(CASE WHEN pg_catalog.jsonb_typeof(extensions) OPERATOR(pg_catalog.=) 'object' THEN extensions END) e
    WHERE pg_catalog.jsonb_typeof(e.value) OPERATOR(pg_catalog.<>) 'null'
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.refusal(
    id text, source text, type text, subject text, occurred_at timestamptz,
    datacontenttype text, dataschema text, extensions jsonb, data bytea
) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
-- Why an event cannot be taken, or NULL. The same rules as cloudevents.Normal in Go.
DECLARE
    -- CloudEvents 1.0, section 3.2: no control characters, no noncharacters.
    forbidden CONSTANT text := E'[\\u0001-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff'
        || E'\\U0001fffe\\U0001ffff\\U0002fffe\\U0002ffff\\U0003fffe\\U0003ffff\\U0004fffe\\U0004ffff\\U0005fffe\\U0005ffff\\U0006fffe\\U0006ffff\\U0007fffe\\U0007ffff\\U0008fffe\\U0008ffff'
        || E'\\U0009fffe\\U0009ffff\\U000afffe\\U000affff\\U000bfffe\\U000bffff\\U000cfffe\\U000cffff\\U000dfffe\\U000dffff\\U000efffe\\U000effff\\U000ffffe\\U000fffff\\U0010fffe\\U0010ffff]';
    extension record;
    size      bigint;
BEGIN
    IF coalesce(type, '') = '' THEN RETURN 'type is missing'; END IF;
    IF octet_length(id) > 255 THEN RETURN format('id has %s bytes, the limit is 255', octet_length(id)); END IF;
    IF greatest(octet_length(source), octet_length(type), octet_length(subject), octet_length(datacontenttype), octet_length(dataschema)) > 1024 THEN
        RETURN 'source, type, subject, datacontenttype or dataschema has more than 1024 bytes';
    END IF;
    IF concat(id, source, type, subject, datacontenttype, dataschema) ~ forbidden THEN
        RETURN 'an attribute holds a control character or a noncharacter';
    END IF;
    IF source !~ '^(?:/[A-Za-z0-9._~-]+)*$' OR dataschema <> '' THEN -- else it is the simplest of URI references
        DECLARE
            -- RFC 3986, sections 3 and 4.1. The address in brackets is looked at below.
            path      CONSTANT text := '(?:[A-Za-z0-9._~!$&''()*+,;=:@/-]|%[0-9A-Fa-f]{2})*';
            query     CONSTANT text := '(?:[A-Za-z0-9._~!$&''()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*';
            authority CONSTANT text := '//(?:(?:[A-Za-z0-9._~!$&''()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?'
                || '(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&''()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?(?:/' || path || ')?';
            scheme    CONSTANT text := '[A-Za-z][A-Za-z0-9+.-]*:';
            reference CONSTANT text := '^(?:(?:' || scheme || ')?' || authority || '|(?:' || scheme || '|(?![^/?#]*:))(?!//)' || path
                || ')(?:\?' || query || ')?(?:#' || query || ')?$';
            -- Section 3.2.2: H is a group of an address, L the last two.
            address   CONSTANT text := replace(replace('^(?:(?:H:){6}L|::(?:H:){5}L|H?::(?:H:){4}L|(?:(?:H:)?H)?::(?:H:){3}L|(?:(?:H:){0,2}H)?::(?:H:){2}L'
                || '|(?:(?:H:){0,3}H)?::H:L|(?:(?:H:){0,4}H)?::L|(?:(?:H:){0,5}H)?::H|(?:(?:H:){0,6}H)?::)$',
                'L', '(?:H:H|(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4})'), 'H', '[0-9A-Fa-f]{1,4}');
        BEGIN
            IF source <> '' AND (source !~ reference OR substring(source FROM '\[(.*)\]') !~ address) THEN
                RETURN format('source %s: must be a URI reference (RFC 3986), such as /orders or https://shop.example/orders; percent-encode other characters', to_jsonb(left(source, 80)));
            END IF;
            IF dataschema <> '' AND (dataschema !~ ('^' || scheme) OR dataschema !~ reference OR substring(dataschema FROM '\[(.*)\]') !~ address) THEN
                RETURN format('dataschema %s: must be a URI with its scheme (RFC 3986), such as https://shop.example/order.json; percent-encode other characters', to_jsonb(left(dataschema, 80)));
            END IF;
        END;
    END IF;
    IF occurred_at <= '0001-01-01 00:00:00+00' OR occurred_at >= '10000-01-01 00:00:00+00' THEN
        RETURN 'occurred_at is outside the years 1 to 9999';
    END IF;
    -- As cloudevents.Size counts, with room for what is filled in.
    size := 32 + CASE WHEN extract(microseconds FROM occurred_at)::bigint % 1000000 = 0 THEN 20 ELSE 27 END
        + coalesce(nullif(octet_length(id), 0), 36) + coalesce(nullif(octet_length(source), 0), 64) + octet_length(type)
        + coalesce(octet_length(subject), 0) + coalesce(octet_length(datacontenttype), 0)
        + coalesce(octet_length(dataschema), 0) + coalesce(octet_length(data), 0);
    IF extensions IS NOT NULL AND jsonb_typeof(extensions) <> 'null' THEN
        IF jsonb_typeof(extensions) <> 'object' THEN RETURN 'extensions must be a JSON object'; END IF;
        IF (SELECT count(*) FROM jsonb_object_keys(extensions)) > 1000 THEN RETURN 'event has too many extensions: the limit is 1000'; END IF;
        FOR extension IN SELECT e.key AS name, jsonb_typeof(e.value) AS kind, e.value #>> '{}' AS value FROM jsonb_each(extensions) e LOOP
            IF extension.name !~ '^[a-z0-9]{1,64}$' OR extension.name IN
                ('specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema', 'data') THEN
                RETURN format('extension name %s: must be 1 to 64 of a-z and 0-9, and not the name of an attribute of its own', to_jsonb(extension.name));
            END IF;
            IF extension.kind NOT IN ('string', 'boolean', 'number', 'null')
                OR extension.kind = 'number' AND (extension.value !~ '^-?[0-9]{1,10}$' OR extension.value::bigint NOT BETWEEN -2147483648 AND 2147483647) THEN
                RETURN format('extension %s: must be a string, a Boolean or an Integer of 32 bits', extension.name);
            END IF;
            IF extension.value ~ forbidden THEN
                RETURN format('extension %s holds a control character or a noncharacter', extension.name);
            END IF;
            size := size + 8 + octet_length(extension.name) + coalesce(octet_length(extension.value), 0);
        END LOOP;
    END IF;
    IF size > 8388608 THEN RETURN format('event is too large: %s bytes, the limit is 8388608', size); END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.is_plain(
    id text, source text, type text, subject text, occurred_at timestamptz,
    datacontenttype text, dataschema text, extensions jsonb, data bytea
) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    -- True only of an event that refusal takes: one of the usual kind, which shows at less cost.
    -- Without SET, so that it is inlined; so it names everything with its schema.
    SELECT type OPERATOR(pg_catalog.<>) '' AND dataschema IS NULL AND extensions IS NULL
        AND (source IS NULL OR source OPERATOR(pg_catalog.~) '^(?:/[A-Za-z0-9._~-]+)*$')
        AND (occurred_at IS NULL OR occurred_at OPERATOR(pg_catalog.>) '0001-01-01 00:00:00+00'::pg_catalog.timestamptz
            AND occurred_at OPERATOR(pg_catalog.<) '10000-01-01 00:00:00+00'::pg_catalog.timestamptz)
        AND pg_catalog.octet_length(id) OPERATOR(pg_catalog.<=) 255
        AND pg_catalog.octet_length(COALESCE(source, '') OPERATOR(pg_catalog.||) type OPERATOR(pg_catalog.||) COALESCE(subject, '')
            OPERATOR(pg_catalog.||) COALESCE(datacontenttype, '')) OPERATOR(pg_catalog.<=) 1024
        AND (id OPERATOR(pg_catalog.||) type OPERATOR(pg_catalog.||) COALESCE(subject, '') OPERATOR(pg_catalog.||) COALESCE(datacontenttype, ''))
            OPERATOR(pg_catalog.~) '^[ -~]*$' -- printable ASCII
        AND COALESCE(pg_catalog.octet_length(data), 0) OPERATOR(pg_catalog.<) 8000000
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.set_sequences() RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Sets each sequence of the schema past the values of its column, if it is
-- behind them, and returns those that it has set. Rows that came by logical
-- replication or COPY leave the sequence of their table where it was.
DECLARE
    owned  record;
    newest bigint;
    next   bigint;
    locked boolean;
    behind boolean;
    done   text[] := '{}';
BEGIN
    -- setval counts at once, for everyone, and must not take back what another
    -- session has set and drawn meanwhile: one session at a time sets. The others
    -- wait until it has, and not for the end of its transaction.
    FOR attempt IN 1..1000 LOOP
        locked := pg_try_advisory_xact_lock(hashtextextended('eventfeed sequences', 0));
        behind := false;
        FOR owned IN
            SELECT s.oid::regclass AS sequence, c.oid::regclass AS table, a.attname AS column
            FROM pg_class c
            JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                AND d.classid = 'pg_class'::regclass AND d.deptype IN ('i', 'a')
            JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
            WHERE c.relnamespace = 'eventfeed'::regnamespace
        LOOP
            EXECUTE format('SELECT max(%I) FROM %s', owned.column, owned.table) INTO newest;
            EXECUTE format('SELECT last_value + is_called::int FROM %s', owned.sequence) INTO next;
            CONTINUE WHEN newest IS NULL OR newest < next;
            behind := true;
            IF locked THEN
                PERFORM setval(owned.sequence, newest);
                done := done || owned.sequence::text;
            END IF;
        END LOOP;
        IF locked OR NOT behind THEN
            RETURN done;
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'eventfeed: another transaction is setting the sequences of schema eventfeed'
        USING ERRCODE = 'lock_not_available', HINT = 'repeat the transaction';
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.check_sequences() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Sets the sequences, if an event is beyond the one that numbers events: a new
-- event would take its number, or one before it. Once a session is enough, since
-- a database that was moved has new sessions. In a serializable transaction it
-- does not look: all that append would conflict.
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM eventfeed.events_insert_no_seq s CROSS JOIN LATERAL (
        SELECT FROM eventfeed.events e WHERE e.insert_no >= s.last_value + s.is_called::int ORDER BY e.insert_no LIMIT 1) beyond)
    THEN
        PERFORM eventfeed.set_sequences();
    END IF;
    PERFORM set_config('eventfeed.sequences', 'checked', false);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.repeats(
    there eventfeed.events, type text, subject text, occurred_at timestamptz,
    datacontenttype text, dataschema text, extensions jsonb, data bytea
) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Whether an event is the one that is there. A time that is left out is any, since
    -- the first append took its clock's, and who appended it is whoever was first; every
    -- other attribute must be the same, or be left out of both. So an attribute cannot be
    -- guessed without all the others.
    SELECT type = (there).type
        AND nullif(subject, '') IS NOT DISTINCT FROM (there).subject
        AND coalesce(occurred_at, (there).time) = (there).time
        AND nullif(datacontenttype, '') IS NOT DISTINCT FROM (there).datacontenttype
        AND nullif(dataschema, '') IS NOT DISTINCT FROM (there).dataschema
        AND nullif(CASE WHEN extensions IS NOT NULL THEN eventfeed.extension_strings(extensions) END - '{authtype,authid,authclaims}'::text[], '{}')
            IS NOT DISTINCT FROM nullif((there).extensions - '{authtype,authid,authclaims}'::text[], '{}')
        AND nullif(data, '') IS NOT DISTINCT FROM (there).data
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.with_auth(extensions jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
-- The extensions with who appends, by the settings eventfeed.authtype and
-- eventfeed.authid of the transaction: CloudEvents' Auth Context extension. An event
-- that says by itself who it was stays as it is.
DECLARE
    principal CONSTANT text := coalesce(nullif(current_setting('eventfeed.authtype', true), ''), 'unknown');
    auth               jsonb := jsonb_build_object('authtype', principal);
BEGIN
    IF principal NOT IN ('app_user', 'user', 'service_account', 'api_key', 'system', 'unauthenticated', 'unknown') THEN
        RAISE EXCEPTION 'eventfeed: setting eventfeed.authtype is %: it must be app_user, user, service_account, api_key, system, unauthenticated or unknown', to_json(left(principal, 80))
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF current_setting('eventfeed.authid', true) <> '' THEN
        auth := auth || jsonb_build_object('authid', current_setting('eventfeed.authid', true));
    END IF;
    RETURN CASE WHEN extensions IS NULL OR jsonb_typeof(extensions) = 'null' THEN auth
        WHEN jsonb_typeof(extensions) <> 'object' OR extensions ?| '{authtype,authid}' THEN extensions
        ELSE auth || extensions END;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.entity_feed(feed text) RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
-- The number of a feed that has entities.
DECLARE
    feed_key     bigint;
    has_entities boolean;
BEGIN
    SELECT n.feed, n.entities INTO feed_key, has_entities FROM eventfeed.entity_feeds n WHERE n.name = entity_feed.feed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'eventfeed: there is no feed %', coalesce(quote_literal(entity_feed.feed), 'NULL')
            USING ERRCODE = 'undefined_object', HINT = 'create it with: feedserver create NAME --entities';
    ELSIF NOT has_entities AND EXISTS (SELECT FROM eventfeed.entity_numbering g WHERE g.feed = feed_key) THEN
        RAISE EXCEPTION 'eventfeed: the history of feed % is being numbered: its entities have no versions yet', entity_feed.feed
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'wait for this command, or run it again if it was stopped: feedserver entities ' || entity_feed.feed;
    ELSIF NOT has_entities THEN
        RAISE EXCEPTION 'eventfeed: feed % has no entities', entity_feed.feed
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'number its history with: feedserver entities ' || entity_feed.feed;
    END IF;
    RETURN feed_key;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.version_conflict(feed text, subject text, expected bigint, version bigint) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'eventfeed: % in feed % is at version %, not at version %', to_json(subject), feed, version, expected
        USING ERRCODE = 'serialization_failure', CONSTRAINT = 'eventfeed_expected_version', -- programs read these, and not the message
            DETAIL = jsonb_build_object('subject', subject, 'expected', expected, 'version', version),
            HINT = 'another transaction has appended to it: repeat the transaction from where it loads the entity';
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append_many(
    feed text, ids text[], sources text[], types text[], subjects text[], times timestamptz[],
    datacontenttypes text[], dataschemas text[], extensions jsonb[], datas bytea[], expected_versions bigint[] DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Appends events in the order of the arrays and returns how many were not
-- there already. NULL stands for an attribute that was left out.
#variable_conflict use_column
DECLARE
    feed_name CONSTANT text := append_many.feed;
    feed_key     bigint;
    has_entities boolean;
    entities     text[];   -- the subjects whose entities are locked
    versions     bigint[]; -- that they had before this call
    added        bigint;
    bad          record;
BEGIN
    SELECT n.feed, n.entities INTO feed_key, has_entities FROM eventfeed.entity_feeds n WHERE n.name = feed_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'eventfeed: there is no feed %', coalesce(quote_literal(feed_name), 'NULL')
            USING ERRCODE = 'undefined_object', HINT = 'create it with: feedserver create NAME';
    END IF;
    IF NOT has_entities AND current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        -- A feed that got entities after the snapshot is a serialization failure here. Who
        -- gives it entities waits in the queue of this table, and in no other.
        LOCK TABLE eventfeed.pending IN ROW EXCLUSIVE MODE;
        PERFORM FROM eventfeed.entity_feeds n WHERE n.feed = feed_key FOR SHARE;
    END IF;
    IF current_setting('eventfeed.sequences', true) IS DISTINCT FROM 'checked' THEN
        PERFORM eventfeed.check_sequences();
    END IF;
    IF ids IS NULL OR array_position(ids, NULL) > 0 OR '' = ANY (ids) THEN
        ids := ARRAY(SELECT coalesce(nullif(g.id, ''), eventfeed.uuidv7()) FROM unnest(types, ids) WITH ORDINALITY AS g (type, id, n) ORDER BY g.n);
    END IF;
    IF current_setting('eventfeed.authid', true) <> '' OR current_setting('eventfeed.authtype', true) <> '' THEN
        extensions := ARRAY(SELECT eventfeed.with_auth(g.extension) FROM unnest(types, extensions) WITH ORDINALITY AS g (type, extension, n) ORDER BY g.n);
    END IF;

    SELECT g.id, r.reason INTO bad
    FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
             WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n),
         eventfeed.refusal(g.id, g.source, g.type, g.subject, g.occurred_at, g.datacontenttype, g.dataschema, g.extension, g.data) AS r (reason)
    WHERE r.reason IS NOT NULL ORDER BY g.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'eventfeed: event %: %', to_json(coalesce(bad.id, '')), bad.reason
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF expected_versions IS NOT NULL THEN
        PERFORM eventfeed.check_expected(feed_name, subjects, expected_versions);
    END IF;

    FOR attempt IN 1..3 LOOP
        IF has_entities AND entities IS NULL AND subjects IS NOT NULL THEN
            -- Every row is locked, in one order, before the first event draws its number.
            WITH given AS (
                SELECT g.subject, count(*) AS events FROM unnest(subjects) AS g (subject) WHERE g.subject <> '' GROUP BY g.subject),
            locked AS (
                INSERT INTO eventfeed.entities AS n (feed, subject, version)
                SELECT feed_key, g.subject, g.events FROM given g ORDER BY g.subject COLLATE "C"
                ON CONFLICT ON CONSTRAINT entities_pkey DO UPDATE SET version = n.version + excluded.version
                RETURNING n.subject, n.version)
            SELECT array_agg(l.subject), array_agg(l.version - g.events) INTO entities, versions
            FROM locked l JOIN given g ON g.subject = l.subject COLLATE "C";
        END IF;

        WITH added AS (
            INSERT INTO eventfeed.events (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
            SELECT feed_key, g.id, coalesce(nullif(g.source, ''), '/' || feed_name), g.type,
                   nullif(g.subject, ''), coalesce(g.occurred_at, clock_timestamp()),
                   nullif(g.datacontenttype, ''), nullif(g.dataschema, ''),
                   CASE WHEN g.extension IS NOT NULL THEN eventfeed.extension_strings(g.extension) END, nullif(g.data, '')
            FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
                     WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n)
            -- Here, and not before: only now no feed can get entities any more until the commit.
            WHERE has_entities OR NOT (SELECT n.entities FROM eventfeed.entity_feeds n WHERE n.feed = feed_key)
            ORDER BY g.n
            ON CONFLICT DO NOTHING
            RETURNING insert_no, subject),
        numbered AS (
            INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no)
            SELECT feed_key, a.subject, l.version + row_number() OVER (PARTITION BY a.subject ORDER BY a.insert_no), a.insert_no
            FROM unnest(entities, versions) AS l (subject, version) JOIN added a ON a.subject = l.subject COLLATE "C")
        INSERT INTO eventfeed.pending (feed, insert_no) SELECT feed_key, a.insert_no FROM added a;
        GET DIAGNOSTICS added = ROW_COUNT;
        IF added = cardinality(types) THEN
            IF expected_versions IS NOT NULL THEN
                PERFORM eventfeed.version_conflict(feed_name, g.subject, g.expected, l.version)
                FROM unnest(subjects, expected_versions) WITH ORDINALITY AS g (subject, expected, n)
                JOIN unnest(entities, versions) AS l (subject, version) ON l.subject = g.subject
                WHERE g.expected <> l.version ORDER BY g.n LIMIT 1;
            END IF;
            RETURN added;
        END IF;

        -- Some were there. That is fine where they are the same. What differs is not
        -- said: who appends may not be allowed to read.
        -- Each is looked up by the index, whatever the statistics say of the table.
        SELECT g.id, g.source, there.id IS NULL AS lacks INTO bad
        FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
                 WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n)
        LEFT JOIN LATERAL (
            SELECT e.id,
                eventfeed.repeats(e, g.type, g.subject, g.occurred_at, g.datacontenttype, g.dataschema, g.extension, g.data) AS repeated
            FROM eventfeed.events e
            WHERE e.feed = feed_key AND e.source = coalesce(nullif(g.source, ''), '/' || feed_name) AND e.id = g.id
            LIMIT 1) AS there ON true
        WHERE there.repeated IS NOT TRUE
        ORDER BY g.n LIMIT 1;
        IF FOUND AND bad.lacks THEN
            IF NOT has_entities THEN
                SELECT n.entities INTO has_entities FROM eventfeed.entity_feeds n WHERE n.feed = feed_key;
                CONTINUE WHEN has_entities; -- since a moment ago
            END IF;
            -- Another event has its number. As long as none of these has one, they draw anew.
            PERFORM eventfeed.set_sequences();
            IF added = 0 AND attempt < 3 THEN
                CONTINUE;
            END IF;
            RAISE EXCEPTION 'eventfeed: a row that this transaction does not see has the insert_no, or another unique key, of event %', to_json(bad.id)
                USING ERRCODE = 'serialization_failure', HINT = 'rows came by replication or COPY, and the sequences of schema eventfeed have been set behind them: repeat the transaction';
        ELSIF FOUND THEN
            RAISE EXCEPTION 'eventfeed: event % of source % is in feed % already, with other content',
                to_json(bad.id), to_json(coalesce(nullif(bad.source, ''), '/' || feed_name)), feed_name
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'eventfeed_id', -- programs read these, and not the message
                    DETAIL = jsonb_build_object('feed', feed_name, 'source', coalesce(nullif(bad.source, ''), '/' || feed_name), 'id', bad.id),
                    HINT = 'an event cannot be changed; append another one with a new id';
        END IF;
        IF entities IS NOT NULL THEN
            PERFORM eventfeed.settle_versions(feed_key, feed_name, entities, versions, subjects, expected_versions);
        END IF;
        RETURN added;
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.check_expected(feed text, subjects text[], expected_versions bigint[]) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
-- Whether versions can be expected of a feed, and whether these make sense.
DECLARE
    bad record;
BEGIN
    SELECT g.subject, count(DISTINCT g.expected) > 1 AS differ, min(g.expected) AS least INTO bad
    FROM unnest(subjects, expected_versions) AS g (subject, expected) WHERE g.expected IS NOT NULL
    GROUP BY g.subject HAVING coalesce(g.subject, '') = '' OR count(DISTINCT g.expected) > 1 OR min(g.expected) < 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%', CASE WHEN coalesce(bad.subject, '') = '' THEN 'eventfeed: an event without a subject belongs to no entity, so no version can be expected of it'
            WHEN bad.differ THEN format('eventfeed: two expected versions of %s in one call: each is the version before the call', to_json(bad.subject))
            ELSE format('eventfeed: expected version %s of %s: it must be 0 or more', bad.least, to_json(bad.subject)) END
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(expected_versions) AS g (expected) WHERE g.expected IS NOT NULL) THEN
        PERFORM eventfeed.entity_feed(feed);
    END IF;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.settle_versions(
    feed_key bigint, feed_name text, entities text[], versions bigint[], subjects text[], expected_versions bigint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Takes back what append_many counted for events that were there already, and compares
-- the expected versions of the entities that got new ones.
DECLARE
    entity record;
BEGIN
    FOR entity IN
        SELECT l.subject, l.version AS before, coalesce(v.version, l.version) AS after,
            (SELECT max(g.expected) FROM unnest(subjects, expected_versions) AS g (subject, expected) WHERE g.subject = l.subject) AS expected
        FROM unnest(entities, versions) AS l (subject, version)
        LEFT JOIN LATERAL (
            SELECT n.version FROM eventfeed.entity_events n
            WHERE n.feed = feed_key AND n.subject = l.subject COLLATE "C" AND n.version > l.version ORDER BY n.version DESC LIMIT 1) v ON true
    LOOP
        IF entity.after > entity.before AND entity.expected <> entity.before THEN
            PERFORM eventfeed.version_conflict(feed_name, entity.subject, entity.expected, entity.before);
        END IF;
        UPDATE eventfeed.entities n SET version = entity.after
        WHERE n.feed = feed_key AND n.subject = entity.subject COLLATE "C" AND n.version <> entity.after;
    END LOOP;
END $$;
-- +goose StatementEnd

-- All that follow are in PL/pgSQL, whose plans a session keeps; a function in
-- SQL would be planned anew at every call.

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append_bytes(
    feed text, type text, subject text, data bytea, datacontenttype text,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL, expected_version bigint DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    event_id CONSTANT text := coalesce(nullif(id, ''), eventfeed.uuidv7());
    feed_key     bigint;
    number       bigint;
    has_entities boolean;
    reached      bigint; -- the version of the event
    is_new       boolean;
    repeated     boolean;
BEGIN
    IF current_setting('eventfeed.sequences', true) IS DISTINCT FROM 'checked' THEN
        PERFORM eventfeed.check_sequences();
    END IF;
    IF current_setting('eventfeed.authid', true) <> '' OR current_setting('eventfeed.authtype', true) <> '' THEN
        extensions := eventfeed.with_auth(extensions);
    END IF;
    IF coalesce(expected_version, 0) >= 0
        AND (eventfeed.is_plain(event_id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data)
            OR eventfeed.refusal(event_id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data) IS NULL)
    THEN
        IF expected_version IS NULL THEN
            IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
                -- A feed that got entities after the snapshot is a serialization failure here. Who
                -- gives it entities waits in the queue of this table, and in no other.
                LOCK TABLE eventfeed.pending IN ROW EXCLUSIVE MODE;
                PERFORM FROM eventfeed.entity_feeds n WHERE n.name = append_bytes.feed AND NOT n.entities FOR SHARE;
            END IF;
            INSERT INTO eventfeed.pending AS p (feed, insert_no)
            SELECT n.feed, nextval('eventfeed.events_insert_no_seq')
            -- Here, and not before: only now no feed can get entities any more until the commit.
            FROM eventfeed.entity_feeds n WHERE n.name = append_bytes.feed AND (NOT n.entities OR coalesce(subject, '') = '')
            ON CONFLICT DO NOTHING -- with another event's number, where the sequence is behind
            RETURNING p.feed, p.insert_no INTO feed_key, number;
            IF FOUND THEN
                INSERT INTO eventfeed.events (insert_no, feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
                OVERRIDING SYSTEM VALUE
                VALUES (number, feed_key, event_id, coalesce(nullif(source, ''), '/' || feed), type, nullif(subject, ''),
                        coalesce(occurred_at, clock_timestamp()), nullif(datacontenttype, ''), nullif(dataschema, ''),
                        CASE WHEN extensions IS NOT NULL THEN eventfeed.extension_strings(extensions) END, nullif(data, ''))
                ON CONFLICT DO NOTHING;
                IF FOUND THEN
                    RETURN event_id;
                END IF;
                DELETE FROM eventfeed.pending p WHERE p.feed = feed_key AND p.insert_no = number;
            END IF;
        END IF;
        SELECT n.feed, n.entities AND subject <> '' INTO feed_key, has_entities FROM eventfeed.entity_feeds n WHERE n.name = append_bytes.feed;
        IF has_entities THEN
            WITH entity AS ( -- locked before the event draws its number
                INSERT INTO eventfeed.entities AS n (feed, subject, version) VALUES (feed_key, subject, 1)
                ON CONFLICT ON CONSTRAINT entities_pkey DO UPDATE SET version = n.version + 1
                RETURNING n.version),
            added AS (
                INSERT INTO eventfeed.events AS e (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
                SELECT feed_key, event_id, coalesce(nullif(source, ''), '/' || feed), type, subject,
                       coalesce(occurred_at, clock_timestamp()), nullif(datacontenttype, ''), nullif(dataschema, ''),
                       CASE WHEN extensions IS NOT NULL THEN eventfeed.extension_strings(extensions) END, nullif(data, '')
                FROM entity
                ON CONFLICT DO NOTHING
                RETURNING e.insert_no),
            numbered AS (
                INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no)
                SELECT feed_key, subject, n.version, a.insert_no FROM entity n, added a),
            queued AS (
                INSERT INTO eventfeed.pending (feed, insert_no) SELECT feed_key, a.insert_no FROM added a)
            SELECT n.version, a.insert_no IS NOT NULL INTO reached, is_new FROM entity n LEFT JOIN added a ON true;
            IF is_new THEN
                IF expected_version <> reached - 1 THEN
                    PERFORM eventfeed.version_conflict(feed, subject, expected_version, reached - 1);
                END IF;
                RETURN event_id;
            END IF;
            UPDATE eventfeed.entities n SET version = reached - 1 WHERE n.feed = feed_key AND n.subject = append_bytes.subject COLLATE "C";
        END IF;
        SELECT eventfeed.repeats(e, type, subject, occurred_at, datacontenttype, dataschema, extensions, data) INTO repeated
        FROM eventfeed.events e
        WHERE e.feed = feed_key AND e.source = coalesce(nullif(append_bytes.source, ''), '/' || append_bytes.feed) AND e.id = event_id;
        IF repeated AND (has_entities OR expected_version IS NULL) THEN
            RETURN event_id;
        END IF;
    END IF;
    -- It cannot be taken, is there with other content, or the feed has just got
    -- entities: append_many does or says which.
    PERFORM eventfeed.append_many(feed, ARRAY[event_id], ARRAY[source], ARRAY[type], ARRAY[subject], ARRAY[occurred_at],
        ARRAY[datacontenttype], ARRAY[dataschema], ARRAY[extensions], ARRAY[data],
        CASE WHEN expected_version IS NOT NULL THEN ARRAY[expected_version] END);
    RETURN event_id;
END $$;
-- +goose StatementEnd

-- json keeps the text as it was given. These three have no SET, which costs more than all else that
-- they do; so they name everything with its schema, and run as their caller.
-- +goose StatementBegin
CREATE FUNCTION eventfeed.append(
    feed text, type text, subject text, data json,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL, expected_version bigint DEFAULT NULL
) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
    RETURN eventfeed.append_bytes(feed, type, subject, pg_catalog.convert_to(data::pg_catalog.text, 'UTF8'),
        CASE WHEN data IS NOT NULL THEN 'application/json' END, id, occurred_at, source, dataschema, extensions, expected_version);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append(
    feed text, type text, subject text, data jsonb,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL, expected_version bigint DEFAULT NULL
) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
    RETURN eventfeed.append_bytes(feed, type, subject, pg_catalog.convert_to(data::pg_catalog.text, 'UTF8'),
        CASE WHEN data IS NOT NULL THEN 'application/json' END, id, occurred_at, source, dataschema, extensions, expected_version);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append(
    feed text, type text, subject text, data text,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL, expected_version bigint DEFAULT NULL
) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
    RETURN eventfeed.append_bytes(feed, type, subject, pg_catalog.convert_to(data::pg_catalog.json::pg_catalog.text, 'UTF8'),
        CASE WHEN data IS NOT NULL THEN 'application/json' END, id, occurred_at, source, dataschema, extensions, expected_version);
END $$;
-- +goose StatementEnd

-- For triggers: a service's own write must not fail because its row makes no event.

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append_or_refuse(
    feed text, type text, subject text, data bytea, datacontenttype text,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Appends an event as append_bytes does and returns its id. An event that cannot
-- be appended goes to eventfeed.refused, and the result is NULL.
#variable_conflict use_variable
DECLARE
    reason   text;
    feed_key bigint;
BEGIN
    IF current_setting('eventfeed.authid', true) <> '' OR current_setting('eventfeed.authtype', true) <> '' THEN
        BEGIN
            extensions := eventfeed.with_auth(extensions);
        EXCEPTION WHEN invalid_parameter_value THEN
            reason := SQLERRM;
        END;
    END IF;
    reason := coalesce(reason, eventfeed.refusal(id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data));
    SELECT n.feed INTO feed_key FROM eventfeed.entity_feeds n WHERE n.name = append_or_refuse.feed;
    IF feed_key IS NULL OR reason IS NULL AND NOT EXISTS (
        SELECT FROM eventfeed.events e
        WHERE e.feed = feed_key AND e.source = coalesce(nullif(append_or_refuse.source, ''), '/' || append_or_refuse.feed) AND e.id = append_or_refuse.id)
    THEN
        RETURN eventfeed.append_bytes(feed, type, subject, data, datacontenttype, id, occurred_at, source, dataschema, extensions);
    END IF;
    IF reason IS NULL THEN
        -- Only here, where the id is in use: each block like this one is a subtransaction.
        BEGIN
            RETURN eventfeed.append_bytes(feed, type, subject, data, datacontenttype, id, occurred_at, source, dataschema, extensions);
        EXCEPTION WHEN unique_violation THEN
            reason := SQLERRM;
        END;
    END IF;
    INSERT INTO eventfeed.refused (feed, reason, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
    VALUES (feed_key, reason, id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data);
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- What works from the history calls: entities are rebuilt from these.

-- +goose StatementBegin
CREATE FUNCTION eventfeed.version(feed text, subject text) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- The number of events of an entity; 0 if there is none.
DECLARE
    feed_key CONSTANT bigint := eventfeed.entity_feed(feed);
BEGIN
    RETURN coalesce((SELECT n.version FROM eventfeed.entities n WHERE n.feed = feed_key AND n.subject = version.subject COLLATE "C"), 0);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.position(feed text, source text, id text) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- The position of an event, or NULL while it has none yet. NULL as source stands
-- for the feed's own, as in append.
DECLARE
    event_source CONSTANT text := coalesce(nullif(source, ''), '/' || feed);
    result bigint;
BEGIN
    SELECT p.position INTO result
    FROM eventfeed.feeds f
    JOIN eventfeed.events e ON e.feed = f.feed AND e.source = event_source AND e.id = "position".id
    LEFT JOIN eventfeed.positions p ON p.insert_no = e.insert_no
    WHERE f.name = "position".feed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'eventfeed: feed % has no event % of source %', coalesce(quote_literal(feed), 'NULL'), coalesce(to_json(id)::text, 'NULL'), to_json(event_source)
            USING ERRCODE = 'no_data_found', HINT = 'it is there once the transaction that appended it has committed';
    END IF;
    RETURN result;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.load(
    feed text, subject text, snapshot_name text DEFAULT NULL, revision text DEFAULT NULL,
    after bigint DEFAULT 0, up_to bigint DEFAULT NULL, as_of timestamptz DEFAULT NULL, at_most int DEFAULT 1000
) RETURNS TABLE (
    is_snapshot boolean, version bigint, "position" bigint, recorded timestamptz,
    id text, source text, type text, "time" timestamptz, datacontenttype text, dataschema text, extensions jsonb, data bytea, digest bytea
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
-- An entity's events behind version "after", in order; before them the newest snapshot
-- of that name and revision, if it is not beyond up_to. In a snapshot's row data is
-- the state, and id and source are of the event that it was taken after. With as_of:
-- the events whose time is not after it, and no snapshot.
-- At most at_most events: if there are as many, ask again with the last version as "after".
#variable_conflict use_column
DECLARE
    feed_key CONSTANT bigint := eventfeed.entity_feed(load.feed);
    last_version CONSTANT bigint := coalesce(up_to, 9223372036854775807);
    base bigint := coalesce(after, 0);
BEGIN
    IF snapshot_name IS NOT NULL AND as_of IS NULL AND base = 0 THEN
        SELECT s.version, p.position, p.recorded, e.id, e.source, s.state, s.digest
        INTO version, "position", recorded, id, source, data, digest
        FROM eventfeed.snapshots s
        JOIN eventfeed.events e ON e.insert_no = s.insert_no
        LEFT JOIN eventfeed.positions p ON p.insert_no = s.insert_no
        WHERE s.feed = feed_key AND s.subject = load.subject COLLATE "C" AND s.name = snapshot_name COLLATE "C" AND s.revision = load.revision COLLATE "C" AND s.version <= last_version
            AND s.insert_no = (SELECT n.insert_no FROM eventfeed.entity_events n WHERE n.feed = s.feed AND n.subject = s.subject AND n.version = s.version);
        IF FOUND THEN
            is_snapshot := true;
            base := version;
            RETURN NEXT;
        END IF;
    END IF;
    -- Nested loops by construction: a plan that is kept for all entities must not hash
    -- all events for the few of one.
    RETURN QUERY
    SELECT false, n.version, p.position, p.recorded, e.id, e.source, e.type, e.time, e.datacontenttype, e.dataschema, e.extensions, e.data, NULL::bytea
    FROM (SELECT v.version, v.insert_no FROM eventfeed.entity_events v
          WHERE v.feed = feed_key AND v.subject = load.subject COLLATE "C" AND v.version > base AND v.version <= last_version
          ORDER BY v.version OFFSET 0) n
    CROSS JOIN LATERAL (SELECT * FROM eventfeed.events g WHERE g.insert_no = n.insert_no OFFSET 0) e
    LEFT JOIN LATERAL (SELECT q.position, q.recorded FROM eventfeed.positions q WHERE q.insert_no = n.insert_no OFFSET 0) p ON true
    WHERE as_of IS NULL OR e.time <= as_of
    ORDER BY n.version LIMIT at_most;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.save_snapshot(
    feed text, subject text, name text, revision text, version bigint, last_id text, last_source text, state bytea, digest bytea DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Keeps the state of an entity at a version, and returns whether it did: not if that
-- version is not visible or is another event than last_id, and not if a newer snapshot
-- of that name and revision is there.
#variable_conflict use_variable
DECLARE
    feed_key CONSTANT bigint := eventfeed.entity_feed(feed);
    number   bigint;
BEGIN
    SELECT n.insert_no INTO number
    FROM eventfeed.entity_events n JOIN eventfeed.events e ON e.insert_no = n.insert_no
    WHERE n.feed = feed_key AND n.subject = save_snapshot.subject COLLATE "C" AND n.version = save_snapshot.version
      AND e.id = last_id AND e.source = coalesce(nullif(last_source, ''), '/' || save_snapshot.feed);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM eventfeed.snapshots s
    WHERE s.feed = feed_key AND s.subject = save_snapshot.subject COLLATE "C" AND s.name = save_snapshot.name COLLATE "C" AND s.revision <> save_snapshot.revision COLLATE "C"
      AND s.taken < clock_timestamp() - interval '7 days';
    INSERT INTO eventfeed.snapshots AS s (feed, subject, name, revision, version, insert_no, digest, state)
    VALUES (feed_key, subject, name, revision, version, number, digest, state)
    ON CONFLICT ON CONSTRAINT snapshots_pkey DO UPDATE
    SET version = excluded.version, insert_no = excluded.insert_no, digest = excluded.digest, state = excluded.state, taken = excluded.taken
    WHERE s.version <= excluded.version OR NOT EXISTS ( -- it is of events that were lost
        SELECT FROM eventfeed.entity_events n WHERE n.feed = s.feed AND n.subject = s.subject AND n.version = s.version AND n.insert_no = s.insert_no);
    RETURN FOUND;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.snapshots(feed text, name text, revision text, after text DEFAULT '', at_most int DEFAULT 1000)
RETURNS TABLE (subject text, version bigint) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- The entities that have a snapshot of this name and revision, by their subjects, and
-- its version. At most at_most: ask again with the last subject as "after".
DECLARE
    feed_key CONSTANT bigint := eventfeed.entity_feed(feed);
BEGIN
    RETURN QUERY
    SELECT s.subject, s.version FROM eventfeed.snapshots s
    WHERE s.feed = feed_key AND s.subject > after COLLATE "C" AND s.name = snapshots.name COLLATE "C" AND s.revision = snapshots.revision COLLATE "C"
    ORDER BY s.subject LIMIT at_most;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.lock_pending() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Waits for the transactions that have appended, and keeps others from appending until
-- the end of this one: nothing that is not visible then can get in before it.
BEGIN
    LOCK TABLE eventfeed.pending IN SHARE MODE;
END $$;
-- +goose StatementEnd
