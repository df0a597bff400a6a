-- Keys with scopes, sandbox keys, and keys that learn where they are used from.

-- A key that may do this from this address now, for real, and whose it is. No row: it may not. A sandbox key never may.
DROP FUNCTION usable_key(bigint, inet);
CREATE FUNCTION usable_key(p_key bigint, p_ip inet, p_scope text)
RETURNS TABLE (customer_id bigint, currency text, price_group_id bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.id, c.currency::text, c.price_group_id
    FROM api_keys k JOIN customers c ON c.id = k.customer_id
    WHERE k.id = p_key AND c.state = 'active' AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (k.allowed_ips = '{}' OR p_ip <<= ANY (k.allowed_ips) OR k.learning_until > now())
      AND p_scope = ANY (k.scopes) AND NOT k.sandbox
$$;
