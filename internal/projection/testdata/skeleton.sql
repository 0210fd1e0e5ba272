-- A projection to start from. It runs as it is, on PostgreSQL and on SQLite.
-- To try it, without leaving any of your tables behind:
--   seeder run --from URL --into URL --projection FILE --dry-run
-- docs/projections.md says how such files are written. Parameters are:
--   :feed :position :id :source :type :subject :time :dataschema :data :data_bytes :live

-- The feed orders at https://shop.example/feeds/orders,
-- of whose 100 events 8 were sampled: the latest state of each subject.
CREATE TABLE orders_state (
  subject  text PRIMARY KEY,
  type     text NOT NULL,         -- of the latest event
  position bigint NOT NULL,
  time     timestamptz NOT NULL,
  events   bigint NOT NULL,       -- how many there were
  data     jsonb                  -- of the latest event that had JSON
  -- a column of your own, such as one for a field that a block below lists:
  -- , note text
);

-- 3 events of type OrderCreated:
--   :data->'customer'                object
--   :data->'customer'->>'name'       string
--   :data->'customer'->>'on'         boolean, optional: in 1 of 3
--   :data->>'it''s'                  string, optional: in 1 of 3
--   :data->>'note'                   string or null, optional: in 2 of 3
--   :data->'tags'                    array, optional: in 1 of 3
--   :data->>'total'                  number
-- on OrderCreated
INSERT INTO orders_state (subject, type, position, time, events, data)
SELECT :subject, :type, :position, :time, 1, :data WHERE :subject IS NOT NULL
ON CONFLICT (subject) DO UPDATE SET type = excluded.type, position = excluded.position,
  time = excluded.time, events = orders_state.events + 1, data = excluded.data;

-- 1 event of type com.example.created:
-- on com.example.created
INSERT INTO orders_state (subject, type, position, time, events)
SELECT :subject, :type, :position, :time, 1 WHERE :subject IS NOT NULL
ON CONFLICT (subject) DO UPDATE SET type = excluded.type, position = excluded.position,
  time = excluded.time, events = orders_state.events + 1;

-- 1 event of type https://shop.example/Created:
-- on "https://shop.example/Created"
INSERT INTO orders_state (subject, type, position, time, events, data)
SELECT :subject, :type, :position, :time, 1, :data WHERE :subject IS NOT NULL
ON CONFLICT (subject) DO UPDATE SET type = excluded.type, position = excluded.position,
  time = excluded.time, events = orders_state.events + 1, data = excluded.data;

-- 1 event of type live:
--   not JSON in 1 event: it comes as :data_bytes
--   without a subject: 1 event
-- on "live"
INSERT INTO orders_state (subject, type, position, time, events)
SELECT :subject, :type, :position, :time, 1 WHERE :subject IS NOT NULL
ON CONFLICT (subject) DO UPDATE SET type = excluded.type, position = excluded.position,
  time = excluded.time, events = orders_state.events + 1;

-- 1 event of type on "this" page:
-- on "on ""this"" page"
INSERT INTO orders_state (subject, type, position, time, events, data)
SELECT :subject, :type, :position, :time, 1, :data WHERE :subject IS NOT NULL
ON CONFLICT (subject) DO UPDATE SET type = excluded.type, position = excluded.position,
  time = excluded.time, events = orders_state.events + 1, data = excluded.data;

-- 1 event of type x�; DROP TABLE a; --:
--   :data->>'a�; DROP TABLE a; --'   integer
--   has a name that no block can have
