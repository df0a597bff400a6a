-- What customers are told over HTTP: written in the transaction in which it happens, delivered later by the workers.

-- Micro-units as a plain decimal with two to six places, as everywhere at the edges.
CREATE FUNCTION amount_text(p_micro bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_micro < 0 THEN '-' ELSE '' END || abs(p_micro) / 1000000 || '.'
           || left(places, 2) || rtrim(substr(places, 3), '0')
    FROM lpad((abs(p_micro) % 1000000)::text, 6, '0') AS places
$$;

CREATE FUNCTION time_text(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Writes an event down with a delivery for each endpoint of the customer that wants its kind. Nothing is written where
-- there is none.
CREATE FUNCTION publish_event(p_customer bigint, p_kind text, p_subject text, p_body json, p_sandbox boolean)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_endpoints bigint[];
    v_event bigint;
BEGIN
    SELECT array_agg(id) INTO v_endpoints FROM webhook_endpoints
    WHERE customer_id = p_customer AND state = 'active' AND p_kind = ANY (events);
    IF v_endpoints IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO webhook_events (customer_id, kind, subject, body, sandbox)
    VALUES (p_customer, p_kind, p_subject, p_body, p_sandbox) RETURNING id INTO v_event;
    INSERT INTO webhook_deliveries (event_id, endpoint_id) SELECT v_event, id FROM unnest(v_endpoints) AS id;
END $$;

-- An order as its customer may see it.
CREATE FUNCTION order_body(p_order orders) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', p_order.id, 'state', p_order.state,
        'service', json_build_object('id', s.id, 'name', s.name),
        'device', p_order.device, 'quantity', p_order.quantity, 'delivered', p_order.delivered,
        'price', amount_text(p_order.price), 'currency', p_order.currency, 'reference', p_order.reference,
        'result', CASE WHEN p_order.state = 'completed' THEN p_order.result END,
        'reason', CASE WHEN p_order.state = 'rejected' THEN p_order.reason END,
        'file', (SELECT f.name FROM files f WHERE f.id = p_order.result_file_id AND p_order.state = 'completed'),
        'created_at', time_text(p_order.created_at), 'closed_at', time_text(p_order.closed_at))
    FROM services s WHERE s.id = p_order.service_id
$$;

-- Tells customers of closed orders; who has no endpoint costs two look-ups by index.
CREATE FUNCTION tell_orders(p_orders bigint[], p_kinds text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM publish_event(o.customer_id, k.kind, 'order ' || o.id, order_body(o), false)
    FROM unnest(p_orders, p_kinds) AS k(id, kind)
    CROSS JOIN LATERAL (SELECT * FROM orders WHERE orders.id = k.id) o
    WHERE EXISTS (SELECT FROM webhook_endpoints e WHERE e.customer_id = o.customer_id AND e.state = 'active');
END $$;

-- Changes the state of orders: the one place that does. Settles what was completed and refunds what was rejected, in
-- the same transaction; of an order delivered in part, the part that was delivered is settled and the rest refunded.
-- p_rows: [{order, to, result, reason, result_file, delivered (pieces)}]; p_from: states an order may come from.
-- Returns the orders that moved; an order in another state stays as it is.
CREATE OR REPLACE FUNCTION move_orders(p_rows json, p_from text[], p_actor text) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    v_moved bigint[];
    v_completed bigint[];
    v_settled bigint[];
    v_partly bigint[];
    v_rests bigint[];
    v_rejected bigint[];
    v_closed bigint[];
    v_told text[];
BEGIN
    -- Not FOR UPDATE: an order that is placed as a repetition of this one only needs it to exist.
    PERFORM 1 FROM orders
    WHERE id IN (SELECT r."order" FROM json_to_recordset(p_rows) AS r("order" bigint))
    ORDER BY id FOR NO KEY UPDATE;

    WITH input AS (
        SELECT r."order" AS id, r."to" AS new_state, r.result, r.reason, r.result_file, o.state AS old_state,
               CASE WHEN r."to" = 'completed' AND r.delivered BETWEEN 1 AND o.quantity - 1 THEN r.delivered END AS part
        FROM json_to_recordset(p_rows) AS r("order" bigint, "to" text, result text, reason text, result_file bigint,
                                            delivered integer)
        JOIN orders o ON o.id = r."order"
        WHERE o.state = ANY (p_from) AND order_move_is_legal(o.state, r."to")
    ), moved AS (
        UPDATE orders o
        SET state = i.new_state, result = COALESCE(i.result, o.result), reason = COALESCE(i.reason, o.reason),
            result_file_id = COALESCE(i.result_file, o.result_file_id), delivered = COALESCE(i.part, o.delivered),
            held = NULL, updated_at = clock_timestamp(),
            closed_at = CASE WHEN i.new_state IN ('completed', 'rejected') THEN clock_timestamp() END
        FROM input i WHERE o.id = i.id
        RETURNING o.id, i.old_state, i.new_state, i.reason, i.part, o.price * i.part / o.quantity AS settled, o.price
    ), events AS (
        INSERT INTO order_events (order_id, kind, old_state, new_state, actor, detail)
        SELECT id, 'order', old_state, new_state, p_actor,
               COALESCE(reason, 'delivered ' || part || ' pieces', '') FROM moved
    )
    SELECT array_agg(id),
           array_agg(id) FILTER (WHERE new_state = 'completed'),
           array_agg(settled) FILTER (WHERE new_state = 'completed'),
           array_agg(id) FILTER (WHERE part IS NOT NULL),
           array_agg(price - settled) FILTER (WHERE part IS NOT NULL),
           array_agg(id) FILTER (WHERE new_state = 'rejected' AND old_state <> 'completed'),
           array_agg(id) FILTER (WHERE new_state IN ('completed', 'rejected')),
           array_agg('order.' || CASE WHEN old_state = 'completed' THEN 'reversed' ELSE new_state END)
               FILTER (WHERE new_state IN ('completed', 'rejected'))
    INTO v_moved, v_completed, v_settled, v_partly, v_rests, v_rejected, v_closed, v_told
    FROM moved;

    IF v_completed IS NOT NULL THEN
        PERFORM ledger_settle(v_completed, v_settled);
    END IF;
    IF v_partly IS NOT NULL THEN
        PERFORM ledger_refund(v_partly, v_rests);
    END IF;
    IF v_rejected IS NOT NULL THEN
        PERFORM ledger_refund(v_rejected, NULL);
    END IF;
    IF v_closed IS NOT NULL THEN
        PERFORM tell_orders(v_closed, v_told);
    END IF;
    RETURN COALESCE(v_moved, '{}');
END $$;

-- Tells a customer, once each time, that the balance fell below their own threshold.
CREATE FUNCTION tell_low_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM publish_event(NEW.customer_id, 'balance.low', 'account', json_build_object(
        'balance', amount_text(NEW.balance), 'threshold', amount_text(NEW.low_balance),
        'credit_limit', amount_text(NEW.credit_limit), 'currency', NEW.currency), false);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_low_balance AFTER UPDATE OF balance ON accounts
    FOR EACH ROW WHEN (OLD.balance >= NEW.low_balance AND NEW.balance < NEW.low_balance)
    EXECUTE FUNCTION tell_low_balance();

-- Another price group is another price of many services: what the customer was told is compared anew.
CREATE FUNCTION prices_to_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook_told_catalogs SET version = 0 WHERE customer_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER customers_prices_to_tell AFTER UPDATE OF price_group_id ON customers
    FOR EACH ROW WHEN (OLD.price_group_id IS DISTINCT FROM NEW.price_group_id) EXECUTE FUNCTION prices_to_tell();

-- What is sold to a customer now, with the price of one piece.
CREATE FUNCTION sold_to(p_customer bigint) RETURNS TABLE (id bigint, name text, price bigint)
LANGUAGE sql STABLE AS $$
    SELECT s.id, s.name, p.price
    FROM customers c
    CROSS JOIN services s
    CROSS JOIN LATERAL price_for(s.id, c.id, c.price_group_id, c.currency::text) p
    WHERE c.id = p_customer AND s.state = 'active' AND p.price IS NOT NULL
$$;
