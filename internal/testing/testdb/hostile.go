package testdb

import (
	"testing"
)

// Hostile is a schema that Shadow makes.
const Hostile = "hostile"

// Shadow makes the schema Hostile in a database: with an operator, a function, a
// type and a view of its own for nearly everything that PostgreSQL has, of the same
// name and for the same types. All of them raise an error when they are used, which
// names them. A search_path that has the schema before pg_catalog finds them
// wherever a name is not pinned or qualified.
func Shadow(t testing.TB, database string) {
	t.Helper()
	if err := execute(t.Context(), database, makeHostile); err != nil {
		t.Fatalf("make the schema %s: %v", Hostile, err)
	}
}

const makeHostile = `
CREATE SCHEMA hostile;
GRANT USAGE, CREATE ON SCHEMA hostile TO PUBLIC;
CREATE FUNCTION hostile.fails(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'hostile % was used', what USING ERRCODE = 'external_routine_exception'; END $$;

DO $$
DECLARE
    f record;
    n int := 0;
BEGIN
    SET LOCAL client_min_messages = error;
    FOR f IN SELECT p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments, format_type(p.prorettype, NULL) AS result
             FROM pg_proc p
             WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a') AND p.provariadic = 0
               AND p.proname !~ '^(ri|bt|hash|gist|gin|spg|brin|binary|pg_stat|json_populate|ts_|range|multirange).*$' OR p.proname ~ '^hashtext'
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM hostile.fails(%L); END $f$',
                f.name, f.arguments, f.result, 'function ' || f.name || '(' || f.arguments || ')');
        EXCEPTION WHEN OTHERS THEN NULL; -- a type that only PostgreSQL's own functions take
        END;
    END LOOP;
    FOR f IN SELECT o.oprname AS name, nullif(o.oprleft, 0)::regtype AS lefttype, o.oprright::regtype AS righttype, o.oprresult::regtype AS result
             FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprright <> 0
    LOOP
        BEGIN
            n := n + 1;
            EXECUTE format('CREATE FUNCTION hostile.operator%s(%s%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM hostile.fails(%L); END $f$',
                n, f.lefttype || ', ', f.righttype, f.result, format('operator %s (%s, %s)', f.name, f.lefttype, f.righttype));
            EXECUTE format('CREATE OPERATOR hostile.%s (%s RIGHTARG = %s, FUNCTION = hostile.operator%s)',
                f.name, 'LEFTARG = ' || f.lefttype || ',', f.righttype, n);
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    FOR f IN SELECT c.relname AS name FROM pg_class c
             WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname !~ '^(pg_statistic|pg_stats|pg_attribute$)'
    LOOP
        EXECUTE format('CREATE VIEW hostile.%I AS SELECT * FROM pg_catalog.%I WHERE hostile.fails(%L)', f.name, f.name, 'relation ' || f.name);
    END LOOP;
    FOR f IN SELECT t.typname AS name FROM pg_type t
             WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typname !~ '^_' AND t.typname NOT IN ('text')
               AND NOT EXISTS (SELECT FROM pg_type h WHERE h.typnamespace = 'hostile'::regnamespace AND h.typname = t.typname)
    LOOP
        EXECUTE format('CREATE DOMAIN hostile.%I AS pg_catalog.%I CHECK (hostile.fails(%L))', f.name, f.name, 'type ' || f.name);
    END LOOP;
    CREATE DOMAIN hostile.text AS pg_catalog.text CHECK (hostile.fails('type text'));
END $$;
`
