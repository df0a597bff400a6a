-- The routes that their operators let be used, with what one piece costs there. What keeps a route from being used for a
-- while (a pause that a machine set, opening hours, a change that waits) is no reason to sell at another price.
CREATE VIEW priced_routes AS
SELECT r.id AS route_id, r.service_id, r.priority, m.cost, COALESCE(NULLIF(m.currency, ''), s.currency)::text AS currency
FROM routes r
JOIN remote_services m ON m.id = r.remote_service_id
JOIN suppliers s ON s.id = m.supplier_id
WHERE r.state = 'active' AND s.state = 'active' AND m.removed_at IS NULL AND m.cost IS NOT NULL;

-- Keeps every price that anybody sets. Who it was stands in the transaction's setting trunkline.staff, if it was staff.
CREATE FUNCTION keep_price() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_staff bigint := NULLIF(current_setting('trunkline.staff', true), '')::bigint;
BEGIN
    IF TG_TABLE_NAME = 'services' THEN
        INSERT INTO price_history (service_id, currency, old, new, source, staff_id)
        VALUES (NEW.id, NEW.currency, OLD.price, NEW.price, NEW.price_source, v_staff);
    -- Of a group or customer who goes as a whole, their prices with them, nothing is left to keep.
    ELSIF TG_TABLE_NAME = 'group_prices' THEN
        INSERT INTO price_history (service_id, price_group_id, currency, old, new, source, staff_id)
        SELECT COALESCE(NEW.service_id, OLD.service_id), COALESCE(NEW.price_group_id, OLD.price_group_id),
               g.currency, OLD.price, NEW.price, COALESCE(NEW.price_source, OLD.price_source), v_staff
        FROM price_groups g WHERE g.id = COALESCE(NEW.price_group_id, OLD.price_group_id);
    ELSE
        INSERT INTO price_history (service_id, customer_id, currency, old, new, source, staff_id)
        SELECT COALESCE(NEW.service_id, OLD.service_id), c.id, c.currency, OLD.price, NEW.price, 'manual', v_staff
        FROM customers c WHERE c.id = COALESCE(NEW.customer_id, OLD.customer_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER services_price_set AFTER INSERT ON services FOR EACH ROW EXECUTE FUNCTION keep_price();
CREATE TRIGGER services_price_changed AFTER UPDATE ON services
    FOR EACH ROW WHEN (OLD.price <> NEW.price) EXECUTE FUNCTION keep_price();
CREATE TRIGGER group_prices_price_set AFTER INSERT OR DELETE ON group_prices FOR EACH ROW EXECUTE FUNCTION keep_price();
CREATE TRIGGER group_prices_price_changed AFTER UPDATE ON group_prices
    FOR EACH ROW WHEN (OLD.price <> NEW.price) EXECUTE FUNCTION keep_price();
CREATE TRIGGER customer_prices_price_set AFTER INSERT OR DELETE ON customer_prices
    FOR EACH ROW EXECUTE FUNCTION keep_price();
CREATE TRIGGER customer_prices_price_changed AFTER UPDATE ON customer_prices
    FOR EACH ROW WHEN (OLD.price <> NEW.price) EXECUTE FUNCTION keep_price();

-- The history begins with the prices of today.
INSERT INTO price_history (service_id, currency, new, source)
SELECT id, currency, price, price_source FROM services ORDER BY id;
INSERT INTO price_history (service_id, price_group_id, currency, new, source)
SELECT p.service_id, g.id, g.currency, p.price, p.price_source
FROM group_prices p JOIN price_groups g ON g.id = p.price_group_id ORDER BY p.service_id, g.id;
INSERT INTO price_history (service_id, customer_id, currency, new, source)
SELECT p.service_id, c.id, c.currency, p.price, 'manual'
FROM customer_prices p JOIN customers c ON c.id = p.customer_id ORDER BY p.service_id, c.id;

-- Marks that prices are to be made anew. No mark is needed where there is no rule to make them.
CREATE FUNCTION prices_are_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM markup_rules) THEN
        INSERT INTO pricing_due (cause) VALUES (TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;

-- A reading writes whole rows, so what matters to prices is compared; once for all of them, not row by row.
CREATE FUNCTION costs_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM markup_rules) AND EXISTS (
        SELECT FROM before b JOIN after a USING (id)
        WHERE (a.cost, a.currency, a.removed_at IS NULL) IS DISTINCT FROM (b.cost, b.currency, b.removed_at IS NULL)
    ) THEN
        INSERT INTO pricing_due (cause) VALUES (TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER remote_services_prices_due AFTER UPDATE ON remote_services
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION costs_changed();

CREATE TRIGGER suppliers_prices_due AFTER UPDATE ON suppliers
    FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.currency <> NEW.currency) EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER routes_prices_due_set AFTER INSERT OR DELETE ON routes
    FOR EACH STATEMENT EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER routes_prices_due AFTER UPDATE ON routes
    FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.priority <> NEW.priority) EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER exchange_rates_prices_due AFTER INSERT OR UPDATE OR DELETE ON exchange_rates
    FOR EACH STATEMENT EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER markup_rules_prices_due AFTER INSERT OR UPDATE OR DELETE ON markup_rules
    FOR EACH STATEMENT EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER services_prices_due_set AFTER INSERT ON services
    FOR EACH STATEMENT EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER services_prices_due AFTER UPDATE ON services
    FOR EACH ROW WHEN (OLD.price_source <> NEW.price_source OR OLD.group_id <> NEW.group_id)
    EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER group_prices_prices_due_gone AFTER DELETE ON group_prices
    FOR EACH STATEMENT EXECUTE FUNCTION prices_are_due();
CREATE TRIGGER group_prices_prices_due AFTER UPDATE ON group_prices
    FOR EACH ROW WHEN (OLD.price_source <> NEW.price_source) EXECUTE FUNCTION prices_are_due();
