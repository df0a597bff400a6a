-- Orders of sandbox keys: nothing here touches orders, attempts, accounts or transfers. And the callbacks of single orders,
-- real ones and those of the sandbox.

-- Writes an event down with a delivery for each endpoint of the customer that wants its kind, and one for p_callback, the
-- URL that the order itself names. Nothing is written where there is neither.
DROP FUNCTION publish_event(bigint, text, text, json, boolean);
CREATE FUNCTION publish_event(
    p_customer bigint, p_kind text, p_subject text, p_body json, p_sandbox boolean, p_callback text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_endpoints bigint[];
    v_endpoint bigint;
    v_callbacks bigint;
    v_event bigint;
BEGIN
    SELECT array_agg(id) FILTER (WHERE p_kind = ANY (events)),
           max(id) FILTER (WHERE url IS NULL AND p_callback IS NOT NULL)
    INTO v_endpoints, v_callbacks FROM webhook_endpoints WHERE customer_id = p_customer AND state = 'active';
    IF v_endpoints IS NULL AND v_callbacks IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO webhook_events (customer_id, kind, subject, body, sandbox)
    VALUES (p_customer, p_kind, p_subject, p_body, p_sandbox) RETURNING id INTO v_event;
    -- One by one: statements on single values are planned once, those on arrays each time.
    FOREACH v_endpoint IN ARRAY COALESCE(v_endpoints, '{}') LOOP
        INSERT INTO webhook_deliveries (event_id, endpoint_id) VALUES (v_event, v_endpoint);
    END LOOP;
    IF v_callbacks IS NOT NULL THEN
        INSERT INTO webhook_deliveries (event_id, endpoint_id, url) VALUES (v_event, v_callbacks, p_callback);
    END IF;
END $$;

-- An order as its customer may see it, in the words of the REST API.
CREATE OR REPLACE FUNCTION order_body(p_order orders) RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_service text;
    v_file text;
BEGIN
    SELECT s.name INTO v_service FROM services s WHERE s.id = p_order.service_id;
    IF p_order.state = 'completed' AND p_order.result_file_id IS NOT NULL THEN
        SELECT f.name INTO v_file FROM files f WHERE f.id = p_order.result_file_id;
    END IF;
    RETURN json_build_object(
        'id', p_order.id, 'state', p_order.state, 'service_id', p_order.service_id, 'service', v_service,
        'device', p_order.device, 'quantity', p_order.quantity, 'delivered', p_order.delivered,
        'price', amount_text(p_order.price),
        'refunded', amount_text(CASE
            WHEN p_order.state = 'rejected' THEN p_order.price
            WHEN p_order.delivered IS NULL THEN 0
            ELSE p_order.price - p_order.price * p_order.delivered / p_order.quantity END),
        'currency', p_order.currency, 'reference', p_order.reference,
        'result', CASE WHEN p_order.state = 'completed' THEN p_order.result END,
        'reason', CASE WHEN p_order.state = 'rejected' THEN p_order.reason END,
        'file_name', v_file,
        'created_at', time_text(p_order.created_at), 'closed_at', time_text(p_order.closed_at));
END $$;

-- Tells customers of closed orders, one by one, so that its statements are planned once: who has no endpoint costs two
-- look-ups by index. Who places an order with a callback has an endpoint that stands for callbacks.
CREATE OR REPLACE FUNCTION tell_orders(p_orders bigint[], p_kinds text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_order orders;
BEGIN
    FOR i IN 1 .. cardinality(p_orders) LOOP
        SELECT o.* INTO v_order FROM orders o
        WHERE o.id = p_orders[i]
          AND EXISTS (SELECT FROM webhook_endpoints e WHERE e.customer_id = o.customer_id AND e.state = 'active');
        IF FOUND THEN
            PERFORM publish_event(v_order.customer_id, p_kinds[i], 'order ' || v_order.id, order_body(v_order), false,
                                  v_order.callback_url);
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION tell_low_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM publish_event(NEW.customer_id, 'balance.low', 'account', json_build_object(
        'balance', amount_text(NEW.balance), 'threshold', amount_text(NEW.low_balance),
        'credit_limit', amount_text(NEW.credit_limit), 'currency', NEW.currency), false, NULL);
    RETURN NULL;
END $$;

-- An order of the sandbox in the same words.
CREATE FUNCTION sandbox_body(p_order sandbox_orders) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', p_order.id, 'state', p_order.state, 'service_id', s.id, 'service', s.name,
        'device', p_order.device, 'quantity', p_order.quantity, 'delivered', NULL,
        'price', amount_text(p_order.price),
        'refunded', amount_text(CASE WHEN p_order.state = 'rejected' THEN p_order.price ELSE 0 END),
        'currency', p_order.currency, 'reference', p_order.reference,
        'result', CASE WHEN p_order.state = 'completed' THEN p_order.text END,
        'reason', CASE WHEN p_order.state = 'rejected' THEN p_order.text END,
        'file_name', NULL,
        'created_at', time_text(p_order.created_at), 'closed_at', time_text(p_order.closed_at))
    FROM services s WHERE s.id = p_order.service_id
$$;

-- Counts that orders were asked after (p_asked times more) and closes those whose time has come.
CREATE FUNCTION advance_sandbox(p_orders bigint[], p_asked integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_closed sandbox_orders;
BEGIN
    PERFORM 1 FROM sandbox_orders WHERE id = ANY (p_orders) AND closed_at IS NULL ORDER BY id FOR NO KEY UPDATE;
    FOR v_closed IN
        UPDATE sandbox_orders o
        SET asked = asked + p_asked, updated_at = clock_timestamp(),
            state = CASE WHEN due.now THEN outcome ELSE 'in_progress' END,
            closed_at = CASE WHEN due.now THEN clock_timestamp() END
        FROM (SELECT id, COALESCE(closes_at <= clock_timestamp(), asked + p_asked >= closes_after) AS now
                FROM sandbox_orders WHERE id = ANY (p_orders) AND closed_at IS NULL) due
        WHERE o.id = due.id
        RETURNING o.*
    LOOP
        CONTINUE WHEN v_closed.closed_at IS NULL;
        PERFORM publish_event(v_closed.customer_id, 'order.' || v_closed.state, 'order ' || v_closed.id,
                              sandbox_body(v_closed), true, v_closed.callback_url);
    END LOOP;
END $$;

-- Places orders of the sandbox. p_rows: [{n, service, device, quantity, fields, fingerprint (hex), reference, callback,
-- outcome, text, checked, seconds, asked, duplicate}]. One row comes back for each: placed, repeated, duplicate (each
-- with the order's id) or not_sold.
CREATE FUNCTION place_sandbox(p_customer bigint, p_window interval, p_source text, p_rows json)
RETURNS TABLE (n integer, outcome text, order_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    r record;
    v_service record;
BEGIN
    -- One customer's placings go one after another, so that what is sent twice at once is one order.
    PERFORM pg_advisory_xact_lock(hashtextextended('sandbox ' || p_customer, 0));
    FOR r IN SELECT * FROM json_to_recordset(p_rows) AS j(
        n integer, service bigint, device text, quantity integer, fields jsonb, fingerprint text, reference text,
        callback text, outcome text, text text, checked text, seconds integer, asked integer, duplicate boolean)
    LOOP
        n := r.n;
        order_id := NULL;
        SELECT v.service_class, p.price, c.currency INTO v_service
        FROM customers c, services v, price_for(v.id, c.id, c.price_group_id, c.currency::text) p
        WHERE c.id = p_customer AND v.id = r.service AND v.state = 'active' AND p.price IS NOT NULL;
        IF NOT FOUND THEN
            outcome := 'not_sold';
            RETURN NEXT;
            CONTINUE;
        END IF;
        SELECT o.id INTO order_id FROM sandbox_orders o
        WHERE o.customer_id = p_customer AND o.fingerprint = decode(r.fingerprint, 'hex') AND o.device <> ''
          AND (r.duplicate OR o.created_at > clock_timestamp() - p_window)
        ORDER BY o.id LIMIT 1;
        outcome := CASE WHEN r.duplicate THEN 'duplicate' WHEN order_id IS NULL THEN 'placed' ELSE 'repeated' END;
        IF order_id IS NULL THEN
            INSERT INTO sandbox_orders (customer_id, service_id, outcome, text, closes_at, closes_after, price,
                                        currency, quantity, device, fields, reference, fingerprint, source, callback_url)
            VALUES (p_customer, r.service, r.outcome,
                    CASE WHEN v_service.service_class = 'check' THEN COALESCE(NULLIF(r.checked, ''), r.text)
                         ELSE r.text END,
                    CASE WHEN r.asked IS NULL THEN clock_timestamp() + make_interval(secs => r.seconds) END, r.asked,
                    v_service.price * r.quantity, v_service.currency, r.quantity, r.device, r.fields, r.reference,
                    decode(r.fingerprint, 'hex'), p_source, r.callback)
            RETURNING id INTO order_id;
            IF r.seconds = 0 AND r.asked IS NULL THEN
                PERFORM advance_sandbox(ARRAY[order_id], 0);
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- Closes orders whose time has come although nobody asks; how many.
CREATE FUNCTION close_sandbox(p_limit integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_due bigint[];
BEGIN
    SELECT array_agg(id) INTO v_due FROM (
        SELECT id FROM sandbox_orders WHERE closed_at IS NULL AND closes_at <= clock_timestamp()
        ORDER BY closes_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED) due;
    IF v_due IS NOT NULL THEN
        PERFORM advance_sandbox(v_due, 0);
    END IF;
    RETURN COALESCE(cardinality(v_due), 0);
END $$;
