/*
 * byte_stream.c: the text of one file through a bounded buffer; see byte_stream.h.
 *
 * The way of a byte: store -> (gunzip) -> (raw buffer -> conversion) -> window.
 */
#include "lake/byte_stream.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#define WINDOW_SIZE		(256 * 1024)	/* to begin with */
#define RAW_SIZE		(64 * 1024)

#define CONVERSION_ROOM	(MAX_CONVERSION_INPUT_LENGTH * MAX_CONVERSION_GROWTH + 8)

/* Reads text in the file's encoding; 0 at the end. */
static size_t
read_text(MdlStream *stream, char *buffer, size_t size)
{
	size_t		got;

	if (stream->gunzip != NULL)
		return mdl_gunzip_read(stream->gunzip, buffer, size, &stream->bytes_read);
	if (stream->head_size > 0)
	{
		got = Min(size, stream->head_size);
		memcpy(buffer, stream->head, got);
		stream->head_size -= got;
		memmove(stream->head, stream->head + got, stream->head_size);
		return got;
	}
	got = stream->reader->kind->read(stream->reader, buffer, size);
	stream->bytes_read += got;
	return got;
}

/*
 * Converts from the raw buffer to `out`, which has room for `room` bytes, and returns the number of bytes written.  What
 * is left in the raw buffer is a character whose rest has not been read yet, or what there was no room for.
 */
static size_t
convert_raw(MdlStream *stream, char *out, size_t room)
{
	static const char digits[] = "0123456789abcdef";
	size_t		used = 0;
	size_t		written = 0;

	while (used < stream->raw_size && room - written >= CONVERSION_ROOM)
	{
		size_t		left = stream->raw_size - used;
		int			done = pg_do_encoding_conversion_buf(stream->conversion, stream->encoding, GetDatabaseEncoding(),
														 (unsigned char *) stream->raw + used, left,
														 (unsigned char *) out + written, room - written, true);

		if (done > 0)
		{
			written += strlen(out + written);	/* the conversion ends its output with a zero byte, and has no other */
			used += done;
			continue;
		}
		if (!stream->raw_final && left < MAX_CONVERSION_INPUT_LENGTH)
			break;
		out[written++] = MDL_STREAM_LOST;
		out[written++] = digits[(unsigned char) stream->raw[used] >> 4];
		out[written++] = digits[(unsigned char) stream->raw[used] & 15];
		used++;
	}
	stream->raw_size -= used;
	memmove(stream->raw, stream->raw + used, stream->raw_size);
	return written;
}

/* Fills `out` with text in the server's encoding; 0 at the end. */
static size_t
read_converted(MdlStream *stream, char *out, size_t room)
{
	size_t		written = 0;

	if (!OidIsValid(stream->conversion))
		return read_text(stream, out, room);
	while (written == 0 && !(stream->raw_final && stream->raw_size == 0))
	{
		if (!stream->raw_final)
		{
			size_t		got = read_text(stream, stream->raw + stream->raw_size, RAW_SIZE - stream->raw_size);

			stream->raw_size += got;
			stream->raw_final = got == 0;
		}
		written = convert_raw(stream, out, room);
	}
	return written;
}

/* Makes room after the window: by moving it to the start of the buffer, else by doubling the buffer. */
static void
make_room(MdlStream *stream)
{
	size_t		size = mdl_stream_size(stream);

	if (stream->start > 0)
	{
		memmove(stream->data, stream->data + stream->start, size);
		stream->start = 0;
		stream->end = size;
	}
	if (stream->capacity - stream->end < stream->capacity / 4)
	{
		stream->capacity *= 2;
		stream->data = repalloc_huge(stream->data, stream->capacity);
	}
}

bool
mdl_stream_more(MdlStream *stream)
{
	size_t		got;

	if (stream->final || mdl_stream_size(stream) >= stream->limit)
		return false;
	make_room(stream);
	got = read_converted(stream, stream->data + stream->end, stream->capacity - stream->end);
	stream->end += got;
	stream->final = got == 0;
	return got > 0;
}

/* Looks up how to convert from the file's encoding. */
static void
set_encoding(MdlStream *stream, int encoding)
{
	int			server = GetDatabaseEncoding();

	stream->encoding = encoding;
	if (encoding == server || encoding == PG_SQL_ASCII || server == PG_SQL_ASCII)
		return;
	stream->conversion = FindDefaultConversionProc(encoding, server);
	if (!OidIsValid(stream->conversion))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("there is no conversion from encoding \"%s\" to encoding \"%s\"",
						pg_encoding_to_char(encoding), pg_encoding_to_char(server))));
	stream->raw = palloc(RAW_SIZE);
}

/* Leaves out a mark of UTF-8 at the start of the text, and refuses one of UTF-16 or UTF-32. */
static void
skip_mark(MdlStream *stream)
{
	const char *text = OidIsValid(stream->conversion) ? stream->raw : mdl_stream_window(stream);
	size_t		size = OidIsValid(stream->conversion) ? stream->raw_size : mdl_stream_size(stream);

	if (size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("file \"%s\" is in UTF-16 or UTF-32, which are not supported", stream->file->uri),
				 errhint("Convert it to UTF-8.")));
	if (stream->encoding != PG_UTF8 || size < 3 || memcmp(text, "\xEF\xBB\xBF", 3) != 0)
		return;
	if (!OidIsValid(stream->conversion))
		mdl_stream_consume(stream, 3);
	else
	{
		stream->raw_size -= 3;
		memmove(stream->raw, stream->raw + 3, stream->raw_size);
	}
}

MdlStream *
mdl_stream_open(MdlStore *store, const MdlStoreFile *file, int encoding, size_t limit)
{
	MdlStream  *stream = palloc0(sizeof(MdlStream));
	size_t		got;

	stream->file = file;
	stream->limit = limit;
	stream->capacity = WINDOW_SIZE;
	stream->data = palloc(WINDOW_SIZE);
	stream->reader = store->kind->open_file(store, file);
	set_encoding(stream, encoding);
	while (stream->head_size < MDL_STREAM_HEAD &&
		   (got = stream->reader->kind->read(stream->reader, stream->head + stream->head_size,
											 MDL_STREAM_HEAD - stream->head_size)) > 0)
		stream->head_size += got;
	stream->bytes_read = stream->head_size;
	if (stream->head_size >= 2 && memcmp(stream->head, "\x1f\x8b", 2) == 0)
		stream->gunzip = mdl_gunzip_open(stream->reader, stream->head, stream->head_size);
	if (OidIsValid(stream->conversion))
	{
		while (stream->raw_size < 3 && (got = read_text(stream, stream->raw + stream->raw_size, MDL_STREAM_HEAD)) > 0)
			stream->raw_size += got;
		skip_mark(stream);
		mdl_stream_more(stream);
	}
	else
	{
		while (mdl_stream_size(stream) < 3 && mdl_stream_more(stream))
			;
		skip_mark(stream);
	}
	return stream;
}

void
mdl_stream_close(MdlStream *stream)
{
	stream->reader->kind->close(stream->reader);
}
