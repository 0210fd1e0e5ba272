-- Takes the recipe back, at any step. Changes of {{.SQL}} are appended no more;
-- what the feed has stays. To begin again, use a feed of another name. Dropping a
-- trigger waits for all who use the table, half a second at most: then run it again.
--
-- Run it as {{.Owner}}.
BEGIN;
SET LOCAL lock_timeout = '500ms';
DROP TRIGGER IF EXISTS "0_eventfeed" ON {{.SQL}};
DROP TRIGGER IF EXISTS "0_eventfeed_truncate" ON {{.SQL}};
DROP PROCEDURE IF EXISTS {{.Object "_eventfeed_import"}};
DROP FUNCTION IF EXISTS {{.Object "_eventfeed"}}, {{.Object "_eventfeed_truncate"}}, {{.Object "_eventfeed_import_rows"}}, {{.Object "_eventfeed_finish"}};
DROP TABLE IF EXISTS {{.Object "_eventfeed_seen"}};
COMMIT;
