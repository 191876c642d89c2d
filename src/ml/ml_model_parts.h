/*
 * ml_model_parts.h: a model that is made of models, one for each *part* of the rows: those with the same values in some *key*
 * columns.
 *
 * Its columns are the key columns, then those of its parts, which all have the same.  A part's key is one text made of the
 * values' texts (ml_part_key).  Rows with a key that no part has cannot be predicted; rows whose key has a NULL belong to
 * the part with that key, if there is one.  Classes are those of all parts; a class that a part never saw has the
 * probability 0 there.
 */
#ifndef ML_MODEL_PARTS_H
#define ML_MODEL_PARTS_H

#include "ml/ml_bytes.h"
#include "ml/ml_model.h"

typedef struct ml_model_parts ml_model_parts;

/*
 * Writes the key of n values, NULL where data is NULL, as a text of at most size - 1 bytes and a NUL; returns its full
 * length, as snprintf does.  Different values have different keys.
 */
extern size_t ml_part_key(const ml_text *values, int n, char *key, size_t size);

/*
 * Makes a model of parts, which it owns from then on, also after a failure.  keys is (n), ascending by their bytes.  The
 * key columns are named and typed by key_names and key_types; task, classes and what else the model tells follow from the
 * parts.  ML_BAD_PARAM if the parts do not fit together.
 */
extern ml_status ml_model_of_parts(const ml_ctx *ctx, int n_keys, const char *const *key_names, const char *const *key_types,
								   int n, const char *const *keys, ml_model **parts, ml_model **model, ml_error *err);

extern int	ml_model_n_parts(const ml_model *model);	/* 0: it is not made of parts */
extern int	ml_model_n_keys(const ml_model *model);	/* its first columns; 0 likewise */

/* ---- for the files of models ------------------------------------------------------------------------------------- */

extern ml_status ml_model_parts_run(const ml_model *model, bool transform, const ml_values *columns, size_t first, size_t n,
							  double *out, ml_row_state *rows, void *workspace, ml_error *err);
extern size_t ml_model_parts_workspace(const ml_model_parts *parts);
extern int	ml_model_parts_n_components(const ml_model_parts *parts);
extern size_t ml_model_parts_memory(const ml_model_parts *parts);
extern void ml_model_parts_save(const ml_model_parts *parts, ml_writer *w);
/* Gives a model what ml_model_parts_save wrote, from hostile bytes. */
extern ml_status ml_model_parts_load(ml_model *model, ml_reader *r, ml_error *err);
extern void ml_model_parts_free(const ml_ctx *ctx, ml_model_parts *parts);	/* NULL allowed */

#endif							/* ML_MODEL_PARTS_H */
