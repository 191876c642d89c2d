/*
 * ml_lanes.h: vectors of eight numbers, for files whose inner loops are compiled for several instruction sets.
 *
 * Private to those files: nothing here is passed between them.  Without fused multiply-add every version of a function
 * performs the same operations in the same order, so results are the same bits on every processor.
 */
#ifndef ML_LANES_H
#define ML_LANES_H

#include <stdint.h>

#include "ml/ml_kernels.h"

/* Eight doubles wherever they lie; the compiler splits them into what the processor has. */
typedef double lanes __attribute__((vector_size(ML_LANES * sizeof(double)), aligned(sizeof(double)), may_alias));
typedef int64_t lane_bits __attribute__((vector_size(ML_LANES * sizeof(int64_t)), aligned(sizeof(int64_t)), may_alias));
typedef float float_lanes __attribute__((vector_size(ML_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define EVERY_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
/* The same for files that may round as each processor does (fused multiply-add), as what they tell is checked. */
#define ANY_ROUNDING __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define EVERY_PROCESSOR
#define ANY_ROUNDING
#endif

/* Becomes a part of the function that calls it, compiled for the same processor. */
#define ML_INLINE static inline __attribute__((always_inline))

/* Sum of (a - b)², lane by lane; what is beyond the last eight comes first. */
ML_INLINE double
ml_squared_difference(const double *a, const double *b, size_t n)
{
	lanes		sum = {0};
	double		total = 0;
	size_t		i = 0;

	for (; i + ML_LANES <= n; i += ML_LANES)
	{
		lanes		distance = *(const lanes *) (a + i) - *(const lanes *) (b + i);

		sum += distance * distance;
	}
	for (; i < n; i++)
		total += (a[i] - b[i]) * (a[i] - b[i]);
	for (int k = 0; k < ML_LANES; k++)
		total += sum[k];
	return total;
}

#endif							/* ML_LANES_H */
