/*
 * model_cache.c: models decoded once per backend.
 *
 * Versions never change and their ids never come again, so nothing has to be invalidated: a promotion only makes calls
 * ask for another id.  Models that no call is using are kept while all together fit into medallion.model_cache_size;
 * the least recently used goes first.  A model larger than the limit is kept while it is in use.
 */
#include "predict/predict_int.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

static HTAB *models = NULL;
static uint64 clock_hand = 0;

void
mdl_raise_ml(ml_status status, const ml_error *err, const char *model)
{
	mdl_ml_fail(status, err, psprintf("model \"%s\"", model));
}

void
mdl_refuse_parts(const ml_model *model, const char *name)
{
	if (ml_model_n_parts(model) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model \"%s\" is made of %d parts, each with terms of its own", name, ml_model_n_parts(model)),
				 errhint("See the views medallion.model_parts and medallion.coefficients.")));
}

/* Decodes the version's artifact into a context of its own. */
static void
load(MdlCachedModel *entry, MemoryContext context, const char *name)
{
	ml_ctx		ctx = mdl_memory_ctx(context);
	ml_error	err = {{0}};
	ml_model   *model;
	ml_status	status;
	Size		size;
	void	   *bytes = mdl_model_artifact(entry->version_id, &size);

	status = ml_model_load(&ctx, bytes, size, &model, &err);
	pfree(bytes);
	if (status != ML_OK)
		mdl_raise_ml(status, &err, name);
	entry->model = model;
	entry->context = context;
	entry->size = MemoryContextMemAllocated(context, true);
}

static void
evict(MdlCachedModel *keep)
{
	Size		limit = (Size) mdl_model_cache_size * 1024;

	for (;;)
	{
		HASH_SEQ_STATUS scan;
		MdlCachedModel *entry,
				   *oldest = NULL;
		Size		total = 0;

		hash_seq_init(&scan, models);
		while ((entry = hash_seq_search(&scan)) != NULL)
		{
			total += entry->size;
			if (entry->pins == 0 && entry != keep && (oldest == NULL || entry->last_used < oldest->last_used))
				oldest = entry;
		}
		if (total <= limit || oldest == NULL)
			return;
		MemoryContextDelete(oldest->context);
		hash_search(models, &oldest->version_id, HASH_REMOVE, NULL);
	}
}

MdlCachedModel *
mdl_model_cache_get(int64 version_id, const char *name)
{
	MdlCachedModel *entry;
	bool		found;

	if (models == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(int64);
		control.entrysize = sizeof(MdlCachedModel);
		control.hcxt = CacheMemoryContext;
		models = hash_create("medallion models", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(models, &version_id, HASH_FIND, &found);
	if (!found)
	{
		MdlCachedModel loaded = {0};
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "medallion model", ALLOCSET_DEFAULT_SIZES);

		loaded.version_id = version_id;
		load(&loaded, context, name);	/* an error leaves only a context that goes with its parent */
		entry = hash_search(models, &version_id, HASH_ENTER, &found);
		*entry = loaded;
		MemoryContextSetParent(context, CacheMemoryContext);
	}
	entry->last_used = ++clock_hand;
	entry->pins++;
	if (!found)
		evict(entry);
	return entry;
}

void
mdl_model_cache_unpin(MdlCachedModel *cached)
{
	Assert(cached->pins > 0);
	if (--cached->pins == 0)
		evict(NULL);
}
