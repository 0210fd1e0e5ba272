-- Sets the trigger: from here on each {{if .Outbox}}new row of {{.SQL}} is queued{{else}}change of {{.SQL}} is appended{{end}}. The lock
-- waits for transactions that have written to the table, and lets new ones wait,
-- for half a second at most; then it gives way and tries again.
--
-- Run it as {{.Owner}}. It needs no more than step 1 did.
SET statement_timeout = 0;
DO $$
BEGIN
    FOR attempt IN 1..300 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '500ms', true);
            LOCK TABLE {{.SQL}} IN SHARE ROW EXCLUSIVE MODE;
            -- Triggers fire in the order of their names: this one before those that change further rows.
            CREATE TRIGGER "0_eventfeed" AFTER INSERT{{if not .Outbox}} OR UPDATE OR DELETE{{end}} ON {{.SQL}}
                FOR EACH ROW EXECUTE FUNCTION {{.Object "_eventfeed"}}();
            {{- if not .Outbox}}
            CREATE TRIGGER "0_eventfeed_truncate" BEFORE TRUNCATE ON {{.SQL}}
                FOR EACH STATEMENT EXECUTE FUNCTION {{.Object "_eventfeed_truncate"}}();
            {{- end}}
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.5 + random());
        END;
    END LOOP;
    RAISE EXCEPTION 'transactions that write to the table are open all the time' USING HINT = 'run this file again when there are fewer';
END $$;
