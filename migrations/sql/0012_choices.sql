-- The fields of our services that are a choice from a supplier's list: named as DHRU names them, with such a list at the
-- supplier of the service's first route. A supplier that tells its lists service by service has one for the remote
-- service or none, and ``ids`` are what may be chosen; where that is NULL, everything of the supplier's may.
CREATE OR REPLACE VIEW service_choices AS
SELECT f.service_id, f.name AS field, k.kind, first.supplier_id, c.ids
FROM service_fields f
JOIN (VALUES ('mobile', 'device'), ('modelid', 'device'), ('provider', 'network'), ('providerid', 'network'),
             ('mep', 'mep')) AS k(name, kind) ON k.name = lower(btrim(f.name))
CROSS JOIN LATERAL (
    SELECT m.supplier_id, m.remote_id FROM routes r JOIN remote_services m ON m.id = r.remote_service_id
    WHERE r.service_id = f.service_id ORDER BY r.priority, r.id LIMIT 1
) first
LEFT JOIN remote_choices c ON c.supplier_id = first.supplier_id AND c.remote_id = first.remote_id AND c.kind = k.kind
WHERE CASE WHEN c.ids IS NOT NULL THEN c.ids <> '{}'
           ELSE EXISTS (SELECT FROM device_entries e WHERE e.supplier_id = first.supplier_id AND e.kind = k.kind)
                AND NOT EXISTS (SELECT FROM remote_choices o WHERE o.supplier_id = first.supplier_id AND o.kind = k.kind)
      END;
