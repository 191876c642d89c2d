/*
 * fit_rows.c: rows with targets for a model that exists: design rows as the model prepares them, targets, weights and clusters.
 *
 * A statement run as the caller makes the design rows; all are held in memory, bounded by medallion.train_mem.
 */
#include "predict/inference_int.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "train/train.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#define FETCH 1000

typedef struct ClusterEntry
{
	char		key[NAMEDATALEN * 4];
	int32		number;
} ClusterEntry;

static void *
grow(MdlFitRows *rows, void *old, Size used, Size size)
{
	void	   *new = mdl_train_alloc_large(rows->context, size);

	if (old != NULL)
	{
		memcpy(new, old, used);
		pfree(old);
	}
	return new;
}

static void
make_room(MdlFitRows *rows)
{
	size_t		capacity = rows->capacity ? rows->capacity * 2 : 4096;
	size_t		n = rows->n;

	if (n < rows->capacity)
		return;
	if ((double) capacity * (rows->n_terms + 6) * sizeof(double) > mdl_train_mem * 1024.0)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("the rows need more than medallion.train_mem (%d MB)", mdl_train_mem / 1024),
				 errhint("Raise medallion.train_mem.")));
	rows->x = grow(rows, rows->x, n * rows->n_terms * sizeof(double), (capacity * rows->n_terms + 1) * sizeof(double));
	rows->offset = grow(rows, rows->offset, n * sizeof(double), capacity * sizeof(double));
	rows->target = grow(rows, rows->target, n * sizeof(double), capacity * sizeof(double));
	rows->labels = grow(rows, rows->labels, n * sizeof(int32), capacity * sizeof(int32));
	rows->weights = grow(rows, rows->weights, n * sizeof(double), capacity * sizeof(double));
	rows->clusters = grow(rows, rows->clusters, n * sizeof(int32), capacity * sizeof(int32));
	rows->capacity = capacity;
}

static int32
cluster_number(MdlFitRows *rows, const char *text)
{
	ClusterEntry *entry;
	bool		found;
	char		key[NAMEDATALEN * 4] = {0};

	if (strlen(text) >= sizeof(key))
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("a value of the cluster column is longer than %d bytes", (int) sizeof(key) - 1)));
	strcpy(key, text);
	entry = hash_search(rows->cluster_table, key, HASH_ENTER, &found);
	if (!found)
		entry->number = rows->n_clusters++;
	return entry->number;
}

static void
null_in(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s is NULL in a row", what),
			 errhint("Leave such rows out in the source, as for training.")));
}

/* One row of the cursor: design row, target or whether it is the positive class, weight, cluster. */
static void
take_row(MdlFitRows *rows, uint64 row, bool classes, bool clustered)
{
	bool		is_null;
	Datum		value = mdl_field(row, 0, &is_null);
	ArrayType  *array;
	const double *terms;

	make_room(rows);
	if (is_null)
		null_in("a feature");
	array = DatumGetArrayTypeP(value);
	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) != rows->n_terms + rows->n_offsets || ARR_HASNULL(array))
		null_in("a feature");
	terms = (const double *) ARR_DATA_PTR(array);
	memcpy(rows->x + rows->n * rows->n_terms, terms, rows->n_terms * sizeof(double));
	rows->offset[rows->n] = 0;
	for (int k = 0; k < rows->n_offsets; k++)
		rows->offset[rows->n] += terms[rows->n_terms + k];
	value = mdl_field(row, 1, &is_null);
	if (is_null)
	{
		if (classes)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the target is NULL, or a class that the model does not know, in a row"),
					 errhint("Leave such rows out in the source, or train the model anew.")));
		null_in("the target");
	}
	if (classes)
		rows->labels[rows->n] = DatumGetInt32(value);
	else
		rows->target[rows->n] = DatumGetFloat8(value);
	value = mdl_field(row, 2, &is_null);
	if (is_null)
		null_in("the weight");
	rows->weights[rows->n] = DatumGetFloat8(value);
	if (!(rows->weights[rows->n] >= 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a weight is below 0")));
	if (clustered)
	{
		char	   *text = mdl_field_text(row, 3);

		if (text == NULL)
			null_in("the cluster");
		rows->clusters[rows->n] = cluster_number(rows, text);
	}
	rows->n++;
}

/* The column that an argument names, quoted, over s. */
static char *
column_of(const MdlPredictSource *source, const char *name, const char *argument)
{
	if (mdl_source_column(source, name) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the source has no column \"%s\", %s", name, argument)));
	return psprintf("s.%s", quote_identifier(name));
}

/* The code of a row's class: the first that its label is. */
static void
append_class(StringInfo sql, const ml_model *model, const char *target)
{
	appendStringInfoString(sql, "CASE");
	for (int k = 0; k < ml_model_n_classes(model); k++)
		appendStringInfo(sql, " WHEN medallion._is_class(%s, %s) THEN %d", target, quote_literal_cstr(ml_model_class(model, k)), k);
	appendStringInfoString(sql, " END");
}

void
mdl_fit_rows_read(const MdlUsedModel *used, const char *source, const char *weight, const char *cluster, MdlFitRows *rows)
{
	const ml_model *model = used->model;
	bool		classes = ml_model_n_classes(model) > 0;
	MdlPredictSource from;
	StringInfoData sql;
	char	   *target;
	Portal		portal;
	HASHCTL		control = {.keysize = NAMEDATALEN * 4, .entrysize = sizeof(ClusterEntry)};

	rows->context = CurrentMemoryContext;
	rows->n_offsets = ml_model_n_offsets(model);
	rows->n_terms = ml_model_n_terms(model) - rows->n_offsets;
	control.hcxt = CurrentMemoryContext;
	rows->cluster_table = hash_create("clusters", 256, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	mdl_predict_source(source, &from);
	target = column_of(&from, ml_model_target(model), "which the model predicts");
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT medallion.design_row(%s, s), ", quote_literal_cstr(used->exact));
	if (classes)
		append_class(&sql, model, target);
	else
		appendStringInfo(&sql, "%s::pg_catalog.float8", target);
	if (weight != NULL)
		appendStringInfo(&sql, ", %s::pg_catalog.float8", column_of(&from, weight, "named in argument \"weight\""));
	else
		appendStringInfoString(&sql, ", 1::pg_catalog.float8");
	if (cluster != NULL)
	{
		char	   *column = column_of(&from, cluster, "named in argument \"cluster\"");

		appendStringInfo(&sql, ", %s", mdl_wording_sql(column, TupleDescAttr(from.desc, mdl_source_column(&from, cluster))->atttypid));
	}
	appendStringInfo(&sql, " FROM %s s", from.from);
	portal = SPI_cursor_open_with_args(NULL, sql.data, 0, NULL, NULL, NULL, true, CURSOR_OPT_PARALLEL_OK);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH);
		for (uint64 i = 0; i < SPI_processed; i++)
			take_row(rows, i, classes, cluster != NULL);
		if (SPI_processed < FETCH)
			break;
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
}
