-- Orders: placed by the service's rules on duplicates, credit and time to think again; cancelled; told to staff when late.

ALTER TYPE placing_row ADD ATTRIBUTE earlier_id bigint, ADD ATTRIBUTE again boolean,
    ADD ATTRIBUTE confirm integer, ADD ATTRIBUTE minutes integer, ADD ATTRIBUTE chosen text;

-- Places many orders in one statement: checks the key, the catalogue version, the duplicate rule and the credit, then
-- charges and creates each order with its first attempt. p_rows: [{n, service, device, quantity, fields, fingerprint
-- (hex), reference, file}], n counting from 1. One row comes back for each, or a single row n = 0 that speaks for all:
--   n = 0: unauthenticated | stale (the rows were validated against another catalogue version)
--   placed (order_id) | repeated (order_id of the identical order within the window, or of the earlier one that the
--   service's rule returns) | duplicate (order_id of the earlier one) | no_credit | not_sold | unavailable (sold, but no
--   route could fulfil it without a loss)
CREATE OR REPLACE FUNCTION place_orders(
    p_key bigint, p_ip inet, p_version bigint, p_window interval, p_source text, p_rows json
) RETURNS TABLE (n integer, outcome text, order_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_customer bigint;
    v_currency text;
    v_price_group bigint;
    v_version bigint;
    v_account bigint;
    v_available bigint;
    v_rows placing_row[];
    v_twins boolean;
    v_placed boolean := false;
    v_again boolean := false;
    v_twin placing_row;
    i integer;
BEGIN
    -- From here on one customer's placings go one after another: what follows sees all that was placed before.
    SELECT k.customer_id, k.currency, k.price_group_id, c.version, a.id,
           GREATEST(a.balance + CASE WHEN a.overdue THEN 0 ELSE a.credit_limit END, 0)
    INTO v_customer, v_currency, v_price_group, v_version, v_account, v_available
    FROM usable_key(p_key, p_ip) k
    JOIN accounts a ON a.customer_id = k.customer_id
    JOIN catalog_version c ON c.id = 1
    FOR UPDATE OF a;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 0, 'unauthenticated', NULL::bigint;
        RETURN;
    END IF;
    IF v_version <> p_version THEN
        RETURN QUERY SELECT 0, 'stale', NULL::bigint;
        RETURN;
    END IF;

    -- The laterals keep the plan a chain of index look-ups, however many rows the planner expects.
    SELECT array_agg(ROW(
               r.n, r.service, r.device, r.quantity, COALESCE(r.fields, '{}'), COALESCE(r.reference, ''),
               decode(r.fingerprint, 'hex'), r.file, s.guarded,
               r.quantity * CASE WHEN earlier.again THEN LEAST(s.price, s.recent_price) ELSE s.price END,
               CASE WHEN s.price IS NULL THEN 'not_sold'
                    WHEN same.id IS NOT NULL THEN 'repeated'
                    WHEN earlier.again THEN NULL
                    WHEN earlier.id IS NOT NULL AND (s.duplicates <> 'recent' OR earlier.open) THEN
                        CASE WHEN s.duplicates = 'return' AND earlier.alike THEN 'repeated' ELSE 'duplicate' END
                    WHEN route.route_id IS NULL THEN 'unavailable' END,
               COALESCE(same.id, earlier.id), route.route_id, route.supplier_id, route.remote_service_id,
               earlier.id, COALESCE(earlier.again, false), s.confirm_seconds, s.minutes, route.chosen
           )::placing_row ORDER BY r.n)
    INTO v_rows
    FROM json_to_recordset(p_rows) AS r(n integer, service bigint, device text, quantity integer, fields jsonb,
                                        fingerprint text, reference text, file bigint)
    LEFT JOIN LATERAL (
        SELECT p.price, r.device <> '' AND v.duplicates <> 'allow' AS guarded, v.duplicates, v.duplicate_hours,
               CASE WHEN v.currency = v_currency THEN v.recent_price END AS recent_price, v.confirm_seconds,
               COALESCE(v.guaranteed_minutes, v.expected_minutes) AS minutes
        FROM services v, price_for(v.id, v_customer, v_price_group, v_currency) p
        WHERE v.id = r.service AND v.state = 'active' LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT f.route_id, f.supplier_id, f.remote_service_id,
               route_reason(f.routing, f.priority, c.cost, f.success_permille) AS chosen
        FROM route_facts f CROSS JOIN LATERAL (SELECT convert_up(f.cost, f.currency, v_currency) AS cost) c
        WHERE f.service_id = r.service AND NOT f.closed AND c.cost <= s.price
        ORDER BY f.blocked IS NULL DESC, route_rank(f.routing, f.priority, c.cost, f.success_permille),
                 f.priority, f.route_id LIMIT 1
    ) route ON true
    LEFT JOIN LATERAL (
        SELECT o.id FROM orders o
        WHERE s.guarded AND o.device = r.device AND o.device <> '' AND o.customer_id = v_customer
          AND o.service_id = r.service AND o.created_at > clock_timestamp() - p_window
          -- Rejected ones too: who sends again because a reply was lost asks what became of that order.
          AND o.fingerprint = decode(r.fingerprint, 'hex')
        ORDER BY o.id LIMIT 1
    ) same ON true
    LEFT JOIN LATERAL (
        -- The open order, else the newest completed one that is young enough; a result served again makes none younger.
        SELECT o.id, o.state <> 'completed' AS open, o.fingerprint = decode(r.fingerprint, 'hex') AS alike,
               s.duplicates = 'recent' AND o.state = 'completed' AND o.delivered IS NULL
               AND o.fingerprint = decode(r.fingerprint, 'hex') AS again
        FROM orders o
        WHERE s.guarded AND o.device = r.device AND o.device <> '' AND o.customer_id = v_customer
          AND o.service_id = r.service
          AND (o.state IN ('accepted', 'in_progress')
               OR (o.state = 'completed' AND o.repeats_id IS NULL
                   AND o.closed_at > clock_timestamp() - make_interval(hours => s.duplicate_hours)))
        ORDER BY o.state = 'completed', o.id DESC LIMIT 1
    ) earlier ON true;

    -- Two rows of one call may be for the same device; hardly ever are.
    v_twins := cardinality(v_rows) > 1 AND EXISTS (
        SELECT FROM unnest(v_rows) r WHERE r.guarded GROUP BY r.service_id, r.device HAVING count(*) > 1);

    -- Rows are decided in their order; one that does not fit the credit leaves it to those after it.
    FOR i IN 1 .. cardinality(v_rows) LOOP
        CONTINUE WHEN v_rows[i].outcome IS NOT NULL;
        IF v_twins AND v_rows[i].guarded AND v_placed THEN
            SELECT t.* INTO v_twin FROM unnest(v_rows[1 : i - 1]) t
            WHERE t.outcome = 'placed' AND t.guarded
              AND t.service_id = v_rows[i].service_id AND t.device = v_rows[i].device LIMIT 1;
            IF FOUND THEN
                v_rows[i].order_id := v_twin.order_id;
                v_rows[i].outcome :=
                    CASE WHEN v_twin.fingerprint = v_rows[i].fingerprint THEN 'repeated' ELSE 'duplicate' END;
                CONTINUE;
            END IF;
        END IF;
        IF v_rows[i].price > v_available THEN
            v_rows[i].outcome := 'no_credit';
            CONTINUE;
        END IF;
        v_available := v_available - v_rows[i].price;
        v_rows[i].outcome := 'placed';
        v_rows[i].order_id := nextval('orders_id_seq');
        v_placed := true;
        v_again := v_again OR v_rows[i].again;
    END LOOP;

    IF v_placed THEN
        WITH placed AS (
            INSERT INTO orders (id, customer_id, key_id, service_id, price, currency, quantity, device, fields,
                                reference, fingerprint, file_id, guarded, source, repeats_id, late_at)
            OVERRIDING SYSTEM VALUE
            SELECT r.order_id, v_customer, p_key, r.service_id, r.price, v_currency, r.quantity, r.device, r.fields,
                   r.reference, r.fingerprint, r.file_id, r.guarded, p_source,
                   CASE WHEN r.again THEN r.earlier_id END,
                   clock_timestamp() + make_interval(mins => r.minutes, secs => r.confirm)
            FROM unnest(v_rows) r WHERE r.outcome = 'placed'
        )
        INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id, chosen, due_at)
        SELECT r.order_id, 1, r.route_id, r.supplier_id, r.remote_service_id, r.chosen,
               now() + make_interval(secs => r.confirm)
        FROM unnest(v_rows) r WHERE r.outcome = 'placed' AND NOT r.again;

        IF NOT (
            SELECT ledger_charge(v_account, array_agg(r.order_id), array_agg(r.price))
            FROM unnest(v_rows) r WHERE r.outcome = 'placed'
        ) THEN
            RAISE EXCEPTION 'account % is not covered although it was locked', v_account;
        END IF;
        IF v_again THEN
            PERFORM serve_again(array_agg(r.order_id)) FROM unnest(v_rows) r WHERE r.outcome = 'placed' AND r.again;
        END IF;
    END IF;
    RETURN QUERY SELECT r.n, r.outcome, r.order_id FROM unnest(v_rows) r;
END $$;

-- Completes orders with the result of the order that each repeats, and says how old that is.
CREATE FUNCTION serve_again(p_orders bigint[]) RETURNS void
LANGUAGE sql AS $$
    SELECT move_orders(json_agg(json_build_object(
        'order', o.id, 'to', 'completed', 'result_file', e.result_file_id,
        'result', 'Result of order ' || e.id || ', of ' || to_char(e.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
                  || ' UTC (' || floor(extract(epoch FROM clock_timestamp() - e.closed_at) / 60)::integer
                  || ' minutes old):' || E'\n' || e.result)), ARRAY['accepted'], 'duplicate rule')
    FROM orders o JOIN orders e ON e.id = o.repeats_id
    WHERE o.id = ANY (p_orders)
$$;

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
           array_agg(id) FILTER (WHERE new_state = 'rejected' AND old_state <> 'completed')
    INTO v_moved, v_completed, v_settled, v_partly, v_rests, v_rejected
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
    RETURN COALESCE(v_moved, '{}');
END $$;

-- A result that staff had made anew takes the place of a completed order's; no money moves and no state changes.
CREATE FUNCTION replace_results(p_rows json, p_actor text) RETURNS void
LANGUAGE sql AS $$
    WITH replaced AS (
        UPDATE orders o
        SET result = r.result, result_file_id = r.result_file, updated_at = clock_timestamp()
        FROM json_to_recordset(p_rows) AS r("order" bigint, result text, result_file bigint)
        WHERE o.id = r."order" AND o.state = 'completed'
        RETURNING o.id
    )
    INSERT INTO order_events (order_id, kind, actor, detail)
    SELECT id, 'result', p_actor, 'another result took the place of the first' FROM replaced
$$;

-- Lets open orders wait for a person, with the reason; [{order, why}]. NULL ends the waiting.
CREATE FUNCTION hold_orders(p_rows json, p_actor text) RETURNS void
LANGUAGE sql AS $$
    WITH held AS (
        UPDATE orders o SET held = r.why, updated_at = clock_timestamp()
        FROM json_to_recordset(p_rows) AS r("order" bigint, why text)
        WHERE o.id = r."order" AND o.state IN ('accepted', 'in_progress') AND o.held IS DISTINCT FROM r.why
        RETURNING o.id, o.held
    )
    INSERT INTO order_events (order_id, kind, actor, detail)
    SELECT id, 'held', p_actor, COALESCE(held, 'goes on') FROM held
$$;

-- Somebody wants an order closed unserved (p_customer: only if it is theirs). One that provably is with no supplier is
-- rejected and refunded here and now; else the wish is written down if p_wish, and only a supplier's word fulfils it.
--   unknown | closed | cancelled (refunded) | requested (or, without p_wish, not possible)
CREATE FUNCTION request_cancel(p_order bigint, p_customer bigint, p_actor text, p_reason text, p_wish boolean)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_order orders;
    v_live integer;
    v_waiting integer;
BEGIN
    SELECT * INTO v_order FROM orders
    WHERE id = p_order AND customer_id = COALESCE(p_customer, customer_id) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    IF v_order.state NOT IN ('accepted', 'in_progress') THEN
        RETURN 'closed';
    END IF;
    -- Whoever has the attempt locked at this moment will want the order's lock next: it is not waited for.
    SELECT count(*) INTO v_waiting FROM (
        SELECT FROM attempts WHERE order_id = p_order AND state = 'prepared' FOR UPDATE SKIP LOCKED
    ) w;
    SELECT count(*) INTO v_live FROM attempts
    WHERE order_id = p_order AND state IN ('prepared', 'sending', 'placed', 'unclear');
    IF v_live = v_waiting THEN
        -- The attempt is ended with its order: a worker whose claim began before this commits does not find it any more.
        WITH ended AS (
            UPDATE attempts SET state = 'not_sent', text = 'the order is closed', lease_by = NULL, lease_until = NULL,
                   closed_at = clock_timestamp()
            WHERE order_id = p_order AND state = 'prepared'
            RETURNING id, text
        )
        INSERT INTO order_events (order_id, attempt_id, kind, old_state, new_state, actor, detail)
        SELECT p_order, id, 'attempt', 'prepared', 'not_sent', p_actor, text FROM ended;
        PERFORM move_orders(json_build_array(json_build_object('order', p_order, 'to', 'rejected', 'reason', p_reason)),
                            ARRAY['accepted', 'in_progress'], p_actor);
        RETURN 'cancelled';
    END IF;
    IF p_wish AND v_order.cancel_requested_at IS NULL THEN
        UPDATE orders SET cancel_requested_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = p_order;
        INSERT INTO order_events (order_id, kind, actor, detail) VALUES (p_order, 'cancel', p_actor, 'cancel requested');
        -- The poller passes the wish on; one that is being asked after this moment does with its next question.
        UPDATE attempts SET due_at = clock_timestamp() WHERE id IN (
            SELECT id FROM attempts WHERE order_id = p_order AND state = 'placed' AND lease_by IS NULL
            FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN 'requested';
END $$;

-- Writes down, once each, which orders are later than was guaranteed, and has them asked after now. Those found.
CREATE FUNCTION escalate_orders() RETURNS TABLE (order_id bigint, service_id bigint, late_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH late AS (
        SELECT id FROM orders
        WHERE state IN ('accepted', 'in_progress') AND escalated_at IS NULL AND late_at IS NOT NULL
          AND late_at <= clock_timestamp()
        ORDER BY late_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
    ), told AS (
        UPDATE orders o SET escalated_at = clock_timestamp() FROM late WHERE o.id = late.id
        RETURNING o.id, o.service_id, o.late_at
    ), events AS (
        INSERT INTO order_events (order_id, kind, actor, detail)
        SELECT id, 'late', 'clock', 'later than was promised' FROM told
    ), idle AS (
        SELECT a.id FROM attempts a JOIN late l ON l.id = a.order_id
        WHERE a.state = 'placed' AND a.lease_by IS NULL FOR UPDATE OF a SKIP LOCKED
    ), hurried AS (
        UPDATE attempts a SET due_at = clock_timestamp() FROM idle WHERE a.id = idle.id
    )
    SELECT t.id, t.service_id, t.late_at FROM told t;
END $$;

-- What an order cost us, in its own currency at the rates of this moment: the delivering attempt (or the one that is
-- with a supplier), and what other attempts cost beside it.
CREATE VIEW order_costs AS
SELECT order_id, currency, sum(cost) FILTER (WHERE main)::bigint AS cost,
       COALESCE(sum(cost) FILTER (WHERE NOT main), 0)::bigint AS extra_cost
FROM (
    SELECT a.order_id, o.currency::text AS currency, convert_up(a.cost, a.cost_currency, o.currency) AS cost,
           a.state <> 'abandoned' AND row_number() OVER (
               PARTITION BY a.order_id ORDER BY a.state = 'abandoned', a.number DESC) = 1 AS main
    FROM attempts a JOIN orders o ON o.id = a.order_id
    WHERE a.state IN ('placed', 'done', 'abandoned')
) c
GROUP BY order_id, currency;
