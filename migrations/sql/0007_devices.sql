-- The fields of our services that are a choice from a supplier's list: named as DHRU names them, with such a list at the
-- supplier of the service's first route.
CREATE VIEW service_choices AS
SELECT f.service_id, f.name AS field, k.kind, first.supplier_id
FROM service_fields f
JOIN (VALUES ('mobile', 'device'), ('modelid', 'device'), ('provider', 'network'), ('providerid', 'network'),
             ('mep', 'mep')) AS k(name, kind) ON k.name = lower(btrim(f.name))
CROSS JOIN LATERAL (
    SELECT m.supplier_id FROM routes r JOIN remote_services m ON m.id = r.remote_service_id
    WHERE r.service_id = f.service_id ORDER BY r.priority, r.id LIMIT 1
) first
WHERE EXISTS (SELECT FROM device_entries e WHERE e.supplier_id = first.supplier_id AND e.kind = k.kind);

-- The first route decides which fields are choices. A pause, which machines set, changes nothing about that.
CREATE TRIGGER routes_changed AFTER INSERT OR DELETE OR UPDATE OF priority ON routes
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
