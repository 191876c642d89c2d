/*
 * medallion.c: entry of the library that carries no third party and may be preloaded.
 */
#include "base/base.h"

#include <stdlib.h>

#include "monitor/monitor.h"
#include "pipeline/pipeline.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "versioning/versioning.h"
#include "worker/worker.h"

#define MDL_VERSION "0.1"

#pragma GCC visibility push(default)
PG_MODULE_MAGIC;
#pragma GCC visibility pop

extern MDL_EXPORT void _PG_init(void);

void
_PG_init(void)
{
	/* Before anything opens OpenBLAS: no thread of its may run in a backend (our kernels have their own). */
	setenv("OPENBLAS_NUM_THREADS", "1", 0);

	mdl_travel_setting_init();
	mdl_guc_init();
	mdl_versioning_init();
	mdl_incremental_init();
	mdl_refresh_init();
	mdl_flows_init();
	mdl_registry_init();
	mdl_monitor_init();
	mdl_worker_init();
}

MDL_FUNCTION(mdl_version);
Datum
mdl_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(MDL_VERSION));
}
