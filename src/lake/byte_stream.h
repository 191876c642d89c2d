/*
 * byte_stream.h: the text of one file, decompressed and in the server's encoding, through a buffer of bounded size.
 *
 * The *window* is data[start .. end): bytes read and not yet consumed.  The parser looks at the window, asks for more
 * when a record is not complete in it, and consumes the record.  A file that begins with the magic bytes of gzip is
 * decompressed whatever its name.  A byte-order mark of UTF-8 at the start is left out.
 *
 * The text may hold bytes that are not valid in the server's encoding: they are the parser's to report.  A byte that
 * has no counterpart in the server's encoding becomes MDL_STREAM_LOST followed by its value as two hexadecimal digits.
 */
#ifndef MDL_BYTE_STREAM_H
#define MDL_BYTE_STREAM_H

#include "base/base.h"
#include "lake/store.h"

#define MDL_STREAM_LOST '\0'	/* part of no text in any encoding */

#define MDL_STREAM_HEAD 4096

typedef struct MdlStream
{
	char	   *data;
	size_t		start;
	size_t		end;
	size_t		capacity;
	size_t		limit;			/* the window never grows beyond this */
	bool		final;			/* nothing follows the window */
	int64		bytes_read;		/* of the file as stored */

	const MdlStoreFile *file;
	MdlStoreReader *reader;
	int			encoding;		/* of the file; the server's own if nothing is converted */
	Oid			conversion;		/* conversion procedure, InvalidOid if none */
	struct MdlGunzip *gunzip;	/* NULL: not compressed */
	char		head[MDL_STREAM_HEAD];	/* read to see whether it is compressed; text that comes first if it is not */
	size_t		head_size;
	char	   *raw;			/* text before conversion */
	size_t		raw_size;
	bool		raw_final;
} MdlStream;

/* Opens a file; its text is in `encoding`, and no record is longer than `limit` bytes.  The first bytes are read. */
extern MdlStream *mdl_stream_open(MdlStore *store, const MdlStoreFile *file, int encoding, size_t limit);

/* Reads on, moving the window.  Returns false if the window already has the limit's size or the end of the file. */
extern bool mdl_stream_more(MdlStream *stream);

/* Closes the file; an error if it was changed meanwhile. */
extern void mdl_stream_close(MdlStream *stream);

static inline const char *
mdl_stream_window(const MdlStream *stream)
{
	return stream->data + stream->start;
}

static inline size_t
mdl_stream_size(const MdlStream *stream)
{
	return stream->end - stream->start;
}

static inline void
mdl_stream_consume(MdlStream *stream, size_t size)
{
	stream->start += size;
}

/* ---- gunzip.c ----------------------------------------------------------------------------------------------- */

/*
 * Decompresses gzip members from `reader` after the bytes in head, which begin with the magic bytes.  Lives in the
 * current memory context.
 */
extern struct MdlGunzip *mdl_gunzip_open(MdlStoreReader *reader, const char *head, size_t head_size);

/* Reads up to size bytes of text; returns 0 at the end.  Truncated or corrupt files are errors that name the file. */
extern size_t mdl_gunzip_read(struct MdlGunzip *gunzip, char *buffer, size_t size, int64 *bytes_read);

#endif							/* MDL_BYTE_STREAM_H */
