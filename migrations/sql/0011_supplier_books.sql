-- A balance as the supplier told it: it was so at some moment from asked_at to at. Where it is not known when it was
-- asked for, the longest that a call may take is assumed.
CREATE VIEW balance_readings AS
SELECT id, supplier_id, amount, currency::text AS currency, COALESCE(asked_at, at - interval '5 minutes') AS asked_at, at
FROM supplier_balances;

-- An attempt as far as the supplier's balance is concerned. charged_by: by then it was charged, if it was at all: with
-- their answer, and ten minutes after sending at the latest. in_part: less was delivered than ordered, so that they may
-- have given back some of it.
CREATE VIEW attempt_charges AS
SELECT a.id AS attempt_id, a.order_id, a.supplier_id, a.state, a.cost, a.cost_currency::text AS currency, a.sent_at,
       a.placed_at, a.closed_at, LEAST(a.placed_at, a.sent_at + interval '10 minutes') AS charged_by,
       EXISTS (SELECT FROM orders o WHERE o.id = a.order_id AND o.delivered IS NOT NULL) AS in_part
FROM attempts a;
