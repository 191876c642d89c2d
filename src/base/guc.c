/*
 * guc.c: every setting of medallion, in alphabetical order, but medallion.as_of (versioning/travel_setting.c).
 */
#include "base/base.h"

#include <limits.h>

#include "utils/guc.h"

int			mdl_feature_mem = 512 * 1024;
int			mdl_history_retention = -1;
double		mdl_incremental_limit = 0.2;
int			mdl_job_history = 1000;
int			mdl_matrix_area = 0;
int			mdl_max_workers = 2;
int			mdl_model_cache_size = 256 * 1024;
bool		mdl_scheduler_enabled = true;
int			mdl_refresh_retention = 90 * 24 * 60 * 60;
int			mdl_refresh_workers = 2;
int			mdl_train_mem = 2 * 1024 * 1024;
int			mdl_train_threads = 0;

void
mdl_guc_init(void)
{
	DefineCustomIntVariable("medallion.feature_mem",
							"Memory for the events that a training set reads at a time, per feature view.",
							"Beyond it the source is read again for a part of the entities.",
							&mdl_feature_mem, 512 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("medallion.history_retention",
							"How long the past of versioned tables is kept that have no retention of their own.",
							"-1: for ever.",
							&mdl_history_retention, -1, -1, INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomRealVariable("medallion.incremental_limit",
							 "Share of a source's rows beyond which a changed source makes a refresh compute everything.",
							 "Up to 1,000 changed rows are always few. 0: every refresh computes everything.",
							 &mdl_incremental_limit, 0.2, 0, 1, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.job_history",
							"How many runs of a job are kept in medallion.job_runs.", NULL,
							&mdl_job_history, 1000, 1, 1000000, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.matrix_area",
							"Set by medallion itself while it loads rows into shared memory.", NULL,
							&mdl_matrix_area, 0, INT_MIN, INT_MAX, PGC_SUSET,
							GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_NO_RESET_ALL,
							NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.max_workers",
							"How many scheduled jobs may run at once, in all databases together.", NULL,
							&mdl_max_workers, 2, 1, 64, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.model_cache_size",
							"Memory that one session may use for decoded models that no query is using.",
							NULL, &mdl_model_cache_size, 256 * 1024, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.refresh_retention",
							"How long records of refreshes are kept in medallion.refreshes.",
							"The last one of each table stays. -1: for ever.",
							&mdl_refresh_retention, 90 * 24 * 60 * 60, -1, INT_MAX, PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.refresh_workers",
							"How many tables medallion.refresh() of all tables refreshes at a time, in background workers.",
							"0: one after another, in the session.",
							&mdl_refresh_workers, 2, 0, 64, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("medallion.scheduler",
							 "Starts scheduled jobs (where the library is preloaded).", NULL,
							 &mdl_scheduler_enabled, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.train_mem",
							"Shared memory for the rows that a training keeps in memory.",
							"A training that needs more ends with an error.",
							&mdl_train_mem, 2 * 1024 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("medallion.train_threads",
							"Threads of a training, once its rows have been read.",
							"0: as many as max_parallel_workers_per_gather and the session itself, and not more than processors.",
							&mdl_train_threads, 0, 0, 64, PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("medallion");
}
