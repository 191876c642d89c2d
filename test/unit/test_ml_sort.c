/*
 * test_ml_sort.c: sorting in blocks, and stopping.
 */
#include "ml/ml_sort.h"

#include "alloc_fail.h"
#include "unit.h"

#define MOST 1000000

static int
compare(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *) a,
				y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

int
main(void)
{
	const size_t sizes[] = {0, 1, 2, 1 << 18, (1 << 18) + 1, 3 << 18, MOST};
	uint32_t   *values = malloc(sizeof(uint32_t) * MOST);
	uint32_t   *scratch = malloc(sizeof(uint32_t) * MOST);
	fail_state	state = {-1, 0, -1, 0};
	ml_ctx		ctx = fail_ctx(&state);
	int			stops = 0;

	for (int s = 0; s < 7; s++)
	{
		uint64_t	sum = 0;
		bool		sorted = true;

		for (size_t i = 0; i < sizes[s]; i++)
			sum += values[i] = (uint32_t) (i * 2654435761u) >> (i % 3 * 8);
		unit_ok(ml_sort(NULL, values, scratch, sizes[s], sizeof(uint32_t), compare), "%zu elements", sizes[s]);
		for (size_t i = 0; i < sizes[s]; i++)
		{
			sorted = sorted && (i == 0 || values[i - 1] <= values[i]);
			sum -= values[i];
		}
		unit_ok(sorted && sum == 0, "are in order, none lost");
	}
	for (long k = 0; k < 100; k++)
	{
		state.until_cancel = k;
		if (ml_sort(&ctx, values, scratch, MOST, sizeof(uint32_t), compare))
			break;
		stops++;
	}
	unit_ok(stops > 8 && stops < 100, "can be stopped at %d places", stops);
	free(values);
	free(scratch);
	return unit_done();
}
