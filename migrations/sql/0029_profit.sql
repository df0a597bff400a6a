-- What a currency was worth in the base currency at a moment; before the first rate that anybody entered it is that one,
-- because a house that enters it a day late means it so. NULL if nobody ever said.
CREATE FUNCTION rate_at(p_currency text, p_at timestamptz) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT COALESCE(
        (SELECT rate FROM exchange_rates WHERE currency = p_currency AND valid_from <= p_at
         ORDER BY valid_from DESC LIMIT 1),
        (SELECT rate FROM exchange_rates WHERE currency = p_currency ORDER BY valid_from LIMIT 1))
$$;

-- An amount in another currency at the rates of a moment, rounded up against us; NULL if a rate is missing.
CREATE FUNCTION convert_up_at(p_amount bigint, p_from text, p_to text, p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_from = p_to THEN p_amount
                ELSE ceil(p_amount * rate_at(p_from, p_at) / rate_at(p_to, p_at))::bigint END
$$;
