/*
 * predict_source.c: the rows and the model that batch prediction and evaluation work on.
 */
#include "predict/predict_int.h"

#include "executor/spi.h"
#include "utils/plancache.h"

void
mdl_predict_source(const char *source, MdlPredictSource *result)
{
	SPIPlanPtr	plan;
	CachedPlanSource *analysed;

	result->from = mdl_source_from(source, &result->relid);
	plan = SPI_prepare(psprintf("SELECT s.* FROM %s s", result->from), 0, NULL);
	if (plan == NULL)
		elog(ERROR, "could not prepare a source: %s", SPI_result_code_string(SPI_result));
	analysed = linitial(SPI_plan_get_plan_sources(plan));
	result->desc = CreateTupleDescCopy(analysed->resultDesc);
	SPI_freeplan(plan);
}

int
mdl_source_column(const MdlPredictSource *source, const char *name)
{
	for (int i = 0; i < source->desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(source->desc, i)->attname), name) == 0)
			return i;
	return -1;
}

static void
unpin(void *cached)
{
	mdl_model_cache_unpin(cached);
}

void
mdl_use_model(const char *reference, MdlUsedModel *used)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	mdl_model_resolve(reference, MDL_MODEL_PREDICT, &used->version);
	callback->func = unpin;
	callback->arg = mdl_model_cache_get(used->version.version_id, used->version.model);
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	used->model = ((MdlCachedModel *) callback->arg)->model;
	used->exact = psprintf("%s/%d", used->version.model, used->version.version);
}
