-- The shipping service's own table, filled from the feed of the order service:
--
--   seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db --projection shipping.sql --follow
--
-- Each event comes exactly once, in order. So no INSERT has to ask whether the
-- row is there, and each later event of an order finds it.

CREATE TABLE shipments (
    order_id      text   PRIMARY KEY,
    customer      text   NOT NULL,
    address       text   NOT NULL,
    status        text   NOT NULL, -- of the order: created, approved, paid, prepared, shipped, delivered
    last_position bigint NOT NULL  -- of the event that the row is from
);

-- on OrderCreated
INSERT INTO shipments (order_id, customer, address, status, last_position)
VALUES (:subject, :data ->> 'customer', :data ->> 'address', 'created', :position);

-- on AddressChanged
UPDATE shipments SET address = :data ->> 'address', last_position = :position WHERE order_id = :subject;

-- on OrderApproved, OrderPaid, OrderPrepared, OrderShipped, OrderDelivered
UPDATE shipments SET status = lower(substr(:type, 6)), last_position = :position WHERE order_id = :subject;
