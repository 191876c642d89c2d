/*
 * versioned.c: calls into versioning that do nothing while it is not linked in.
 */
#include "pipeline/pipeline_int.h"
#include "versioning/versioning.h"

#pragma weak mdl_enable_versioning
#pragma weak mdl_is_versioned
#pragma weak mdl_settled_version
#pragma weak mdl_snapshot_version

void
mdl_versioned_enable(Oid relid)
{
	if (mdl_enable_versioning)
		mdl_enable_versioning(relid);
}

bool
mdl_versioned_is(Oid relid)
{
	return mdl_is_versioned && mdl_is_versioned(relid);
}

int64
mdl_versioned_settle(void)
{
	return mdl_settled_version ? mdl_settled_version() : 0;
}

int64
mdl_versioned_snapshot(Snapshot snapshot, bool *exact)
{
	*exact = true;
	return mdl_snapshot_version ? mdl_snapshot_version(snapshot, exact) : 0;
}
