/*
 * table_definition.c: what a versioned table is made of, written down so that it can be made again after a drop.
 *
 * medallion_history.table_definitions has for each table, as jsonb in the server's own words (format_type, pg_get_expr,
 * pg_get_constraintdef, …), its columns, constraints, indexes and policies.  That is written anew whenever a command has
 * touched the table, since in the middle of a drop parts of it are gone already; owner and grants, which GRANT changes
 * without a lock on the table, are written again when it is dropped.
 */
#include "versioning/ddl_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* All names qualified but those of pg_catalog: run with search_path = pg_catalog. */
static const char *const definition_query =
"SELECT pg_catalog.jsonb_build_object("
"'columns', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
"  'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),"
"  'collation', CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0 THEN a.attcollation::regcollation::text END,"
"  'not_null', a.attnotnull, 'identity', a.attidentity, 'generated', a.attgenerated,"
"  'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'comment', pg_catalog.col_description(c.oid, a.attnum),"
"  'owns_sequence', pg_catalog.pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL) ORDER BY a.attnum)"
"  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
"  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
"  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"
"'constraints', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', conname, 'kind', contype,"
"  'definition', pg_catalog.pg_get_constraintdef(oid)) ORDER BY pg_catalog.strpos('pucxf', contype::text), conname), '[]')"
"  FROM pg_catalog.pg_constraint WHERE conrelid = c.oid AND contype IN ('p', 'u', 'c', 'x', 'f') AND conparentid = 0),"
"'indexes', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', x.relname, 'unique', i.indisunique,"
"  'definition', pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.strpos("
"    pg_catalog.pg_get_indexdef(i.indexrelid), ' USING ' || m.amname || ' ('))) ORDER BY x.relname), '[]')"
"  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam"
"  WHERE i.indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint n WHERE n.conindid = i.indexrelid"
"    AND n.conrelid = c.oid)),"
"'policies', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', p.polname,"
"  'permissive', p.polpermissive, 'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'"
"    WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, 'roles', (SELECT pg_catalog.string_agg(CASE WHEN r = 0 THEN 'PUBLIC'"
"    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ') FROM pg_catalog.unnest(p.polroles) r),"
"  'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))"
"  ORDER BY p.polname), '[]') FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid),"
"'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity,"
"'partitioned', c.relkind = 'p', 'comment', pg_catalog.obj_description(c.oid, 'pg_class'))"
" FROM pg_catalog.pg_class c WHERE c.oid = $1";

static const char *const grants_query =
"SELECT pg_catalog.pg_get_userbyid(c.relowner), COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
"  'privilege', g.privilege_type, 'column', g.attname, 'grantable', g.is_grantable,"
"  'role', CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END))"
"  FROM (SELECT x.grantee, x.privilege_type, x.is_grantable, NULL::name AS attname FROM pg_catalog.aclexplode(c.relacl) x"
"    UNION ALL SELECT x.grantee, x.privilege_type, x.is_grantable, a.attname FROM pg_catalog.pg_attribute a,"
"      pg_catalog.aclexplode(a.attacl) x WHERE a.attrelid = c.oid AND NOT a.attisdropped) g"
"  WHERE g.grantee <> c.relowner), '[]'::jsonb)"
" FROM pg_catalog.pg_class c WHERE c.oid = $1";

void
mdl_definition_write(Oid relid, int32 table_id)
{
	MdlArgs		args = {0};
	Datum		definition;
	bool		is_null;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(relid), false);
	mdl_run(definition_query, &args, false);
	if (SPI_processed == 0)
		return;
	definition = mdl_field(0, 0, &is_null);
	memset(&args, 0, sizeof(args));
	mdl_arg(&args, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg(&args, JSONBOID, definition, false);
	mdl_run("INSERT INTO medallion_history.table_definitions (table_id, owner_name, definition) VALUES ($1, '', $2)"
			" ON CONFLICT (table_id) DO UPDATE SET definition = excluded.definition"
			" WHERE table_definitions.definition <> excluded.definition", &args, false);
}

void
mdl_definition_write_grants(Oid relid, int32 table_id)
{
	MdlArgs		args = {0};
	MdlArgs		row = {0};

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(relid), false);
	mdl_run(grants_query, &args, false);
	if (SPI_processed == 0)
		return;
	mdl_arg(&row, INT4OID, Int32GetDatum(table_id), false);
	mdl_arg_text(&row, mdl_field_text(0, 0));
	mdl_arg(&row, JSONBOID, mdl_field(0, 1, NULL), false);
	mdl_run("UPDATE medallion_history.table_definitions SET owner_name = $2,"
			" definition = definition || pg_catalog.jsonb_build_object('grants', $3) WHERE table_id = $1", &row, false);
}
