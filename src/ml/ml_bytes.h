/*
 * ml_bytes.h: writing and reading little-endian bytes within bounds.
 *
 * Both keep a sticky failure: after the first one every call does nothing (a read gives zero), so that a long sequence
 * is checked once at its end.
 */
#ifndef ML_BYTES_H
#define ML_BYTES_H

#include "ml/ml.h"

typedef struct ml_writer
{
	const ml_ctx *ctx;
	unsigned char *data;		/* freed by the owner of the writer */
	size_t		length;
	size_t		capacity;
	bool		failed;			/* no memory */
} ml_writer;

extern bool ml_writer_reserve(ml_writer *w, size_t more);	/* room for so many more bytes, if they are known before; false: failed */
extern void ml_put_bytes(ml_writer *w, const void *data, size_t length);
extern void ml_put_u8(ml_writer *w, uint8_t value);
extern void ml_put_u32(ml_writer *w, uint32_t value);
extern void ml_put_u64(ml_writer *w, uint64_t value);
extern void ml_put_double(ml_writer *w, double value);
extern void ml_put_doubles(ml_writer *w, const double *values, size_t count);
extern void ml_put_text(ml_writer *w, const char *text);	/* length, bytes */
extern void ml_patch_u32(ml_writer *w, size_t at, uint32_t value);
extern void ml_patch_u64(ml_writer *w, size_t at, uint64_t value);

/*
 * What saved bytes begin with: 8 bytes that tell what they are, a format version, the length of the whole and the
 * CRC-32C of what follows.  ml_writer_finish fills in the latter two and hands the bytes over, or frees them and fails.
 */
#define ML_HEADER_SIZE	24
#define ML_MAGIC_SIZE	8
extern void ml_put_header(ml_writer *w, const char *magic, uint32_t version);
extern ml_status ml_writer_finish(ml_writer *w, unsigned char **bytes, size_t *length, ml_error *err);

typedef struct ml_reader
{
	const unsigned char *data;
	size_t		length;
	size_t		at;
	bool		failed;			/* the bytes ended early, or the caller found them wrong */
} ml_reader;

extern const unsigned char *ml_get_bytes(ml_reader *r, size_t length);	/* into the data; NULL on failure */
extern uint8_t ml_get_u8(ml_reader *r);
extern uint32_t ml_get_u32(ml_reader *r);
extern uint64_t ml_get_u64(ml_reader *r);
extern double ml_get_double(ml_reader *r);
extern void ml_get_doubles(ml_reader *r, double *values, size_t count);
/* A count whose elements take at least `least` bytes each: fails unless that many bytes are left. */
extern uint32_t ml_get_count(ml_reader *r, size_t least);
/* A text without NUL inside, copied; NULL and failed when damaged; *no_memory set when there was none for the copy. */
extern char *ml_get_text(ml_reader *r, const ml_ctx *ctx, bool *no_memory);

extern uint32_t ml_crc32c(const unsigned char *data, size_t length);

/* The same where the processor has no instruction for it. */
extern uint32_t ml_crc32c_by_table(const unsigned char *data, size_t length);

#endif							/* ML_BYTES_H */
