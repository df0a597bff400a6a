-- Attempts: canaries of half-open circuits, staff's own attempts, those that were given up, the wish to cancel.

CREATE OR REPLACE FUNCTION attempt_move_is_legal(p_old text, p_new text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_old, p_new) IN (
        ('prepared', 'sending'),
        ('prepared', 'not_sent'),   -- put aside before sending: its route may not be used now
        ('sending', 'placed'), ('sending', 'done'), ('sending', 'failed'),   -- done, failed: answered at once
        ('sending', 'not_sent'), ('sending', 'refused'), ('sending', 'unclear'),
        ('placed', 'done'), ('placed', 'failed'), ('placed', 'abandoned'),
        ('unclear', 'placed'), ('unclear', 'refused'), ('unclear', 'abandoned'),
        ('abandoned', 'done'), ('abandoned', 'refused')   -- the truth, for the supplier's books; no order changes
    )
$$;

-- An attempt with all that is needed to send it or to look for it, and why it may not be sent now, if so. Staff's own
-- attempts (max_cost) may work for a completed order and may cost more than the price sold.
CREATE OR REPLACE VIEW attempt_work AS
SELECT a.id AS attempt_id, a.order_id, o.service_id, a.number, a.route_id, m.remote_id, m.type AS remote_type,
       m.fields AS remote_fields, r.field_map, r.fixed, o.device, o.quantity, o.fields, o.file_id, o.price,
       o.currency::text AS currency, a.sent_at,
       CASE WHEN o.state NOT IN ('accepted', 'in_progress') AND NOT (o.state = 'completed' AND a.max_cost IS NOT NULL)
            THEN 'the order is closed'
            WHEN o.cancel_requested_at IS NOT NULL THEN 'the order is to be cancelled'
            WHEN f.blocked IS NOT NULL THEN f.blocked
            WHEN a.max_cost IS NOT NULL THEN
                CASE WHEN f.cost * o.quantity > a.max_cost THEN 'the supplier''s price is above what staff agreed to' END
            WHEN convert_up(f.cost * o.quantity, f.currency, o.currency) IS NULL
            THEN 'there is no exchange rate to the supplier''s currency'
            WHEN convert_up(f.cost * o.quantity, f.currency, o.currency) > o.price
            THEN 'the supplier''s price is above the price sold'
       END AS blocked,
       extract(epoch FROM f.blocked_until - clock_timestamp())::double precision AS blocked_seconds,
       refused_routes(a.order_id) AS refused_routes, f.cost * o.quantity AS cost, f.currency AS cost_currency,
       m.id AS remote_service_id, f.shaky, f.remote_paused_until, a.forced, a.max_cost,
       o.cancel_requested_at IS NOT NULL AS cancel_requested,
       EXISTS (SELECT FROM attempts b WHERE b.order_id = a.order_id AND b.state = 'abandoned') AS may_be_bought,
       r.next_after_unclear_hours
FROM attempts a
JOIN orders o ON o.id = a.order_id
JOIN remote_services m ON m.id = a.remote_service_id
JOIN routes r ON r.id = a.route_id
JOIN route_facts f ON f.route_id = a.route_id;

-- Takes due prepared attempts of one supplier: sets those whose route may be used now to sending, leased, with the cost
-- of this moment; the others come back with the reason in blocked and stay prepared, leased until they are put aside.
-- While a circuit is half open, one order at a time goes through it to try; the others wait for what becomes of it.
CREATE OR REPLACE FUNCTION claim_attempts(p_supplier bigint, p_lease_by text, p_lease interval, p_limit integer)
RETURNS SETOF attempt_work
LANGUAGE plpgsql AS $$
DECLARE
    v_trying boolean;
    v_out boolean := false;
    v_remotes_out bigint[] := '{}';
BEGIN
    -- Two workers at one half-open circuit go one after another, so that one canary flies: what is read after the lock is
    -- what the other has committed.
    PERFORM 1 FROM suppliers s WHERE s.id = p_supplier AND s.paused_until <= clock_timestamp() FOR NO KEY UPDATE;
    IF FOUND THEN
        SELECT s.paused_until <= clock_timestamp(),
               EXISTS (SELECT FROM attempts a
                       WHERE a.supplier_id = s.id AND a.state = 'sending' AND a.sent_at > s.paused_until)
        INTO v_trying, v_out
        FROM suppliers s WHERE s.id = p_supplier;
    END IF;
    PERFORM 1 FROM remote_services m WHERE m.supplier_id = p_supplier AND m.paused_until <= clock_timestamp()
    ORDER BY m.id FOR NO KEY UPDATE;
    IF FOUND THEN
        SELECT array_agg(DISTINCT a.remote_service_id) INTO v_remotes_out
        FROM attempts a JOIN remote_services m ON m.id = a.remote_service_id
        WHERE a.supplier_id = p_supplier AND a.state = 'sending' AND a.sent_at > m.paused_until;
    END IF;

    RETURN QUERY
    WITH due AS (
        SELECT a.id FROM attempts a
        WHERE a.state = 'prepared' AND a.supplier_id = p_supplier AND a.due_at <= clock_timestamp()
        ORDER BY a.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), facts AS (
        -- The lateral keeps the view to the rows claimed; joined plainly it may be computed for all attempts there are.
        SELECT w.* FROM due, LATERAL (SELECT * FROM attempt_work v WHERE v.attempt_id = due.id LIMIT 1) w
    ), ranked AS (
        SELECT w.attempt_id,
               w.blocked IS NULL AND v_trying
               AND (v_out OR row_number() OVER (PARTITION BY w.blocked IS NULL ORDER BY w.attempt_id) > 1) IS TRUE
               OR w.blocked IS NULL AND w.remote_paused_until IS NOT NULL
               AND (w.remote_service_id = ANY (v_remotes_out)
                    OR row_number() OVER (PARTITION BY w.remote_service_id, w.blocked IS NULL
                                          ORDER BY w.attempt_id) > 1) IS TRUE AS waits
        FROM facts w
    ), work AS (
        SELECT w.attempt_id, w.order_id, w.service_id, w.number, w.route_id, w.remote_id, w.remote_type, w.remote_fields,
               w.field_map, w.fixed, w.device, w.quantity, w.fields, w.file_id, w.price, w.currency, w.sent_at,
               CASE WHEN r.waits THEN 'another order tries this way first' ELSE w.blocked END AS blocked,
               CASE WHEN r.waits THEN 2.0 ELSE w.blocked_seconds END AS blocked_seconds,
               w.refused_routes, w.cost, w.cost_currency, w.remote_service_id, w.shaky, w.remote_paused_until, w.forced,
               w.max_cost, w.cancel_requested, w.may_be_bought, w.next_after_unclear_hours
        FROM facts w JOIN ranked r ON r.attempt_id = w.attempt_id
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

-- Takes placed attempts of one supplier that are due to be asked after; pushing due_at forward is the lease.
DROP FUNCTION claim_polls(bigint, text, interval, integer);
CREATE FUNCTION claim_polls(p_supplier bigint, p_lease_by text, p_lease interval, p_limit integer)
RETURNS TABLE (attempt_id bigint, order_id bigint, service_id bigint, number integer, route_id bigint, remote_id text,
               polls integer, age_seconds double precision, late boolean, cancel boolean, next_after_rejection boolean,
               quantity integer, price bigint, currency text)
LANGUAGE sql AS $$
    UPDATE attempts a
    SET lease_by = p_lease_by, lease_until = clock_timestamp() + p_lease, due_at = clock_timestamp() + p_lease
    FROM orders o JOIN services v ON v.id = o.service_id
    WHERE o.id = a.order_id AND a.id IN (
        SELECT d.id FROM attempts d
        WHERE d.state = 'placed' AND d.supplier_id = p_supplier AND d.due_at <= clock_timestamp()
        ORDER BY d.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    )
    RETURNING a.id, a.order_id, o.service_id, a.number, a.route_id, a.remote_id, a.polls,
              extract(epoch FROM clock_timestamp() - a.placed_at)::double precision,
              COALESCE(o.late_at < clock_timestamp(), false),
              o.cancel_requested_at IS NOT NULL AND a.cancel_asked_at IS NULL,
              v.next_after_rejection AND o.cancel_requested_at IS NULL, o.quantity, o.price, o.currency::text
$$;

-- Writes what became of attempts, and of their orders with them. p_rows: [{attempt, from, to, remote_id, cost, refusal,
-- text, note, due (seconds), place_exchange, report_exchange, order_to, result, reason, result_file, delivered, hold (why
-- the order waits for a person), next_route, next_due (seconds), next_forced, next_max_cost}]. A row counts only while the
-- attempt is in state "from" and its lease is p_lease_by's (NULL: nobody's), so that the late word of a worker that lost
-- its lease changes nothing. Returns the attempts written.
CREATE OR REPLACE FUNCTION record_attempts(p_lease_by text, p_actor text, p_rows json) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    v_written bigint[];
    v_moves json;
    v_anew json;
    v_holds json;
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
            placed_at = CASE WHEN i."from" IN ('sending', 'unclear', 'abandoned')
                                  AND i."to" IN ('placed', 'done', 'failed')
                             THEN clock_timestamp() ELSE a.placed_at END,
            closed_at = CASE WHEN i."to" IN ('done', 'failed', 'not_sent', 'refused', 'abandoned')
                             THEN clock_timestamp() END,
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
               FILTER (WHERE r.order_to IS NOT NULL),
           -- An attempt that staff made for an order that was completed before.
           json_agg(json_build_object('order', a.order_id, 'result', r.result, 'result_file', r.result_file))
               FILTER (WHERE r.order_to = 'completed' AND o.state = 'completed'),
           json_agg(json_build_object('order', a.order_id, 'why', r.hold)) FILTER (WHERE r.hold IS NOT NULL)
    INTO v_moves, v_anew, v_holds
    FROM json_to_recordset(p_rows) AS r(attempt bigint, order_to text, result text, reason text, result_file bigint,
                                        delivered integer, hold text)
    JOIN attempts a ON a.id = r.attempt
    JOIN orders o ON o.id = a.order_id
    WHERE r.attempt = ANY (v_written) AND (r.order_to IS NOT NULL OR r.hold IS NOT NULL);
    IF v_moves IS NOT NULL THEN
        PERFORM move_orders(v_moves, ARRAY['accepted', 'in_progress'], p_actor);
    END IF;
    IF v_anew IS NOT NULL THEN
        PERFORM replace_results(v_anew, p_actor);
    END IF;
    IF v_holds IS NOT NULL THEN
        PERFORM hold_orders(v_holds, p_actor);
    END IF;

    INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id, due_at, chosen, forced, max_cost)
    SELECT a.order_id, (SELECT max(t.number) + 1 FROM attempts t WHERE t.order_id = a.order_id),
           f.route_id, f.supplier_id, f.remote_service_id,
           clock_timestamp() + make_interval(secs => COALESCE(r.next_due, 0)),
           CASE WHEN r.next_max_cost IS NULL
                THEN route_reason(f.routing, f.priority, convert_up(f.cost, f.currency, o.currency), f.success_permille)
                ELSE 'chosen by ' || p_actor END,
           COALESCE(r.next_forced, false), r.next_max_cost
    FROM json_to_recordset(p_rows) AS r(attempt bigint, next_route bigint, next_due double precision,
                                        next_forced boolean, next_max_cost bigint)
    JOIN attempts a ON a.id = r.attempt
    JOIN orders o ON o.id = a.order_id AND o.state IN ('accepted', 'in_progress')
    JOIN route_facts f ON f.route_id = r.next_route
    WHERE r.attempt = ANY (v_written);
    RETURN v_written;
END $$;

-- Staff send an order that no attempt is alive of over a route, at a cost they agreed to. The attempt's id; NULL if the
-- order is rejected, one is alive, or the route is not the service's.
CREATE FUNCTION attempt_again(
    p_order bigint, p_route bigint, p_max_cost bigint, p_forced boolean, p_actor text, p_reason text
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    PERFORM 1 FROM orders WHERE id = p_order AND state <> 'rejected' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO attempts (order_id, number, route_id, supplier_id, remote_service_id, chosen, forced, max_cost)
    SELECT o.id, (SELECT COALESCE(max(t.number), 0) + 1 FROM attempts t WHERE t.order_id = o.id),
           f.route_id, f.supplier_id, f.remote_service_id, 'chosen by ' || p_actor, p_forced, p_max_cost
    FROM orders o JOIN route_facts f ON f.route_id = p_route AND f.service_id = o.service_id
    WHERE o.id = p_order
    ON CONFLICT (order_id) WHERE state IN ('prepared', 'sending', 'placed', 'unclear') DO NOTHING
    RETURNING id INTO v_id;
    IF v_id IS NOT NULL THEN
        PERFORM hold_orders(json_build_array(json_build_object('order', p_order, 'why', NULL)), p_actor);
        INSERT INTO order_events (order_id, attempt_id, kind, actor, detail)
        VALUES (p_order, v_id, 'again', p_actor, p_reason);
    END IF;
    RETURN v_id;
END $$;

-- Puts leased rows off without changing their state: [{attempt, due (seconds), note, cancel_asked}].
CREATE OR REPLACE FUNCTION postpone_attempts(p_lease_by text, p_rows json) RETURNS integer
LANGUAGE sql AS $$
    WITH put_off AS (
        UPDATE attempts a
        SET due_at = clock_timestamp() + make_interval(secs => r.due), lease_by = NULL, lease_until = NULL,
            polls = a.polls + CASE WHEN a.state IN ('placed', 'unclear') THEN 1 ELSE 0 END,
            note = COALESCE(r.note, a.note),
            cancel_asked_at = CASE WHEN r.cancel_asked THEN clock_timestamp() ELSE a.cancel_asked_at END
        FROM json_to_recordset(p_rows) AS r(attempt bigint, due double precision, note text, cancel_asked boolean)
        WHERE a.id = r.attempt AND a.lease_by = p_lease_by AND a.state IN ('prepared', 'placed', 'unclear')
        RETURNING a.id, a.order_id, a.note, r.cancel_asked
    ), asked AS (
        INSERT INTO order_events (order_id, attempt_id, kind, actor, detail)
        SELECT order_id, id, 'cancel', 'worker', COALESCE(note, 'the supplier was asked to cancel')
        FROM put_off WHERE cancel_asked
    )
    SELECT count(*)::integer FROM put_off
$$;

-- Staff took a supplier up again: what waits for it comes due. An order that still leaves its customer time to think again
-- (its first attempt, never put aside) waits for that.
CREATE FUNCTION wake_attempts(p_supplier bigint) RETURNS void
LANGUAGE sql AS $$
    UPDATE attempts SET due_at = clock_timestamp() WHERE id IN (
        SELECT id FROM attempts WHERE supplier_id = p_supplier AND state = 'prepared' AND due_at > clock_timestamp()
          AND lease_by IS NULL AND (note IS NOT NULL OR number > 1)
        FOR UPDATE SKIP LOCKED)
$$;

-- A supplier called about an order that we do not know: perhaps one of which we do not know whether it arrived. Those are
-- looked for now. How many there are.
CREATE FUNCTION look_now(p_supplier bigint) RETURNS integer
LANGUAGE sql AS $$
    WITH hinted AS (
        UPDATE attempts SET due_at = clock_timestamp() WHERE id IN (
            SELECT id FROM attempts WHERE supplier_id = p_supplier AND state = 'unclear' AND lease_by IS NULL
            FOR UPDATE SKIP LOCKED)
        RETURNING 1
    )
    SELECT count(*)::integer FROM hinted
$$;

-- A supplier says that it has an order for this device already: evidence for the unclear attempts there, which are
-- looked for now. How many there are.
CREATE FUNCTION note_duplicate(p_supplier bigint, p_remote_service bigint, p_device text, p_text text) RETURNS integer
LANGUAGE sql AS $$
    WITH hinted AS (
        UPDATE attempts a SET due_at = clock_timestamp(), note = p_text
        FROM orders o
        WHERE o.id = a.order_id AND a.state = 'unclear' AND a.supplier_id = p_supplier AND a.lease_by IS NULL
          AND a.remote_service_id = p_remote_service AND o.device = p_device AND o.device <> ''
        RETURNING a.id, a.order_id
    ), events AS (
        INSERT INTO order_events (order_id, attempt_id, kind, actor, detail)
        SELECT order_id, id, 'evidence', 'worker', p_text FROM hinted
    )
    SELECT count(*)::integer FROM hinted
$$;

-- A sign of life of the worker that holds these attempts. One that is being written at this moment is not waited for: its
-- lease is about to end anyway, and two who wait for each other's rows would end one another.
CREATE OR REPLACE FUNCTION renew_leases(p_lease_by text, p_lease interval, p_attempts bigint[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE attempts SET lease_until = clock_timestamp() + p_lease, due_at = clock_timestamp() + p_lease
    WHERE id IN (
        SELECT id FROM attempts
        WHERE id = ANY (p_attempts) AND lease_by = p_lease_by AND state IN ('sending', 'placed', 'unclear')
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
$$;
