-- Staff do not want to wait: the attempts of these orders that a supplier has, or may have, come due now. One that a
-- worker holds is being asked after this moment, and stays as it is, because its due_at is the lease.
CREATE FUNCTION ask_soon(p_orders bigint[], p_actor text)
RETURNS TABLE (order_id bigint, attempt_id bigint, state text)
LANGUAGE sql AS $$
    WITH hastened AS (
        UPDATE attempts a SET due_at = clock_timestamp()
        WHERE a.id IN (
            SELECT t.id FROM attempts t
            WHERE t.order_id = ANY (p_orders) AND t.state IN ('placed', 'unclear') AND t.lease_by IS NULL
            ORDER BY t.id FOR UPDATE SKIP LOCKED)
        RETURNING a.order_id, a.id, a.state
    ), told AS (
        INSERT INTO order_events (order_id, attempt_id, kind, actor, detail)
        SELECT h.order_id, h.id, 'ask_soon', p_actor, '' FROM hastened h
    )
    SELECT h.order_id, h.id, h.state FROM hastened h ORDER BY h.order_id
$$;

-- What waits for a person is found without a look at all that is open. None of these is touched by an order that
-- goes its way.
CREATE INDEX ix_orders_held ON orders (id) WHERE held IS NOT NULL;
CREATE INDEX ix_orders_cancel ON orders (id)
    WHERE state IN ('accepted', 'in_progress') AND cancel_requested_at IS NOT NULL;
CREATE INDEX ix_orders_escalated ON orders (late_at)
    WHERE state IN ('accepted', 'in_progress') AND escalated_at IS NOT NULL;

-- The orders of one of ten thousand services: without it, all there are would be read. Placing takes 2 % longer.
CREATE INDEX ix_orders_service_id ON orders (service_id, id);
