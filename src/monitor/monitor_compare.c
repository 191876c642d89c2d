/*
 * monitor_compare.c: which columns are compared, and counting a row of the source.
 *
 * The *prediction* is compared like a column, where the baseline has it: what the model predicts for the new rows (the
 * value, or the probability of the last class) against what it predicted in training.  Rows that the
 * model cannot predict count as missing.  Only members of the numeric library that need no BLAS may be used here.
 */
#include "monitor/monitor_int.h"

#include <math.h>

#include "utils/array.h"
#include "utils/builtins.h"

static void
choose_columns(MdlComparison *c, char *const *given, int n_given)
{
	int			all = ml_baseline_n_columns(c->baseline);

	c->columns = palloc(sizeof(char *) * Max(given ? n_given : all, 1));
	c->places = palloc(sizeof(int) * Max(given ? n_given : all, 1));
	for (int i = 0; i < (given ? n_given : all); i++)
	{
		const char *name = given ? given[i] : ml_baseline_column_name(c->baseline, i);
		int			place = ml_baseline_find_column(c->baseline, name);

		if (place < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the baseline of %s has no column \"%s\"", c->what, name)));
		c->columns[c->n_columns] = pstrdup(name);
		c->places[c->n_columns++] = place;
	}
}

static int
find_input(const MdlComparison *c, const char *name)
{
	for (int i = 0; i < c->n_inputs; i++)
		if (strcmp(c->inputs[i].name, name) == 0)
			return i;
	return -1;
}

/* Adds what the model takes and is not compared to the inputs, and makes room for one row. */
static void
prepare_prediction(MdlComparison *c, TupleDesc desc, const char *source)
{
	int			n = ml_model_n_columns(c->model);

	c->inputs = repalloc(c->inputs, sizeof(MdlSourceColumn) * (c->n_inputs + n + 1));
	c->input_places = repalloc(c->input_places, sizeof(int) * (c->n_inputs + n + 1));
	c->model_inputs = palloc(sizeof(int) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		const char *name = ml_model_column_name(c->model, i);

		c->model_inputs[i] = find_input(c, name);
		if (c->model_inputs[i] >= 0)
			continue;
		mdl_source_find(desc, source, name, ml_model_column_kind(c->model, i), &c->inputs[c->n_inputs]);
		c->input_places[c->n_inputs] = -1;
		c->model_inputs[i] = c->n_inputs++;
	}
	c->numbers = palloc0(sizeof(double) * (c->n_inputs + 1));
	c->texts = palloc0(sizeof(ml_text) * (c->n_inputs + 1));
	c->nulls = palloc0(c->n_inputs + 1);
	c->values = palloc0(sizeof(ml_values) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		c->values[i].nulls = &c->nulls[c->model_inputs[i]];
		if (ml_model_column_kind(c->model, i) == ML_CATEGORICAL)
			c->values[i].texts = &c->texts[c->model_inputs[i]];
		else if (ml_model_column_kind(c->model, i) == ML_VECTOR)
			c->values[i].numbers = palloc0(sizeof(double) * ml_model_column_length(c->model, i));
		else
			c->values[i].numbers = &c->numbers[c->model_inputs[i]];
	}
	c->n_out = Max(ml_model_width(c->model), 1);
	c->out = palloc(sizeof(double) * c->n_out);
}

void
mdl_compare_prepare(MdlComparison *c, const char *model, bytea *stored, const char *source, char *const *given, int n_given)
{
	TupleDesc	desc;

	memset(c, 0, sizeof(*c));
	c->prediction = -1;
	c->baseline = mdl_monitor_baseline(model, stored, CurrentMemoryContext, &c->version);
	c->what = model ? psprintf("model \"%s/%d\"", c->version.model, c->version.version) : "the reference";
	choose_columns(c, given, n_given);
	desc = mdl_source_describe(source);
	c->inputs = palloc0(sizeof(MdlSourceColumn) * (c->n_columns + 1));
	c->input_places = palloc(sizeof(int) * (c->n_columns + 1));
	for (int i = 0; i < c->n_columns; i++)
	{
		if (model != NULL && strcmp(c->columns[i], ML_DRIFT_PREDICTION) == 0)
		{
			c->prediction = c->places[i];
			continue;
		}
		mdl_source_find(desc, source, c->columns[i], ml_baseline_column_kind(c->baseline, c->places[i]), &c->inputs[c->n_inputs]);
		c->input_places[c->n_inputs++] = c->places[i];
	}
	if (c->prediction >= 0)
	{
		c->model = mdl_monitor_model(&c->version, CurrentMemoryContext);
		prepare_prediction(c, desc, source);
	}
}

char *
mdl_compare_expressions(const MdlComparison *c)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < c->n_inputs; i++)
		appendStringInfo(&text, "%s%s", i ? ", " : "", c->inputs[i].expression);
	if (c->n_inputs == 0)
		appendStringInfoString(&text, "NULL");
	return text.data;
}

static void
add_prediction(const MdlComparison *c, ml_drift_window *window)
{
	ml_row_state state;
	ml_error	err = {0};
	ml_status	status = ml_model_predict(c->model, c->values, 1, c->out, &state, &err);

	if (status != ML_OK)
		mdl_ml_fail(status, &err, c->what);
	ml_drift_add_number(window, c->prediction, state.problem == ML_PROBLEM_NONE ? c->out[c->n_out - 1] : NAN);
}

/* A vector, which only the prediction takes; one of another length counts as missing. */
static void
take_vector(const MdlComparison *c, int input, Datum value, bool is_null)
{
	for (int i = 0; i < ml_model_n_columns(c->model); i++)
	{
		int			length = ml_model_column_length(c->model, i);
		ArrayType  *array;

		if (c->model_inputs[i] != input)
			continue;
		c->nulls[input] = true;
		if (is_null)
			return;
		array = DatumGetArrayTypeP(value);
		if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != length || array_contains_nulls(array))
			return;
		c->nulls[input] = false;
		memcpy((double *) c->values[i].numbers, ARR_DATA_PTR(array), sizeof(double) * length);
		return;
	}
}

void
mdl_compare_row(const MdlComparison *c, ml_drift_window *window, const Datum *values, const bool *nulls)
{
	for (int i = 0; i < c->n_inputs; i++)
	{
		int			place = c->input_places[i];
		double		number = 0;
		ml_text		text = {"", 0};

		if (c->inputs[i].kind == ML_VECTOR)
		{
			take_vector(c, i, values[i], nulls[i]);
			continue;
		}
		if (c->inputs[i].kind != ML_CATEGORICAL)
			number = nulls[i] ? 0 : DatumGetFloat8(values[i]);
		else if (!nulls[i])
		{
			struct varlena *datum = PG_DETOAST_DATUM_PACKED(values[i]);

			text = (ml_text) {VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum)};
		}
		if (c->prediction >= 0)
		{
			c->numbers[i] = number;
			c->texts[i] = text;
			c->nulls[i] = nulls[i];
		}
		if (place < 0)
			continue;
		if (nulls[i])
			ml_drift_add_null(window, place);
		else if (c->inputs[i].kind == ML_CATEGORICAL)
			ml_drift_add_text(window, place, text.data, text.length);
		else
			ml_drift_add_number(window, place, number);
	}
	if (c->prediction >= 0)
		add_prediction(c, window);
}
