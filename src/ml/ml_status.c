/*
 * ml_status.c: names of status codes, for messages of last resort.
 */
#include "ml/ml_status.h"

const char *
ml_status_name(ml_status status)
{
	switch (status)
	{
		case ML_OK:
			return "ok";
		case ML_MORE:
			return "more";
		case ML_DONE:
			return "done";
		case ML_CANCELLED:
			return "cancelled";
		case ML_NO_MEMORY:
			return "out of memory";
		case ML_BAD_PARAM:
			return "parameter out of range";
		case ML_BAD_DATA:
			return "data cannot be learnt from";
		case ML_BAD_MODEL:
			return "damaged model";
		case ML_SINGULAR:
			return "singular matrix";
		case ML_NOT_CONVERGED:
			return "not converged";
		case ML_TOO_LARGE:
			return "too large for the memory allowed";
	}
	return "unknown status";
}
