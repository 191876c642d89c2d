/*
 * train_preprocess.c: argument "preprocess": what is to be done with each feature before it is learnt from.
 *
 * Options stand for all features they make sense for, or, below "columns", for one feature alone, where one that makes no
 * sense is an error.
 */
#include "train/train_int.h"

#include "utils/lsyscache.h"

#define DEFAULT_MAX_CATEGORIES	1000
#define DEFAULT_BUCKETS			1024
#define MAX_BUCKETS				1048576
#define DEFAULT_QUANTILES		1000

static const char *const impute_words[] = {"error", "mean", "median", "most_frequent", "constant", "auto", NULL};
static const char *const scale_words[] = {"none", "standard", "minmax", "maxabs", "robust", NULL};
static const char *const warp_words[] = {"none", "log", "yeo_johnson", "box_cox", "quantile", "quantile_normal", NULL};
static const char *const encode_words[] = {"one_hot", "ordinal", "target", "frequency", "hashing", NULL};
static const char *const unknown_words[] = {"error", "zero", NULL};
static const char *const part_words[] = {"epoch", "year", "month", "day", "dow", "doy", "hour", "minute", NULL};

/* Where options come from, for messages. */
typedef struct Options
{
	Jsonb	   *object;
	const char *what;			/* "preprocess", or "preprocess" with the column */
	bool		of_column;
} Options;

static int
word_index(const Options *o, const char *key, const char *word, const char *const *words)
{
	StringInfoData known;

	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	initStringInfo(&known);
	for (int i = 0; words[i] != NULL; i++)
		appendStringInfo(&known, "%s%s", i ? ", " : "", words[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in argument \"%s\" cannot be \"%s\"", key, o->what, word),
			 errhint("Values are: %s.", known.data)));
	return 0;
}

/* The index of a word, or -1 if the key is not there. */
static int
read_word(const Options *o, const char *key, const char *const *words)
{
	char	   *word;

	return mdl_jsonb_text(o->object, o->what, key, &word) ? word_index(o, key, word, words) : -1;
}

static bool
read_integer(const Options *o, const char *key, int64 least, int64 most, int32 *value)
{
	int64		number;

	if (!mdl_jsonb_int8(o->object, o->what, key, &number))
		return false;
	if (number < least || number > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" in argument \"%s\" must be at least " INT64_FORMAT " and at most " INT64_FORMAT, key, o->what,
						least, most)));
	*value = (int32) number;
	return true;
}

static void
does_not_fit(const Options *o, const char *key, const char *kinds)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" in argument \"%s\" makes no sense for this column", key, o->what),
			 errhint("It is for %s.", kinds)));
}

/* What stands for a missing value. */
static void
read_impute(const Options *o, const MdlSourceColumn *column, MdlColumnPrep *prep)
{
	int			impute = read_word(o, "impute", impute_words);
	bool		has_fill;

	if (impute >= 0)
	{
		if (column->kind == ML_VECTOR && impute != MDL_IMPUTE_ERROR && impute != MDL_IMPUTE_AUTO)
		{
			if (o->of_column)
				does_not_fit(o, "impute", "columns other than arrays");
		}
		else if (column->kind != ML_VECTOR)
			prep->impute = impute;
	}
	if (column->kind != ML_VECTOR || o->of_column)
		mdl_jsonb_bool(o->object, o->what, "indicator", &prep->indicator);
	/* A value for all columns is one for those of its type. */
	if (!o->of_column && mdl_jsonb_is_text(o->object, "fill_value") != (column->kind == ML_CATEGORICAL))
		has_fill = false;
	else if (column->kind == ML_CATEGORICAL)
		has_fill = mdl_jsonb_text(o->object, o->what, "fill_value", &prep->fill_text);
	else
		has_fill = mdl_jsonb_float8(o->object, o->what, "fill_value", &prep->fill_number);
	prep->has_fill_value |= has_fill;
	if (has_fill && impute >= 0 && impute != MDL_IMPUTE_CONSTANT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"fill_value\" in argument \"%s\" needs \"impute\" to be \"constant\"", o->what)));
}

static void
read_numbers(const Options *o, const MdlSourceColumn *column, MdlColumnPrep *prep)
{
	int			scale = read_word(o, "scale", scale_words);
	int			warp = read_word(o, "transform", warp_words);
	bool		is_number = column->kind == ML_NUMERIC || column->kind == ML_VECTOR || column->kind == ML_TIME;

	if (scale >= 0)
	{
		if (is_number)
			prep->scale = scale;
		else if (o->of_column && scale > 0)
			does_not_fit(o, "scale", "numbers, times and arrays");
	}
	if (warp >= 0)
	{
		if (column->kind == ML_NUMERIC || (column->kind == ML_VECTOR && warp == ML_WARP_LOG1P))
			prep->warp = warp;
		else if (o->of_column && warp > 0)
			does_not_fit(o, "transform", "numbers; of arrays only the transformation \"log\"");
	}
	read_integer(o, "quantiles", 2, 100000, &prep->quantiles);
}

static void
read_categories(const Options *o, const MdlSourceColumn *column, MdlColumnPrep *prep)
{
	int			encode = read_word(o, "encode", encode_words);
	int			unknown = read_word(o, "unknown", unknown_words);

	if (column->kind != ML_CATEGORICAL)
	{
		if (o->of_column && (encode >= 0 || unknown >= 0))
			does_not_fit(o, encode >= 0 ? "encode" : "unknown", "categories");
		return;
	}
	if (encode >= 0)
		prep->encode = encode;
	if (unknown >= 0)
		prep->unknown_is_zero = unknown == 1;
	read_integer(o, "buckets", 1, MAX_BUCKETS, &prep->buckets);
}

static void
read_parts(const Options *o, const MdlSourceColumn *column, MdlColumnPrep *prep)
{
	char	  **words;
	int			count;

	if (!mdl_jsonb_text_list(o->object, o->what, "date_parts", &words, &count))
		return;
	if (column->kind != ML_TIME)
	{
		if (o->of_column)
			does_not_fit(o, "date_parts", "dates and timestamps");
		return;
	}
	prep->parts = 0;
	for (int i = 0; i < count; i++)
		prep->parts |= 1u << word_index(o, "date_parts", words[i], part_words);
	if (prep->parts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"date_parts\" in argument \"%s\" names no part", o->what)));
}

static void
read_options(const Options *o, const MdlSourceColumn *column, MdlColumnPrep *prep)
{
	read_impute(o, column, prep);
	read_numbers(o, column, prep);
	read_categories(o, column, prep);
	read_parts(o, column, prep);
}

static void
set_defaults(const ml_estimator *estimator, const MdlSourceColumn *column, MdlColumnPrep *prep)
{
	bool		is_number = column->kind == ML_NUMERIC || column->kind == ML_VECTOR || column->kind == ML_TIME;

	memset(prep, 0, sizeof(*prep));
	prep->impute = column->kind == ML_VECTOR ? MDL_IMPUTE_ERROR : MDL_IMPUTE_AUTO;
	prep->scale = estimator->wants_scaling && is_number ? MDL_SCALE_STANDARD : MDL_SCALE_NONE;
	prep->buckets = DEFAULT_BUCKETS;
	prep->quantiles = DEFAULT_QUANTILES;
	if (column->kind == ML_TIME)
		prep->parts = ML_PART_EPOCH | ML_PART_MONTH | ML_PART_DOW | (column->has_clock ? ML_PART_HOUR : 0);
}

/* Puts together what options of several places said of a column. */
static void
finish(const ml_estimator *estimator, const MdlSourceColumn *column, MdlColumnPrep *prep)
{
	if (prep->impute == MDL_IMPUTE_AUTO && estimator->keeps_missing)
		prep->impute = MDL_IMPUTE_ERROR;
	else if (prep->impute == MDL_IMPUTE_AUTO && prep->indicator)
		prep->impute = MDL_IMPUTE_MEAN;
	if (prep->impute == MDL_IMPUTE_CONSTANT && !prep->has_fill_value)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"preprocess\" lacks \"fill_value\" for column \"%s\", which \"impute\": \"constant\" needs",
						column->name)));
	if (prep->indicator && prep->impute == MDL_IMPUTE_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"indicator\" in argument \"preprocess\" needs \"impute\" for column \"%s\"", column->name)));
}

/* The options of one column, below "columns"; NULL if there are none. */
static Jsonb *
options_of_column(Jsonb *columns, const char *name)
{
	JsonbValue	found;

	if (columns == NULL || getKeyJsonValueFromContainer(&columns->root, name, strlen(name), &found) == NULL)
		return NULL;
	if (found.type != jbvBinary || !JsonContainerIsObject(found.val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" below \"columns\" in argument \"preprocess\" must be an object", name)));
	return JsonbValueToJsonb(&found);
}

/* Every column that "columns" names must be a feature. */
static void
check_names(Jsonb *columns, const MdlSource *source)
{
	int			count;
	char	  **names = mdl_jsonb_keys(columns, &count);

	for (int n = 0; n < count; n++)
	{
		bool		found = false;

		for (int i = 0; i < source->n_features && !found; i++)
			found = strcmp(source->columns[i].name, names[n]) == 0;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("argument \"preprocess\" names column \"%s\", which is no feature", names[n])));
	}
}

MdlColumnPrep *
mdl_preprocess_read(Jsonb *preprocess, const ml_estimator *estimator, const MdlSource *source, int *max_categories)
{
	static const char *const keys[] = {"buckets", "columns", "date_parts", "encode", "fill_value", "impute", "indicator",
	"max_categories", "quantiles", "scale", "transform", "unknown", NULL};
	static const char *const column_keys[] = {"buckets", "date_parts", "encode", "fill_value", "impute", "indicator",
	"quantiles", "scale", "transform", "unknown", NULL};
	MdlColumnPrep *preps = palloc(sizeof(MdlColumnPrep) * (source->n_features + 1));
	Options		all = {preprocess, "preprocess", false};
	Jsonb	   *columns = mdl_jsonb_object(preprocess, "preprocess", "columns");

	mdl_jsonb_check_keys(preprocess, "preprocess", keys);
	*max_categories = DEFAULT_MAX_CATEGORIES;
	read_integer(&all, "max_categories", 2, 100000, max_categories);
	if (columns != NULL)
		check_names(columns, source);
	for (int i = 0; i < source->n_features; i++)
	{
		const MdlSourceColumn *column = &source->columns[i];
		Options		own = {options_of_column(columns, column->name), psprintf("preprocess.columns.%s", column->name), true};

		set_defaults(estimator, column, &preps[i]);
		if (column->offset != MDL_OFFSET_NONE)
		{
			if (own.object != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("argument \"preprocess\" names column \"%s\", which is no feature but the %s", column->name,
								mdl_offset_name(column->offset))));
			preps[i].impute = MDL_IMPUTE_ERROR;
			preps[i].offset = column->offset;
			continue;
		}
		read_options(&all, column, &preps[i]);
		if (own.object != NULL)
		{
			mdl_jsonb_check_keys(own.object, own.what, column_keys);
			read_options(&own, column, &preps[i]);
		}
		finish(estimator, column, &preps[i]);
	}
	return preps;
}

bool
mdl_prep_is_plain(const MdlColumnPrep *prep, ml_kind kind)
{
	return kind != ML_TIME && kind != ML_VECTOR && prep->scale == MDL_SCALE_NONE && prep->warp == ML_WARP_NONE &&
		prep->encode == MDL_ENCODE_ONE_HOT && !prep->indicator &&
		(prep->impute <= MDL_IMPUTE_MEAN || prep->impute == MDL_IMPUTE_CONSTANT || prep->impute == MDL_IMPUTE_AUTO ||
		 (prep->impute != MDL_IMPUTE_MEDIAN && kind == ML_CATEGORICAL));
}
