/*
 * train_bayes_state.c: medallion.naive_bayes_state, and the table of the sums in its states.
 *
 * The state is that of train_classes.h without a sample; the columns are the features as they are given, the label and
 * the weight.  What the aggregates return has a checksum besides.
 */
#include "train/train_classes.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define MOST_CATEGORIES 10000
#define FIRST_FEATURE 4
#define NAME "naive_bayes_state"

static const char *const type_names[] = {"gaussian", "multinomial", "bernoulli", "categorical", NULL};

/* What a call site keeps: the row as train's own aggregates get it, in a call of its own. */
typedef struct BayesCall
{
	MdlArguments *features;
	MdlArgument label;
	MdlConstant type_text;
	MdlClassOptions options;
	FmgrInfo	flinfo;
	FunctionCallInfo row;		/* the plan, then the features, the label and the weight */
} BayesCall;

/* ---- the aggregate ------------------------------------------------------------------------------------------------- */

static ml_class_sum_type
type_argument(const char *name)
{
	for (int i = 0; type_names[i] != NULL; i++)
		if (strcmp(name, type_names[i]) == 0)
			return (ml_class_sum_type) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"type\" cannot be \"%s\"", name),
			 errhint("Values are: gaussian, multinomial, bernoulli, categorical.")));
	return 0;
}

/* The columns that a call's arguments are. */
static bytea *
make_plan(const BayesCall *call, FunctionCallInfo fcinfo)
{
	MdlRowPlan	plan = {0};
	int			n = call->features->count;

	plan.n_columns = n + 2;
	plan.columns = palloc0(sizeof(MdlRowColumn) * plan.n_columns);
	plan.n_folds = 1;
	for (int i = 0; i < n + 2; i++)
	{
		MdlRowColumn *column = &plan.columns[i];
		const MdlArgument *argument = i < n ? &call->features->arguments[i] : &call->label;
		bool		text = i == n || (i < n && argument->form == MDL_ARGUMENT_TEXT);

		column->role = i < n ? MDL_ROLE_FEATURE : i == n ? MDL_ROLE_TARGET : MDL_ROLE_WEIGHT;
		column->wire = text ? MDL_WIRE_TEXT : MDL_WIRE_FLOAT8;
		column->kind = text ? ML_CATEGORICAL : i < n && argument->type == BOOLOID ? ML_BOOLEAN : ML_NUMERIC;
		column->length = 1;
		if (i < n && argument->form == MDL_ARGUMENT_VECTOR)
		{
			ArrayType  *array = PG_ARGISNULL(FIRST_FEATURE + i) ? NULL : mdl_argument_vector(argument, PG_GETARG_DATUM(FIRST_FEATURE + i));

			if (array == NULL || ARR_DIMS(array)[0] < 1)
				mdl_wrong_feature(i + 1, "is no array of one dimension without NULLs");
			column->wire = MDL_WIRE_VECTOR;
			column->kind = ML_VECTOR;
			column->length = ARR_DIMS(array)[0];
		}
	}
	return mdl_row_plan_encode(&plan);
}

static BayesCall *
make_call(FunctionCallInfo fcinfo)
{
	MemoryContext memory = fcinfo->flinfo->fn_mcxt;
	BayesCall  *call = MemoryContextAllocZero(memory, sizeof(BayesCall));
	MemoryContext caller;

	mdl_only_in_aggregate(fcinfo);
	call->features = mdl_arguments_open(fcinfo, FIRST_FEATURE);
	if (call->features->count < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a row has no features")));
	mdl_argument_open(fcinfo, 2, "label", &call->label);
	caller = MemoryContextSwitchTo(memory);
	call->flinfo.fn_mcxt = memory;
	call->row = palloc0(SizeForFunctionCallInfo(call->features->count + 3));
	call->row->flinfo = &call->flinfo;
	call->row->nargs = call->features->count + 3;
	call->row->args[0].value = PointerGetDatum(make_plan(call, fcinfo));
	mdl_row_reader(call->row, 0)->checked = true;
	MemoryContextSwitchTo(caller);
	return call;
}

/* Turns the arguments into the row. */
static void
fill_row(BayesCall *call, FunctionCallInfo fcinfo)
{
	NullableDatum *row = call->row->args + 1;
	int			n = call->features->count;

	for (int i = 0; i < n; i++)
	{
		MdlArgument *argument = &call->features->arguments[i];
		Datum		value = PG_GETARG_DATUM(FIRST_FEATURE + i);

		if (PG_ARGISNULL(FIRST_FEATURE + i))
			mdl_wrong_feature(i + 1, "is NULL");
		if (argument->form == MDL_ARGUMENT_NUMBER)
		{
			double		number = mdl_argument_number(argument, value);

			if (!isfinite(number))
				mdl_wrong_feature(i + 1, "is NaN or infinite");
			row[i].value = Float8GetDatum(number);
		}
		else
			row[i].value = argument->form == MDL_ARGUMENT_TEXT ? PointerGetDatum(mdl_argument_text(argument, value)) : value;
	}
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a label is NULL"),
				 errhint("Leave such rows out with FILTER (WHERE …).")));
	row[n].value = PointerGetDatum(mdl_argument_text(&call->label, PG_GETARG_DATUM(2)));
	row[n + 1].value = Float8GetDatum(mdl_weight_argument(fcinfo, 3));
}

static void
refuse_overflow(const MdlClassHead *head)
{
	if (head->overflow == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 head->overflow - 1 == head->target ? errmsg("there are more than %d labels, or one longer than %d bytes", head->max_categories, ML_CATSET_LONGEST) :
			 errmsg("feature %d has more than %d categories, or one longer than %d bytes", head->overflow, head->max_categories, ML_CATSET_LONGEST)));
}

MDL_SHIM_TARGET(mdl_naive_bayes_accum);
Datum
mdl_naive_bayes_accum_impl(PG_FUNCTION_ARGS)
{
	BayesCall  *call = fcinfo->flinfo->fn_extra;
	MdlRowReader *reader;
	MdlClassHead *head;
	bool		same;

	if (unlikely(call == NULL))
		fcinfo->flinfo->fn_extra = call = make_call(fcinfo);
	reader = mdl_row_reader(call->row, 0);
	same = mdl_constant_same(&call->type_text, fcinfo, 1, fcinfo->flinfo->fn_mcxt);
	if (!same)
	{
		if (PG_ARGISNULL(1))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"type\" must not be NULL")));
		call->options = (MdlClassOptions) {type_argument(text_to_cstring(PG_GETARG_TEXT_PP(1))), 0, MOST_CATEGORIES};
	}
	if (PG_ARGISNULL(0))
		head = mdl_class_state_new(reader->plan, &call->options);
	else
		head = (MdlClassHead *) DatumGetPointer(PG_GETARG_DATUM(0));
	if (head->type != (int32) call->options.type)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("argument \"type\" must be the same for all rows")));
	fill_row(call, fcinfo);
	if (mdl_row_read(reader, call->row, 1, mdl_class_counts(head)))
		head = mdl_class_state_add(head, reader);
	else
		for (int i = 0; i < call->features->count; i++)
			if (mdl_class_counts(head)[i].unknown > 0 || mdl_class_counts(head)[i].not_finite > 0)
				mdl_wrong_feature(i + 1, "is an array of another length, or with elements that are NULL, NaN or infinite");
	refuse_overflow(head);
	PG_RETURN_POINTER(head);
}

/* ---- states as users have them --------------------------------------------------------------------------------------- */

/* Whether the columns are features, the label and the weight, as naive_bayes_state has them. */
static bool
is_public(const MdlClassHead *head)
{
	const MdlClassColumn *columns = mdl_class_columns(head);

	if (head->max_categories != MOST_CATEGORIES || head->overflow != 0 || head->threshold != 0 || head->sample_wanted != 0 ||
		mdl_class_sample(head)->count != 0 || head->target < 1 || head->n_columns != head->target + 2)
		return false;
	for (int i = 0; i < head->target; i++)
		if (columns[i].role != MDL_ROLE_FEATURE || columns[i].kind > ML_VECTOR)
			return false;
	return columns[head->target].role == MDL_ROLE_TARGET && columns[head->target + 1].role == MDL_ROLE_WEIGHT;
}

/* Whether labels and categories are texts of this database. */
static bool
are_texts(const MdlClassHead *head)
{
	const ml_catset *texts = mdl_class_texts(head);
	const ml_catset_entry *entries = ml_catset_entries(texts);

	for (uint32 i = 0; i < texts->entries; i++)
		if (entries[i].length > ML_CATSET_LONGEST || !pg_verifymbstr(ml_catset_text(texts, &entries[i]), entries[i].length, true))
			return false;
	return true;
}

/* Raises unless the sums are such as rows have. */
static void
check_sums(const MdlClassHead *head)
{
	bool		gaussian = head->type == ML_CLASS_GAUSSIAN;

	for (int j = 0; j < head->n_numbers; j++)
		if (!isfinite(mdl_class_base(head)[j]))
			mdl_damaged_state(NAME);
	for (int k = 0; k < head->n_classes; k++)
	{
		const double *sums = mdl_class_sums(head, k);

		if (!(sums[0] >= 0) || !(sums[1] >= 0) || !(sums[1] <= (double) head->rows))
			mdl_damaged_state(NAME);
		for (int j = 0; j < head->n_numbers; j++)
		{
			if (!isfinite(sums[2 + j]) || (gaussian && !isfinite(mdl_class_squares(head, k)[j])))
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("the sums of the numbers overflow"),
						 errhint("Scale the features.")));
			if (gaussian && mdl_class_squares(head, k)[j] < 0)
				mdl_damaged_state(NAME);
		}
		for (int level = 0; level < head->n_levels; level++)
			if (!(mdl_class_levels(head, k)[level] >= 0))
				mdl_damaged_state(NAME);
	}
}

MdlClassHead *
mdl_bayes_state(Datum value, bool copy)
{
	MdlClassHead *head = mdl_sealed_state(value, MDL_STATE_CLASSES, MDL_CLASS_VERSION, sizeof(MdlClassHead), NAME, copy);

	mdl_class_state_check(head);
	if (!is_public(head) || !are_texts(head))
		mdl_damaged_state(NAME);
	check_sums(head);
	return head;
}

/* The first state becomes that of the rows of both. */
MDL_SHIM_TARGET(mdl_naive_bayes_join);
Datum
mdl_naive_bayes_join_impl(PG_FUNCTION_ARGS)
{
	MdlClassHead *head;
	MdlClassHead *from;

	mdl_only_in_aggregate(fcinfo);
	head = mdl_bayes_state(PG_GETARG_DATUM(0), false);
	from = mdl_bayes_state(PG_GETARG_DATUM(1), true);
	head = mdl_class_state_merge(head, from);
	refuse_overflow(head);
	pfree(from);
	mdl_seal_state(head);
	PG_RETURN_POINTER(head);
}

/* ---- the sums as a table ------------------------------------------------------------------------------------------- */

/* The place of the state's sums of a row of the result. */
typedef struct Place
{
	const MdlClassHead *head;
	ReturnSetInfo *set;
	const char *label;
	int			class;			/* the state's code */
	int			feature;		/* from 0 */
} Place;

static void
put_row(const Place *p, int element, const char *category, double value, double variance)
{
	const double *sums = mdl_class_sums(p->head, p->class);
	Datum		values[8];
	bool		nulls[8] = {false};

	values[0] = CStringGetTextDatum(p->label);
	values[1] = Int64GetDatum((int64) sums[1]);
	values[2] = Float8GetDatum(sums[0]);
	values[3] = Int32GetDatum(p->feature + 1);
	values[4] = Int32GetDatum(element);
	nulls[4] = element == 0;
	values[5] = category ? CStringGetTextDatum(category) : (Datum) 0;
	nulls[5] = category == NULL;
	values[6] = Float8GetDatum(value);
	values[7] = Float8GetDatum(variance);
	nulls[7] = isnan(variance);
	tuplestore_putvalues(p->set->setResult, p->set->setDesc, values, nulls);
}

static void
put_numbers(const Place *p)
{
	const MdlClassHead *head = p->head;
	const MdlClassColumn *column = &mdl_class_columns(head)[p->feature];
	const double *sums = mdl_class_sums(head, p->class);
	bool		gaussian = head->type == ML_CLASS_GAUSSIAN;

	for (int k = 0; k < column->length; k++)
	{
		int			j = column->number + k;

		put_row(p, column->kind == ML_VECTOR ? k + 1 : 0, NULL, sums[2 + j] + (gaussian ? mdl_class_base(head)[j] : 0),
				gaussian ? mdl_class_squares(head, p->class)[j] / sums[0] : NAN);
	}
}

MDL_SHIM_TARGET(mdl_naive_bayes_final);
Datum
mdl_naive_bayes_final_impl(PG_FUNCTION_ARGS)
{
	MdlClassHead *head = mdl_bayes_state(PG_GETARG_DATUM(0), false);
	Place		p = {.head = head};
	int			n_classes;
	MdlClassText *classes = mdl_class_column_texts(head, head->target, &n_classes);

	InitMaterializedSRF(fcinfo, 0);
	p.set = (ReturnSetInfo *) fcinfo->resultinfo;
	for (int k = 0; k < n_classes; k++)
		for (p.feature = 0; p.feature < head->target; p.feature++)
		{
			int			count;
			MdlClassText *texts;

			CHECK_FOR_INTERRUPTS();
			p.label = classes[k].text;
			p.class = classes[k].code;
			if (mdl_class_columns(head)[p.feature].kind != ML_CATEGORICAL)
			{
				put_numbers(&p);
				continue;
			}
			texts = mdl_class_column_texts(head, p.feature, &count);
			for (int i = 0; i < count; i++)
				put_row(&p, 0, texts[i].text, mdl_class_levels(head, p.class)[texts[i].code], NAN);
		}
	return (Datum) 0;
}
