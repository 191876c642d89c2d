/*
 * Plots of curves, of confusion matrices, of points and of models: as lines of text for psql, or as SVG.
 */

CREATE OR REPLACE FUNCTION medallion.plot(curve medallion.roc_point[], format text DEFAULT 'text', title text DEFAULT NULL,
	width integer DEFAULT NULL, height integer DEFAULT NULL)
RETURNS SETOF text
LANGUAGE C STABLE PARALLEL SAFE ROWS 24 AS 'MODULE_PATHNAME', 'mdl_plot_roc';
COMMENT ON FUNCTION medallion.plot(medallion.roc_point[], text, text, integer, integer) IS
'A ROC curve, the area below it in a note; a row per line; format is text, ascii or svg (one row), width and height in characters or pixels.';

CREATE OR REPLACE FUNCTION medallion.plot(curve medallion.pr_point[], format text DEFAULT 'text', title text DEFAULT NULL,
	width integer DEFAULT NULL, height integer DEFAULT NULL)
RETURNS SETOF text
LANGUAGE C STABLE PARALLEL SAFE ROWS 24 AS 'MODULE_PATHNAME', 'mdl_plot_pr';
COMMENT ON FUNCTION medallion.plot(medallion.pr_point[], text, text, integer, integer) IS
'Precision over recall, the average precision in a note; a row per line; format is text, ascii or svg (one row), width and height in characters or pixels.';

CREATE OR REPLACE FUNCTION medallion.plot(curve medallion.calibration_bin[], format text DEFAULT 'text', title text DEFAULT NULL,
	width integer DEFAULT NULL, height integer DEFAULT NULL)
RETURNS SETOF text
LANGUAGE C STABLE PARALLEL SAFE ROWS 24 AS 'MODULE_PATHNAME', 'mdl_plot_calibration';
COMMENT ON FUNCTION medallion.plot(medallion.calibration_bin[], text, text, integer, integer) IS
'The share of positives over the mean probability of each bin, larger circles for more rows; a row per line; format is text, ascii or svg (one row), width and height in characters or pixels.';

CREATE OR REPLACE FUNCTION medallion.plot(curve medallion.lift_point[], format text DEFAULT 'text', title text DEFAULT NULL,
	width integer DEFAULT NULL, height integer DEFAULT NULL)
RETURNS SETOF text
LANGUAGE C STABLE PARALLEL SAFE ROWS 24 AS 'MODULE_PATHNAME', 'mdl_plot_lift';
COMMENT ON FUNCTION medallion.plot(medallion.lift_point[], text, text, integer, integer) IS
'The share of positives found over the share of rows, highest scores first; a row per line; format is text, ascii or svg (one row), width and height in characters or pixels.';

CREATE OR REPLACE FUNCTION medallion.plot(curve medallion.confusion_cell[], format text DEFAULT 'text', title text DEFAULT NULL,
	width integer DEFAULT NULL, height integer DEFAULT NULL)
RETURNS SETOF text
LANGUAGE C STABLE PARALLEL SAFE ROWS 24 AS 'MODULE_PATHNAME', 'mdl_plot_confusion';
COMMENT ON FUNCTION medallion.plot(medallion.confusion_cell[], text, text, integer, integer) IS
'A confusion matrix, cells as dark as their share of the label; a row per line; format is text, ascii or svg (one row), width and height in characters or pixels.';

CREATE OR REPLACE FUNCTION medallion.plot(x double precision[], y double precision[], kind text DEFAULT 'line', format text DEFAULT 'text',
	title text DEFAULT NULL, x_label text DEFAULT NULL, y_label text DEFAULT NULL, width integer DEFAULT NULL, height integer DEFAULT NULL,
	groups text[] DEFAULT NULL, lines text[] DEFAULT NULL)
RETURNS SETOF text
LANGUAGE C STABLE PARALLEL SAFE ROWS 24 AS 'MODULE_PATHNAME', 'mdl_plot_points';
COMMENT ON FUNCTION medallion.plot(double precision[], double precision[], text, text, text, text, text, integer, integer, text[], text[]) IS
'Any points, joined by a line or not (kind line or points), with groups of their own colour and mark, of which lines names those that are lines whatever the kind; a row per line; format is text, ascii or svg (one row).';

CREATE OR REPLACE FUNCTION medallion.plot(model text, source text, kind text DEFAULT NULL, format text DEFAULT 'text',
	title text DEFAULT NULL, width integer DEFAULT NULL, height integer DEFAULT NULL)
RETURNS SETOF text
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 24 AS 'MODULE_PATHNAME', 'mdl_plot_model';
COMMENT ON FUNCTION medallion.plot(text, text, text, text, text, integer, integer) IS
'How good a model is on rows whose labels are known: kind is roc, pr, calibration, lift (two classes), confusion (classes) or predicted (numbers).';
