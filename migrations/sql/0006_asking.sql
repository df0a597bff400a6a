-- A supplier called about an order of theirs: it is asked after now. One that is being asked after this moment stays
-- as it is, because its due_at is the lease. False: there is no such attempt.
CREATE FUNCTION ask_now(p_supplier bigint, p_remote_id text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE attempts SET due_at = clock_timestamp()
    WHERE supplier_id = p_supplier AND remote_id = p_remote_id AND state = 'placed' AND lease_by IS NULL;
    RETURN FOUND OR EXISTS (
        SELECT FROM attempts WHERE supplier_id = p_supplier AND remote_id = p_remote_id);
END $$;
