/*
 * ml_status.h: status codes and messages of the numeric library.
 */
#ifndef ML_STATUS_H
#define ML_STATUS_H

typedef enum ml_status
{
	ML_OK = 0,
	ML_MORE,					/* a step was done, call again */
	ML_DONE,					/* training is complete */
	ML_CANCELLED,
	ML_NO_MEMORY,
	ML_BAD_PARAM,				/* a parameter is out of its range */
	ML_BAD_DATA,				/* the data cannot be learnt from: message says why */
	ML_BAD_MODEL,				/* a stored model is damaged or of another version */
	ML_SINGULAR,
	ML_NOT_CONVERGED,
	ML_TOO_LARGE				/* more memory would be needed than the context allows */
} ml_status;

/* Filled by the function that fails; owned by the caller. */
typedef struct ml_error
{
	char		message[256];	/* lower case, no period, names the column or parameter */
	char		hint[256];		/* empty or one full sentence */
} ml_error;

extern const char *ml_status_name(ml_status status);

#endif							/* ML_STATUS_H */
