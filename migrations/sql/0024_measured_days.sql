-- How suppliers did on the days (UTC) from p_from to p_to, measured anew: of what was sent on a day, what became of it
-- by now. One row for each remote service, and one for the supplier. How many rows there are.
CREATE FUNCTION measure_days(p_from date, p_to date) RETURNS integer
LANGUAGE sql AS $$
    DELETE FROM measured_days WHERE day BETWEEN p_from AND p_to;
    WITH sent AS (
        SELECT supplier_id, remote_service_id, (sent_at AT TIME ZONE 'UTC')::date AS day, state,
               extract(epoch FROM closed_at - sent_at) AS seconds
        FROM attempts
        WHERE sent_at >= p_from::timestamp AT TIME ZONE 'UTC' AND sent_at < (p_to + 1)::timestamp AT TIME ZONE 'UTC'
          AND state <> 'not_sent'
    ), kept AS (
        INSERT INTO measured_days
            (supplier_id, day, remote_service_id, sent, delivered, failed, refused, open, p50_seconds, p95_seconds)
        SELECT supplier_id, day, remote_service_id, count(*), count(*) FILTER (WHERE state = 'done'),
               count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'refused'),
               count(*) FILTER (WHERE state NOT IN ('done', 'failed', 'refused')),
               percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE state = 'done')::integer,
               percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE state = 'done')::integer
        FROM sent
        GROUP BY GROUPING SETS ((supplier_id, day), (supplier_id, day, remote_service_id))
        RETURNING 1
    )
    SELECT count(*)::integer FROM kept
$$;
