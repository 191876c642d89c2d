/*
 * file_reader.c: opening files of any format, and the sets of their columns.
 */
#include "lake/ingest_int.h"

#include "common/hashfn.h"

static int
slot_of(const MdlFileColumns *columns, const char *name, size_t size)
{
	int			slot = hash_bytes((const unsigned char *) name, size) & (columns->slot_count - 1);
	int			index;

	while ((index = columns->slots[slot] - 1) >= 0 &&
		   (strncmp(columns->names[index], name, size) != 0 || columns->names[index][size] != '\0'))
		slot = (slot + 1) & (columns->slot_count - 1);
	return slot;
}

int
mdl_file_columns_find(const MdlFileColumns *columns, const char *name, size_t size)
{
	return columns->count > 0 ? columns->slots[slot_of(columns, name, size)] - 1 : -1;
}

static void
grow(MdlFileColumns *columns)
{
	int			old = columns->capacity;

	columns->capacity = Max(16, old * 2);
	if (old == 0)
	{
		columns->names = palloc(columns->capacity * sizeof(char *));
		columns->kinds = palloc(columns->capacity * sizeof(MdlKindSet));
	}
	else
	{
		columns->names = repalloc(columns->names, columns->capacity * sizeof(char *));
		columns->kinds = repalloc(columns->kinds, columns->capacity * sizeof(MdlKindSet));
		pfree(columns->slots);
	}
	columns->slot_count = columns->capacity * 2;
	columns->slots = palloc0(columns->slot_count * sizeof(int));
	for (int i = 0; i < columns->count; i++)
		columns->slots[slot_of(columns, columns->names[i], strlen(columns->names[i]))] = i + 1;
}

int
mdl_file_columns_add(MdlFileColumns *columns, const char *name, size_t size)
{
	int			index = columns->count;

	if (index == columns->capacity)
		grow(columns);
	columns->slots[slot_of(columns, name, size)] = index + 1;
	columns->names[index] = pnstrdup(name, size);
	columns->kinds[index] = 0;
	columns->count++;
	return index;
}

void
mdl_file_columns_merge(MdlFileColumns *columns, const MdlFileColumns *other)
{
	for (int i = 0; i < other->count; i++)
	{
		size_t		size = strlen(other->names[i]);
		int			index = mdl_file_columns_find(columns, other->names[i], size);

		if (index < 0 && columns->count >= MDL_MAX_FILE_COLUMNS)
			continue;
		if (index < 0)
			index = mdl_file_columns_add(columns, other->names[i], size);
		columns->kinds[index] |= other->kinds[i];
	}
}

MdlFileReader *
mdl_file_open(MdlStore *store, const MdlStoreFile *file, const MdlIngestOptions *options)
{
	return options->format->open(mdl_stream_open(store, file, options->encoding,
												 options->max_row_bytes + MDL_SAMPLE_BYTES), options);
}

void
mdl_file_close(MdlFileReader *reader)
{
	mdl_stream_close(reader->stream);
}
