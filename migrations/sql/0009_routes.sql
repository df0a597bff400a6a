-- Routes as they stand: circuit breakers, measures, and how a service ranks them.

-- How early a route is tried, the lowest first. p_cost is of one piece in the currency of the sale; the expected cost is
-- what a delivery costs when only p_permille of a thousand orders are delivered.
CREATE FUNCTION route_rank(p_routing text, p_priority integer, p_cost bigint, p_permille integer) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_routing WHEN 'cost' THEN p_cost
                          WHEN 'expected_cost' THEN (p_cost * 1000 + p_permille - 1) / p_permille
                          ELSE p_priority END
$$;

-- The same in words, for staff.
CREATE FUNCTION route_reason(p_routing text, p_priority integer, p_cost bigint, p_permille integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_routing
        WHEN 'cost' THEN 'cost ' || trim_scale(p_cost / 1000000.0)
        WHEN 'expected_cost' THEN
            'expected cost ' || trim_scale(round(route_rank(p_routing, p_priority, p_cost, p_permille) / 1000000.0, 6))
            || ': ' || trim_scale(p_cost / 1000000.0) || ' at ' || trim_scale(p_permille / 10.0) || ' % delivered'
        ELSE 'priority ' || p_priority END
$$;

-- Until when a circuit stays open that opens for the (p_trips + 1)th time in a row: twice as long each time, ten minutes at
-- most, unless p_seconds is more than that.
CREATE FUNCTION circuit_until(p_trips integer, p_seconds integer) RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
    SELECT clock_timestamp() + make_interval(
        secs => GREATEST(p_seconds, LEAST(p_seconds * power(2, LEAST(p_trips, 10)), 600)))
$$;

-- Every route with what it costs and, if it may not be used now, why. One definition for placing and sending.
-- A route is not used while the supplier asks for more than we have agreed to: the cost kept is the old one, and an
-- order sent now would be bought at the new one. A fall that nobody agreed to yet leaves the higher cost, which is safe.
CREATE OR REPLACE VIEW route_facts AS
SELECT r.id AS route_id, r.service_id, r.priority, s.id AS supplier_id, m.id AS remote_service_id,
       m.cost, COALESCE(NULLIF(m.currency, ''), s.currency)::text AS currency,
       CASE WHEN r.state <> 'active' THEN 'the route is paused'
            WHEN s.state <> 'active' THEN 'the supplier is paused'
            WHEN s.paused_until > now() THEN 'the supplier is paused: ' || COALESCE(s.pause_reason, '')
            WHEN m.paused_until > now() THEN 'the remote service is paused: ' || COALESCE(m.pause_reason, '')
            WHEN m.removed_at IS NOT NULL THEN 'the supplier no longer offers it'
            WHEN m.cost IS NULL THEN 'the supplier''s price is not known'
            WHEN NOT open_now(m.opens, m.closes, m.zone) THEN 'the supplier is closed at this hour'
            ELSE (SELECT CASE c.state WHEN 'waiting' THEN 'a price change waits for approval'
                                      ELSE 'a price change was not accepted' END
                  FROM standing_changes c
                  WHERE c.remote_service_id = m.id AND c.kind = 'price'
                    AND ((c.new ->> 'cost')::bigint <= m.cost
                         AND COALESCE(NULLIF(c.new ->> 'currency', ''), s.currency)
                             = COALESCE(NULLIF(m.currency, ''), s.currency)) IS NOT TRUE)
       END AS blocked,
       GREATEST(m.paused_until, s.paused_until) AS blocked_until,
       v.routing, COALESCE(x.success_permille, 900) AS success_permille,
       s.paused_until AS supplier_paused_until, m.paused_until AS remote_paused_until,
       s.doubts > 0 OR m.doubts > 0 OR s.paused_until IS NOT NULL OR m.paused_until IS NOT NULL AS shaky,
       r.next_after_unclear_hours,
       -- It does not end by itself: orders are not taken for such a route alone.
       r.state <> 'active' OR s.state <> 'active' OR m.removed_at IS NOT NULL OR m.cost IS NULL AS closed
FROM routes r
JOIN services v ON v.id = r.service_id
JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id
LEFT JOIN remote_measures x ON x.remote_service_id = m.id;

ALTER TABLE routes DROP COLUMN paused_until, DROP COLUMN pause_reason;

-- Measures the last days anew. Answered is what a supplier delivered, failed or would not take for reasons of its own;
-- ten orders at 900 of a thousand stand for a remote service that nobody knows yet.
CREATE FUNCTION measure_routes(p_window interval) RETURNS integer
LANGUAGE sql AS $$
    WITH measured AS (
        SELECT remote_service_id, count(*) AS answered, count(*) FILTER (WHERE state = 'done') AS delivered,
               percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - sent_at))
                   FILTER (WHERE state = 'done')::integer AS p50,
               percentile_disc(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM closed_at - sent_at))
                   FILTER (WHERE state = 'done')::integer AS p95
        FROM attempts
        WHERE created_at > now() - p_window AND sent_at IS NOT NULL
          AND (state IN ('done', 'failed') OR (state = 'refused' AND refusal IN ('service_off', 'other')))
        GROUP BY remote_service_id
    ), gone AS (
        DELETE FROM remote_measures m WHERE NOT EXISTS (
            SELECT FROM measured n WHERE n.remote_service_id = m.remote_service_id)
    ), kept AS (
        INSERT INTO remote_measures AS m
            (remote_service_id, answered, delivered, success_permille, p50_seconds, p95_seconds)
        SELECT remote_service_id, answered, delivered,
               GREATEST(1, (delivered * 1000 + 9000) / (answered + 10))::integer, p50, p95
        FROM measured
        ON CONFLICT (remote_service_id) DO UPDATE
        SET answered = excluded.answered, delivered = excluded.delivered,
            success_permille = excluded.success_permille, p50_seconds = excluded.p50_seconds,
            p95_seconds = excluded.p95_seconds, measured_at = now()
        RETURNING 1
    )
    SELECT count(*)::integer FROM kept
$$;
