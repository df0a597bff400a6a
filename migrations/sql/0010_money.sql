-- Money by staff: adjustments once per reference, and what waits for a second pair of eyes.
--
-- Every function here locks the customer's account before it writes a transfer. Two things follow. The lines of one
-- account are written one transaction after another, so that in order of their ids no line ever appears before one that
-- was read: a statement's running balance never changes afterwards. And two transactions never hold the weak lock of
-- the foreign key together and then wait for each other to get the strong one.

-- funding -> customer, once per reference. Returns the transfer's id; NULL if the reference was used before.
CREATE OR REPLACE FUNCTION ledger_topup(p_account bigint, p_amount bigint, p_reference text, p_staff bigint)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    PERFORM 1 FROM accounts WHERE id = p_account FOR UPDATE;
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

-- adjustments -> customer (amount above zero) or back (below), by staff with a reason, once per reference.
-- NULL: the account does not cover what would be taken, or the reference was used before.
DROP FUNCTION ledger_adjust(bigint, bigint, text, bigint);
CREATE FUNCTION ledger_adjust(p_account bigint, p_amount bigint, p_reference text, p_reason text, p_staff bigint)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
    v_currency text;
    v_system bigint;
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
    WHERE id = p_account AND (p_amount > 0 OR balance + credit_limit + p_amount >= 0);
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO transfers (kind, debit_id, credit_id, amount, currency, reference, reason, staff_id)
    VALUES ('adjust',
            CASE WHEN p_amount > 0 THEN v_system ELSE p_account END,
            CASE WHEN p_amount > 0 THEN p_account ELSE v_system END,
            abs(p_amount), v_currency, p_reference, p_reason, p_staff)
    RETURNING id INTO v_id;
    RETURN v_id;
END $$;

-- escrow -> customer for orders that were rejected, or delivered in part: p_amounts of each, NULL for all charged.
CREATE OR REPLACE FUNCTION ledger_refund(p_orders bigint[], p_amounts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_transfers bigint[];
BEGIN
    PERFORM 1 FROM accounts
    WHERE id IN (SELECT debit_id FROM transfers WHERE kind = 'charge' AND order_id = ANY (p_orders))
    ORDER BY id FOR UPDATE;
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
CREATE OR REPLACE FUNCTION ledger_reverse(p_order bigint, p_staff bigint, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_transfers bigint[];
BEGIN
    PERFORM 1 FROM accounts
    WHERE id IN (SELECT debit_id FROM transfers WHERE kind = 'charge' AND order_id = p_order) FOR UPDATE;
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

-- The lines of customers' accounts: each transfer as its account sees it, ``change`` signed.
CREATE VIEW account_lines AS
SELECT debit_id AS account_id, id, kind, -amount AS change, currency, order_id, reference, reason, staff_id, created_at
FROM transfers
UNION ALL
SELECT credit_id, id, kind, amount, currency, order_id, reference, reason, staff_id, created_at
FROM transfers;

-- What was asked never changes, and what was decided stays so.
CREATE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'waiting'
       OR (OLD.id, OLD.kind, OLD.customer_id, OLD.amount, OLD.currency, OLD.reason, OLD.requested_by, OLD.requested_at)
          IS DISTINCT FROM
          (NEW.id, NEW.kind, NEW.customer_id, NEW.amount, NEW.currency, NEW.reason, NEW.requested_by, NEW.requested_at)
       OR (OLD.order_id, OLD.reference, OLD.previous) IS DISTINCT FROM (NEW.order_id, NEW.reference, NEW.previous) THEN
        RAISE EXCEPTION 'approval % is decided, or was changed in what it asks', OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approvals_state BEFORE UPDATE OR DELETE ON approvals
    FOR EACH ROW EXECUTE FUNCTION guard_approval();
