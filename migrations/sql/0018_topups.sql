-- Top-up requests: decided once, and ended together with the approval that a second person gave.

-- What was asked never changes, and what was decided stays so.
CREATE FUNCTION guard_topup_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'waiting'
       OR (OLD.id, OLD.customer_id, OLD.method_id, OLD.package_id, OLD.amount, OLD.credit, OLD.currency, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.customer_id, NEW.method_id, NEW.package_id, NEW.amount, NEW.credit, NEW.currency, NEW.created_at)
       OR (OLD.sender, OLD.paid_on, OLD.note) IS DISTINCT FROM (NEW.sender, NEW.paid_on, NEW.note) THEN
        RAISE EXCEPTION 'top-up request % is decided, or was changed in what it says', OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER topup_requests_state BEFORE UPDATE OR DELETE ON topup_requests
    FOR EACH ROW EXECUTE FUNCTION guard_topup_request();

-- The second person's decision is the request's: approved it is credited, else it waits for staff as before.
CREATE FUNCTION end_topup_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'approved' THEN
        UPDATE topup_requests
        SET state = 'approved', credited = NEW.amount, transfer_id = NEW.transfer_id, decided_by = NEW.decided_by,
            decided_at = NEW.decided_at
        WHERE approval_id = NEW.id;
    ELSE
        UPDATE topup_requests SET approval_id = NULL WHERE approval_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER approvals_topup_request AFTER UPDATE ON approvals
    FOR EACH ROW WHEN (NEW.kind = 'topup' AND NEW.state <> 'waiting') EXECUTE FUNCTION end_topup_request();
