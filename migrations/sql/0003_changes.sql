-- Changes that hold against what the supplier says, until they say something else.
CREATE VIEW standing_changes AS
SELECT * FROM catalog_changes WHERE outdated_at IS NULL AND state IN ('waiting', 'rejected', 'undone');

-- Writes over remote services the columns that the object of each names.
CREATE FUNCTION change_remote_services(p_ids bigint[], p_news jsonb[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE remote_services m
    SET (name, group_name, type, cost, currency, time, opens, closes, zone, info, takes_serial, takes_quantity,
         min_quantity, max_quantity, fields, removed_at)
        = (SELECT n.name, n.group_name, n.type, n.cost, n.currency, n.time, n.opens, n.closes, n.zone, n.info,
                  n.takes_serial, n.takes_quantity, n.min_quantity, n.max_quantity, n.fields, n.removed_at
           FROM jsonb_populate_record(m, w.new) n)
    FROM unnest(p_ids, p_news) AS w (id, new)
    WHERE m.id = w.id
$$;

-- The lowest that anybody pays for one piece of a service: the list price, a price group's or a customer's own, in the
-- service's currency; prices in others are rounded down, so that no margin looks better than it is.
CREATE FUNCTION lowest_price(p_service bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT LEAST(v.price,
        (SELECT min(CASE WHEN g.currency = v.currency THEN p.price
                         ELSE convert_up(p.price, g.currency, v.currency) - 1 END)
         FROM group_prices p JOIN price_groups g ON g.id = p.price_group_id WHERE p.service_id = v.id),
        (SELECT min(CASE WHEN u.currency = v.currency THEN p.price
                         ELSE convert_up(p.price, u.currency, v.currency) - 1 END)
         FROM customer_prices p JOIN customers u ON u.id = p.customer_id WHERE p.service_id = v.id))
    FROM services v WHERE v.id = p_service
$$;

-- A route is not used while the supplier asks for more than we have agreed to: the cost kept is the old one, and an
-- order sent now would be bought at the new one. A fall that nobody agreed to yet leaves the higher cost, which is safe.
CREATE OR REPLACE VIEW route_facts AS
SELECT r.id AS route_id, r.service_id, r.priority, s.id AS supplier_id, m.id AS remote_service_id,
       m.cost, COALESCE(NULLIF(m.currency, ''), s.currency)::text AS currency,
       CASE WHEN r.state <> 'active' THEN 'the route is paused'
            WHEN r.paused_until > now() THEN 'the route is paused: ' || COALESCE(r.pause_reason, '')
            WHEN s.state <> 'active' THEN 'the supplier is paused'
            WHEN s.paused_until > now() THEN 'the supplier is paused: ' || COALESCE(s.pause_reason, '')
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
       GREATEST(r.paused_until, s.paused_until) AS blocked_until
FROM routes r
JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id;
