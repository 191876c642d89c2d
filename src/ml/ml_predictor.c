/*
 * ml_predictor.c: the table of predictor classes, by the names that stored models carry.
 */
#include "ml/ml_predictor.h"

#include <string.h>

#include "ml/ml_centres.h"
#include "ml/ml_density.h"
#include "ml/ml_discriminant.h"
#include "ml/ml_gaussians.h"
#include "ml/ml_knots.h"
#include "ml/ml_naive_bayes.h"
#include "ml/ml_neighbors.h"
#include "ml/ml_parts.h"
#include "ml/ml_projection.h"
#include "ml/ml_svm.h"

const ml_predictor_class *const ml_predictor_classes[] = {
	&ml_centres_class,
	&ml_density_class,
	&ml_discrete_nb_class,
	&ml_discriminant_class,
	&ml_gaussian_nb_class,
	&ml_gaussians_class,
	&ml_knots_class,
	&ml_neighbors_class,
	&ml_parts_class,
	&ml_projection_class,
	&ml_svm_class,
	NULL
};

const ml_predictor_class *
ml_predictor_class_find(const char *name)
{
	for (int i = 0; ml_predictor_classes[i] != NULL; i++)
		if (strcmp(ml_predictor_classes[i]->name, name) == 0)
			return ml_predictor_classes[i];
	return NULL;
}
