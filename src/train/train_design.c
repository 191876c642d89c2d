/*
 * train_design.c: from the image of a source to what a learner reads: the model itself turns columns into terms, as it
 * will when it predicts.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "miscadmin.h"
#include "ml/ml_parallel.h"
#include "utils/memutils.h"

#define PIECE 4096				/* rows that a thread does at a time */
#define PIECES_AT_ONCE 64		/* between two looks for a cancel */
#define BYTES_AT_ONCE (64 * 1024 * 1024)	/* of design rows, likewise */
#define TRANSPOSED_BYTES (1024 * 1024)	/* of design rows, on their way to columns */

/* ---- the image as arrays ------------------------------------------------------------------------------------------ */

/* Which rows have no value, as bytes. */
static unsigned char *
missing_rows(const MdlMatrixImage *image, const double *numbers, const int32 *codes, int length)
{
	unsigned char *nulls = MemoryContextAllocHuge(CurrentMemoryContext, image->rows + 1);

	if (codes != NULL)
		for (int64 i = 0; i < image->rows; i++)
			nulls[i] = codes[i] < 0;
	else if (length == 1)
		for (int64 i = 0; i < image->rows; i++)
			nulls[i] = numbers[i] != numbers[i];
	else
		for (int64 i = 0; i < image->rows; i++)
			nulls[i] = isnan(numbers[i * length]);
	return nulls;
}

MdlMatrixData *
mdl_matrix_open(const MdlMatrixImage *image)
{
	MdlMatrixData *data = palloc0(sizeof(MdlMatrixData));
	const char *base = (const char *) image;
	const MdlImageColumn *facts = (const MdlImageColumn *) (base + image->columns_at);
	const char *at = base + image->data_at;
	size_t	   *folds = palloc(sizeof(size_t) * (image->n_folds + 1));

	data->rows = image->rows;
	data->n_columns = image->n_columns;
	data->columns = palloc0(sizeof(ml_values) * (image->n_columns + 1));
	data->facts = facts;
	for (int i = 0; i < image->n_columns; i++)
	{
		bool		is_category = facts[i].kind == ML_CATEGORICAL;

		if (is_category)
			data->columns[i].codes = (const int32 *) at;
		else
			data->columns[i].numbers = (const double *) at;
		if (facts[i].missing > 0)
			data->columns[i].nulls = missing_rows(image, data->columns[i].numbers, data->columns[i].codes, facts[i].length);
		at += TYPEALIGN(64, image->rows * (is_category ? sizeof(int32) : sizeof(double) * facts[i].length));
	}
	for (int fold = 0; fold <= image->n_folds; fold++)
		folds[fold] = ((const uint64 *) (base + image->folds_at))[fold];
	data->n_classes = image->n_classes;
	data->labels = image->n_classes > 0 ? (const int32 *) (base + image->labels_at) : NULL;
	data->target = image->has_target ? (const double *) (base + image->target_at) : NULL;
	data->weights = image->has_weights ? (const double *) (base + image->weights_at) : NULL;
	data->n_folds = image->n_folds;
	data->has_holdout = image->has_holdout != 0;
	data->fold_start = folds;
	return data;
}

ml_row_list *
mdl_matrix_rows(const MdlMatrixData *data, const bool *use_fold)
{
	ml_row_list *rows = palloc(sizeof(ml_row_list));
	ml_stretch *stretches = palloc(sizeof(ml_stretch) * (data->n_folds + 1));

	rows->n = 0;
	for (int fold = 0; fold < data->n_folds; fold++)
	{
		if (!use_fold[fold] || data->fold_start[fold] == data->fold_start[fold + 1])
			continue;
		if (rows->n > 0 && stretches[rows->n - 1].end == data->fold_start[fold])
			stretches[rows->n - 1].end = data->fold_start[fold + 1];
		else
			stretches[rows->n++] = (ml_stretch) {data->fold_start[fold], data->fold_start[fold + 1]};
	}
	rows->stretches = stretches;
	rows->weights = data->weights;
	return rows;
}

/* ---- work in pieces ----------------------------------------------------------------------------------------------- */

/* Rows from `first` of the data on, which become rows from `place` on. */
typedef struct Piece
{
	size_t		first;
	size_t		n;
	size_t		place;
} Piece;

typedef struct Pieces
{
	const ml_model *model;
	const MdlMatrixData *data;
	int			column;			/* terms_piece: the one at work */
	size_t		rows;			/* of a piece at most */
	size_t		width;
	double	   *out;
	size_t		stride;
	Piece		pieces[PIECES_AT_ONCE];
	ml_status	status[PIECES_AT_ONCE];
	ml_error	errors[PIECES_AT_ONCE];
	char	   *workspace;		/* (at_once, workspace_bytes) */
	size_t		workspace_bytes;
	int			at_once;
} Pieces;

static void
do_pieces(const ml_ctx *ctx, Pieces *p, int count, void (*work) (void *arg, int index))
{
	CHECK_FOR_INTERRUPTS();
	ml_parallel(ctx, count, work, p);
	for (int i = 0; i < count; i++)
		if (p->status[i] != ML_OK)
			mdl_ml_raise(p->status[i], &p->errors[i]);
}

/* Divides the rows into pieces and has them done, some at a time. */
static void
for_all_pieces(const ml_ctx *ctx, Pieces *p, const ml_row_list *rows, void (*work) (void *arg, int index))
{
	int			count = 0;
	size_t		place = 0;

	p->at_once = Max(1, Min(p->at_once, PIECES_AT_ONCE));
	p->workspace_bytes = TYPEALIGN(64, p->workspace_bytes);
	p->workspace = MemoryContextAllocHuge(CurrentMemoryContext, p->at_once * p->workspace_bytes + 64);
	for (int s = 0; s < rows->n; s++)
		for (size_t first = rows->stretches[s].first; first < rows->stretches[s].end; first += p->rows)
		{
			size_t		n = Min(p->rows, rows->stretches[s].end - first);

			p->pieces[count++] = (Piece) {first, n, place};
			place += n;
			if (count == p->at_once)
			{
				do_pieces(ctx, p, count, work);
				count = 0;
			}
		}
	do_pieces(ctx, p, count, work);
	pfree(p->workspace);
}

static void *
workspace_of(const Pieces *p, int index)
{
	return (void *) (TYPEALIGN(64, (uintptr_t) p->workspace) + index * p->workspace_bytes);
}

/* ---- designs ------------------------------------------------------------------------------------------------------ */

static void
rows_piece(void *arg, int index)
{
	Pieces	   *p = arg;
	const Piece *piece = &p->pieces[index];

	p->status[index] = ml_model_design(p->model, p->data->columns, piece->first, piece->n, p->out + piece->place * p->width, NULL,
									   &p->errors[index]);
}

static void
columns_piece(void *arg, int index)
{
	Pieces	   *p = arg;
	const Piece *piece = &p->pieces[index];
	double	   *x = workspace_of(p, index);

	p->status[index] = ml_model_design(p->model, p->data->columns, piece->first, piece->n, x, NULL, &p->errors[index]);
	for (size_t term = 0; term < p->width && p->status[index] == ML_OK; term++)
	{
		double	   *column = p->out + term * p->stride + piece->place;

		for (size_t i = 0; i < piece->n; i++)
			column[i] = x[i * p->width + term];
	}
}

static void
check_memory(const char *what, double bytes)
{
	if (bytes > (double) mdl_train_mem * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("%s take %.0f MB, more than medallion.train_mem, which is %d MB", what, bytes / (1024 * 1024),
						mdl_train_mem / 1024),
				 errhint("Raise medallion.train_mem, name fewer features, or train on a sample of the rows.")));
}

/* Rows whose terms fit into a processor's cache on their way to columns. */
static size_t
rows_to_turn(size_t terms)
{
	return Max(16, Min(PIECE, TRANSPOSED_BYTES / (sizeof(double) * (terms + 1))));
}

/* Numbers or labels of some rows: a part of the array if the rows lie together, else a copy. */
static const void *
gather(const void *values, size_t size, const ml_row_list *rows)
{
	char	   *copy;
	size_t		at = 0;

	if (values == NULL)
		return NULL;
	if (rows->n == 1)
		return (const char *) values + rows->stretches[0].first * size;
	copy = MemoryContextAllocHuge(CurrentMemoryContext, ml_row_list_rows(rows) * size + 1);
	for (int s = 0; s < rows->n; s++)
	{
		size_t		bytes = (rows->stretches[s].end - rows->stretches[s].first) * size;

		memcpy(copy + at, (const char *) values + rows->stretches[s].first * size, bytes);
		at += bytes;
	}
	return copy;
}

static ml_design *
make_design(const ml_ctx *ctx, ml_data_form form, const ml_model *model, const MdlMatrixData *data, const MdlColumnPrep *preps,
			const ml_row_list *rows)
{
	ml_design  *design = palloc0(sizeof(ml_design));
	Pieces	   *p = palloc0(sizeof(Pieces));
	size_t		width = ml_model_n_terms(model);
	bool		by_row = form == ML_FORM_ROWS;
	double	   *x;

	design->rows = ml_row_list_rows(rows);
	design->n_terms = (int) width;
	design->stride = by_row ? width : TYPEALIGN(8, design->rows);
	check_memory("the prepared rows", (double) sizeof(double) * width * (by_row ? design->rows : design->stride));
	x = mdl_train_alloc_large(CurrentMemoryContext, sizeof(double) * (width * (by_row ? design->rows : design->stride) + 1));
	design->x = x;
	design->target = gather(data->target, sizeof(double), rows);
	design->labels = gather(data->labels, sizeof(int32), rows);
	design->weights = gather(data->weights, sizeof(double), rows);
	design->n_classes = data->n_classes;
	p->model = model;
	p->data = data;
	p->width = width;
	p->out = x;
	p->stride = design->stride;
	p->rows = by_row ? PIECE : rows_to_turn(width);
	p->workspace_bytes = by_row ? 0 : sizeof(double) * p->rows * width;
	p->at_once = by_row ? (int) Max(ctx->nthreads, Min(PIECES_AT_ONCE, BYTES_AT_ONCE / (sizeof(double) * PIECE * (width + 1)))) :
		4 * ctx->nthreads;
	for_all_pieces(ctx, p, rows, by_row ? rows_piece : columns_piece);
	pfree(p);
	for (int i = 0; i < data->n_columns; i++)
		if (preps[i].encode == MDL_ENCODE_TARGET)
			mdl_design_target_means(data, i, ml_model_column_fill_code(model, i), rows,
									x + ml_model_column_first_term(model, i) * (by_row ? 1 : design->stride),
									by_row ? design->stride : 1, true);
	return design;
}

/* ---- matrices ----------------------------------------------------------------------------------------------------- */

/* A column of categories without missing values: those of the image, or a copy with the fill. */
static const int32 *
filled_codes(const MdlMatrixData *data, int index, int32 fill)
{
	const int32 *codes = data->columns[index].codes;
	int32	   *copy;

	if (data->columns[index].nulls == NULL)
		return codes;
	copy = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int32) * (data->rows + 1));
	for (size_t i = 0; i < data->rows; i++)
		copy[i] = codes[i] >= 0 ? codes[i] : fill;
	return copy;
}

/* Terms of the pieces' column as numbers, term after term. */
static void
terms_piece(void *arg, int index)
{
	Pieces	   *p = arg;
	const Piece *piece = &p->pieces[index];
	double	   *x = p->width == 1 ? p->out + piece->place : workspace_of(p, index);

	p->status[index] = ml_model_design_column(p->model, p->column, &p->data->columns[p->column], piece->first, piece->n, x, p->width,
											  &p->errors[index]);
	for (size_t term = 0; p->width > 1 && term < p->width && p->status[index] == ML_OK; term++)
	{
		double	   *to = p->out + term * p->stride + piece->place;

		for (size_t i = 0; i < piece->n; i++)
			to[i] = x[i * p->width + term];
	}
}

/* The same of all rows of the data. */
static double *
term_columns(const ml_ctx *ctx, const ml_model *model, const MdlMatrixData *data, int index, int n_terms)
{
	Pieces	   *p = palloc0(sizeof(Pieces));
	ml_stretch	stretch = {0, data->rows};
	ml_row_list rows = {1, &stretch, NULL};
	double	   *terms = mdl_train_alloc_large(CurrentMemoryContext, sizeof(double) * (data->rows * n_terms + 1));

	p->model = model;
	p->data = data;
	p->column = index;
	p->rows = rows_to_turn(n_terms);
	p->width = n_terms;
	p->out = terms;
	p->stride = data->rows;
	p->workspace_bytes = n_terms == 1 ? 0 : sizeof(double) * p->rows * n_terms;
	p->at_once = n_terms == 1 ? PIECES_AT_ONCE : 4 * ctx->nthreads;
	for_all_pieces(ctx, p, &rows, terms_piece);
	pfree(p);
	return terms;
}

/* What the offsets of each row add up to; NULL if there are none. */
static const double *
offsets_of(const ml_ctx *ctx, const ml_model *model, const MdlMatrixData *data)
{
	int			n = ml_model_n_offsets(model);
	double	   *sum = NULL;

	for (int i = data->n_columns - n; i < data->n_columns; i++)
	{
		double	   *offset = term_columns(ctx, model, data, i, 1);

		for (size_t row = 0; sum != NULL && row < data->rows; row++)
			sum[row] += offset[row];
		sum = sum ? sum : offset;
	}
	return sum;
}

static ml_matrix *
make_matrix(const ml_ctx *ctx, const ml_model *model, const MdlMatrixData *data, const MdlColumnPrep *preps, const ml_row_list *rows)
{
	ml_matrix  *m = palloc0(sizeof(ml_matrix));
	ml_matrix_column *columns = palloc0(sizeof(ml_matrix_column) * (ml_model_n_terms(model) + data->n_columns + 1));
	double		bytes = 0;
	int			n = 0;

	m->n_offsets = ml_model_n_offsets(model);
	m->offset = offsets_of(ctx, model, data);
	for (int i = 0; i < data->n_columns - m->n_offsets; i++)
	{
		int			n_terms = ml_model_column_n_terms(model, i);
		int			first_term = ml_model_column_first_term(model, i);
		bool		raw = ml_model_column_is_raw(model, i);

		if (raw && data->facts[i].n_categories > 0)
		{
			columns[n].codes = filled_codes(data, i, ml_model_column_fill_code(model, i));
			columns[n].n_categories = data->facts[i].n_categories;
			columns[n].reference = ml_model_column_reference(model, i);
			columns[n++].first_term = first_term;
		}
		else
		{
			const double *numbers = data->columns[i].numbers;

			if (!raw || data->columns[i].nulls != NULL)
			{
				check_memory("the prepared rows", bytes += (double) sizeof(double) * data->rows * n_terms);
				numbers = term_columns(ctx, model, data, i, n_terms);
				if (preps[i].encode == MDL_ENCODE_TARGET)
					mdl_design_target_means(data, i, ml_model_column_fill_code(model, i), rows, (double *) numbers, 1, false);
			}
			for (int term = 0; term < n_terms; term++)
			{
				columns[n].numbers = numbers + term * data->rows;
				columns[n].reference = -1;
				columns[n++].first_term = first_term + term;
			}
		}
	}
	m->rows = data->rows;
	m->n_columns = n;
	m->columns = columns;
	m->n_terms = ml_model_n_terms(model) - m->n_offsets;
	m->target = data->target;
	m->labels = data->labels;
	m->n_classes = data->n_classes;
	m->weights = data->weights;
	m->n_folds = data->n_folds;
	m->fold_start = data->fold_start;
	return m;
}

/* ---- sums --------------------------------------------------------------------------------------------------------- */

/* The Gram of some rows of a design of columns. */
static void
gram_of(const ml_design *design, size_t from, size_t to, ml_gram *gram)
{
	int			n = design->n_terms + (design->target ? 1 : 0);
	ml_moments_shape shape = {n, 0, 0};
	ml_moments *moments;
	ml_gram_source *sources = palloc(sizeof(ml_gram_source) * n);
	const double **columns = palloc(sizeof(double *) * n);
	double		ones[ML_MOMENTS_BLOCK];

	check_memory("the sums of products of the terms", (double) ml_moments_size(&shape) + (double) sizeof(double) * ml_gram_doubles(n));
	moments = MemoryContextAllocExtended(CurrentMemoryContext, ml_moments_size(&shape), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < ML_MOMENTS_BLOCK; i++)
		ones[i] = 1;
	ml_moments_init(moments, &shape);
	for (size_t first = from; first < to; first += ML_MOMENTS_BLOCK)
	{
		if ((first - from) % (ML_MOMENTS_BLOCK * 64) == 0)
			CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < design->n_terms; j++)
			columns[j] = design->x + j * design->stride + first;
		if (design->target != NULL)
			columns[n - 1] = design->target + first;
		ml_moments_add_columns(moments, columns, NULL, design->weights ? design->weights + first : ones,
							   Min(ML_MOMENTS_BLOCK, to - first));
	}
	for (int j = 0; j < n; j++)
		sources[j] = (ml_gram_source) {j, -1};
	ml_gram_attach(gram, n, MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ml_gram_doubles(n)));
	ml_gram_from_moments(gram, moments, sources);
	pfree(moments);
	pfree(sources);
	pfree(columns);
}

/* For estimators that need sums only; those of the folds apart if there are several, and the rows themselves if they are few. */
static void
make_gram(const ml_design *design, const MdlMatrixData *data, const bool *use_fold, bool folds_apart, ml_train_input *input)
{
	ml_gram    *gram = palloc0(sizeof(ml_gram));
	size_t		place = 0;

	input->gram = gram;
	if (folds_apart)
	{
		ml_gram    *fold_grams = palloc0(sizeof(ml_gram) * data->n_folds);

		gram->n = design->n_terms + 1;
		ml_gram_attach(gram, gram->n, MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * ml_gram_doubles(gram->n)));
		ml_gram_clear(gram);
		for (int fold = 0; fold < data->n_folds; fold++)
		{
			size_t		rows = data->fold_start[fold + 1] - data->fold_start[fold];

			if (!use_fold[fold])
				continue;
			gram_of(design, place, place + rows, &fold_grams[input->n_fold_grams]);
			ml_gram_add(gram, &fold_grams[input->n_fold_grams++]);
			place += rows;
		}
		input->fold_grams = fold_grams;
		return;
	}
	gram_of(design, 0, design->rows, gram);
	if (design->target != NULL && (double) design->rows * design->n_terms * design->n_terms <= MDL_ROWS_FIT_LIMIT)
	{
		double	   *x = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (design->rows * design->n_terms + 1));

		for (int j = 0; j < design->n_terms; j++)
			memcpy(x + j * design->rows, design->x + j * design->stride, sizeof(double) * design->rows);
		input->rows_x = x;
		input->rows_y = design->target;
		input->rows_weight = design->weights;
	}
}

void
mdl_design_input(const ml_ctx *ctx, const ml_estimator *estimator, const ml_model *model, const MdlMatrixData *data,
				 const MdlColumnPrep *preps, const bool *use_fold, bool folds_apart, ml_train_input *input)
{
	if (estimator->form == ML_FORM_MATRIX)
	{
		input->matrix = make_matrix(ctx, model, data, preps, mdl_matrix_rows(data, use_fold));
		input->use_fold = use_fold;
	}
	else
		input->design = make_design(ctx, estimator->form, model, data, preps, mdl_matrix_rows(data, use_fold));
	if (estimator->form == ML_FORM_GRAM)
		make_gram(input->design, data, use_fold, folds_apart, input);
}

/* ---- predictions -------------------------------------------------------------------------------------------------- */

static void
predict_piece(void *arg, int index)
{
	Pieces	   *p = arg;
	const Piece *piece = &p->pieces[index];

	p->status[index] = ml_model_predict_in(p->model, p->data->columns, piece->first, piece->n, p->out + piece->place * p->width,
										   NULL, workspace_of(p, index), &p->errors[index]);
}

double *
mdl_design_predict(const ml_ctx *ctx, const ml_model *model, const MdlMatrixData *data, size_t first, size_t n)
{
	Pieces	   *p = palloc0(sizeof(Pieces));
	ml_stretch	stretch = {first, first + n};
	ml_row_list rows = {1, &stretch, NULL};
	double	   *out;

	p->model = model;
	p->data = data;
	p->rows = Min(PIECE, ml_model_rows_at_once(model));
	p->width = ml_model_width(model);
	p->out = out = mdl_train_alloc_large(CurrentMemoryContext, sizeof(double) * (n * p->width + 1));
	p->workspace_bytes = ml_model_workspace(model);
	p->at_once = p->rows < PIECE ? ctx->nthreads : 4 * ctx->nthreads;
	for_all_pieces(ctx, p, &rows, predict_piece);
	pfree(p);
	return out;
}
