-- Imports the rows of {{.SQL}}, while writes go on, and without a lock on the
-- table. It copies them first, as they are at one moment, so a relay may delete
-- them meanwhile. After an interruption run it again: it goes on where it was.
--
-- Run it as {{.Owner}}, outside of a transaction, as psql -f does.
SET default_transaction_isolation = 'read committed';
SET statement_timeout = 0;
SET lock_timeout = 0;
SET synchronous_commit = off; -- a crash takes back the last rows with their events, and the next run imports them
CALL {{.Object "_eventfeed_import"}}();
