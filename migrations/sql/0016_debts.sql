-- How old a customer's debt is, and who is overdue.

-- The debits that a customer has not paid for, newest first, and how much of each. What was refunded or reversed of an
-- order was never owed; top-ups and corrections pay the oldest debits first, so what is unpaid are the newest, up to
-- what the balance is below zero. Only as many lines are read as the debt covers.
CREATE FUNCTION ledger_unpaid(p_account bigint) RETURNS TABLE (transfer_id bigint, at timestamptz, unpaid bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_left bigint;
    v_line record;
BEGIN
    SELECT -a.balance INTO v_left FROM accounts a WHERE a.id = p_account AND a.balance < 0;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR v_line IN
        SELECT t.id, t.created_at,
               t.amount
               - COALESCE((SELECT r.amount FROM transfers r WHERE r.order_id = t.order_id AND r.kind = 'refund'), 0)
               - COALESCE((SELECT r.amount FROM transfers r WHERE r.order_id = t.order_id AND r.kind = 'reverse'), 0)
               AS owed
        FROM transfers t WHERE t.debit_id = p_account ORDER BY t.id DESC
    LOOP
        CONTINUE WHEN v_line.owed = 0;
        transfer_id := v_line.id;
        at := v_line.created_at;
        unpaid := LEAST(v_line.owed, v_left);
        RETURN NEXT;
        v_left := v_left - unpaid;
        EXIT WHEN v_left = 0;
    END LOOP;
END $$;

-- A customer's debt by its age in whole days, and since when the oldest of it is owed. One row, all zero without a debt.
CREATE FUNCTION ledger_ageing(p_account bigint)
RETURNS TABLE (debt bigint, days_0_7 bigint, days_8_30 bigint, days_31_60 bigint, days_over_60 bigint,
               oldest timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT COALESCE(sum(u.unpaid), 0)::bigint,
           COALESCE(sum(u.unpaid) FILTER (WHERE d.age < 8), 0)::bigint,
           COALESCE(sum(u.unpaid) FILTER (WHERE d.age >= 8 AND d.age < 31), 0)::bigint,
           COALESCE(sum(u.unpaid) FILTER (WHERE d.age >= 31 AND d.age < 61), 0)::bigint,
           COALESCE(sum(u.unpaid) FILTER (WHERE d.age >= 61), 0)::bigint,
           min(u.at)
    FROM ledger_unpaid(p_account) u, LATERAL (SELECT extract(epoch FROM now() - u.at) / 86400 AS age) d
$$;

-- Says whether the account is overdue, and writes it down. It locks the account first, and being volatile it then looks
-- with fresh eyes: a payment that was made meanwhile counts.
CREATE FUNCTION ledger_refresh_overdue(p_account bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_days integer;
    v_overdue boolean;
BEGIN
    SELECT credit_days INTO v_days FROM accounts WHERE id = p_account AND role = 'customer' FOR UPDATE;
    v_overdue := v_days IS NOT NULL AND EXISTS (
        SELECT FROM ledger_unpaid(p_account) u WHERE u.at < now() - make_interval(hours => 24 * v_days));
    UPDATE accounts SET overdue = v_overdue WHERE id = p_account AND overdue <> v_overdue;
    RETURN v_overdue;
END $$;

-- Sets after how many days a debt is overdue, NULL for never, and what follows from it at once.
CREATE FUNCTION ledger_set_terms(p_account bigint, p_days integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET credit_days = p_days WHERE id = p_account AND role = 'customer';
    RETURN ledger_refresh_overdue(p_account);
END $$;

-- Credits customers' balances for transfers just written to them; accounts are locked in one order by all. Whoever pays
-- what was overdue may buy again with the same transaction.
CREATE OR REPLACE FUNCTION ledger_credit(p_transfers bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_overdue bigint[];
BEGIN
    PERFORM 1 FROM accounts
    WHERE id IN (SELECT credit_id FROM transfers WHERE id = ANY (p_transfers))
    ORDER BY id FOR UPDATE;
    WITH credited AS (
        UPDATE accounts a SET balance = a.balance + t.total
        FROM (
            SELECT credit_id, sum(amount)::bigint AS total FROM transfers WHERE id = ANY (p_transfers)
            GROUP BY credit_id
        ) t
        WHERE a.id = t.credit_id AND a.role = 'customer'
        RETURNING a.id, a.overdue
    )
    SELECT array_agg(id) INTO v_overdue FROM credited WHERE overdue;
    IF v_overdue IS NOT NULL THEN
        PERFORM ledger_refresh_overdue(id) FROM unnest(v_overdue) AS id;
    END IF;
END $$;

-- adjustments -> customer (amount above zero) or back (below), by staff with a reason, once per reference.
-- NULL: the account does not cover what would be taken, or the reference was used before.
CREATE OR REPLACE FUNCTION ledger_adjust(
    p_account bigint, p_amount bigint, p_reference text, p_reason text, p_staff bigint
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
    v_currency text;
    v_system bigint;
    v_overdue boolean;
BEGIN
    SELECT currency INTO v_currency FROM accounts WHERE id = p_account AND role = 'customer' FOR UPDATE;
    v_system := ledger_system_account('adjustments', v_currency);
    IF EXISTS (
        SELECT FROM transfers
        WHERE kind = 'adjust' AND LEAST(debit_id, credit_id) = LEAST(p_account, v_system)
          AND GREATEST(debit_id, credit_id) = GREATEST(p_account, v_system) AND reference = p_reference
    ) THEN
        RETURN NULL;
    END IF;
    UPDATE accounts SET balance = balance + p_amount
    WHERE id = p_account AND (p_amount > 0 OR balance + credit_limit + p_amount >= 0)
    RETURNING overdue INTO v_overdue;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, reference, reason, staff_id)
    VALUES ('adjust',
            CASE WHEN p_amount > 0 THEN v_system ELSE p_account END,
            CASE WHEN p_amount > 0 THEN p_account ELSE v_system END,
            abs(p_amount), v_currency, p_reference, p_reason, p_staff)
    RETURNING id INTO v_id;
    IF v_overdue THEN
        PERFORM ledger_refresh_overdue(p_account);
    END IF;
    RETURN v_id;
END $$;
