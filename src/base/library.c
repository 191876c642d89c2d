/*
 * library.c: opens the libraries that link third parties, on first use, in the only way that is safe in a backend.
 *
 * OpenBLAS starts its threads from its constructor, and they would share the backend's signal mask.  So the number of
 * threads is set to one in the environment (see medallion.c) and signals are blocked while a library is opened.
 */
#include "base/base.h"

#include <signal.h>
#include <pthread.h>

PGFunction
mdl_library_function(const char *library, const char *function)
{
	PGFunction	found;
	sigset_t	all,
				saved;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	PG_TRY();
	{
		found = load_external_function(library, function, true, NULL);
	}
	PG_FINALLY();
	{
		pthread_sigmask(SIG_SETMASK, &saved, NULL);
	}
	PG_END_TRY();
	return found;
}
