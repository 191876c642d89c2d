-- Everything that the extension put into the catalog, one fact a line, without OIDs: two databases whose lines agree
-- have the same extension, however they came by it.
WITH member AS (
  SELECT d.classid, d.objid, i.type, i.identity
  FROM pg_depend d
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'medallion'
  CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
  WHERE d.deptype = 'e'),
relation AS (
  SELECT m.identity, c.* FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid),
fact(line) AS (
  SELECT format('%s %s', type, identity) FROM member
  UNION ALL
  SELECT format('%s %s: comment %s', type, identity, obj_description(objid, classid::regclass::name)) FROM member
  UNION ALL
  SELECT format('%s: %s, owner %s, rights %s', m.identity, pg_get_functiondef(p.oid), p.proowner::regrole, p.proacl)
  FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid WHERE p.prokind <> 'a'
  UNION ALL
  SELECT format('aggregate %s: %s, %s', m.identity, to_jsonb(a) - 'aggfnoid' - 'aggtranstype' - 'aggmtranstype' - 'aggsortop',
                concat_ws(' ', a.aggtranstype::regtype, a.aggsortop::regoperator, p.proparallel, p.provolatile, p.proacl))
  FROM member m JOIN pg_aggregate a ON m.classid = 'pg_proc'::regclass AND m.objid = a.aggfnoid
  JOIN pg_proc p ON p.oid = a.aggfnoid
  UNION ALL
  SELECT format('relation %s: %s', identity,
                concat_ws(' ', relkind, relpersistence, relowner::regrole, relrowsecurity, reloptions, relacl))
  FROM relation
  UNION ALL
  SELECT format('view %s: %s', identity, pg_get_viewdef(oid)) FROM relation WHERE relkind IN ('v', 'm')
  UNION ALL
  SELECT format('column %s %s: %s', r.identity, row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum),
                concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                          a.attstorage, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid), a.attacl,
                          col_description(r.oid, a.attnum)))
  FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
  UNION ALL
  SELECT format('constraint %s %s: %s', r.identity, c.conname, pg_get_constraintdef(c.oid))
  FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
  UNION ALL
  SELECT format('index %s: %s', r.identity, pg_get_indexdef(i.indexrelid)) FROM relation r JOIN pg_index i ON i.indrelid = r.oid
  UNION ALL
  SELECT format('trigger %s: %s %s', r.identity, t.tgenabled, pg_get_triggerdef(t.oid))
  FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
  UNION ALL
  SELECT format('policy %s: %s %s %s %s', r.identity, p.polname, p.polcmd, pg_get_expr(p.polqual, p.polrelid),
                pg_get_expr(p.polwithcheck, p.polrelid))
  FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
  UNION ALL
  SELECT format('sequence %s: %s', r.identity, to_jsonb(s) - 'seqrelid')
  FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
  UNION ALL
  SELECT format('event trigger %s: %s', m.identity, concat_ws(' ', t.evtevent, t.evtenabled, t.evttags, t.evtfoid::regprocedure))
  FROM member m JOIN pg_event_trigger t ON m.classid = 'pg_event_trigger'::regclass AND m.objid = t.oid
  UNION ALL
  SELECT format('label %s: %s', m.identity, l.enumlabel)
  FROM member m JOIN pg_enum l ON m.classid = 'pg_type'::regclass AND m.objid = l.enumtypid
  UNION ALL
  SELECT format('dumped %s: %s', t.relation::regclass, e.extcondition[t.place])
  FROM pg_extension e CROSS JOIN LATERAL unnest(e.extconfig) WITH ORDINALITY t(relation, place) WHERE e.extname = 'medallion'
  UNION ALL
  SELECT format('schema %s: %s %s', nspname, nspowner::regrole, nspacl)
  FROM pg_namespace WHERE nspname IN ('medallion', 'medallion_history', 'bronze', 'silver', 'gold'))
SELECT line FROM fact ORDER BY line COLLATE "C";
