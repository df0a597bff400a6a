-- As before, but who is told is held until the transaction ends. An endpoint that its customer removes in that moment
-- would make its delivery impossible, and with it all that happened in the transaction: the closing of an order.
CREATE OR REPLACE FUNCTION publish_event(
    p_customer bigint, p_kind text, p_subject text, p_body json, p_sandbox boolean, p_callback text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_endpoints bigint[];
    v_endpoint bigint;
    v_callbacks bigint;
    v_event bigint;
BEGIN
    SELECT array_agg(id) FILTER (WHERE url IS NOT NULL), max(id) FILTER (WHERE url IS NULL)
    INTO v_endpoints, v_callbacks FROM (
        SELECT id, url FROM webhook_endpoints
        WHERE customer_id = p_customer AND state = 'active'
          AND (p_kind = ANY (events) OR (url IS NULL AND p_callback IS NOT NULL))
        ORDER BY id FOR KEY SHARE) wanted;
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
