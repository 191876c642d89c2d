/*
 * unit.h: assertions for the C unit tests of src/ml.
 *
 * A test is a plain program `test/unit/test_<file>.c` with main().  Each check prints one line, `ok N - name` or
 * `not ok N - name` followed by `#` lines that tell what was expected and got, and goes on: a test reports everything
 * that is wrong with it.  main() ends with `return unit_done();`, which prints the plan and is non-zero after a failure.
 * Nothing here knows the code under test.
 */
#ifndef UNIT_H
#define UNIT_H

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	unit_count;
static int	unit_failed;

/* Prints the line of one check and counts it; returns passed, so that a test can stop where going on makes no sense. */
static inline bool
unit_report(bool passed, const char *file, int line, const char *name, va_list args)
{
	unit_count++;
	printf("%s %d - ", passed ? "ok" : "not ok", unit_count);
	vprintf(name, args);
	printf("\n");
	if (!passed)
	{
		unit_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return passed;
}

__attribute__((format(printf, 4, 5))) static inline bool
unit_ok_at(const char *file, int line, bool passed, const char *name, ...)
{
	va_list		args;

	va_start(args, name);
	unit_report(passed, file, line, name, args);
	va_end(args);
	return passed;
}

/*
 * |actual - expected| <= absolute + relative * |expected|.  Two NaN are equal, and so are infinities of one sign:
 * a kernel that must return NaN is tested with expected = NAN.
 */
__attribute__((format(printf, 7, 8))) static inline bool
unit_near_at(const char *file, int line, double actual, double expected, double relative, double absolute,
			 const char *name, ...)
{
	va_list		args;
	bool		passed;

	if (isnan(expected) || isinf(expected) || !isfinite(actual))
		passed = (isnan(expected) && isnan(actual)) || actual == expected;
	else
		passed = fabs(actual - expected) <= absolute + relative * fabs(expected);
	va_start(args, name);
	unit_report(passed, file, line, name, args);
	va_end(args);
	if (!passed)
		printf("# got %.17g, expected %.17g (tolerance %g relative, %g absolute)\n", actual, expected, relative, absolute);
	return passed;
}

/* All n values within the tolerance: one line, and on failure the first place and the largest difference. */
__attribute__((format(printf, 8, 9))) static inline bool
unit_array_near_at(const char *file, int line, const double *actual, const double *expected, size_t n,
				   double relative, double absolute, const char *name, ...)
{
	va_list		args;
	size_t		first = n;
	double		worst = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		difference = fabs(actual[i] - expected[i]);
		bool		same = (isnan(expected[i]) && isnan(actual[i])) || actual[i] == expected[i] ||
			(isfinite(expected[i]) && difference <= absolute + relative * fabs(expected[i]));

		if (!same && first == n)
			first = i;
		if (difference > worst)
			worst = difference;
	}
	va_start(args, name);
	unit_report(first == n, file, line, name, args);
	va_end(args);
	if (first < n)
		printf("# first at [%zu]: got %.17g, expected %.17g; largest difference %g\n",
			   first, actual[first], expected[first], worst);
	return first == n;
}

__attribute__((format(printf, 5, 6))) static inline bool
unit_int_at(const char *file, int line, intmax_t actual, intmax_t expected, const char *name, ...)
{
	va_list		args;

	va_start(args, name);
	unit_report(actual == expected, file, line, name, args);
	va_end(args);
	if (actual != expected)
		printf("# got %" PRIdMAX ", expected %" PRIdMAX "\n", actual, expected);
	return actual == expected;
}

__attribute__((format(printf, 5, 6))) static inline bool
unit_text_at(const char *file, int line, const char *actual, const char *expected, const char *name, ...)
{
	va_list		args;
	bool		passed = actual != NULL && expected != NULL ? strcmp(actual, expected) == 0 : actual == expected;

	va_start(args, name);
	unit_report(passed, file, line, name, args);
	va_end(args);
	if (!passed)
		printf("# got \"%s\", expected \"%s\"\n", actual ? actual : "(null)", expected ? expected : "(null)");
	return passed;
}

/* Bytes for bytes: what "the same to the bit" means. */
__attribute__((format(printf, 6, 7))) static inline bool
unit_bytes_at(const char *file, int line, const void *actual, const void *expected, size_t size, const char *name, ...)
{
	va_list		args;
	bool		passed = memcmp(actual, expected, size) == 0;

	va_start(args, name);
	unit_report(passed, file, line, name, args);
	va_end(args);
	return passed;
}

/* The name comes last and may be a printf format with its arguments. */
#define unit_ok(passed, ...)							unit_ok_at(__FILE__, __LINE__, (passed), __VA_ARGS__)
#define unit_int(actual, expected, ...)					unit_int_at(__FILE__, __LINE__, (actual), (expected), __VA_ARGS__)
#define unit_text(actual, expected, ...)				unit_text_at(__FILE__, __LINE__, (actual), (expected), __VA_ARGS__)
#define unit_bytes(actual, expected, size, ...)			unit_bytes_at(__FILE__, __LINE__, (actual), (expected), (size), __VA_ARGS__)
#define unit_near(actual, expected, relative, absolute, ...) \
	unit_near_at(__FILE__, __LINE__, (actual), (expected), (relative), (absolute), __VA_ARGS__)
#define unit_array_near(actual, expected, n, relative, absolute, ...) \
	unit_array_near_at(__FILE__, __LINE__, (actual), (expected), (n), (relative), (absolute), __VA_ARGS__)

/* Prints the plan; main() returns this. */
static inline int
unit_done(void)
{
	printf("1..%d\n", unit_count);
	return unit_failed == 0 && unit_count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif							/* UNIT_H */
