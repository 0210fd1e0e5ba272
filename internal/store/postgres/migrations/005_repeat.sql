-- +goose Up

-- Appending again what is there costs no more than appending it.

-- +goose StatementBegin
CREATE FUNCTION eventfeed.repeats(
    there eventfeed.events, type text, subject text, occurred_at timestamptz,
    datacontenttype text, dataschema text, extensions jsonb, data bytea
) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Whether an event is the one that is there. A time that is left out is any, since
    -- the first append took its clock's; every other attribute must be the same, or be
    -- left out of both. So an attribute cannot be guessed without all the others.
    SELECT type = (there).type
        AND nullif(subject, '') IS NOT DISTINCT FROM (there).subject
        AND coalesce(occurred_at, (there).time) = (there).time
        AND nullif(datacontenttype, '') IS NOT DISTINCT FROM (there).datacontenttype
        AND nullif(dataschema, '') IS NOT DISTINCT FROM (there).dataschema
        AND CASE WHEN extensions IS NOT NULL THEN eventfeed.extension_strings(extensions) END IS NOT DISTINCT FROM (there).extensions
        AND nullif(data, '') IS NOT DISTINCT FROM (there).data
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION eventfeed.append_many(
    feed text, ids text[], sources text[], types text[], subjects text[], times timestamptz[],
    datacontenttypes text[], dataschemas text[], extensions jsonb[], datas bytea[]
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Appends events in the order of the arrays and returns how many were not
-- there already. NULL stands for an attribute that was left out.
#variable_conflict use_column
DECLARE
    feed_name CONSTANT text := append_many.feed;
    feed_key  bigint;
    added     bigint;
    bad       record;
BEGIN
    SELECT f.feed INTO feed_key FROM eventfeed.feeds f WHERE f.name = feed_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'eventfeed: there is no feed %', coalesce(quote_literal(feed_name), 'NULL')
            USING ERRCODE = 'undefined_object', HINT = 'create it with: feedserver create NAME';
    END IF;
    IF current_setting('eventfeed.sequences', true) IS DISTINCT FROM 'checked' THEN
        PERFORM eventfeed.check_sequences();
    END IF;
    IF ids IS NULL OR array_position(ids, NULL) > 0 OR '' = ANY (ids) THEN
        ids := ARRAY(SELECT coalesce(nullif(g.id, ''), eventfeed.uuidv7()) FROM unnest(types, ids) WITH ORDINALITY AS g (type, id, n) ORDER BY g.n);
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

    FOR attempt IN 1..3 LOOP
        WITH added AS (
            INSERT INTO eventfeed.events (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
            SELECT feed_key, g.id, coalesce(nullif(g.source, ''), '/' || feed_name), g.type,
                   nullif(g.subject, ''), coalesce(g.occurred_at, clock_timestamp()),
                   nullif(g.datacontenttype, ''), nullif(g.dataschema, ''),
                   CASE WHEN g.extension IS NOT NULL THEN eventfeed.extension_strings(g.extension) END, nullif(g.data, '')
            FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
                     WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n)
            ORDER BY g.n
            ON CONFLICT DO NOTHING
            RETURNING insert_no)
        INSERT INTO eventfeed.pending (feed, insert_no) SELECT feed_key, a.insert_no FROM added a;
        GET DIAGNOSTICS added = ROW_COUNT;
        IF added = cardinality(types) THEN
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
                USING ERRCODE = 'unique_violation', HINT = 'an event cannot be changed; append another one under an id of its own';
        END IF;
        RETURN added;
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION eventfeed.append_bytes(
    feed text, type text, subject text, data bytea, datacontenttype text,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    event_id CONSTANT text := coalesce(nullif(id, ''), eventfeed.uuidv7());
    feed_key bigint;
    repeated boolean;
BEGIN
    IF current_setting('eventfeed.sequences', true) IS DISTINCT FROM 'checked' THEN
        PERFORM eventfeed.check_sequences();
    END IF;
    SELECT f.feed INTO feed_key FROM eventfeed.feeds f WHERE f.name = append_bytes.feed;
    IF FOUND AND eventfeed.refusal(event_id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data) IS NULL THEN
        WITH added AS (
            INSERT INTO eventfeed.events AS e (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
            VALUES (feed_key, event_id, coalesce(nullif(source, ''), '/' || feed), type, nullif(subject, ''),
                    coalesce(occurred_at, clock_timestamp()), nullif(datacontenttype, ''), nullif(dataschema, ''),
                    CASE WHEN extensions IS NOT NULL THEN eventfeed.extension_strings(extensions) END, nullif(data, ''))
            ON CONFLICT DO NOTHING
            RETURNING e.insert_no)
        INSERT INTO eventfeed.pending (feed, insert_no) SELECT feed_key, a.insert_no FROM added a;
        IF FOUND THEN
            RETURN event_id;
        END IF;
        SELECT eventfeed.repeats(e, type, subject, occurred_at, datacontenttype, dataschema, extensions, data) INTO repeated
        FROM eventfeed.events e
        WHERE e.feed = feed_key AND e.source = coalesce(nullif(append_bytes.source, ''), '/' || append_bytes.feed) AND e.id = event_id;
        IF repeated THEN
            RETURN event_id;
        END IF;
    END IF;
    -- It cannot be taken, or is there with other content: append_many says which.
    PERFORM eventfeed.append_many(feed, ARRAY[event_id], ARRAY[source], ARRAY[type], ARRAY[subject], ARRAY[occurred_at],
        ARRAY[datacontenttype], ARRAY[dataschema], ARRAY[extensions], ARRAY[data]);
    RETURN event_id;
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
    reason   text := eventfeed.refusal(id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data);
    feed_key bigint;
BEGIN
    SELECT f.feed INTO feed_key FROM eventfeed.feeds f WHERE f.name = append_or_refuse.feed;
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
