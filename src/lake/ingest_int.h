/*
 * ingest_int.h: the parts of medallion.ingest(), for one another.
 *
 * Words: the *target* is the bronze table; a *file column* is what a file calls a column, a *column* is one of the
 * target; a *batch* is the load of one file, and (_batch, _row) is the primary key of a table that ingest makes.  To
 * *rescue* is to keep in _rescued what does not fit the target.
 *
 * The way of a row: stream -> format (csv_file.c, json_file.c) -> MdlFileRow -> conversion (value_parse.c, rescue.c)
 * -> loader (bulk_load.c).
 */
#ifndef MDL_INGEST_INT_H
#define MDL_INGEST_INT_H

#include "base/base.h"
#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "lake/byte_stream.h"
#include "lake/csv_parse.h"
#include "lake/store.h"
#include "lake/value_kind.h"
#include "utils/rel.h"
#include "utils/resowner.h"

/* ---- ingest_options.c: argument "options" ------------------------------------------------------------------- */

typedef enum MdlEvolution
{
	MDL_EVOLVE_ADD,				/* file columns that the target lacks become columns */
	MDL_EVOLVE_RESCUE,			/* their values go to _rescued */
	MDL_EVOLVE_FAIL
} MdlEvolution;

typedef enum MdlOnChange
{
	MDL_CHANGED_LOAD,			/* a file that changed since it was loaded is loaded again, as a new batch */
	MDL_CHANGED_SKIP,
	MDL_CHANGED_FAIL
} MdlOnChange;

typedef struct MdlIngestOptions
{
	const struct MdlFormat *format;
	MdlCsvDialect dialect;
	bool		header;
	List	   *columns;		/* of char *: names of the file columns; NIL: from the header, else column_1 … */
	char	  **null_markers;
	size_t	   *null_marker_sizes;
	int			null_marker_count;
	int			encoding;
	Jsonb	   *types;			/* file column -> type; NULL: all inferred */
	MdlEvolution evolution;
	MdlOnChange on_change;
	bool		force;
	bool		adopt;			/* take files named by rows that the ledger does not know for loaded */
	bool		allow_empty;
	int64		sample_rows;
	int64		max_row_bytes;
} MdlIngestOptions;

extern void mdl_ingest_options(const char *format, Jsonb *json, MdlIngestOptions *options);

/* Returns the type given for a file column, NULL if none is. */
extern char *mdl_ingest_option_type(const MdlIngestOptions *options, const char *column);

/* ---- formats: csv_file.c, json_file.c ----------------------------------------------------------------------- */

/* A table has room for as many columns from files, beside the bookkeeping ones. */
#define MDL_MAX_FILE_COLUMNS (MaxHeapAttributeNumber - 10)

/* What the files of a call, or one of them, have for columns.  All zero is empty. */
typedef struct MdlFileColumns
{
	int			count;
	int			capacity;
	char	  **names;			/* unique, at most NAMEDATALEN - 1 bytes */
	MdlKindSet *kinds;			/* of the values sampled */
	int			slot_count;		/* a power of two */
	int		   *slots;			/* hash table of indexes + 1 */
} MdlFileColumns;

/* Returns the index of a file column, -1 if there is none of the name. */
extern int	mdl_file_columns_find(const MdlFileColumns *columns, const char *name, size_t size);

/* Adds a file column that is not there yet, in the current memory context, and returns its index. */
extern int	mdl_file_columns_add(MdlFileColumns *columns, const char *name, size_t size);

/* Adds what other has to columns, as far as there is room. */
extern void mdl_file_columns_merge(MdlFileColumns *columns, const MdlFileColumns *other);

typedef enum MdlValueState
{
	MDL_VALUE_NULL,
	MDL_VALUE_TEXT,				/* text of whatever type the column has */
	MDL_VALUE_BLANK,			/* a quoted null marker: text to a text column, NULL to others */
	MDL_VALUE_JSON_SCALAR,		/* a JSON number, true or false */
	MDL_VALUE_JSON_NESTED,		/* a JSON object or array */
	MDL_VALUE_JSON_STRING		/* `data` is the string; the JSON text if it is odd */
} MdlValueState;

typedef struct MdlFileValue
{
	MdlValueState state;
	bool		odd;			/* see json_parse.h */
	const char *data;
	size_t		size;
	const char *json;			/* JSON text, for the states of JSON */
	size_t		json_size;
} MdlFileValue;

/* A value and its name in the file. */
typedef struct MdlRescued
{
	const char *name;
	size_t		name_size;
	const MdlFileValue *value;
} MdlRescued;

typedef struct MdlFileRow
{
	MdlFileValue *values;		/* of the reader's columns; absent ones are MDL_VALUE_NULL */
	int			extra_count;	/* values under names that are not among the columns */
	MdlRescued *extras;
	const char *raw;			/* the row as it stands in the file */
	size_t		raw_size;
	const char *reason;			/* not NULL: the row could not be split into values */
} MdlFileRow;

/* An open file of some format. */
typedef struct MdlFileReader
{
	const struct MdlFormat *format;
	const MdlIngestOptions *options;
	MdlStream  *stream;
	MdlFileColumns columns;
	int64		row;			/* number of the last row, from 1 */
} MdlFileReader;

typedef struct MdlFormat
{
	const char *name;
	bool		is_csv;			/* takes the options of CSV */
	bool		is_open;		/* rows may have columns that the first rows do not show; there is no header */

	/* Takes over the stream, and reads the header if there is one. */
	MdlFileReader *(*open) (MdlStream *stream, const MdlIngestOptions *options);

	/* Fills columns.kinds (and columns, if there is no header) from at most as many rows, without consuming them. */
	void		(*sample) (MdlFileReader *reader, int64 rows);

	/* Reads a row, which is valid until the next call; false at the end. */
	bool		(*next) (MdlFileReader *reader, MdlFileRow *row);
} MdlFormat;

extern const MdlFormat mdl_csv_format;
extern const MdlFormat mdl_json_lines_format;

/* Opens a file.  Its columns are known from its header, or else when it has been sampled. */
extern MdlFileReader *mdl_file_open(MdlStore *store, const MdlStoreFile *file, const MdlIngestOptions *options);

/* Closes a file; an error if it was changed while it was read. */
extern void mdl_file_close(MdlFileReader *reader);

/* ---- ingest_target.c: the table ----------------------------------------------------------------------------- */

typedef enum MdlConversion
{
	MDL_CONVERT_TEXT,
	MDL_CONVERT_BOOL,
	MDL_CONVERT_INT2,
	MDL_CONVERT_INT4,
	MDL_CONVERT_INT8,
	MDL_CONVERT_FLOAT8,
	MDL_CONVERT_NUMERIC,
	MDL_CONVERT_DATE,
	MDL_CONVERT_TIMESTAMP,
	MDL_CONVERT_TIMESTAMPTZ,
	MDL_CONVERT_JSONB,
	MDL_CONVERT_INPUT			/* by the type's input function, errors caught in a subtransaction */
} MdlConversion;

typedef struct MdlColumn
{
	char	   *name;
	AttrNumber	attnum;
	Oid			type;
	int32		typmod;
	MdlConversion how;
	bool		is_domain;
	bool		has_default;
	FmgrInfo	input;
	Oid			input_param;
} MdlColumn;

typedef struct MdlTarget
{
	Oid			relid;			/* InvalidOid: not created yet */
	char	   *schema;
	char	   *name;
	char	   *display;		/* for messages */
	bool		created;		/* by this call */
	MemoryContext context;		/* of what this struct points to */
	int			column_count;
	bool		has_domains;
	MdlColumn  *columns;		/* what files may fill: all but dropped, generated and bookkeeping columns */
	int64		newest_batch;	/* in the table when it was opened; 0: none */
	AttrNumber	source_att,		/* bookkeeping columns */
				row_att,
				batch_att,
				ingested_at_att,
				rescued_att;
} MdlTarget;

/*
 * Finds the target by name and locks out other calls of ingest on it until the transaction ends.  Checks that it is a
 * table of the right shape which the current user may insert into, if it exists.
 */
extern void mdl_target_open(MdlTarget *target, const char *name);

/* Creates the target for files of these columns. */
extern void mdl_target_create(MdlTarget *target, const MdlFileColumns *files, const MdlIngestOptions *options);

/* Whether a file has columns that the target lacks. */
extern bool mdl_target_lacks_columns(const MdlTarget *target, const MdlFileColumns *files);

/* Deals with file columns that the target lacks, as option schema_evolution says.  `uri` is for the message. */
extern void mdl_target_evolve(MdlTarget *target, const MdlFileColumns *files, const MdlIngestOptions *options,
							  const char *uri);

/* Whether a name is one of the bookkeeping columns. */
extern bool mdl_target_reserved(const char *name);

/* ---- value_parse.c: text to values of a type ---------------------------------------------------------------- */

/*
 * Conversions by input functions run in a subtransaction that stays open over many rows; it must be closed by
 * mdl_converter_rest() before anything else is done in the transaction.
 */
typedef struct MdlConverter
{
	MemoryContext context;		/* of the scratch space */
	bool		in_subtransaction;
	ResourceOwner outer_owner;
	char	   *scratch;
	size_t		scratch_size;
} MdlConverter;

/* Converts a value in the current memory context.  Returns false if it does not fit the column's type. */
extern bool mdl_convert(MdlConverter *converter, MdlColumn *column, const MdlFileValue *value, Datum *result,
						bool *is_null);
extern void mdl_converter_rest(MdlConverter *converter);

/* ---- rescue.c: what does not fit ---------------------------------------------------------------------------- */

/* Returns {"column": "text", …} of the values rescued, in the current memory context. */
extern Jsonb *mdl_rescue_values(const MdlRescued *rescued, int count);

/*
 * Returns {"_raw": "the row", "_reason": "…"}.  Unless the row is valid text, bytes that are not are written \xNN and
 * backslashes \\; `converted` says that the stream has converted it from another encoding.
 */
extern Jsonb *mdl_rescue_row(const MdlFileRow *row, const char *reason, bool valid_text, bool converted);

/* ---- bulk_load.c: rows into a table ------------------------------------------------------------------------- */

typedef struct MdlLoader MdlLoader;

/*
 * Opens a table for inserting as COPY does.  filled[attnum - 1] says which columns the caller fills.  skip_indexes: the
 * caller rebuilds all indexes afterwards.
 */
extern MdlLoader *mdl_loader_begin(Oid relid, const bool *filled, bool skip_indexes);

/* Returns an empty row to fill: all columns NULL.  Values may live in mdl_loader_context() or longer. */
extern TupleTableSlot *mdl_loader_row(MdlLoader *loader);
extern MemoryContext mdl_loader_context(const MdlLoader *loader);

/* Adds the row just filled.  It is written out with the next mdl_loader_flush(), which is due when true is returned. */
extern bool mdl_loader_add(MdlLoader *loader, int64 number);

/* Writes the rows added so far and resets mdl_loader_context().  *number is that of the row at work, for messages. */
extern void mdl_loader_flush(MdlLoader *loader, int64 *number);
extern void mdl_loader_end(MdlLoader *loader);

/* ---- ingest_ledger.c: which files were loaded --------------------------------------------------------------- */

typedef enum MdlFileState
{
	MDL_FILE_NEW,
	MDL_FILE_CHANGED,			/* loaded before, with another etag */
	MDL_FILE_LOADED
} MdlFileState;

/* Returns the state of each of the files, in their order. */
extern MdlFileState *mdl_ledger_states(Oid relid, List *files);

/*
 * Checks that the ledger knows the newest batch of the target, which must be open.  If it does not (the extension was
 * dropped and created again, or the table came without the ledger), files would be loaded twice: an error, or with
 * `adopt` the files that the table's rows name are recorded as loaded.
 */
extern void mdl_ledger_check(MdlTarget *target, bool adopt);

/* Forgets what was recorded for a table that had the same OID as this new one. */
extern void mdl_ledger_forget(Oid relid);

/* Returns the number of a new batch, larger than the newest of the target. */
extern int64 mdl_ledger_next_batch(const MdlTarget *target);

/* Records a loaded file. */
extern void mdl_ledger_add(Oid relid, int64 batch, const char *server, const MdlStoreFile *file, const char *format,
						   int64 rows, int64 rescued);

/* A row has at most as many values under names that are not columns. */
#define MDL_MAX_EXTRAS 2000

/* A sample is taken from at most about as many bytes of text. */
#define MDL_SAMPLE_BYTES (8 * 1024 * 1024)

#endif							/* MDL_INGEST_INT_H */
