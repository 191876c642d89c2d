/*
 * ml_bytes.c: bounded reader and writer of little-endian bytes, and CRC-32C (Castagnoli, as in RFC 3720).
 */
#include "ml/ml_bytes.h"

#include <string.h>

/* Whether doubles lie in memory as they do in the bytes. */
#define LITTLE_ENDIAN_DOUBLES (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && __FLOAT_WORD_ORDER__ == __ORDER_LITTLE_ENDIAN__)

bool
ml_writer_reserve(ml_writer *w, size_t more)
{
	size_t		wanted;
	unsigned char *grown;

	if (w->failed)
		return false;
	if (__builtin_add_overflow(w->length, more, &wanted))
	{
		w->failed = true;
		return false;
	}
	if (wanted <= w->capacity)
		return true;
	wanted = wanted < 256 ? 256 : wanted + wanted / 2;
	grown = w->data ? w->ctx->realloc(w->ctx->state, w->data, wanted) : ml_alloc(w->ctx, wanted, 1);
	if (grown == NULL)
	{
		w->failed = true;
		return false;
	}
	w->data = grown;
	w->capacity = wanted;
	return true;
}

void
ml_put_bytes(ml_writer *w, const void *data, size_t length)
{
	if (length == 0 || !ml_writer_reserve(w, length))
		return;
	memcpy(w->data + w->length, data, length);
	w->length += length;
}

static void
store(unsigned char *at, uint64_t value, int size)
{
	for (int i = 0; i < size; i++)
		at[i] = (unsigned char) (value >> (8 * i));
}

static void
put_integer(ml_writer *w, uint64_t value, int size)
{
	unsigned char bytes[8];

	store(bytes, value, size);
	ml_put_bytes(w, bytes, size);
}

void
ml_put_u8(ml_writer *w, uint8_t value)
{
	put_integer(w, value, 1);
}

void
ml_put_u32(ml_writer *w, uint32_t value)
{
	put_integer(w, value, 4);
}

void
ml_put_u64(ml_writer *w, uint64_t value)
{
	put_integer(w, value, 8);
}

void
ml_put_double(ml_writer *w, double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	put_integer(w, bits, 8);
}

void
ml_put_doubles(ml_writer *w, const double *values, size_t count)
{
	if (LITTLE_ENDIAN_DOUBLES)
		ml_put_bytes(w, values, count * sizeof(double));
	else
		for (size_t i = 0; i < count; i++)
			ml_put_double(w, values[i]);
}

void
ml_put_text(ml_writer *w, const char *text)
{
	size_t		length = strlen(text);

	if (length > UINT32_MAX)
	{
		w->failed = true;
		return;
	}
	ml_put_u32(w, (uint32_t) length);
	ml_put_bytes(w, text, length);
}

void
ml_patch_u32(ml_writer *w, size_t at, uint32_t value)
{
	if (!w->failed)
		store(w->data + at, value, 4);
}

void
ml_patch_u64(ml_writer *w, size_t at, uint64_t value)
{
	if (!w->failed)
		store(w->data + at, value, 8);
}

const unsigned char *
ml_get_bytes(ml_reader *r, size_t length)
{
	const unsigned char *found;

	if (r->failed || length > r->length - r->at)
	{
		r->failed = true;
		return NULL;
	}
	found = r->data + r->at;
	r->at += length;
	return found;
}

static uint64_t
get_integer(ml_reader *r, int size)
{
	const unsigned char *bytes = ml_get_bytes(r, size);
	uint64_t	value = 0;

	if (bytes != NULL)
		for (int i = 0; i < size; i++)
			value |= (uint64_t) bytes[i] << (8 * i);
	return value;
}

uint8_t
ml_get_u8(ml_reader *r)
{
	return (uint8_t) get_integer(r, 1);
}

uint32_t
ml_get_u32(ml_reader *r)
{
	return (uint32_t) get_integer(r, 4);
}

uint64_t
ml_get_u64(ml_reader *r)
{
	return get_integer(r, 8);
}

double
ml_get_double(ml_reader *r)
{
	uint64_t	bits = get_integer(r, 8);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

void
ml_get_doubles(ml_reader *r, double *values, size_t count)
{
	const unsigned char *bytes = NULL;

	if (LITTLE_ENDIAN_DOUBLES && count > 0 && count <= (r->length - r->at) / sizeof(double))
		bytes = ml_get_bytes(r, count * sizeof(double));
	if (bytes != NULL)
		memcpy(values, bytes, count * sizeof(double));
	else
		for (size_t i = 0; i < count; i++)
			values[i] = ml_get_double(r);
}

uint32_t
ml_get_count(ml_reader *r, size_t least)
{
	uint32_t	count = ml_get_u32(r);

	if (!r->failed && least > 0 && count > (r->length - r->at) / least)
		r->failed = true;
	return r->failed ? 0 : count;
}

char *
ml_get_text(ml_reader *r, const ml_ctx *ctx, bool *no_memory)
{
	uint32_t	length = ml_get_count(r, 1);
	const unsigned char *bytes = ml_get_bytes(r, length);
	char	   *text;

	if (bytes == NULL || memchr(bytes, 0, length) != NULL)
	{
		r->failed = true;
		return NULL;
	}
	text = ml_alloc(ctx, (size_t) length + 1, 1);
	if (text == NULL)
	{
		*no_memory = true;
		return NULL;
	}
	memcpy(text, bytes, length);
	text[length] = '\0';
	return text;
}

/* ---- the checksum -------------------------------------------------------------------------------------------- */

/* Castagnoli's polynomial, bit-reflected: the one that processors have an instruction for. */
#define CRC32C_POLYNOMIAL 0x82F63B78u
#define ONES 0xFFFFFFFFu

#if defined(__x86_64__) && defined(__GNUC__)
#define CRC_INSTRUCTION

/* Eight bytes an instruction. */
__attribute__((target("sse4.2"))) static uint32_t
crc_by_instruction(const unsigned char *data, size_t length)
{
	uint64_t	wide = ONES;
	uint32_t	crc;

	for (; length >= sizeof(uint64_t); data += sizeof(uint64_t), length -= sizeof(uint64_t))
	{
		uint64_t	word;

		memcpy(&word, data, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t) wide;
	for (size_t i = 0; i < length; i++)
		crc = __builtin_ia32_crc32qi(crc, data[i]);
	return crc ^ ONES;
}
#endif

uint32_t
ml_crc32c_by_table(const unsigned char *data, size_t length)
{
	uint32_t	table[256];
	uint32_t	crc = ONES;

	/* Built anew each time: 256 steps are nothing beside a model, and there is no state to share between threads. */
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t	entry = i;

		for (int bit = 0; bit < 8; bit++)
			entry = (entry >> 1) ^ ((entry & 1) ? CRC32C_POLYNOMIAL : 0);
		table[i] = entry;
	}
	for (size_t i = 0; i < length; i++)
		crc = (crc >> 8) ^ table[(crc ^ data[i]) & 0xFF];
	return crc ^ ONES;
}

uint32_t
ml_crc32c(const unsigned char *data, size_t length)
{
#ifdef CRC_INSTRUCTION
	if (__builtin_cpu_supports("sse4.2"))
		return crc_by_instruction(data, length);
#endif
	return ml_crc32c_by_table(data, length);
}

/* ---- the header ---------------------------------------------------------------------------------------------- */

enum
{
	LENGTH_AT = ML_MAGIC_SIZE + 4,
	CHECKSUM_AT = LENGTH_AT + 8
};

void
ml_put_header(ml_writer *w, const char *magic, uint32_t version)
{
	ml_put_bytes(w, magic, ML_MAGIC_SIZE);
	ml_put_u32(w, version);
	ml_put_u64(w, 0);
	ml_put_u32(w, 0);
}

ml_status
ml_writer_finish(ml_writer *w, unsigned char **bytes, size_t *length, ml_error *err)
{
	if (w->failed)
	{
		ml_free(w->ctx, w->data);
		return ml_no_memory(err);
	}
	ml_patch_u64(w, LENGTH_AT, w->length);
	ml_patch_u32(w, CHECKSUM_AT, ml_crc32c(w->data + ML_HEADER_SIZE, w->length - ML_HEADER_SIZE));
	*bytes = w->data;
	*length = w->length;
	return ML_OK;
}
