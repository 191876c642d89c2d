/*
 * train_matrix.c: medallion._matrix_state: parallel workers write the rows straight into shared memory.
 *
 * Rows that came through the tuple queues of a Gather would be copied, formed and deformed once more by a single
 * process.  Here each process appends its rows to chunks of its own in a dynamic shared memory area that the leader
 * made, and the aggregate's state is only the list of the parts.
 *
 * The area's handle comes to the workers as the setting medallion.matrix_area, which users cannot set and which is 0
 * outside a load; the functions behind the aggregate are closed.  So every pointer in a state is ours.
 */
#include "train/train_matrix.h"

#include <math.h>

#include "executor/spi.h"
#include "ml/ml_catset.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define STATE_MAGIC 0x4d545831u
#define FIRST_CHUNK (64 * 1024)
#define CHUNK (1024 * 1024)

typedef struct MatrixState
{
	int32		vl_len_;
	uint32		magic;
	int32		n_parts;
	int32		unused;
	dsa_pointer parts[FLEXIBLE_ARRAY_MEMBER];
} MatrixState;

/* The area this process is attached to, and its handle. */
static dsa_area *attached = NULL;
static dsa_handle attached_handle = 0;

/* What a call site appends to. */
typedef struct Appender
{
	MdlRowReader *reader;
	dsa_area   *area;
	dsa_pointer part_pointer;
	MdlMatrixPart *part;
	MdlRowCounts *counts;
	ml_catset  *texts;
	char	   *next;			/* where the next row goes … */
	int32		left;			/* … and how many fit the chunk */
	Size		record_size;
	uint32	   *n_texts;		/* (n_columns) distinct ones so far */
} Appender;

/* ---- shared memory --------------------------------------------------------------------------------------------- */

static void
out_of_train_mem(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("the rows to train on do not fit into medallion.train_mem, which is %d MB", mdl_train_mem / 1024),
			 errhint("Raise medallion.train_mem, name fewer features, or train on a sample of the rows.")));
}

static dsa_pointer
allocate(dsa_area *area, Size size)
{
	dsa_pointer found = dsa_allocate_extended(area, size, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);

	if (!DsaPointerIsValid(found))
		out_of_train_mem();
	return found;
}

static dsa_area *
current_area(MemoryContext memory)
{
	dsa_handle	handle = (dsa_handle) mdl_matrix_area;
	MemoryContext saved;

	if (handle == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("medallion._matrix_state works inside medallion.train only")));
	if (attached != NULL && attached_handle == handle)
		return attached;
	saved = MemoryContextSwitchTo(TopMemoryContext);
	attached = dsa_attach(handle);
	attached_handle = handle;
	/* The process is a worker of this query and ends with it. */
	dsa_pin_mapping(attached);
	MemoryContextSwitchTo(saved);
	return attached;
}

/* ---- appending ------------------------------------------------------------------------------------------------- */

static void
make_part(Appender *a)
{
	int			n_columns = a->reader->plan->n_columns;
	uint32		room = a->reader->plan->n_cats > 0 ? 64 : 0;

	a->part_pointer = allocate(a->area, sizeof(MdlMatrixPart));
	a->part = dsa_get_address(a->area, a->part_pointer);
	memset(a->part, 0, sizeof(MdlMatrixPart));
	a->part->counts = allocate(a->area, sizeof(MdlRowCounts) * (n_columns + 1));
	a->counts = dsa_get_address(a->area, a->part->counts);
	memset(a->counts, 0, sizeof(MdlRowCounts) * (n_columns + 1));
	a->part->texts = allocate(a->area, ml_catset_size(room, room * 16));
	a->texts = dsa_get_address(a->area, a->part->texts);
	ml_catset_init(a->texts, room, room * 16);
	a->part->chunk_room = 64;
	a->part->chunks = allocate(a->area, sizeof(MdlMatrixChunk) * a->part->chunk_room);
	a->left = 0;
}

static void
add_chunk(Appender *a)
{
	MdlMatrixPart *part = a->part;
	Size		size = part->n_chunks == 0 ? FIRST_CHUNK : CHUNK;
	int32		room = (int32) Max(size / a->record_size, 16);
	MdlMatrixChunk *chunk;

	if (part->n_chunks == part->chunk_room)
	{
		dsa_pointer grown = allocate(a->area, sizeof(MdlMatrixChunk) * part->chunk_room * 2);

		memcpy(dsa_get_address(a->area, grown), dsa_get_address(a->area, part->chunks),
			   sizeof(MdlMatrixChunk) * part->chunk_room);
		dsa_free(a->area, part->chunks);
		part->chunks = grown;
		part->chunk_room *= 2;
	}
	chunk = (MdlMatrixChunk *) dsa_get_address(a->area, part->chunks) + part->n_chunks;
	chunk->rows = allocate(a->area, room * a->record_size);
	chunk->room = room;
	chunk->count = 0;
	part->n_chunks++;
	a->next = dsa_get_address(a->area, chunk->rows);
	a->left = room;
}

/* The index of a text in the part's set, which may grow; -1 when there are too many. */
static int32
text_code(Appender *a, int column, const ml_text *text)
{
	bool		is_new;
	int32		code;

	if (text->length > ML_CATSET_LONGEST || a->n_texts[column] > a->reader->plan->sample)
	{
		a->part->overflow = column + 1;
		return -1;
	}
	while ((code = ml_catset_find_or_add(a->texts, column, text->data, (uint32) text->length, &is_new)) < 0)
	{
		uint32		entry_room = a->texts->entry_room * 2 + 64;
		uint32		heap_room = a->texts->heap_room * 2 + 2 * MAXALIGN(ML_CATSET_LONGEST);
		dsa_pointer grown = allocate(a->area, ml_catset_size(entry_room, heap_room));
		ml_catset  *larger = dsa_get_address(a->area, grown);

		ml_catset_init(larger, entry_room, heap_room);
		ml_catset_copy(larger, a->texts);
		dsa_free(a->area, a->part->texts);
		a->part->texts = grown;
		a->texts = larger;
	}
	a->n_texts[column] += is_new;
	return code;
}

static void
append_row(Appender *a)
{
	const MdlRowPlan *plan = a->reader->plan;
	const MdlRow *row = &a->reader->row;
	MdlSampleRecord *record;
	int32	   *codes;

	if (a->left == 0)
		add_chunk(a);
	record = (MdlSampleRecord *) a->next;
	a->next += a->record_size;
	a->left--;
	record->hash = row->hash;
	record->split = row->split;
	record->weight = row->weight;
	memcpy(record->numbers, row->numbers, plan->n_numbers * sizeof(double));
	if (row->any_null)
		for (int j = 0; j < plan->n_numbers; j++)
			if (row->number_nulls[j])
				record->numbers[j] = NAN;
	codes = (int32 *) (record->numbers + plan->n_numbers);
	for (int i = 0; i < plan->n_columns && plan->n_cats > 0; i++)
	{
		int			cat = plan->columns[i].cat;

		if (cat >= 0)
			codes[cat] = row->texts[cat].data == NULL ? -1 :
				plan->columns[i].buckets > 0 ? ml_hash_bucket(&row->texts[cat], plan->columns[i].buckets) :
				text_code(a, i, &row->texts[cat]);
	}
	((MdlMatrixChunk *) dsa_get_address(a->area, a->part->chunks))[a->part->n_chunks - 1].count++;
	a->part->rows++;
}

MDL_SHIM_TARGET(mdl_matrix_accum);
Datum
mdl_matrix_accum_impl(PG_FUNCTION_ARGS)
{
	Appender   *a = fcinfo->flinfo->fn_extra;
	MatrixState *state;

	if (unlikely(a == NULL))
	{
		MdlRowReader *reader;

		if (AggCheckCallContext(fcinfo, NULL) == 0)
			elog(ERROR, "medallion._matrix_accum called outside an aggregate");
		reader = mdl_row_reader(fcinfo, 1);
		a = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Appender));
		a->reader = reader;
		a->area = current_area(fcinfo->flinfo->fn_mcxt);
		a->record_size = mdl_sample_record_size(reader->plan);
		a->n_texts = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(uint32) * (reader->plan->n_columns + 1));
		fcinfo->flinfo->fn_extra = a;
	}
	if (PG_ARGISNULL(0))
	{
		make_part(a);
		state = palloc(offsetof(MatrixState, parts) + sizeof(dsa_pointer));
		SET_VARSIZE(state, offsetof(MatrixState, parts) + sizeof(dsa_pointer));
		state->magic = STATE_MAGIC;
		state->n_parts = 1;
		state->parts[0] = a->part_pointer;
	}
	else
		state = (MatrixState *) DatumGetPointer(PG_GETARG_DATUM(0));
	/* One group per query: the part of the call site is that of the state. */
	if (unlikely(VARSIZE(state) < offsetof(MatrixState, parts) + sizeof(dsa_pointer) || state->magic != STATE_MAGIC ||
				 a->part == NULL || state->parts[0] != a->part_pointer))
		elog(ERROR, "medallion._matrix_state called with more than one group");
	if (mdl_row_read(a->reader, fcinfo, 2, a->counts))
		append_row(a);
	PG_RETURN_POINTER(state);
}

MDL_SHIM_TARGET(mdl_matrix_combine);
Datum
mdl_matrix_combine_impl(PG_FUNCTION_ARGS)
{
	MatrixState *left = (MatrixState *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));
	MatrixState *right = (MatrixState *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(1));
	MatrixState *both;
	Size		size = VARSIZE(left) + VARSIZE(right) - offsetof(MatrixState, parts);

	if (AggCheckCallContext(fcinfo, NULL) == 0 || left->magic != STATE_MAGIC || right->magic != STATE_MAGIC)
		elog(ERROR, "medallion._matrix_combine called outside its aggregate");
	both = palloc(size);
	memcpy(both, left, VARSIZE(left));
	memcpy((char *) both + VARSIZE(left), right->parts, sizeof(dsa_pointer) * right->n_parts);
	both->n_parts = left->n_parts + right->n_parts;
	SET_VARSIZE(both, size);
	PG_RETURN_POINTER(both);
}

/* ---- the leader's side ----------------------------------------------------------------------------------------- */

static void
detach(void *arg)
{
	MdlMatrixLoad *load = arg;

	if (load->area == NULL)
		return;
	if (attached == load->area)
	{
		attached = NULL;
		attached_handle = 0;
	}
	dsa_detach(load->area);
	load->area = NULL;
}

void
mdl_matrix_unload(MdlMatrixLoad *load)
{
	detach(load);
}

static void
open_parts(const MatrixState *state, const MdlRowPlan *plan, MdlMatrixLoad *load)
{
	load->n_parts = state->n_parts;
	load->parts = palloc(sizeof(MdlMatrixPart *) * state->n_parts);
	load->counts = palloc0(sizeof(MdlRowCounts) * (plan->n_columns + 1));
	for (int p = 0; p < state->n_parts; p++)
	{
		MdlMatrixPart *part = load->parts[p] = dsa_get_address(load->area, state->parts[p]);
		const MdlRowCounts *counts = dsa_get_address(load->area, part->counts);

		load->rows += part->rows;
		for (int i = 0; i < plan->n_columns; i++)
		{
			load->counts[i].nulls += counts[i].nulls;
			load->counts[i].not_finite += counts[i].not_finite;
			load->counts[i].unknown += counts[i].unknown;
		}
	}
}

/* Adds to the error that rows do not fit what they are thought to take; that is known here, not where memory ended. */
static void
tell_size(double rows, const MdlRowPlan *plan)
{
	ErrorData  *error;
	double		bytes = (double) mdl_sample_record_size(plan);

	if (geterrcode() != ERRCODE_CONFIGURATION_LIMIT_EXCEEDED)
		return;
	MemoryContextSwitchTo(TopTransactionContext);
	error = CopyErrorData();
	if (error->detail == NULL)
		error->detail = psprintf("The source has about %.0f rows, of %.0f bytes each in memory: about %.0f MB.", rows, bytes,
								 ceil(rows * bytes / (1024 * 1024)));
	FlushErrorState();
	ReThrowError(error);
}

void
mdl_matrix_load(const MdlSource *source, const MdlRowPlan *plan, bytea *plan_bytes, MemoryContext memory,
				MdlMatrixLoad *load)
{
	MemoryContextCallback *callback = MemoryContextAlloc(memory, sizeof(MemoryContextCallback));
	MemoryContext saved = MemoryContextSwitchTo(memory);
	char		handle[32];
	int			level;
	double		rows;
	bytea	   *volatile state = NULL;

	memset(load, 0, sizeof(*load));
	load->area = dsa_create(LWTRANCHE_PARALLEL_QUERY_DSA);
	dsa_pin_mapping(load->area);
	callback->func = detach;
	callback->arg = load;
	MemoryContextRegisterResetCallback(memory, callback);
	dsa_set_size_limit(load->area, (size_t) mdl_train_mem * 1024);
	attached = load->area;
	attached_handle = dsa_get_handle(load->area);
	MemoryContextSwitchTo(saved);

	/* The setting lasts until the query ends, by error too, and goes with it to the workers. */
	level = NewGUCNestLevel();
	snprintf(handle, sizeof(handle), "%d", (int) attached_handle);
	(void) set_config_option("medallion.matrix_area", handle, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rows = mdl_source_estimate_rows(source);
	PG_TRY();
	{
		state = mdl_source_aggregate(source, "_matrix_state", plan_bytes, InvalidOid, 0);
	}
	PG_CATCH();
	{
		tell_size(rows, plan);
		PG_RE_THROW();
	}
	PG_END_TRY();
	AtEOXact_GUC(true, level);
	if (state != NULL)
		open_parts((MatrixState *) state, plan, load);
}
