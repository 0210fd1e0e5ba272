-- What each role may do, said anew after every migration. Roles belong to the
-- whole cluster: they may be there already, another database may be making them
-- at this moment, or this user may not make any.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['eventfeed_writer', 'eventfeed_server', 'eventfeed_entities'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = name) THEN
                EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'eventfeed: role % is not there, and this user may not create it', name;
        END;
    END LOOP;

    REVOKE ALL ON SCHEMA eventfeed FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA eventfeed FROM PUBLIC;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA eventfeed FROM PUBLIC;

    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'eventfeed_writer') THEN
        REVOKE ALL ON ALL TABLES IN SCHEMA eventfeed FROM eventfeed_writer;
        REVOKE ALL ON ALL FUNCTIONS IN SCHEMA eventfeed FROM eventfeed_writer;
        GRANT USAGE ON SCHEMA eventfeed TO eventfeed_writer;
        GRANT EXECUTE ON FUNCTION
            eventfeed.append(text, text, text, json, text, timestamptz, text, text, jsonb, bigint),
            eventfeed.append(text, text, text, jsonb, text, timestamptz, text, text, jsonb, bigint),
            eventfeed.append(text, text, text, text, text, timestamptz, text, text, jsonb, bigint),
            eventfeed.append_bytes(text, text, text, bytea, text, text, timestamptz, text, text, jsonb, bigint),
            eventfeed.append_or_refuse(text, text, text, bytea, text, text, timestamptz, text, text, jsonb),
            eventfeed.refusal(text, text, text, text, timestamptz, text, text, jsonb, bytea),
            eventfeed.append_many(text, text[], text[], text[], text[], timestamptz[], text[], text[], jsonb[], bytea[], bigint[]),
            eventfeed.uuidv7()
            TO eventfeed_writer;
    END IF;

    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'eventfeed_server') THEN
        REVOKE ALL ON ALL TABLES IN SCHEMA eventfeed FROM eventfeed_server;
        REVOKE ALL ON ALL FUNCTIONS IN SCHEMA eventfeed FROM eventfeed_server;
        GRANT USAGE ON SCHEMA eventfeed TO eventfeed_server;
        GRANT SELECT ON ALL TABLES IN SCHEMA eventfeed TO eventfeed_server;
        GRANT INSERT, UPDATE ON eventfeed.feeds, eventfeed.event_types TO eventfeed_server;
        GRANT INSERT ON eventfeed.epochs, eventfeed.positions, eventfeed.pages, eventfeed.documents TO eventfeed_server;
        GRANT INSERT, UPDATE ON eventfeed.entity_feeds, eventfeed.entity_numbering, eventfeed.entities TO eventfeed_server;
        GRANT INSERT ON eventfeed.entity_events TO eventfeed_server;
        GRANT DELETE ON eventfeed.documents, eventfeed.refused, eventfeed.entity_numbering TO eventfeed_server;
        GRANT EXECUTE ON FUNCTION
            eventfeed.append_many(text, text[], text[], text[], text[], timestamptz[], text[], text[], jsonb[], bytea[], bigint[]),
            eventfeed.set_sequences(),
            eventfeed.lock_pending()
            TO eventfeed_server;
    END IF;

    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'eventfeed_entities') THEN
        REVOKE ALL ON ALL TABLES IN SCHEMA eventfeed FROM eventfeed_entities;
        REVOKE ALL ON ALL FUNCTIONS IN SCHEMA eventfeed FROM eventfeed_entities;
        GRANT USAGE ON SCHEMA eventfeed TO eventfeed_entities;
        GRANT EXECUTE ON FUNCTION
            eventfeed.load(text, text, text, text, bigint, bigint, timestamptz, int),
            eventfeed.version(text, text),
            eventfeed.position(text, text, text),
            eventfeed.save_snapshot(text, text, text, text, bigint, text, text, bytea, bytea),
            eventfeed.snapshots(text, text, text, text, int)
            TO eventfeed_entities;
    END IF;
END $$;
