-- The ledger: the only statements in the whole system that write accounts.balance or transfers.
-- Each kind of transfer has one definition here; placing and settling call it, whatever way they come.

-- Transfers are history: nothing changes or removes one.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'transfers are append-only';
END $$;

CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER transfers_no_truncate BEFORE TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Opens a customer's account, and the system's accounts of that currency if it is the first.
CREATE FUNCTION ledger_open_account(p_customer bigint, p_currency text, p_credit_limit bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO accounts (role, currency)
    SELECT role, p_currency FROM unnest(ARRAY['funding', 'escrow', 'sales', 'adjustments']) AS role
    ON CONFLICT DO NOTHING;
    INSERT INTO accounts (role, currency, customer_id, credit_limit)
    VALUES ('customer', p_currency, p_customer, p_credit_limit)
    RETURNING id INTO v_id;
    RETURN v_id;
END $$;

CREATE FUNCTION ledger_system_account(p_role text, p_currency text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT id FROM accounts WHERE role = p_role AND currency = p_currency AND customer_id IS NULL
$$;

-- customer -> escrow, one transfer per order, all or nothing. False: the account does not cover the sum.
-- The check is the write: the update finds the row only while it is covered.
CREATE FUNCTION ledger_charge(p_account bigint, p_orders bigint[], p_amounts bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_currency text;
BEGIN
    UPDATE accounts a SET balance = a.balance - t.total
    FROM (SELECT sum(amount)::bigint AS total FROM unnest(p_amounts) AS amount) t
    WHERE a.id = p_account AND a.role = 'customer' AND a.balance + a.credit_limit >= t.total
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

-- No order gives more out of escrow than was charged for it, whoever writes the transfer.
CREATE FUNCTION ledger_refuse_overpayment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One look-up for each kind, because each has its own index.
    IF COALESCE((SELECT sum(amount) FROM transfers WHERE order_id = NEW.order_id AND kind = 'settle'), 0)
       + COALESCE((SELECT sum(amount) FROM transfers WHERE order_id = NEW.order_id AND kind = 'refund'), 0)
       > (SELECT amount FROM transfers WHERE order_id = NEW.order_id AND kind = 'charge') THEN
        RAISE EXCEPTION 'order %: more than was charged would leave escrow', NEW.order_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_outcome AFTER INSERT ON transfers
    FOR EACH ROW WHEN (NEW.kind IN ('settle', 'refund')) EXECUTE FUNCTION ledger_refuse_overpayment();

-- escrow -> sales for completed orders: p_amounts of each, NULL for all that was charged.
CREATE FUNCTION ledger_settle(p_orders bigint[], p_amounts bigint[]) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, order_id)
    SELECT 'settle', c.credit_id, s.id, COALESCE(o.amount, c.amount), c.currency, c.order_id
    FROM unnest(p_orders, p_amounts) AS o(id, amount)
    JOIN transfers c ON c.order_id = o.id AND c.kind = 'charge'
    JOIN accounts s ON s.role = 'sales' AND s.currency = c.currency AND s.customer_id IS NULL
    WHERE COALESCE(o.amount, c.amount) > 0
$$;

-- Credits customers' balances for transfers just written to them; accounts are locked in one order by all.
CREATE FUNCTION ledger_credit(p_transfers bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM accounts
    WHERE id IN (SELECT credit_id FROM transfers WHERE id = ANY (p_transfers))
    ORDER BY id FOR UPDATE;
    UPDATE accounts a SET balance = a.balance + t.total
    FROM (
        SELECT credit_id, sum(amount)::bigint AS total FROM transfers WHERE id = ANY (p_transfers) GROUP BY credit_id
    ) t
    WHERE a.id = t.credit_id AND a.role = 'customer';
END $$;

-- escrow -> customer for orders that were rejected, or delivered in part: p_amounts of each, NULL for all charged.
CREATE FUNCTION ledger_refund(p_orders bigint[], p_amounts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_transfers bigint[];
BEGIN
    WITH refunds AS (
        INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, order_id)
        SELECT 'refund', c.credit_id, c.debit_id, COALESCE(o.amount, c.amount), c.currency, c.order_id
        FROM unnest(p_orders, p_amounts) AS o(id, amount)
        JOIN transfers c ON c.order_id = o.id AND c.kind = 'charge'
        WHERE COALESCE(o.amount, c.amount) > 0
        RETURNING id
    )
    SELECT array_agg(id) INTO v_transfers FROM refunds;
    PERFORM ledger_credit(v_transfers);
END $$;

-- sales -> customer for a completed order that staff rejected, with their reason.
CREATE FUNCTION ledger_reverse(p_order bigint, p_staff bigint, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_transfers bigint[];
BEGIN
    WITH reversal AS (
        INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, order_id, staff_id, reason)
        SELECT 'reverse', s.credit_id, c.debit_id, s.amount, s.currency, s.order_id, p_staff, p_reason
        FROM transfers s
        JOIN transfers c ON c.kind = 'charge' AND c.order_id = s.order_id
        WHERE s.kind = 'settle' AND s.order_id = p_order
        RETURNING id
    )
    SELECT array_agg(id) INTO v_transfers FROM reversal;
    PERFORM ledger_credit(v_transfers);
END $$;

-- funding -> customer, once per reference. Returns the transfer's id; NULL if the reference was used before.
CREATE FUNCTION ledger_topup(p_account bigint, p_amount bigint, p_reference text, p_staff bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, reference, staff_id)
    SELECT 'topup', ledger_system_account('funding', a.currency), a.id, p_amount, a.currency, p_reference, p_staff
    FROM accounts a WHERE a.id = p_account AND a.role = 'customer'
    ON CONFLICT (credit_id, reference) WHERE kind = 'topup' DO NOTHING
    RETURNING id INTO v_id;
    IF v_id IS NOT NULL THEN
        PERFORM ledger_credit(ARRAY[v_id]);
    END IF;
    RETURN v_id;
END $$;

-- adjustments -> customer (amount above zero) or back (below), by staff with a reason.
-- NULL: the account does not cover what would be taken.
CREATE FUNCTION ledger_adjust(p_account bigint, p_amount bigint, p_reason text, p_staff bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    UPDATE accounts SET balance = balance + p_amount
    WHERE id = p_account AND role = 'customer' AND balance + credit_limit + p_amount >= 0;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, reason, staff_id)
    SELECT 'adjust',
           CASE WHEN p_amount > 0 THEN ledger_system_account('adjustments', a.currency) ELSE a.id END,
           CASE WHEN p_amount > 0 THEN a.id ELSE ledger_system_account('adjustments', a.currency) END,
           abs(p_amount), a.currency, p_reason, p_staff
    FROM accounts a WHERE a.id = p_account
    RETURNING id INTO v_id;
    RETURN v_id;
END $$;

-- What one unit of a currency is worth in the base currency now; NULL if nobody said.
CREATE FUNCTION rate_of(p_currency text) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT rate FROM exchange_rates WHERE currency = p_currency AND valid_from <= now()
    ORDER BY valid_from DESC LIMIT 1
$$;

-- An amount in another currency, rounded up against us; NULL if a rate is missing.
CREATE FUNCTION convert_up(p_amount bigint, p_from text, p_to text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_from = p_to THEN p_amount
                ELSE ceil(p_amount * rate_of(p_from) / rate_of(p_to))::bigint END
$$;
