/*
 * ml_parallel.c: threads for the length of one call.
 *
 * Starting a thread costs some tens of microseconds, which the pieces of work outweigh; keeping a pool would leave
 * threads in a server process between statements.
 */
#include "ml/ml_parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define MAX_THREADS 64

typedef struct job
{
	void		(*work) (void *arg, int index);
	void	   *arg;
	int			count;
	atomic_int	next;
} job;

static void *
run(void *arg)
{
	job		   *j = arg;
	int			index;

	while ((index = atomic_fetch_add(&j->next, 1)) < j->count)
		j->work(j->arg, index);
	return NULL;
}

void
ml_parallel(const ml_ctx *ctx, int count, void (*work) (void *arg, int index), void *arg)
{
	job			j = {work, arg, count, 0};
	pthread_t	threads[MAX_THREADS];
	int			wanted = ctx->nthreads < count ? ctx->nthreads : count;
	int			started = 0;
	sigset_t	all;
	sigset_t	before;

	if (wanted > MAX_THREADS)
		wanted = MAX_THREADS;
	if (wanted > 1)
	{
		/* The server's signals are for its own thread. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		while (started < wanted - 1 && pthread_create(&threads[started], NULL, run, &j) == 0)
			started++;
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	run(&j);
	for (int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}
