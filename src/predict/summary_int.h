/*
 * summary_int.h: the parts of medallion.summary: summary.c, summary_format.c (numbers and columns), summary_learnt.c (what
 * models without coefficients have learnt, metrics, parts).
 */
#ifndef MDL_SUMMARY_INT_H
#define MDL_SUMMARY_INT_H

#include "predict/inference_int.h"

#include "lib/stringinfo.h"

#define MDL_SUMMARY_DIGITS 4	/* significant, as R prints summaries */
#define MDL_SUMMARY_WIDTH 80	/* columns of a line that tables keep to where they can */
#define MDL_SUMMARY_NAME 40		/* columns of a name in a table */
#define MDL_SMALLEST_P 2.220446049250313e-16

/* ---- summary_format.c --------------------------------------------------------------------------------------------- */

/* format(): all numbers with as many digits as the most demanding needs; NaN becomes NA. */
extern char **mdl_summary_numbers(const double *x, int n, int digits);
extern char *mdl_summary_number(double x, int digits);
extern char **mdl_summary_p_values(const double *p, int n, int digits);	/* format.pval() */
extern double mdl_to_digits(double x, int digits);	/* signif() */
extern double mdl_to_decimals(double x, int decimals);	/* round(); decimals may be below 0 */

/* Columns that a text takes on a terminal; a name without control characters, what is too much in the middle left out. */
extern int	mdl_summary_width(const char *text);
extern char *mdl_summary_name(const char *name, int most);

extern void mdl_summary_pad(StringInfo out, const char *text, int width, bool right);
extern int	mdl_summary_widest(const char *heading, char **texts, int n);
extern void mdl_summary_end_line(StringInfo out);	/* without blanks at its end */

/* ---- summary_learnt.c --------------------------------------------------------------------------------------------- */

/* Clusters, components, classes …, of the algorithms that have them. */
extern void mdl_summary_learnt(StringInfo out, const MdlInference *inference);

/* Metrics of the training, if asked for, and those of the holdout, if there is one. */
extern void mdl_summary_metrics(StringInfo out, const MdlInference *inference, bool training);

/* The models that one of partition_by is made of. */
extern void mdl_summary_parts(StringInfo out, const MdlInference *inference);

#endif							/* MDL_SUMMARY_INT_H */
