/* What users see of the tables that are kept up to date, derived ones and those that changes are applied to, and of their refreshes. */
CREATE OR REPLACE VIEW medallion.refreshes AS
SELECT r.refresh_id, coalesce(medallion._relation_name(r.target), r.target_name) AS target, r.mode,
	CASE WHEN r.sqlstate IS NULL OR c.oid IS NULL OR pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN r.reason END AS reason,
	r.started_at, r.finished_at, pg_catalog.date_part('epoch', r.finished_at - r.started_at) AS seconds,
	r.result_rows AS "rows", r.inserted, r.updated, r.deleted, r.dropped, r.quarantined, r.source_versions, r.exact, r.role_name,
	CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN r.source_cursors END AS source_cursors, r.sqlstate, r.checks
FROM (SELECT refresh_id, target, target_name, mode, reason, started_at, finished_at, result_rows, inserted, updated, deleted, dropped,
		quarantined, source_versions, exact, role_name, source_cursors, NULL::text AS sqlstate, checks
	FROM medallion._refreshes
	UNION ALL
	SELECT refresh_id, target, target_name, mode, reason, started_at, finished_at, NULL, 0, 0, 0, 0, 0, NULL, NULL, role_name, NULL, sqlstate, NULL
	FROM medallion._refresh_failures) r
LEFT JOIN pg_catalog.pg_class c ON c.oid = r.target
WHERE CASE WHEN c.oid IS NULL THEN r.role_name = current_user
	ELSE pg_catalog.has_any_column_privilege(c.oid, 'SELECT') END;
COMMENT ON VIEW medallion.refreshes IS 'Every refresh of a table: what was done, why, and which commits of the sources it read; those that failed or were kept back, too, as far as something outlived their transaction. Errors are shown to the owner of the table.';

CREATE OR REPLACE VIEW medallion.tables AS
SELECT medallion._relation_name(t.target) AS target, n.nspname::text AS layer, t.keys,
	pg_catalog.obj_description(c.oid, 'pg_class') AS description,
	pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
	l.result_rows AS "rows", l.finished_at AS last_refresh, pg_catalog.now() - l.started_at AS freshness, t.target_lag,
	CASE WHEN t.target_lag IS NOT NULL THEN coalesce(pg_catalog.now() - l.started_at > t.target_lag, true) END AS is_late,
	q.rules, q.passed_share, q.failing_rules,
	t.on_schema_change, medallion._relation_name(t.quarantine) AS quarantine,
	medallion._relation_name(t.definition) AS definition,
	pg_catalog.pg_get_viewdef(t.definition::oid) AS query,
	t.indexes, t.cluster_by,
	(SELECT pg_catalog.jsonb_object_agg(medallion._relation_name(u.source),
			pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('column', u.column_name, 'overlap', u.overlap)))
		FROM medallion._cursors u WHERE u.target = t.target) AS cursors,
	t.dedupe_by, t.kind,
	CASE WHEN t.is_broken THEN 'failed' WHEN f.refresh_id IS NOT NULL THEN f.mode
		WHEN l.started_at IS NULL THEN 'never refreshed' ELSE 'refreshed' END AS state,
	CASE WHEN t.is_broken THEN 'its source was dropped'
		WHEN f.sqlstate IS NULL OR pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN f.reason END AS why
FROM (SELECT d.target, 'derived' AS kind, d.keys, d.target_lag, d.on_schema_change, d.quarantine, d.definition, d.indexes, d.cluster_by, d.dedupe_by,
		false AS is_broken
	FROM medallion._tables d
	UNION ALL
	SELECT w.target, 'flow', ARRAY(SELECT pg_catalog.jsonb_array_elements_text(w.declaration -> 'keys')), j.every,
		w.declaration ->> 'on_schema_change', w.quarantine, NULL, '{}', '{}', '{}',
		NOT EXISTS (SELECT FROM pg_catalog.pg_class s WHERE s.oid = w.source)
	FROM medallion._flows w
	LEFT JOIN medallion._jobs j ON j.target = w.target AND j.kind = 'refresh' AND j.is_lag) t
JOIN pg_catalog.pg_class c ON c.oid = t.target
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (SELECT r.refresh_id, r.result_rows, r.started_at, r.finished_at FROM medallion._refreshes r
	WHERE r.target = t.target ORDER BY r.refresh_id DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (SELECT r.refresh_id, r.mode, r.reason, r.sqlstate FROM medallion._refresh_failures r
	WHERE r.target = t.target AND r.refresh_id > coalesce(l.refresh_id, 0) ORDER BY r.refresh_id DESC LIMIT 1) f ON true
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS rules,
		pg_catalog.sum(e.passed)::float8 / nullif(pg_catalog.sum(e.passed + e.failed), 0)::float8 AS passed_share,
		pg_catalog.array_agg(e.name ORDER BY e.name) FILTER (WHERE NOT e.met) AS failing_rules
	FROM medallion._expectation_results e
	WHERE e.refresh_id = CASE t.kind WHEN 'derived' THEN l.refresh_id
		ELSE (SELECT pg_catalog.max(r.refresh_id) FROM medallion._refreshes r WHERE r.target = t.target AND r.checks IS NULL) END) q
WHERE pg_catalog.has_any_column_privilege(c.oid, 'SELECT');
COMMENT ON VIEW medallion.tables IS 'The tables that refresh() keeps up to date, derived ones and those that changes are applied to (kind): key, owner, freshness, rows, quality and state as of the last refresh, why it failed if it did, and the query.';
