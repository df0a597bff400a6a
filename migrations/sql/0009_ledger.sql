-- customer -> escrow, one transfer per order, all or nothing. False: the account does not cover the sum.
-- The check is the write: the update finds the row only while it is covered. An overdue account has no credit left.
CREATE OR REPLACE FUNCTION ledger_charge(p_account bigint, p_orders bigint[], p_amounts bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_currency text;
BEGIN
    UPDATE accounts a SET balance = a.balance - t.total
    FROM (SELECT sum(amount)::bigint AS total FROM unnest(p_amounts) AS amount) t
    WHERE a.id = p_account AND a.role = 'customer'
      AND (t.total = 0 OR a.balance + CASE WHEN a.overdue THEN 0 ELSE a.credit_limit END >= t.total)
    RETURNING a.currency INTO v_currency;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- ledger_system_account('escrow', ...) written out: this is the path of every order.
    INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, order_id)
    SELECT 'charge', p_account,
           (SELECT e.id FROM accounts e
             WHERE e.role = 'escrow' AND e.currency = v_currency AND e.customer_id IS NULL),
           c.amount, v_currency, c.order_id
    FROM unnest(p_orders, p_amounts) AS c(order_id, amount)
    WHERE c.amount > 0;
    RETURN true;
END $$;
