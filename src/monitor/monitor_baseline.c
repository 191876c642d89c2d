/*
 * monitor_baseline.c: the baseline a monitor compares with: out of a model version, or made from a reference.
 *
 * A reference is sampled by reservoir (Vitter's algorithm R) with a fixed seed, so that the same rows in the same order
 * give the same baseline.
 */
#include "monitor/monitor_int.h"

#include "base/progress.h"
#include "common/pg_prng.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define SAMPLE_SEED		20010101

/* ---- of a model ---- */

ml_baseline *
mdl_monitor_baseline(const char *model, bytea *stored, MemoryContext memory, MdlModelVersion *found)
{
	const char *what = "reference";
	const void *bytes;
	Size		size;
	ml_baseline *baseline;
	ml_error	err = {0};
	ml_ctx		ctx = mdl_memory_ctx(memory);
	ml_status	status;

	memset(found, 0, sizeof(*found));
	if (model != NULL)
	{
		mdl_model_resolve(model, MDL_MODEL_READ, found);
		what = psprintf("model \"%s/%d\"", found->model, found->version);
		bytes = mdl_model_baseline(found->version_id, &size);
		if (bytes == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s has no drift baseline", what),
					 errhint("Train it again, or, for a model with parts, which never has one, give a reference to compare with.")));
	}
	else
	{
		bytes = VARDATA_ANY(stored);
		size = VARSIZE_ANY_EXHDR(stored);
	}
	status = ml_baseline_load(&ctx, bytes, size, &baseline, &err);
	if (status != ML_OK)
		mdl_ml_fail(status, &err, what);
	return baseline;
}

ml_model *
mdl_monitor_model(const MdlModelVersion *version, MemoryContext memory)
{
	Size		size;
	const void *bytes = mdl_model_artifact(version->version_id, &size);
	ml_ctx		ctx = mdl_memory_ctx(memory);
	ml_error	err = {0};
	ml_model   *model;
	ml_status	status = ml_model_load(&ctx, bytes, size, &model, &err);

	if (status != ML_OK)
		mdl_ml_fail(status, &err, psprintf("model \"%s/%d\"", version->model, version->version));
	return model;
}

/* ---- of a reference ---- */

typedef struct Sample
{
	int			n_columns;
	MdlSourceColumn *columns;
	ml_baseline_column *baseline;
	MemoryContext memory;		/* of the sampled texts */
	pg_prng_state random;
	uint64		rows;			/* seen */
	uint64		kept;
} Sample;

static void
keep_row(Sample *sample, uint64 place, const Datum *values, const bool *nulls)
{
	for (int i = 0; i < sample->n_columns; i++)
	{
		ml_values  *to = &sample->baseline[i].values;

		((unsigned char *) to->nulls)[place] = nulls[i];
		if (sample->columns[i].kind != ML_CATEGORICAL)
			((double *) to->numbers)[place] = nulls[i] ? 0 : DatumGetFloat8(values[i]);
		else
		{
			ml_text    *text = (ml_text *) &to->texts[place];

			if (text->data != NULL)
				pfree((char *) text->data);
			*text = (ml_text) {NULL, 0};
			if (!nulls[i])
			{
				struct varlena *datum = PG_DETOAST_DATUM_PACKED(values[i]);

				text->length = VARSIZE_ANY_EXHDR(datum);
				text->data = memcpy(MemoryContextAlloc(sample->memory, Max(text->length, 1)), VARDATA_ANY(datum), text->length);
			}
		}
	}
}

static void
sample_row(void *state, const Datum *values, const bool *nulls)
{
	Sample	   *sample = state;
	uint64		place = sample->rows;

	for (int i = 0; i < sample->n_columns; i++)
		sample->baseline[i].n_nulls += nulls[i];
	if (sample->rows >= ML_DRIFT_SAMPLE)
		place = pg_prng_uint64_range(&sample->random, 0, sample->rows);
	sample->rows++;
	if (place >= ML_DRIFT_SAMPLE)
		return;
	sample->kept = Max(sample->kept, place + 1);
	keep_row(sample, place, values, nulls);
}

/* The columns named, or all whose type can be compared but `at`. */
static void
choose_columns(Sample *sample, const char *reference, List *names, const char *at)
{
	TupleDesc	desc = mdl_source_describe(reference);
	ml_kind		kind;

	sample->columns = palloc0(sizeof(MdlSourceColumn) * Max(desc->natts + list_length(names), 1));
	if (names != NIL)
	{
		ListCell   *cell;

		foreach(cell, names)
			mdl_source_find(desc, reference, lfirst(cell), 0, &sample->columns[sample->n_columns++]);
		return;
	}
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && mdl_source_kind(attribute->atttypid, &kind) &&
			(at == NULL || strcmp(NameStr(attribute->attname), at) != 0))
			mdl_source_find(desc, reference, NameStr(attribute->attname), 0, &sample->columns[sample->n_columns++]);
	}
	if (sample->n_columns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the reference has no column that can be compared"),
				 errhint("Columns of numbers, booleans, texts and enums can.")));
}

static char *
sample_query(const Sample *sample, const char *reference)
{
	StringInfoData query;

	initStringInfo(&query);
	for (int i = 0; i < sample->n_columns; i++)
		appendStringInfo(&query, "%s%s", i ? ", " : "SELECT ", sample->columns[i].expression);
	appendStringInfo(&query, " FROM %s AS source", mdl_source_from(reference, NULL));
	return query.data;
}

bytea *
mdl_monitor_make_baseline(const char *reference, List *columns, const char *at)
{
	Sample		sample = {.memory = CurrentMemoryContext};
	ml_ctx		ctx = mdl_memory_ctx(CurrentMemoryContext);
	ml_baseline *baseline;
	unsigned char *bytes;
	size_t		length;
	ml_error	err = {0};
	ml_status	status;
	bytea	   *result;

	choose_columns(&sample, reference, columns, at);
	pg_prng_seed(&sample.random, SAMPLE_SEED);
	sample.baseline = palloc0(sizeof(ml_baseline_column) * sample.n_columns);
	for (int i = 0; i < sample.n_columns; i++)
	{
		ml_baseline_column *to = &sample.baseline[i];

		to->name = sample.columns[i].name;
		to->kind = sample.columns[i].kind;
		to->values.nulls = palloc0(ML_DRIFT_SAMPLE);
		if (to->kind == ML_CATEGORICAL)
			to->values.texts = palloc0(sizeof(ml_text) * ML_DRIFT_SAMPLE);
		else
			to->values.numbers = palloc0(sizeof(double) * ML_DRIFT_SAMPLE);
	}
	mdl_progress_begin("monitor", reference);
	mdl_progress_phase("baseline", -1);
	mdl_source_scan(sample_query(&sample, reference), NULL, sample_row, &sample);
	mdl_progress_end();
	if (sample.rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the reference has no row to compare with")));
	status = ml_baseline_make(&ctx, sample.n_columns, sample.baseline, sample.kept, sample.rows, &baseline, &err);
	if (status == ML_OK)
		status = ml_baseline_save(&ctx, baseline, &bytes, &length, &err);
	if (status != ML_OK)
		mdl_ml_fail(status, &err, "reference");
	result = palloc(length + VARHDRSZ);
	SET_VARSIZE(result, length + VARHDRSZ);
	memcpy(VARDATA(result), bytes, length);
	return result;
}
