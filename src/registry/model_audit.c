/*
 * model_audit.c: the record of what was done with models.
 */
#include "registry/registry_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

void
mdl_audit(const char *action, const char *model, int version, const char *object, int64 rows, Jsonb *detail)
{
	MdlArgs		args = {0};
	MdlUser		saved;
	static SPIPlanPtr inserting;

	mdl_arg(&args, OIDOID, ObjectIdGetDatum(GetUserId()), false);
	mdl_arg_text(&args, GetUserNameFromId(GetUserId(), false));
	mdl_arg_text(&args, action);
	mdl_arg_text(&args, model);
	mdl_arg(&args, INT4OID, Int32GetDatum(version), version == 0);
	mdl_arg_text(&args, object);
	mdl_arg(&args, INT8OID, Int64GetDatum(rows), rows < 0);
	mdl_arg_jsonb(&args, detail);
	SPI_connect();
	mdl_owner_begin(&saved);
	mdl_run_kept(&inserting, "INSERT INTO medallion._audit (role, role_name, action, model_id, model, version, object, rows, detail) "
				 "VALUES ($1, $2, $3, (SELECT model_id FROM medallion._models WHERE name OPERATOR(pg_catalog.=) $4), "
				 "$4, $5, $6, $7, $8)", &args, false);
	mdl_owner_end(&saved);
	SPI_finish();
}
