/*
 * pin.c: versions that something else relies on.
 *
 * A *pin* keeps one version readable, of one table or of all, on behalf of a holder: a kind ('model') and a name within
 * it ('delay/3').  Who holds it adds and removes it; pruning stops at it; erasure does not, but counts what it took.
 */
#include "versioning/commits_int.h"
#include "versioning/retention_int.h"
#include "versioning/tables_int.h"
#include "versioning/versioning.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

void
mdl_pin_add(const char *holder_kind, const char *holder, Oid relid, int64 version)
{
	MdlTable   *table = mdl_table_get(relid);
	MdlArgs		args = {0};
	MdlUser		user;

	LockRelationOid(mdl_history_relation(MDL_PINS_TABLE, false), RowExclusiveLock);
	mdl_arg_int8(&args, version);
	mdl_arg(&args, INT4OID, Int32GetDatum(table->table_id), false);
	mdl_arg_text(&args, holder_kind);
	mdl_arg_text(&args, holder);
	SPI_connect();
	mdl_owner_begin(&user);
	mdl_run("INSERT INTO medallion_history.pins (version, table_id, holder_kind, holder, created_at)"
			" VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp())", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
}

int64
mdl_pin_remove(const char *holder_kind, const char *holder, Oid relid)
{
	MdlTable   *table = OidIsValid(relid) ? mdl_table_get(relid) : NULL;
	MdlArgs		args = {0};
	MdlUser		user;
	int64		count;

	if (!OidIsValid(mdl_history_relation(MDL_PINS_TABLE, true)))
		return 0;
	mdl_arg_text(&args, holder_kind);
	mdl_arg_text(&args, holder);
	mdl_arg(&args, INT4OID, Int32GetDatum(table ? table->table_id : 0), table == NULL);
	SPI_connect();
	mdl_owner_begin(&user);
	/* 'delay' stands for 'delay/1', 'delay/2', … too. */
	count = mdl_run("DELETE FROM medallion_history.pins WHERE holder_kind OPERATOR(pg_catalog.=) $1"
					" AND (holder OPERATOR(pg_catalog.=) $2"
					" OR pg_catalog.starts_with(holder, $2 OPERATOR(pg_catalog.||) '/'))"
					" AND ($3 IS NULL OR table_id OPERATOR(pg_catalog.=) $3)", &args, false);
	mdl_owner_end(&user);
	SPI_finish();
	return count;
}

/* The rows of view medallion.pins: those of tables that the caller may read. */
MDL_FUNCTION(mdl_pins);
Datum
mdl_pins(PG_FUNCTION_ARGS)
{
	MdlArgs		args = {0};

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	if (!OidIsValid(mdl_history_relation(MDL_PINS_TABLE, true)))
		InitMaterializedSRF(fcinfo, 0);
	else
		mdl_owner_rows(fcinfo, "SELECT p.version, t.schema_name OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) t.table_name,"
					   " p.holder_kind, p.holder, p.created_at, p.erased_rows"
					   " FROM medallion_history.pins p LEFT JOIN medallion_history.versioned_tables t"
					   " ON t.table_id OPERATOR(pg_catalog.=) p.table_id"
					   " LEFT JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) t.schema_name::pg_catalog.name"
					   " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid"
					   " AND c.relname OPERATOR(pg_catalog.=) t.table_name::pg_catalog.name"
					   " WHERE pg_catalog.has_table_privilege($1, c.oid, 'SELECT')"
					   " OR pg_catalog.pg_has_role($1, 'pg_read_all_stats'::pg_catalog.name, 'USAGE') ORDER BY 1, 2, 3, 4", &args);
	PG_RETURN_NULL();
}
