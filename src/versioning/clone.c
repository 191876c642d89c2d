/*
 * clone.c: medallion.clone, which makes a new table of a past state.
 *
 * The new table has the structure that the table has today (LIKE … INCLUDING ALL: defaults, identity, generated columns,
 * constraints, indexes, comments) and the rows that the caller may see as of the version.  It belongs to the caller and
 * has nothing to do with the old one afterwards, but that a serial column goes on using the old one's sequence.
 */
#include "versioning/columns_int.h"
#include "versioning/past_int.h"
#include "versioning/tables_int.h"
#include "versioning/versioning.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Lets the identity columns go on after the values that were copied. */
static void
move_identities(Oid clone)
{
	MdlArgs		args = {0};
	SPITupleTable *rows;
	uint64		count;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(clone), false);
	count = mdl_run("SELECT pg_catalog.quote_ident(a.attname), s.seqrelid, s.seqincrement OPERATOR(pg_catalog.>) 0"
					" FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_depend d"
					" ON d.refobjid OPERATOR(pg_catalog.=) a.attrelid AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum"
					" AND d.deptype OPERATOR(pg_catalog.=) 'i' AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
					" JOIN pg_catalog.pg_sequence s ON s.seqrelid OPERATOR(pg_catalog.=) d.objid"
					" WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attidentity OPERATOR(pg_catalog.<>) ''", &args, false);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		char	   *column = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		bool		is_null;
		Oid			sequence = DatumGetObjectId(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &is_null));
		bool		ascending = DatumGetBool(SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &is_null));

		mdl_run(psprintf("SELECT pg_catalog.setval(%u::pg_catalog.oid::pg_catalog.regclass, v) FROM"
						 " (SELECT pg_catalog.%s(%s)::pg_catalog.int8 AS v FROM %s) m WHERE v IS NOT NULL",
						 sequence, ascending ? "max" : "min", column, mdl_qualified_name(clone)), NULL, false);
	}
}

static void
copy_rows(Oid relid, Oid clone, int64 version)
{
	Relation	relation = table_open(relid, AccessShareLock);
	MdlPastColumns *columns = mdl_past_columns(mdl_table_get(relid), relation, version);
	char	   *list = mdl_past_column_list(columns, NULL);

	table_close(relation, NoLock);
	mdl_run(psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM medallion.as_of(NULL::%s, version => "
					 INT64_FORMAT ")", mdl_qualified_name(clone), list, list, mdl_qualified_name(relid), version), NULL, false);
	if (columns->absent != NULL)
		ereport(NOTICE,
				(errmsg("columns of \"%s\" that did not exist at the version have their defaults: %s",
						mdl_display_name(relid), columns->absent)));
}

/* clone(relation, new_name, version, at, versioned) */
MDL_FUNCTION(mdl_clone);
Datum
mdl_clone(PG_FUNCTION_ARGS)
{
	char	   *new_name = mdl_required_text(fcinfo, 1, "new_name");
	int64		version = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	TimestampTz at = PG_ARGISNULL(3) ? 0 : PG_GETARG_TIMESTAMPTZ(3);
	bool		versioned = mdl_required_bool(fcinfo, 4, "versioned");
	char	   *schema,
			   *name;
	Oid			relid,
				clone;

	mdl_refuse_while_travelling("clone()");
	mdl_require_argument(fcinfo, 0, "relation");
	relid = PG_GETARG_OID(0);
	(void) mdl_table_get(relid);
	mdl_require_privilege(relid, ACL_SELECT);
	mdl_split_name(new_name, &schema, &name);
	version = mdl_point_version(relid, PG_ARGISNULL(2) ? NULL : &version, PG_ARGISNULL(3) ? NULL : &at);
	SPI_connect();
	mdl_run(psprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", quote_qualified_identifier(schema, name),
					 mdl_qualified_name(relid)), NULL, false);
	clone = mdl_relation_by_name(quote_qualified_identifier(schema, name), false);
	copy_rows(relid, clone, version);
	move_identities(clone);
	SPI_finish();
	if (versioned)
		mdl_enable_versioning(clone);
	PG_RETURN_OID(clone);
}
