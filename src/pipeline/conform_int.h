/*
 * conform_int.h: what the files that bring values into one form share.
 */
#ifndef MDL_CONFORM_INT_H
#define MDL_CONFORM_INT_H

#include "pipeline/pipeline.h"

/*
 * Does work that only reads its argument and allocates, so that an error needs no more cleaning than that of memory.  Returns
 * false if it raises what may be the error of a value; other errors go on up.
 */
extern bool mdl_try_pure(void (*work) (void *argument), void *argument);

#endif							/* MDL_CONFORM_INT_H */
