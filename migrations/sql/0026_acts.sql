-- The audit log: every act of staff, who, what, before and after, from where; written by the change itself.
--
-- Who it is stands in settings of the transaction: trunkline.door (admin, portal, api or command), trunkline.address, and
-- trunkline.staff or trunkline.customer, an id. A table that machines write too is only watched while a door is set. A column that holds a secret
-- has a name that says so, and its value never leaves the row: the log says "secret" before and after.

CREATE FUNCTION acts_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER acts_append_only BEFORE UPDATE OR DELETE ON acts
    FOR EACH ROW EXECUTE FUNCTION acts_stay();
CREATE TRIGGER acts_no_truncate BEFORE TRUNCATE ON acts EXECUTE FUNCTION acts_stay();

-- Writes down an act; p_staff is for who has not signed in yet, and for work that a transaction of its own does later.
CREATE FUNCTION record_act(
    p_staff bigint, p_act text, p_kind text, p_subject bigint, p_named text, p_before jsonb, p_after jsonb
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO acts (staff_id, customer_id, door, address, act, subject_kind, subject_id, named, before, after)
    VALUES (COALESCE(NULLIF(current_setting('trunkline.staff', true), '')::bigint, p_staff),
            NULLIF(current_setting('trunkline.customer', true), '')::bigint,
            COALESCE(NULLIF(current_setting('trunkline.door', true), ''), 'system'),
            COALESCE(current_setting('trunkline.address', true), ''),
            p_act, p_kind, p_subject, left(p_named, 200), p_before, p_after);
$$;

-- What the log shows of a column: nothing of a secret, the beginning of what is long.
CREATE FUNCTION act_value(p_column text, p_value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_value IS NULL OR p_value = 'null' THEN 'null'
        WHEN p_column ~ '(hash|sealed|secret|password|token|digest)' THEN '"secret"'
        WHEN length(p_value::text) > 4000 THEN to_jsonb(left(p_value::text, 4000) || '…')
        ELSE p_value END;
$$;

-- Arguments: the kind of subject, the column with its id ('' for none), the column that names the row ('' for none),
-- what the row is, and the columns that are left out, separated by commas.
CREATE FUNCTION keep_act() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_old jsonb := to_jsonb(OLD);
    v_new jsonb := to_jsonb(NEW);
    v_row jsonb := COALESCE(v_new, v_old);
    v_left_out text[] := string_to_array(TG_ARGV[4], ',') || ARRAY['created_at', TG_ARGV[1]];
    v_before jsonb;
    v_after jsonb;
BEGIN
    SELECT jsonb_object_agg(key, act_value(key, v_old -> key)), jsonb_object_agg(key, act_value(key, v_new -> key))
    INTO v_before, v_after
    FROM jsonb_object_keys(v_row) AS key
    WHERE key <> ALL (v_left_out)
      AND COALESCE(v_old -> key, 'null') IS DISTINCT FROM COALESCE(v_new -> key, 'null');
    IF TG_OP = 'UPDATE' AND v_after IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM record_act(
        (v_row ->> 'staff_id')::bigint,
        TG_ARGV[3] || CASE TG_OP WHEN 'INSERT' THEN ' added' WHEN 'UPDATE' THEN ' changed' ELSE ' removed' END,
        TG_ARGV[0], (v_row ->> TG_ARGV[1])::bigint, COALESCE(v_row ->> TG_ARGV[2], ''),
        CASE WHEN TG_OP <> 'INSERT' THEN v_before END, CASE WHEN TG_OP <> 'DELETE' THEN v_after END
    );
    RETURN NULL;
END $$;

-- What a person alone changes is kept whoever it was: a hand on the database itself, too, which is "system".
CREATE TRIGGER staff_act AFTER INSERT OR UPDATE OR DELETE ON staff
    FOR EACH ROW EXECUTE FUNCTION keep_act('staff', 'id', 'email', 'staff member', 'login_id');
CREATE TRIGGER staff_tokens_act AFTER INSERT OR UPDATE OR DELETE ON staff_tokens
    FOR EACH ROW EXECUTE FUNCTION keep_act('staff', 'staff_id', 'label', 'staff token', 'token_hash');
CREATE TRIGGER customers_act AFTER INSERT OR UPDATE OR DELETE ON customers
    FOR EACH ROW EXECUTE FUNCTION keep_act('customer', 'id', 'username', 'customer', 'login_id');
CREATE TRIGGER api_keys_act AFTER INSERT OR UPDATE OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION keep_act('customer', 'customer_id', 'hint', 'key', 'key_hash,last_used_at');
CREATE TRIGGER price_groups_act AFTER INSERT OR UPDATE OR DELETE ON price_groups
    FOR EACH ROW EXECUTE FUNCTION keep_act('price_group', 'id', 'name', 'price group', '');
CREATE TRIGGER markup_rules_act AFTER INSERT OR UPDATE OR DELETE ON markup_rules
    FOR EACH ROW EXECUTE FUNCTION keep_act('markup_rule', 'id', 'currency', 'mark-up rule', '');
CREATE TRIGGER exchange_rates_act AFTER INSERT OR UPDATE OR DELETE ON exchange_rates
    FOR EACH ROW EXECUTE FUNCTION keep_act('rate', '', 'currency', 'rate', '');
CREATE TRIGGER supplier_deposits_act AFTER INSERT OR UPDATE OR DELETE ON supplier_deposits
    FOR EACH ROW EXECUTE FUNCTION keep_act('supplier', 'supplier_id', 'reference', 'deposit', 'id');
CREATE TRIGGER approvals_act AFTER INSERT OR UPDATE OR DELETE ON approvals
    FOR EACH ROW EXECUTE FUNCTION keep_act('customer', 'customer_id', 'kind', 'approval', 'requested_at,decided_at');
CREATE TRIGGER payment_methods_act AFTER INSERT OR UPDATE OR DELETE ON payment_methods
    FOR EACH ROW EXECUTE FUNCTION keep_act('payment_method', 'id', 'name', 'payment method', '');
CREATE TRIGGER topup_packages_act AFTER INSERT OR UPDATE OR DELETE ON topup_packages
    FOR EACH ROW EXECUTE FUNCTION keep_act('topup_package', 'id', 'name', 'package', '');
CREATE TRIGGER accounts_act AFTER UPDATE OF credit_limit, credit_days, low_balance ON accounts
    FOR EACH ROW EXECUTE FUNCTION keep_act('customer', 'customer_id', 'currency', 'credit', 'balance,overdue');
CREATE TRIGGER alarm_channels_act
    AFTER INSERT OR DELETE OR UPDATE OF name, kind, config, sealed, severity, kinds, tell_end, per_hour, active
    ON alarm_channels FOR EACH ROW EXECUTE FUNCTION keep_act(
        'alarm_channel', 'id', 'name', 'alarm channel', 'failures,not_before,last_error,failed_at,lease_by,lease_until'
    );
CREATE TRIGGER audit_runs_act AFTER INSERT ON audit_runs
    FOR EACH ROW WHEN (NEW.staff_id IS NOT NULL)
    EXECUTE FUNCTION keep_act('audit_run', 'id', '', 'audit run', 'breaks,findings,started_at,seconds');

-- What machines write too is kept while somebody came through a door.
CREATE TRIGGER webhook_endpoints_act AFTER INSERT OR UPDATE OR DELETE ON webhook_endpoints
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '') EXECUTE FUNCTION keep_act(
        'customer', 'customer_id', 'id', 'webhook', 'failures,failing_since,not_before'
    );
CREATE TRIGGER suppliers_act AFTER INSERT OR UPDATE OR DELETE ON suppliers
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '') EXECUTE FUNCTION keep_act(
        'supplier', 'id', 'name', 'supplier',
        'balance,balance_at,synced_at,trips,doubts,config_version,devices_read_at,devices_done,devices_left'
    );
CREATE TRIGGER remote_services_act AFTER UPDATE OF paused_until ON remote_services
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '' AND OLD.paused_until IS DISTINCT FROM NEW.paused_until)
    EXECUTE FUNCTION keep_act('supplier', 'supplier_id', 'remote_id', 'pause of a remote service', 'trips,doubts');
CREATE TRIGGER service_groups_act AFTER INSERT OR UPDATE OR DELETE ON service_groups
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('service_group', 'id', 'name', 'group', '');
CREATE TRIGGER services_act AFTER INSERT OR UPDATE OR DELETE ON services
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('service', 'id', 'name', 'service', '');
CREATE TRIGGER service_fields_act AFTER INSERT OR UPDATE OR DELETE ON service_fields
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('service', 'service_id', 'name', 'field', 'id');
CREATE TRIGGER routes_act AFTER INSERT OR UPDATE OR DELETE ON routes
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('service', 'service_id', 'id', 'route', '');
CREATE TRIGGER group_prices_act AFTER INSERT OR UPDATE OR DELETE ON group_prices
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('price_group', 'price_group_id', 'service_id', 'price of service', '');
CREATE TRIGGER customer_prices_act AFTER INSERT OR UPDATE OR DELETE ON customer_prices
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('customer', 'customer_id', 'service_id', 'price of service', '');
CREATE TRIGGER catalog_changes_act AFTER UPDATE OF state ON catalog_changes
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('supplier', 'supplier_id', 'id', 'catalogue change', 'decided_at,outdated_at,staff_id');
CREATE TRIGGER price_changes_act AFTER UPDATE OF state ON price_changes
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('service', 'service_id', 'id', 'price change', 'decided_at,outdated_at,staff_id');
CREATE TRIGGER alarms_act AFTER UPDATE OF state ON alarms
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('alarm', 'id', 'subject', 'alarm', 'closed_at,acknowledged_by,count,last_seen');
CREATE TRIGGER topup_requests_act AFTER UPDATE OF state, approval_id ON topup_requests
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '')
    EXECUTE FUNCTION keep_act('customer', 'customer_id', 'id', 'top-up request', 'decided_at');
CREATE TRIGGER supplier_days_act AFTER UPDATE OF state, note, explained ON supplier_days
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '' AND OLD.explained_at IS DISTINCT FROM NEW.explained_at)
    EXECUTE FUNCTION keep_act('supplier', 'supplier_id', 'day', 'day of the books', 'computed_at,staff_id');

-- Logins, under the member of staff or the customer whose they are; p_own says that it was surely them.
CREATE FUNCTION record_login_act(p_login bigint, p_act text, p_own boolean) RETURNS void LANGUAGE sql AS $$
    SELECT record_act(
        CASE WHEN p_own THEN s.id END, p_act, CASE WHEN s.id IS NOT NULL THEN 'staff' WHEN c.id IS NOT NULL THEN 'customer' ELSE 'login' END,
        COALESCE(s.id, c.id), '', NULL, NULL
    )
    FROM (SELECT p_login AS id) l LEFT JOIN staff s ON s.login_id = l.id LEFT JOIN customers c ON c.login_id = l.id;
$$;
CREATE FUNCTION keep_login_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'login_invites' THEN
        PERFORM record_login_act(NEW.login_id, 'invited to choose a password', false);
        RETURN NULL;
    END IF;
    IF OLD.password_hash IS DISTINCT FROM NEW.password_hash THEN
        PERFORM record_login_act(NEW.id, 'password chosen', false);
    END IF;
    -- A secret sealed anew, with a newer key, is the secret that it was.
    IF (OLD.totp_sealed IS NULL) <> (NEW.totp_sealed IS NULL) THEN
        PERFORM record_login_act(
            NEW.id, CASE WHEN NEW.totp_sealed IS NULL THEN 'second factor removed' ELSE 'second factor set up' END, false
        );
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER logins_act AFTER UPDATE OF password_hash, totp_sealed ON logins
    FOR EACH ROW EXECUTE FUNCTION keep_login_act();
CREATE TRIGGER login_invites_act AFTER INSERT OR UPDATE ON login_invites
    FOR EACH ROW WHEN (current_setting('trunkline.door', true) <> '') EXECUTE FUNCTION keep_login_act();

-- Money that staff moved, under the customer it went to or came from; an order's charge and refund are the order's.
CREATE FUNCTION keep_transfer_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM record_act(
        NEW.staff_id, NEW.kind, 'customer', a.customer_id, COALESCE(NEW.reference, ''), NULL,
        jsonb_strip_nulls(jsonb_build_object(
            'transfer', NEW.id, 'order_id', NEW.order_id, 'currency', NEW.currency, 'reason', NEW.reason,
            'amount', CASE WHEN a.id = NEW.debit_id THEN -NEW.amount ELSE NEW.amount END
        ))
    )
    FROM accounts a WHERE a.id IN (NEW.debit_id, NEW.credit_id) AND a.customer_id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_act AFTER INSERT ON transfers
    FOR EACH ROW WHEN (
        NEW.staff_id IS NOT NULL
        OR (NEW.kind IN ('topup', 'adjust', 'reverse') AND current_setting('trunkline.door', true) <> '')
    )
    EXECUTE FUNCTION keep_transfer_act();

-- What staff did to an order; its own timeline has it between everything else that happened.
CREATE FUNCTION keep_order_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM record_act(
        substring(NEW.actor FROM '^staff (\d{1,18})$')::bigint, 'order: ' || NEW.kind, 'order', NEW.order_id,
        CASE WHEN NEW.attempt_id IS NULL THEN '' ELSE 'attempt ' || NEW.attempt_id END,
        CASE WHEN NEW.old_state IS NOT NULL THEN jsonb_build_object('state', NEW.old_state) END,
        NULLIF(jsonb_strip_nulls(jsonb_build_object(
            'state', NEW.new_state, 'detail', NULLIF(left(NEW.detail, 1000), '')
        )), '{}')
    );
    RETURN NULL;
END $$;
CREATE TRIGGER order_events_act AFTER INSERT ON order_events
    FOR EACH ROW WHEN (NEW.actor LIKE 'staff %' OR NEW.actor = 'command line') EXECUTE FUNCTION keep_order_act();
