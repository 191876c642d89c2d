/*
 * fuzz_drift_load.c: whatever the bytes behind a right header, a baseline is refused or is safe to count with, and what
 * is saved of it loads again.
 *
 * A libFuzzer target (see run.sh).  The input is what follows the header, so that the checksum does not stand in the way.
 */
#include "ml/drift.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ml/ml_bytes.h"

#define HEADER 24

static void
fuzz_require(bool fact)
{
	if (!fact)
		abort();
}

static void
count_with(const ml_ctx *ctx, const ml_baseline *baseline)
{
	static const double numbers[] = {0, -1, 1e300, -INFINITY, INFINITY, NAN, 0.5, 3};
	ml_drift_window *window;
	ml_drift	drift;

	fuzz_require(ml_drift_window_new(ctx, baseline, &window, NULL) == ML_OK);
	for (int i = 0; i < ml_baseline_n_columns(baseline); i++)
	{
		for (int j = 0; j < 8; j++)
		{
			if (ml_baseline_column_kind(baseline, i) == ML_CATEGORICAL)
				ml_drift_add_text(window, i, "AA", j % 3);
			else
				ml_drift_add_number(window, i, numbers[j]);
		}
		ml_drift_add_null(window, i);
		ml_drift_compute(window, i, &drift);
		fuzz_require(drift.n == 9);
		fuzz_require(ml_baseline_find_column(baseline, ml_baseline_column_name(baseline, i)) >= 0);
	}
	ml_drift_window_free(window);
}

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ml_ctx		ctx = ml_ctx_default();
	ml_writer	writer = {&ctx, NULL, 0, 0, false};
	ml_baseline *baseline,
			   *again;
	unsigned char *saved;
	size_t		length;

	ml_put_bytes(&writer, "MDLBASES", 8);
	ml_put_u32(&writer, 1);
	ml_put_u64(&writer, HEADER + size);
	ml_put_u32(&writer, ml_crc32c(data, size));
	ml_put_bytes(&writer, data, size);
	if (ml_baseline_load(&ctx, writer.data, writer.length, &baseline, NULL) == ML_OK)
	{
		count_with(&ctx, baseline);
		fuzz_require(ml_baseline_save(&ctx, baseline, &saved, &length, NULL) == ML_OK);
		fuzz_require(ml_baseline_load(&ctx, saved, length, &again, NULL) == ML_OK);
		ml_baseline_free(again);
		ml_baseline_free(baseline);
		free(saved);
	}
	free(writer.data);
	return 0;
}
