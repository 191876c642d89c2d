/*
 * ml_svm.c: predicting with support vector machines.
 */
#include "ml/ml_svm.h"

#include <math.h>
#include <string.h>

#include "ml/ml_kernels.h"
#include "ml/ml_platt.h"

#define ROWS 4					/* whose kernels are computed together */
#define LEAST_PROBABILITY 1e-7	/* of a pair before coupling, as libsvm */

static size_t
rounded(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

ml_svm *
ml_svm_new(const ml_ctx *ctx, const ml_kernel *kernel, int n_terms, int n_classes, size_t n_vectors)
{
	int			n_machines = n_classes > 2 ? n_classes * (n_classes - 1) / 2 : 1;
	int			n_rows = n_classes > 2 ? n_classes - 1 : 1;
	size_t		n_padded = ml_panels(n_vectors) * ML_PANEL;
	size_t		n_coefficients = n_vectors > 0 ? n_rows * n_padded : (size_t) n_machines * n_terms;
	size_t		head = rounded(sizeof(ml_svm));
	size_t		starts = rounded((n_classes + 1) * sizeof(uint32_t));
	size_t		coefficients = rounded(n_coefficients * sizeof(double));
	size_t		machines = rounded(3 * (size_t) n_machines * sizeof(double));
	char	   *block = ml_alloc_zero(ctx, head + starts + coefficients + machines + n_padded * n_terms * sizeof(double), 1);
	ml_svm	   *svm = (ml_svm *) block;

	if (block == NULL)
		return NULL;
	svm->kernel = *kernel;
	svm->n_terms = n_terms;
	svm->n_classes = n_classes;
	svm->n_machines = n_machines;
	svm->n_rows = n_rows;
	svm->n_vectors = n_vectors;
	svm->n_padded = n_padded;
	svm->class_start = (uint32_t *) (block + head);
	svm->coefficients = (double *) (block + head + starts);
	svm->intercepts = (double *) (block + head + starts + coefficients);
	svm->sigmoids = svm->intercepts + n_machines;
	svm->panels = (double *) (block + head + starts + coefficients + machines);
	return svm;
}

/* ---- decision values ------------------------------------------------------------------------------------------------- */

/* Of all machines for one row; values are its kernels with the vectors, or its terms. */
static void
decide(const ml_svm *svm, const double *values, double *decisions)
{
	int			machine = 0;

	if (svm->n_vectors == 0)
		for (; machine < svm->n_machines; machine++)
			decisions[machine] = ml_dot(svm->coefficients + (size_t) machine * svm->n_terms, values, svm->n_terms) +
				svm->intercepts[machine];
	else if (svm->n_machines == 1)
		decisions[0] = ml_dot(svm->coefficients, values, svm->n_vectors) + svm->intercepts[0];
	else
		for (int a = 0; a < svm->n_classes; a++)
			for (int b = a + 1; b < svm->n_classes; b++, machine++)
			{
				uint32_t	first_a = svm->class_start[a];
				uint32_t	first_b = svm->class_start[b];
				const double *row_a = svm->coefficients + (b - 1) * svm->n_padded;
				const double *row_b = svm->coefficients + a * svm->n_padded;

				decisions[machine] = ml_dot(row_a + first_a, values + first_a, svm->class_start[a + 1] - first_a) +
					ml_dot(row_b + first_b, values + first_b, svm->class_start[b + 1] - first_b) + svm->intercepts[machine];
			}
}

static double
pair_probability(const ml_svm *svm, int machine, double decision)
{
	double		p = ml_platt_probability(decision, svm->sigmoids[2 * machine], svm->sigmoids[2 * machine + 1]);

	return fmin(fmax(p, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY);
}

/*
 * Votes, and between -1/3 and 1/3 for what the decision values say beside them, as scikit-learn's decision_function in the
 * form ovr; their softmax is what is predicted.  work: (2 n_classes).
 */
static void
vote(const ml_svm *svm, const double *decisions, double *out, double *work)
{
	int			k = svm->n_classes;
	double	   *votes = work;
	double	   *confidence = work + k;
	int			winner = 0;
	int			best = 0;
	double		sum = 0;

	memset(work, 0, 2 * k * sizeof(double));
	for (int a = 0, machine = 0; a < k; a++)
		for (int b = a + 1; b < k; b++, machine++)
		{
			votes[decisions[machine] > 0 ? a : b] += 1;
			confidence[a] += decisions[machine];
			confidence[b] -= decisions[machine];
		}
	for (int i = 0; i < k; i++)
	{
		if (votes[i] > votes[winner])
			winner = i;
		confidence[i] = votes[i] + confidence[i] / (3 * (fabs(confidence[i]) + 1));
		if (confidence[i] > confidence[best])
			best = i;
	}
	if (!svm->breaks_ties)
		confidence[winner] = confidence[best];	/* the first of the greatest is then the winner */
	for (int i = 0; i < k; i++)
		sum += out[i] = exp(confidence[i] - confidence[best]);
	for (int i = 0; i < k; i++)
		out[i] /= sum;
}

/* From the decision values of a row to what the model predicts for it. */
static void
conclude(const ml_svm *svm, const double *decisions, double *out, double *work)
{
	int			k = svm->n_classes;

	if (k == 0)
		out[0] = decisions[0];
	else if (k == 2)
	{
		if (svm->has_probability)
		{
			out[1] = pair_probability(svm, 0, decisions[0]);
			out[0] = 1 - out[1];
		}
		else
		{
			out[0] = 1 / (1 + exp(decisions[0]));
			out[1] = 1 / (1 + exp(-decisions[0]));
		}
	}
	else if (svm->has_probability)
	{
		for (int a = 0, machine = 0; a < k; a++)
			for (int b = a + 1; b < k; b++, machine++)
			{
				work[a * k + b] = pair_probability(svm, machine, decisions[machine]);
				work[b * k + a] = 1 - work[a * k + b];
			}
		ml_couple_pairs(work, k, out, work + k * k);
	}
	else
		vote(svm, decisions, out, work);
}

static size_t
svm_work_size(const void *predictor, const ml_model_shape *shape)
{
	const ml_svm *svm = predictor;
	size_t		k = svm->n_classes;

	(void) shape;
	return (ROWS * svm->n_padded + svm->n_machines + 2 * k * k + 2 * k) * sizeof(double);
}

static void
svm_predict(const void *predictor, const ml_model_shape *shape, const double *x, size_t n, double *out, void *work)
{
	const ml_svm *svm = predictor;
	double	   *values = work;
	double	   *decisions = values + ROWS * svm->n_padded;
	double	   *rest = decisions + svm->n_machines;

	for (size_t first = 0; first < n; first += ROWS)
	{
		size_t		here = n - first < ROWS ? n - first : ROWS;
		const double *rows[ROWS];

		for (size_t r = 0; r < ROWS; r++)
			rows[r] = x + (first + (r < here ? r : 0)) * svm->n_terms;
		if (svm->n_vectors > 0 && here == 1)
			ml_kernel_row(&svm->kernel, rows[0], svm->panels, svm->n_padded / ML_PANEL, svm->n_terms, values);
		else if (svm->n_vectors > 0)
			ml_kernel_rows4(&svm->kernel, rows, svm->panels, svm->n_padded / ML_PANEL, svm->n_terms, values, svm->n_padded);
		for (size_t r = 0; r < here; r++)
		{
			decide(svm, svm->n_vectors > 0 ? values + r * svm->n_padded : rows[r], decisions);
			conclude(svm, decisions, out + (first + r) * shape->width, rest);
		}
	}
}

/* ---- storing ----------------------------------------------------------------------------------------------------------- */

static void
svm_save(const void *predictor, const ml_model_shape *shape, ml_writer *w)
{
	const ml_svm *svm = predictor;

	(void) shape;
	ml_put_u8(w, (uint8_t) svm->kernel.type);
	ml_put_u32(w, (uint32_t) svm->kernel.degree);
	ml_put_double(w, svm->kernel.gamma);
	ml_put_double(w, svm->kernel.coef0);
	ml_put_u8(w, svm->has_probability);
	ml_put_u8(w, svm->breaks_ties);
	ml_put_u32(w, (uint32_t) svm->n_vectors);
	for (int i = 0; i <= svm->n_classes; i++)
		ml_put_u32(w, svm->class_start[i]);
	ml_put_doubles(w, svm->intercepts, 3 * (size_t) svm->n_machines);
	if (svm->n_vectors == 0)
		ml_put_doubles(w, svm->coefficients, (size_t) svm->n_machines * svm->n_terms);
	for (int row = 0; row < svm->n_rows && svm->n_vectors > 0; row++)
		ml_put_doubles(w, svm->coefficients + row * svm->n_padded, svm->n_vectors);
	for (size_t v = 0; v < svm->n_vectors; v++)
		for (int j = 0; j < svm->n_terms; j++)
			ml_put_double(w, svm->panels[(v / ML_PANEL * svm->n_terms + j) * ML_PANEL + v % ML_PANEL]);
}

static bool
all_finite(const double *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(numbers[i]))
			return false;
	return true;
}

static ml_status
svm_load(const ml_ctx *ctx, ml_reader *r, const ml_model_shape *shape, void **predictor)
{
	ml_kernel	kernel;
	bool		has_probability;
	bool		breaks_ties;
	uint32_t	n_vectors;
	double		numbers;
	size_t		n_terms = shape->n_terms;
	size_t		k = shape->n_classes;
	size_t		n_machines = k > 2 ? k * (k - 1) / 2 : 1;
	size_t		n_rows = k > 2 ? k - 1 : 1;
	ml_svm	   *svm;

	kernel.type = ml_get_u8(r);
	kernel.degree = (int) ml_get_u32(r);
	kernel.gamma = ml_get_double(r);
	kernel.coef0 = ml_get_double(r);
	has_probability = ml_get_u8(r) != 0;
	breaks_ties = ml_get_u8(r) != 0;
	n_vectors = ml_get_u32(r);
	if (r->failed || kernel.type > ML_KERNEL_SIGMOID || kernel.degree < 0 || !isfinite(kernel.gamma) || !isfinite(kernel.coef0) ||
		kernel.gamma < 0 || k > ML_SVM_MAX_CLASSES || shape->width != (k > 0 ? (int) k : 1))
		return ML_BAD_MODEL;
	numbers = 3.0 * n_machines + (n_vectors > 0 ? (double) n_vectors * (n_rows + n_terms) : (double) n_machines * n_terms);
	if (numbers > (double) (r->length - r->at) / sizeof(double))
		return ML_BAD_MODEL;
	*predictor = svm = ml_svm_new(ctx, &kernel, (int) n_terms, (int) k, n_vectors);
	if (svm == NULL)
		return ML_NO_MEMORY;
	svm->has_probability = has_probability;
	svm->breaks_ties = breaks_ties;
	for (size_t i = 0; i <= k; i++)
	{
		svm->class_start[i] = ml_get_u32(r);
		if (svm->class_start[i] > n_vectors || (i == 0 && svm->class_start[i] != 0) ||
			(i > 0 && svm->class_start[i] < svm->class_start[i - 1]))
			return ML_BAD_MODEL;
	}
	ml_get_doubles(r, svm->intercepts, 3 * n_machines);
	if (n_vectors == 0)
		ml_get_doubles(r, svm->coefficients, n_machines * n_terms);
	for (size_t row = 0; row < n_rows && n_vectors > 0; row++)
		ml_get_doubles(r, svm->coefficients + row * svm->n_padded, n_vectors);
	for (size_t v = 0; v < n_vectors; v++)
		for (size_t j = 0; j < n_terms; j++)
			svm->panels[(v / ML_PANEL * n_terms + j) * ML_PANEL + v % ML_PANEL] = ml_get_double(r);
	if (r->failed || !all_finite(svm->intercepts, 3 * n_machines) || !all_finite(svm->panels, svm->n_padded * n_terms) ||
		!all_finite(svm->coefficients, n_vectors > 0 ? n_rows * svm->n_padded : n_machines * n_terms))
		return ML_BAD_MODEL;
	return ML_OK;
}

static void
svm_free(const ml_ctx *ctx, void *predictor)
{
	ml_free(ctx, predictor);
}

static size_t
svm_memory(const void *predictor)
{
	const ml_svm *svm = predictor;
	size_t		coefficients = svm->n_vectors > 0 ? svm->n_rows * svm->n_padded : (size_t) svm->n_machines * svm->n_terms;

	return sizeof(*svm) + sizeof(double) * (coefficients + 3 * (size_t) svm->n_machines + svm->n_padded * svm->n_terms);
}

static double
svm_effort(const void *predictor)
{
	const ml_svm *svm = predictor;

	return svm->n_vectors * (svm->n_terms + 12.0 + svm->n_rows);
}

const ml_predictor_class ml_svm_class = {
	.name = "svm", .decides = true, .predict = svm_predict, .work_size = svm_work_size, .save = svm_save, .load = svm_load,
	.free = svm_free, .memory = svm_memory, .effort = svm_effort
};
