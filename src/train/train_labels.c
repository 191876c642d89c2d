/*
 * train_labels.c: what the labels that were read make of the target: its classes, the task that follows, and what is refused.
 */
#include "train/train_matrix.h"

#include <math.h>

void
mdl_training_too_many(const MdlTraining *t, int column)
{
	const MdlSourceColumn *source = &t->source.columns[column];

	if (source->role == MDL_ROLE_TARGET)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the target \"%s\" has more than %d classes, or a label longer than 1000 bytes", source->name,
						t->max_categories),
				 errhint("Choose an algorithm for regression if the target is a quantity.")));
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("feature \"%s\" has more than %d categories, or one longer than 1000 bytes", source->name,
					t->max_categories),
			 errhint("Exclude the column, group its rare values in the source query, or raise \"max_categories\" in argument \"preprocess\".")));
}

/*
 * Numbers that are not whole are taken for classes only where a parameter says so: whoever asks an algorithm that knows classes
 * alone for such a target means a quantity.
 */
static void
refuse_quantities(const MdlTraining *t)
{
	const char *type = mdl_source_target(&t->source)->type_name;

	if ((t->estimator->tasks & ML_TASK_BIT(ML_REGRESSION)) != 0 ||
		(strncmp(type, "numeric", 7) != 0 && strcmp(type, "double precision") != 0 && strcmp(type, "real") != 0))
		return;
	for (int k = 0; k < t->n_classes; k++)
	{
		double		value = strtod(t->classes[k], NULL);

		if (isfinite(value) && value != floor(value))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("the target \"%s\" has values such as %s, which are quantities, but algorithm \"%s\" tells classes apart",
							t->request->target, t->classes[k], t->estimator->name),
					 errhint("Choose an algorithm for regression, such as linear; if the numbers are labels, cast them to text in the source query.")));
	}
}

/* The classes of a classification: at least two, and two at most where the algorithm can tell no more apart. */
void
mdl_training_set_classes(MdlTraining *t)
{
	const ml_dictionary *labels;

	if (t->plan.target < 0 || t->plan.columns[t->plan.target].cat < 0)
		return;
	labels = &t->plan.columns[t->plan.target].dictionary;
	t->n_classes = labels->count;
	t->classes = (const char **) labels->texts;
	refuse_quantities(t);
	if (t->n_classes == 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the target \"%s\" has only one class, \"%s\"", t->request->target, t->classes[0]),
				 errhint("A classification needs rows of at least two classes.")));
	t->task = t->n_classes > 2 ? ML_MULTICLASS : ML_BINARY;
	if ((t->estimator->tasks & ML_TASK_BIT(t->task)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the target \"%s\" has %d classes, but algorithm \"%s\" can tell only two apart", t->request->target,
						t->n_classes, t->estimator->name),
				 errhint("Choose a target with two values, or compare one class with the rest in the source query.")));
}
