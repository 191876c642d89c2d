/*
 * test_ml_status.c: every status has a name of its own, since messages of last resort print it.
 */
#include "unit.h"

#include "ml/ml_status.h"

int
main(void)
{
	unit_text(ml_status_name(ML_OK), "ok", "the name of ML_OK");
	unit_text(ml_status_name(ML_SINGULAR), "singular matrix", "the name of ML_SINGULAR");
	unit_text(ml_status_name((ml_status) 99), "unknown status", "a number that is no status has a name too");
	for (int i = ML_OK; i <= ML_TOO_LARGE; i++)
		for (int j = ML_OK; j < i; j++)
			if (strcmp(ml_status_name((ml_status) i), ml_status_name((ml_status) j)) == 0)
				unit_ok(false, "statuses %d and %d share the name %s", i, j, ml_status_name((ml_status) i));
	return unit_done();
}
