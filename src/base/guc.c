/*
 * guc.c: every setting of medallion, in alphabetical order.
 */
#include "base/base.h"

#include <limits.h>

#include "utils/guc.h"

int			mdl_feature_mem = 512 * 1024;
int			mdl_job_history = 1000;
int			mdl_max_workers = 2;
int			mdl_model_cache_size = 256 * 1024;
bool		mdl_scheduler_enabled = true;

void
mdl_guc_init(void)
{
	DefineCustomIntVariable("medallion.feature_mem",
							"Memory for the events that a training set reads at a time, per feature view.",
							"Beyond it the source is read again for a part of the entities.",
							&mdl_feature_mem, 512 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("medallion.job_history",
							"How many runs of a job are kept in medallion.job_runs.", NULL,
							&mdl_job_history, 1000, 1, 1000000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.max_workers",
							"How many scheduled jobs may run at once, in all databases together.", NULL,
							&mdl_max_workers, 2, 1, 64, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.model_cache_size",
							"Memory that one session may use for decoded models that no query is using.",
							NULL, &mdl_model_cache_size, 256 * 1024, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("medallion.scheduler",
							 "Starts scheduled jobs (where the library is preloaded).", NULL,
							 &mdl_scheduler_enabled, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("medallion");
}
