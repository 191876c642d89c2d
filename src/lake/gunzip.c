/*
 * gunzip.c: streaming decompression of gzip files of one or several members.
 *
 * zlib's memory comes from the current memory context without errors being thrown through zlib's frames, so an error
 * elsewhere frees it with the context.
 */
#include "lake/byte_stream.h"

#include <zlib.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#define INPUT_SIZE (64 * 1024)

typedef struct MdlGunzip
{
	z_stream	z;
	MdlStoreReader *reader;
	MemoryContext context;
	bool		input_final;
	bool		between_members;	/* a member has ended; what follows is another, padding or the end */
	Bytef		input[INPUT_SIZE];
} MdlGunzip;

static voidpf
gunzip_alloc(voidpf opaque, uInt items, uInt size)
{
	return MemoryContextAllocExtended(((MdlGunzip *) opaque)->context, (Size) items * size, MCXT_ALLOC_NO_OOM);
}

static void
gunzip_free(voidpf opaque, voidpf address)
{
	pfree(address);
}

static void
corrupt(const MdlGunzip *gunzip, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("file \"%s\" is not a valid gzip file: %s", gunzip->reader->file->uri, detail)));
}

struct MdlGunzip *
mdl_gunzip_open(MdlStoreReader *reader, const char *head, size_t head_size)
{
	MdlGunzip  *gunzip = palloc0(sizeof(MdlGunzip));

	Assert(head_size <= INPUT_SIZE);
	gunzip->reader = reader;
	gunzip->context = CurrentMemoryContext;
	gunzip->z.zalloc = gunzip_alloc;
	gunzip->z.zfree = gunzip_free;
	gunzip->z.opaque = gunzip;
	memcpy(gunzip->input, head, head_size);
	gunzip->z.next_in = gunzip->input;
	gunzip->z.avail_in = head_size;
	if (inflateInit2(&gunzip->z, MAX_WBITS + 16) != Z_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory while opening file \"%s\"", reader->file->uri)));
	return gunzip;
}

/* Makes input available; false at the end of the file. */
static bool
refill(MdlGunzip *gunzip, int64 *bytes_read)
{
	size_t		got;

	if (gunzip->z.avail_in > 0)
		return true;
	if (!gunzip->input_final)
	{
		got = gunzip->reader->kind->read(gunzip->reader, (char *) gunzip->input, INPUT_SIZE);
		*bytes_read += got;
		gunzip->z.next_in = gunzip->input;
		gunzip->z.avail_in = got;
		gunzip->input_final = got == 0;
	}
	return gunzip->z.avail_in > 0;
}

/*
 * Looks at what follows a member.  Zero bytes are padding (tape blocks), a further member begins with its magic, and
 * anything else means that the file is damaged.  Returns false when the file ends.
 */
static bool
next_member(MdlGunzip *gunzip, int64 *bytes_read)
{
	bool		padded = false;

	while (refill(gunzip, bytes_read))
	{
		if (*gunzip->z.next_in == 0)
		{
			padded = true;
			gunzip->z.next_in++;
			gunzip->z.avail_in--;
			continue;
		}
		if (padded || *gunzip->z.next_in != 0x1f)
			corrupt(gunzip, "there is something else after the compressed data");
		if (inflateReset(&gunzip->z) != Z_OK)
			corrupt(gunzip, "could not begin the next member");
		gunzip->between_members = false;
		return true;
	}
	return false;
}

size_t
mdl_gunzip_read(struct MdlGunzip *gunzip, char *buffer, size_t size, int64 *bytes_read)
{
	gunzip->z.next_out = (Bytef *) buffer;
	gunzip->z.avail_out = Min(size, 1 << 30);
	size = gunzip->z.avail_out;
	while (gunzip->z.avail_out == size)
	{
		int			code;

		CHECK_FOR_INTERRUPTS();
		if (gunzip->between_members && !next_member(gunzip, bytes_read))
			return 0;
		if (!refill(gunzip, bytes_read))
			corrupt(gunzip, "it is truncated");
		code = inflate(&gunzip->z, Z_NO_FLUSH);
		if (code == Z_STREAM_END)
			gunzip->between_members = true;
		else if (code == Z_MEM_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory while reading file \"%s\"", gunzip->reader->file->uri)));
		else if (code != Z_OK && code != Z_BUF_ERROR)
			corrupt(gunzip, gunzip->z.msg != NULL ? gunzip->z.msg : "the data are damaged");
	}
	return size - gunzip->z.avail_out;
}
