-- What is sold has a version that rises with every change, whoever makes it, so that caches can never sell yesterday's list.

INSERT INTO catalog_version (id, version) VALUES (1, 1);

CREATE FUNCTION catalog_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalog_version SET version = version + 1 WHERE id = 1;
    RETURN NULL;
END $$;

CREATE TRIGGER service_groups_changed AFTER INSERT OR UPDATE OR DELETE ON service_groups
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER services_changed AFTER INSERT OR UPDATE OR DELETE ON services
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER service_fields_changed AFTER INSERT OR UPDATE OR DELETE ON service_fields
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER price_groups_changed AFTER INSERT OR UPDATE OR DELETE ON price_groups
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER group_prices_changed AFTER INSERT OR UPDATE OR DELETE ON group_prices
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER customer_prices_changed AFTER INSERT OR UPDATE OR DELETE ON customer_prices
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();

-- The price of one piece of a service for a customer, in the customer's currency: the customer's own, else the price
-- group's, else the service's. NULL: not sold in that currency. A table, so that the planner takes it into its query.
CREATE FUNCTION price_for(p_service bigint, p_customer bigint, p_price_group bigint, p_currency text)
RETURNS TABLE (price bigint)
LANGUAGE sql STABLE AS $$
    SELECT COALESCE(
        (SELECT price FROM customer_prices WHERE customer_id = p_customer AND service_id = p_service),
        (SELECT p.price FROM group_prices p JOIN price_groups g ON g.id = p.price_group_id
          WHERE p.price_group_id = p_price_group AND p.service_id = p_service AND g.currency = p_currency),
        (SELECT price FROM services WHERE id = p_service AND currency = p_currency)
    )
$$;

-- A key that may be used from this address now, and whose it is. No row: it may not.
CREATE FUNCTION usable_key(p_key bigint, p_ip inet)
RETURNS TABLE (customer_id bigint, currency text, price_group_id bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.id, c.currency::text, c.price_group_id
    FROM api_keys k JOIN customers c ON c.id = k.customer_id
    WHERE k.id = p_key AND c.state = 'active' AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (k.allowed_ips = '{}' OR p_ip <<= ANY (k.allowed_ips))
$$;

-- Whether a service with these hours ("HH:MM", closing after midnight allowed) is open; no hours: always.
CREATE FUNCTION open_now(p_opens text, p_closes text, p_zone text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_opens = '' OR p_closes = '' OR p_opens = p_closes THEN true
                WHEN p_opens < p_closes THEN local BETWEEN p_opens AND p_closes
                ELSE local >= p_opens OR local <= p_closes END
    FROM to_char(now() AT TIME ZONE COALESCE(NULLIF(p_zone, ''), 'UTC'), 'HH24:MI') AS local
$$;

-- Every route with what it costs and, if it may not be used now, why. One definition for placing and sending.
CREATE VIEW route_facts AS
SELECT r.id AS route_id, r.service_id, r.priority, s.id AS supplier_id, m.id AS remote_service_id,
       m.cost, COALESCE(NULLIF(m.currency, ''), s.currency)::text AS currency,
       CASE WHEN r.state <> 'active' THEN 'the route is paused'
            WHEN r.paused_until > now() THEN 'the route is paused: ' || COALESCE(r.pause_reason, '')
            WHEN s.state <> 'active' THEN 'the supplier is paused'
            WHEN s.paused_until > now() THEN 'the supplier is paused: ' || COALESCE(s.pause_reason, '')
            WHEN m.removed_at IS NOT NULL THEN 'the supplier no longer offers it'
            WHEN m.cost IS NULL THEN 'the supplier''s price is not known'
            WHEN NOT open_now(m.opens, m.closes, m.zone) THEN 'the supplier is closed at this hour'
       END AS blocked,
       GREATEST(r.paused_until, s.paused_until) AS blocked_until
FROM routes r
JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id;
