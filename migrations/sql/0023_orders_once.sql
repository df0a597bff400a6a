-- Orders of the JSON doors: told to an address when they are over, placed once for a key, found by their time.

ALTER TYPE placing_row ADD ATTRIBUTE callback text;

-- Places many orders in one statement: checks the key and its scope, the catalogue version, the duplicate rule and the
-- credit, then charges and creates each order with its first attempt. p_rows: [{n, service, device, quantity, fields,
-- fingerprint (hex), reference, file, callback}], n counting from 1. One row comes back for each, or a single row n = 0
-- that speaks for all:
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
    FROM usable_key(p_key, p_ip, 'orders.create') k
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
               earlier.id, COALESCE(earlier.again, false), s.confirm_seconds, s.minutes, route.chosen, r.callback
           )::placing_row ORDER BY r.n)
    INTO v_rows
    FROM json_to_recordset(p_rows) AS r(n integer, service bigint, device text, quantity integer, fields jsonb,
                                        fingerprint text, reference text, file bigint, callback text)
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
                                reference, fingerprint, file_id, guarded, source, repeats_id, callback_url, late_at)
            OVERRIDING SYSTEM VALUE
            SELECT r.order_id, v_customer, p_key, r.service_id, r.price, v_currency, r.quantity, r.device, r.fields,
                   r.reference, r.fingerprint, r.file_id, r.guarded, p_source,
                   CASE WHEN r.again THEN r.earlier_id END, r.callback,
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

-- Keeps what is answered to a customer's own key, in the place of an answer that is over. An answer that is not over is
-- never replaced: whoever gets here twice has not looked, or held no lock.
CREATE FUNCTION keep_answer(p_customer bigint, p_key text, p_request bytea, p_answer jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO idempotency_keys AS k (customer_id, key, request, answer)
    VALUES (p_customer, p_key, p_request, p_answer)
    ON CONFLICT (customer_id, key) DO UPDATE
    SET request = excluded.request, answer = excluded.answer, created_at = now()
    WHERE k.created_at <= now() - interval '24 hours';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'key % of customer % was answered before', p_key, p_customer;
    END IF;
END $$;

-- Places as place_orders does, unless the customer's own key p_once has an answer: then the one row says n = 0,
-- 'answered'. The answer is kept in this transaction as soon as a row has an order, p_refused beside what became of the
-- rows. Two calls with one key: the second waits for the account here, and then sees the answer of the first.
CREATE FUNCTION place_orders_once(
    p_key bigint, p_ip inet, p_version bigint, p_window interval, p_source text, p_rows json,
    p_once text, p_request bytea, p_refused jsonb
) RETURNS TABLE (n integer, outcome text, order_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_customer bigint;
    v_outcomes jsonb;
    v_first integer;
    v_stands boolean;
BEGIN
    SELECT a.customer_id INTO v_customer
    FROM usable_key(p_key, p_ip, 'orders.create') k JOIN accounts a ON a.customer_id = k.customer_id
    FOR UPDATE OF a;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 0, 'unauthenticated', NULL::bigint;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM idempotency_keys
               WHERE customer_id = v_customer AND key = p_once AND created_at > now() - interval '24 hours') THEN
        RETURN QUERY SELECT 0, 'answered', NULL::bigint;
        RETURN;
    END IF;
    SELECT jsonb_agg(jsonb_build_object('n', p.n, 'kind', p.outcome, 'order_id', p.order_id) ORDER BY p.n),
           min(p.n), bool_or(p.outcome IN ('placed', 'repeated'))
    INTO v_outcomes, v_first, v_stands
    FROM place_orders(p_key, p_ip, p_version, p_window, p_source, p_rows) p;
    IF v_first > 0 AND v_stands THEN
        PERFORM keep_answer(v_customer, p_once, p_request,
                            jsonb_build_object('refused', p_refused, 'outcomes', v_outcomes));
    END IF;
    RETURN QUERY SELECT o.n, o.kind, o.order_id
    FROM jsonb_to_recordset(v_outcomes) AS o(n integer, kind text, order_id bigint) ORDER BY o.n;
END $$;

-- Where in a customer's orders those from p_at on begin: the least id that none older has. Halving the ids that there
-- are finds it with a few looks at an index, because ids follow time.
CREATE FUNCTION order_id_at(p_customer bigint, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_low bigint := 0;
    v_high bigint;
    v_middle bigint;
    v_id bigint;
    v_at timestamptz;
BEGIN
    SELECT max(id) + 1 INTO v_high FROM orders WHERE customer_id = p_customer;
    WHILE v_low < v_high LOOP
        v_middle := (v_low + v_high) / 2;
        SELECT id, created_at INTO v_id, v_at FROM orders
        WHERE customer_id = p_customer AND id >= v_middle ORDER BY id LIMIT 1;
        IF v_at < p_at THEN
            v_low := v_id + 1;
        ELSE
            v_high := v_middle;
        END IF;
    END LOOP;
    RETURN v_low;
END $$;
