-- +goose Up

-- Roles belong to the whole cluster: they may be there already, another
-- database may be making them at this moment, or this user may not make any.
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['eventfeed_writer', 'eventfeed_server'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = name) THEN
                EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % is not there and this user may not create it', name;
        END;
    END LOOP;
END $$;
-- +goose StatementEnd

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA eventfeed FROM PUBLIC;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'eventfeed_writer') THEN
        GRANT USAGE ON SCHEMA eventfeed TO eventfeed_writer;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventfeed TO eventfeed_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'eventfeed_server') THEN
        GRANT USAGE ON SCHEMA eventfeed TO eventfeed_server;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA eventfeed TO eventfeed_server;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventfeed TO eventfeed_server;
    END IF;
END $$;
-- +goose StatementEnd
