/*
 * ml_ctx.c: the context over malloc, and allocation with checked sizes.
 */
#include "ml/ml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
plain_alloc(void *state, size_t size)
{
	(void) state;
	return malloc(size);
}

static void *
plain_realloc(void *state, void *block, size_t size)
{
	(void) state;
	return realloc(block, size);
}

static void
plain_free(void *state, void *block)
{
	(void) state;
	free(block);
}

ml_ctx
ml_ctx_default(void)
{
	ml_ctx		ctx = {plain_alloc, plain_realloc, plain_free, NULL, NULL, 0, 1, 0};

	return ctx;
}

void *
ml_alloc(const ml_ctx *ctx, size_t count, size_t size)
{
	size_t		total;

	if (__builtin_mul_overflow(count, size, &total) || total > SIZE_MAX / 4)
		return NULL;
	return ctx->alloc(ctx->state, total ? total : 1);
}

void *
ml_alloc_zero(const ml_ctx *ctx, size_t count, size_t size)
{
	void	   *block = ml_alloc(ctx, count, size);

	if (block != NULL)
		memset(block, 0, count * size);
	return block;
}

void
ml_free(const ml_ctx *ctx, void *block)
{
	if (block != NULL)
		ctx->free(ctx->state, block);
}

char *
ml_strdup(const ml_ctx *ctx, const char *text)
{
	size_t		size = strlen(text) + 1;
	char	   *copy = ml_alloc(ctx, size, 1);

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

bool
ml_is_cancelled(const ml_ctx *ctx)
{
	return ctx->cancelled != NULL && ctx->cancelled(ctx->state);
}

ml_status
ml_check_memory(const ml_ctx *ctx, double bytes, const char *what, ml_error *err)
{
	if (ctx->memory_limit == 0 || bytes <= (double) ctx->memory_limit)
		return ML_OK;
	return ml_fail(err, ML_TOO_LARGE, "Raise medallion.train_mem, name fewer features, or train on a sample of the rows.",
				   "%s take %.0f MB, more than medallion.train_mem, which is %.0f MB", what, bytes / 1048576,
				   (double) ctx->memory_limit / 1048576);
}

ml_status
ml_fail(ml_error *err, ml_status status, const char *hint, const char *format,...)
{
	va_list		args;

	if (err == NULL)
		return status;
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	snprintf(err->hint, sizeof(err->hint), "%s", hint ? hint : "");
	return status;
}

ml_status
ml_no_memory(ml_error *err)
{
	return ml_fail(err, ML_NO_MEMORY, NULL, "out of memory");
}
