/*
 * predict_models.c: writes the three small models that the tests of prediction plant, as lines "name hex-bytes".
 *
 * Columns dist (numeric), carrier (AA, UA; no term for AA), night (boolean, NULL is false).  The coefficients are round
 * numbers, so that predictions can be checked by hand:
 *   value    = 0.25 + 0.5 dist + [UA] - night
 *   binary   = logit of that; classes false, true
 *   multi    = softmax of (that, [UA], dist); classes a, b, c
 * Run from the top of the tree after `make`:
 *   cc -std=c11 -Isrc test/golden/predict_models.c src/ml/libmedallion_ml.a -lm -o /tmp/pm && /tmp/pm >test/golden/predict_models.txt
 */
#include "ml/ml_model.h"

#include <stdio.h>

static int
write_model(const char *name, ml_task task, int n_classes, const char *const *classes, ml_link link)
{
	static const char *const carriers[] = {"AA", "UA"};
	static const ml_column_spec columns[] = {
		{.name = "dist", .type = "double precision", .kind = ML_NUMERIC, .scale = 1, .reference = -1},
		{.name = "carrier", .type = "text", .kind = ML_CATEGORICAL, .n_categories = 2, .categories = carriers,
		.scale = 1, .reference = 0},
		{.name = "night", .type = "boolean", .kind = ML_BOOLEAN, .has_fill = true, .scale = 1, .reference = -1},
	};
	static const double coefficients[] = {0.5, 1, -1, 0, 1, 0, 1, 0, 0};
	static const double intercepts[] = {0.25, 0, 0};
	ml_ctx		ctx = ml_ctx_default();
	ml_model_spec spec = {"planted", task, "late", n_classes == 0 ? "double precision" : n_classes == 2 ? "boolean" : "text",
	3, columns, n_classes, classes};
	ml_error	err;
	ml_model   *model;
	unsigned char *bytes;
	size_t		length;

	if (ml_model_new(&ctx, &spec, &model, &err) != ML_OK ||
		ml_model_set_linear(model, link, coefficients, intercepts, &err) != ML_OK ||
		ml_model_save(&ctx, model, &bytes, &length, &err) != ML_OK)
	{
		fprintf(stderr, "%s: %s\n", name, err.message);
		return 1;
	}
	printf("%s ", name);
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
	printf("\n");
	ml_free(&ctx, bytes);
	ml_model_free(model);
	return 0;
}

int
main(void)
{
	static const char *const two[] = {"false", "true"};
	static const char *const three[] = {"a", "b", "c"};

	return write_model("value", ML_REGRESSION, 0, NULL, ML_LINK_IDENTITY) +
		write_model("binary", ML_BINARY, 2, two, ML_LINK_LOGIT) +
		write_model("multi", ML_MULTICLASS, 3, three, ML_LINK_SOFTMAX);
}
