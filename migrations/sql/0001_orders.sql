-- The order path. Only move_orders() changes an order's state; attempts are moved by record_attempts(),
-- claim_attempts() and sweep_attempts(). The triggers below refuse any move that the table does not name, whoever asks.

CREATE FUNCTION order_move_is_legal(p_old text, p_new text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_old, p_new) IN (
        ('accepted', 'in_progress'), ('accepted', 'completed'), ('accepted', 'rejected'),
        ('in_progress', 'completed'), ('in_progress', 'rejected'),
        ('completed', 'rejected')   -- staff only, with a reversal
    )
$$;

CREATE FUNCTION attempt_move_is_legal(p_old text, p_new text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_old, p_new) IN (
        ('prepared', 'sending'),
        ('prepared', 'not_sent'),   -- put aside before sending: its route may not be used now
        ('sending', 'placed'), ('sending', 'done'), ('sending', 'failed'),   -- done, failed: answered at once
        ('sending', 'not_sent'), ('sending', 'refused'), ('sending', 'unclear'),
        ('placed', 'done'), ('placed', 'failed'),
        ('unclear', 'placed'), ('unclear', 'refused')
    )
$$;

CREATE FUNCTION guard_order_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT order_move_is_legal(OLD.state, NEW.state) THEN
        RAISE EXCEPTION 'order %: no way from % to %', OLD.id, OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_guard_state BEFORE UPDATE OF state ON orders
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION guard_order_state();

CREATE FUNCTION guard_attempt_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT attempt_move_is_legal(OLD.state, NEW.state) THEN
        RAISE EXCEPTION 'attempt %: no way from % to %', OLD.id, OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempts_guard_state BEFORE UPDATE OF state ON attempts
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION guard_attempt_state();

-- One row of a placing call, with what was found out about it. price is of the whole quantity.
CREATE TYPE placing_row AS (
    n integer, service_id bigint, device text, quantity integer, fields jsonb, reference text, fingerprint bytea,
    file_id bigint, guarded boolean, price bigint, outcome text, order_id bigint, route_id bigint, supplier_id bigint,
    remote_service_id bigint
);

-- Places many orders in one statement: checks the key, the catalogue version, the duplicate guard and the credit, then
-- charges and creates each order with its first attempt. p_rows: [{n, service, device, quantity, fields, fingerprint
-- (hex), reference, file}], n counting from 1. One row comes back for each, or a single row n = 0 that speaks for all:
--   n = 0: unauthenticated | stale (the rows were validated against another catalogue version)
--   placed (order_id) | repeated (order_id of the identical order within the window) | duplicate (order_id of the open
--   one) | no_credit | not_sold | unavailable (sold, but no route could fulfil it without a loss)
CREATE FUNCTION place_orders(
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
    v_twin placing_row;
    i integer;
BEGIN
    -- From here on one customer's placings go one after another: what follows sees all that was placed before.
    SELECT k.customer_id, k.currency, k.price_group_id, c.version, a.id, a.balance + a.credit_limit
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
               decode(r.fingerprint, 'hex'), r.file, s.guarded, s.price * r.quantity,
               CASE WHEN s.price IS NULL THEN 'not_sold'
                    WHEN same.id IS NOT NULL THEN 'repeated'
                    WHEN open.id IS NOT NULL THEN 'duplicate'
                    WHEN route.route_id IS NULL THEN 'unavailable' END,
               COALESCE(same.id, open.id), route.route_id, route.supplier_id, route.remote_service_id
           )::placing_row ORDER BY r.n)
    INTO v_rows
    FROM json_to_recordset(p_rows) AS r(n integer, service bigint, device text, quantity integer, fields jsonb,
                                        fingerprint text, reference text, file bigint)
    LEFT JOIN LATERAL (
        SELECT p.price, r.device <> '' AND NOT v.allows_duplicates AS guarded
        FROM services v, price_for(v.id, v_customer, v_price_group, v_currency) p
        WHERE v.id = r.service AND v.state = 'active' LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT f.route_id, f.supplier_id, f.remote_service_id
        FROM route_facts f
        WHERE f.service_id = r.service AND convert_up(f.cost, f.currency, v_currency) <= s.price
        ORDER BY f.blocked IS NULL DESC, f.priority, f.route_id LIMIT 1
    ) route ON true
    LEFT JOIN LATERAL (
        SELECT o.id FROM orders o
        WHERE s.guarded AND o.device = r.device AND o.device <> '' AND o.customer_id = v_customer
          AND o.service_id = r.service AND o.created_at > clock_timestamp() - p_window
          AND o.fingerprint = decode(r.fingerprint, 'hex')
        ORDER BY o.id LIMIT 1
    ) same ON true
    LEFT JOIN LATERAL (
        SELECT o.id FROM orders o
        WHERE s.guarded AND o.device = r.device AND o.device <> '' AND o.customer_id = v_customer
          AND o.service_id = r.service AND o.state IN ('accepted', 'in_progress')
        ORDER BY o.id LIMIT 1
    ) open ON true;

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
    END LOOP;

    IF v_placed THEN
        WITH placed AS (
            INSERT INTO orders (id, customer_id, key_id, service_id, price, currency, quantity, device, fields,
                                reference, fingerprint, file_id, guarded, source)
            OVERRIDING SYSTEM VALUE
            SELECT r.order_id, v_customer, p_key, r.service_id, r.price, v_currency, r.quantity, r.device, r.fields,
                   r.reference, r.fingerprint, r.file_id, r.guarded, p_source
            FROM unnest(v_rows) r WHERE r.outcome = 'placed'
        )
        INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id)
        SELECT r.order_id, 1, r.route_id, r.supplier_id, r.remote_service_id
        FROM unnest(v_rows) r WHERE r.outcome = 'placed';

        IF NOT (
            SELECT ledger_charge(v_account, array_agg(r.order_id), array_agg(r.price))
            FROM unnest(v_rows) r WHERE r.outcome = 'placed'
        ) THEN
            RAISE EXCEPTION 'account % is not covered although it was locked', v_account;
        END IF;
    END IF;
    RETURN QUERY SELECT r.n, r.outcome, r.order_id FROM unnest(v_rows) r;
END $$;

-- Changes the state of orders: the one place that does. Settles what was completed and refunds what was rejected, in
-- the same transaction; of an order delivered in part, the part that was delivered is settled and the rest refunded.
-- p_rows: [{order, to, result, reason, result_file, delivered (pieces)}]; p_from: states an order may come from.
-- Returns the orders that moved; an order in another state stays as it is.
CREATE FUNCTION move_orders(p_rows json, p_from text[], p_actor text) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    v_moved bigint[];
    v_completed bigint[];
    v_settled bigint[];
    v_partly bigint[];
    v_rests bigint[];
    v_rejected bigint[];
BEGIN
    PERFORM 1 FROM orders
    WHERE id IN (SELECT r."order" FROM json_to_recordset(p_rows) AS r("order" bigint))
    ORDER BY id FOR UPDATE;

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
            updated_at = clock_timestamp(),
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

-- Rejects a completed order with a reversal: staff only, reason required. False: it is not completed.
CREATE FUNCTION reverse_order(p_order bigint, p_staff bigint, p_reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF move_orders(json_build_array(json_build_object('order', p_order, 'to', 'rejected', 'reason', p_reason)),
                   ARRAY['completed'], 'staff ' || p_staff) = '{}' THEN
        RETURN false;
    END IF;
    PERFORM ledger_reverse(p_order, p_staff, p_reason);
    RETURN true;
END $$;

-- The routes whose suppliers gave this order a definite no; what was only a matter of the moment is not among them.
CREATE FUNCTION refused_routes(p_order bigint) RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT COALESCE(array_agg(route_id), '{}') FROM attempts
    WHERE order_id = p_order
      AND (state = 'failed' OR refusal IN ('bad_input', 'duplicate', 'service_off', 'other'))
$$;

-- An attempt with all that is needed to send it or to look for it, and why it may not be sent now, if so.
CREATE VIEW attempt_work AS
SELECT a.id AS attempt_id, a.order_id, o.service_id, a.number, a.route_id, m.remote_id, m.type AS remote_type,
       m.fields AS remote_fields, r.field_map, r.fixed, o.device, o.quantity, o.fields, o.file_id, o.price,
       o.currency::text AS currency, a.sent_at,
       CASE WHEN o.state NOT IN ('accepted', 'in_progress') THEN 'the order is closed'
            WHEN f.blocked IS NOT NULL THEN f.blocked
            WHEN convert_up(f.cost * o.quantity, f.currency, o.currency) IS NULL
            THEN 'there is no exchange rate to the supplier''s currency'
            WHEN convert_up(f.cost * o.quantity, f.currency, o.currency) > o.price
            THEN 'the supplier''s price is above the price sold'
       END AS blocked,
       extract(epoch FROM f.blocked_until - clock_timestamp())::double precision AS blocked_seconds,
       refused_routes(a.order_id) AS refused_routes, f.cost * o.quantity AS cost, f.currency AS cost_currency
FROM attempts a
JOIN orders o ON o.id = a.order_id
JOIN remote_services m ON m.id = a.remote_service_id
JOIN routes r ON r.id = a.route_id
JOIN route_facts f ON f.route_id = a.route_id;

-- Takes due prepared attempts of one supplier: sets those whose route may be used now to sending, leased, with the cost
-- of this moment; the others come back with the reason in blocked and stay prepared, leased until they are put aside.
CREATE FUNCTION claim_attempts(p_supplier bigint, p_lease_by text, p_lease interval, p_limit integer)
RETURNS SETOF attempt_work
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    WITH due AS (
        SELECT a.id FROM attempts a
        WHERE a.state = 'prepared' AND a.supplier_id = p_supplier AND a.due_at <= clock_timestamp()
        ORDER BY a.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), work AS (
        -- The lateral keeps the view to the rows claimed; joined plainly it may be computed for all attempts there are.
        SELECT w.* FROM due, LATERAL (SELECT * FROM attempt_work v WHERE v.attempt_id = due.id LIMIT 1) w
    ), claimed AS (
        UPDATE attempts a
        SET state = CASE WHEN w.blocked IS NULL THEN 'sending' ELSE a.state END,
            cost = CASE WHEN w.blocked IS NULL THEN w.cost ELSE a.cost END,
            cost_currency = CASE WHEN w.blocked IS NULL THEN w.cost_currency ELSE a.cost_currency END,
            sent_at = CASE WHEN w.blocked IS NULL THEN clock_timestamp() END,
            lease_by = p_lease_by, lease_until = clock_timestamp() + p_lease,
            -- Out of the way of the next claim; a blocked one whose worker dies comes due again by itself.
            due_at = clock_timestamp() + p_lease
        FROM work w WHERE a.id = w.attempt_id
        RETURNING a.id
    )
    SELECT w.* FROM work w JOIN claimed c ON c.id = w.attempt_id ORDER BY w.attempt_id;
END $$;

-- Takes unclear attempts of one supplier that are due to be looked for; pushing due_at forward is the lease.
CREATE FUNCTION claim_unclear(p_supplier bigint, p_lease_by text, p_lease interval, p_limit integer)
RETURNS SETOF attempt_work
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    WITH due AS (
        SELECT a.id FROM attempts a
        WHERE a.state = 'unclear' AND a.supplier_id = p_supplier AND a.due_at <= clock_timestamp()
        ORDER BY a.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE attempts a
        SET lease_by = p_lease_by, lease_until = clock_timestamp() + p_lease, due_at = clock_timestamp() + p_lease
        FROM due WHERE a.id = due.id
        RETURNING a.id
    )
    SELECT w.* FROM claimed c, LATERAL (SELECT * FROM attempt_work v WHERE v.attempt_id = c.id LIMIT 1) w
    ORDER BY w.attempt_id;
END $$;

-- Takes placed attempts of one supplier that are due to be asked after; pushing due_at forward is the lease.
CREATE FUNCTION claim_polls(p_supplier bigint, p_lease_by text, p_lease interval, p_limit integer)
RETURNS TABLE (attempt_id bigint, order_id bigint, service_id bigint, number integer, route_id bigint, remote_id text,
               polls integer, age_seconds double precision)
LANGUAGE sql AS $$
    UPDATE attempts a
    SET lease_by = p_lease_by, lease_until = clock_timestamp() + p_lease, due_at = clock_timestamp() + p_lease
    FROM orders o
    WHERE o.id = a.order_id AND a.id IN (
        SELECT d.id FROM attempts d
        WHERE d.state = 'placed' AND d.supplier_id = p_supplier AND d.due_at <= clock_timestamp()
        ORDER BY d.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    )
    RETURNING a.id, a.order_id, o.service_id, a.number, a.route_id, a.remote_id, a.polls,
              extract(epoch FROM clock_timestamp() - a.placed_at)::double precision
$$;

-- Writes what became of attempts, and of their orders with them. p_rows: [{attempt, from, to, remote_id, cost, refusal,
-- text, note, due (seconds), place_exchange, report_exchange, order_to, result, reason, result_file, delivered,
-- next_route, next_due (seconds)}]. A row counts only while the attempt is in state "from" and its lease is p_lease_by's (NULL: nobody's), so
-- that the late word of a worker that lost its lease changes nothing. Returns the attempts written.
CREATE FUNCTION record_attempts(p_lease_by text, p_actor text, p_rows json) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    v_written bigint[];
    v_moves json;
BEGIN
    WITH input AS (
        SELECT * FROM json_to_recordset(p_rows) AS r(
            attempt bigint, "from" text, "to" text, remote_id text, cost bigint, refusal text, text text, note text,
            due double precision, place_exchange bigint, report_exchange bigint)
    ), written AS (
        UPDATE attempts a
        SET state = i."to", remote_id = COALESCE(i.remote_id, a.remote_id), cost = COALESCE(i.cost, a.cost),
            refusal = i.refusal, text = COALESCE(i.text, a.text), note = COALESCE(i.note, a.note),
            lease_by = NULL, lease_until = NULL,
            due_at = clock_timestamp() + make_interval(secs => COALESCE(i.due, 0)),
            polls = a.polls + CASE WHEN i."from" = 'placed' THEN 1 ELSE 0 END,
            placed_at = CASE WHEN i."from" IN ('sending', 'unclear') AND i."to" IN ('placed', 'done', 'failed')
                             THEN clock_timestamp() ELSE a.placed_at END,
            closed_at = CASE WHEN i."to" IN ('done', 'failed', 'not_sent', 'refused') THEN clock_timestamp() END,
            place_exchange_id = COALESCE(i.place_exchange, a.place_exchange_id),
            report_exchange_id = COALESCE(i.report_exchange, a.report_exchange_id)
        FROM input i
        WHERE a.id = i.attempt AND a.state = i."from" AND a.lease_by IS NOT DISTINCT FROM p_lease_by
        RETURNING a.id, a.order_id, i."from" AS old_state, a.state AS new_state, i.text, i.note
    ), events AS (
        INSERT INTO order_events (order_id, attempt_id, kind, old_state, new_state, actor, detail)
        SELECT order_id, id, 'attempt', old_state, new_state, p_actor, concat_ws(' | ', left(text, 500), note)
        FROM written WHERE old_state <> new_state
    )
    SELECT array_agg(id) INTO v_written FROM written;
    IF v_written IS NULL THEN
        RETURN '{}';
    END IF;

    SELECT json_agg(json_build_object('order', a.order_id, 'to', r.order_to, 'result', r.result, 'reason', r.reason,
                                      'result_file', r.result_file, 'delivered', r.delivered))
    INTO v_moves
    FROM json_to_recordset(p_rows) AS r(attempt bigint, order_to text, result text, reason text, result_file bigint,
                                        delivered integer)
    JOIN attempts a ON a.id = r.attempt
    WHERE r.attempt = ANY (v_written) AND r.order_to IS NOT NULL;
    IF v_moves IS NOT NULL THEN
        PERFORM move_orders(v_moves, ARRAY['accepted', 'in_progress'], p_actor);
    END IF;

    INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id, due_at)
    SELECT a.order_id, (SELECT max(t.number) + 1 FROM attempts t WHERE t.order_id = a.order_id),
           f.route_id, f.supplier_id, f.remote_service_id,
           clock_timestamp() + make_interval(secs => COALESCE(r.next_due, 0))
    FROM json_to_recordset(p_rows) AS r(attempt bigint, next_route bigint, next_due double precision)
    JOIN attempts a ON a.id = r.attempt
    JOIN orders o ON o.id = a.order_id AND o.state IN ('accepted', 'in_progress')
    JOIN route_facts f ON f.route_id = r.next_route
    WHERE r.attempt = ANY (v_written);
    RETURN v_written;
END $$;

-- Puts leased rows off without changing their state: [{attempt, due (seconds), note}].
CREATE FUNCTION postpone_attempts(p_lease_by text, p_rows json) RETURNS integer
LANGUAGE sql AS $$
    WITH put_off AS (
        UPDATE attempts a
        SET due_at = clock_timestamp() + make_interval(secs => r.due), lease_by = NULL, lease_until = NULL,
            polls = a.polls + CASE WHEN a.state IN ('placed', 'unclear') THEN 1 ELSE 0 END,
            note = COALESCE(r.note, a.note)
        FROM json_to_recordset(p_rows) AS r(attempt bigint, due double precision, note text)
        WHERE a.id = r.attempt AND a.lease_by = p_lease_by AND a.state IN ('prepared', 'placed', 'unclear')
        RETURNING 1
    )
    SELECT count(*)::integer FROM put_off
$$;

-- A sign of life of the worker that holds these attempts.
CREATE FUNCTION renew_leases(p_lease_by text, p_lease interval, p_attempts bigint[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE attempts SET lease_until = clock_timestamp() + p_lease, due_at = clock_timestamp() + p_lease
    WHERE id = ANY (p_attempts) AND lease_by = p_lease_by AND state IN ('sending', 'placed', 'unclear')
$$;

-- A send whose worker is gone may have arrived: it becomes unclear, never "again". The customer sees it in process.
CREATE FUNCTION sweep_attempts() RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    v_orphans bigint[];
    v_moves json;
BEGIN
    WITH orphans AS (
        SELECT id FROM attempts WHERE state = 'sending' AND lease_until < clock_timestamp()
        ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), moved AS (
        UPDATE attempts a SET state = 'unclear', text = 'The worker ended before it could record the answer.',
               lease_by = NULL, lease_until = NULL, polls = 0,
               due_at = clock_timestamp() + interval '30 seconds'
        FROM orphans o WHERE a.id = o.id
        RETURNING a.id, a.order_id, a.text
    ), events AS (
        INSERT INTO order_events (order_id, attempt_id, kind, old_state, new_state, actor, detail)
        SELECT order_id, id, 'attempt', 'sending', 'unclear', 'sweep', text FROM moved
    )
    SELECT array_agg(id), json_agg(json_build_object('order', order_id, 'to', 'in_progress'))
    INTO v_orphans, v_moves FROM moved;
    IF v_moves IS NOT NULL THEN
        PERFORM move_orders(v_moves, ARRAY['accepted'], 'sweep');
    END IF;
    RETURN COALESCE(v_orphans, '{}');
END $$;
