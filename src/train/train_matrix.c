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
#include <sys/mman.h>

#include "executor/spi.h"
#include "ml/ml_catset.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define MANY_SEGMENTS 56		/* of an area, which then grows by a quarter at a time */
#define STATE_MAGIC 0x4d545832u
#define FIRST_CHUNK (64 * 1024)
#define LARGEST_CHUNK (16 * 1024 * 1024)
#define GROUP 4					/* numbers side by side … */
#define VECTOR_GROUP 64			/* … and elements of a vector */
#define HEAD_SIZE (256 * 1024)

typedef struct MatrixState
{
	int32		vl_len_;
	uint32		magic;
	int32		n_parts;
	int32		unused;
	dsa_pointer parts[FLEXIBLE_ARRAY_MEMBER];
} MatrixState;

/*
 * The head of the area.  An area left to itself doubles its segments, and would be half empty in the end; so it may grow
 * by a part of what is expected, or a sixteenth of what there is, at a time only.
 */
typedef struct MatrixHead
{
	pg_atomic_uint64 limit;		/* bytes that the area may take just now */
	uint64		most;			/* and at all: medallion.train_mem of the leader */
	uint64		least_step;		/* what it grows by, at least */
	pg_atomic_uint32 growths;	/* how often it has grown */
	char		place[FLEXIBLE_ARRAY_MEMBER];
} MatrixHead;

/* The area this process is attached to, its head, and the segment that has it. */
static dsa_area *attached = NULL;
static MatrixHead *attached_head = NULL;
static dsm_handle attached_handle = 0;

/* What a call site appends to. */
typedef struct Appender
{
	MdlRowReader *reader;
	MdlChunkLayout layout;
	dsa_area   *area;
	dsa_pointer part_pointer;
	MdlMatrixPart *part;
	MdlRowCounts *counts;
	ml_catset  *texts;
	uint32	   *n_texts;		/* (n_columns) distinct ones so far */
	MdlMatrixChunk *chunk;		/* at work, and its arrays */
	int32		used;
	int32		room;
	uint64	   *hash;
	uint64	   *split;
	double	   *weight;
	double	  **groups;			/* (n_groups) */
	int32	  **codes;			/* (n_columns) of those that are categorical */
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
allocate(Size size)
{
	dsa_pointer found;

	/*
	 * What the area keeps for itself is a five hundredth.  It becomes a segment larger at a time, of which PostgreSQL's areas bear
	 * 88: the size of the next is a power of two that overflows then.  So steps are not too small for the rows that are expected,
	 * and large once there have been many.
	 */
	while (!DsaPointerIsValid(found = dsa_allocate_extended(attached, size, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM)))
	{
		uint64		limit = pg_atomic_read_u64(&attached_head->limit);
		uint64		share = pg_atomic_fetch_add_u32(&attached_head->growths, 1) < MANY_SEGMENTS ? 16 : 4;
		uint64		count = Max(1, Max(limit / share, attached_head->least_step) / size);
		uint64		step = Max(count * (size + size / 128 + BLCKSZ), 1024 * 1024);
		uint64		grown = Min(limit + step, attached_head->most);

		if (limit >= attached_head->most)
			out_of_train_mem();
		if (pg_atomic_compare_exchange_u64(&attached_head->limit, &limit, grown))
			dsa_set_size_limit(attached, grown);
	}
	return found;
}

static dsa_area *
current_area(void)
{
	dsm_handle	handle = (dsm_handle) mdl_matrix_area;
	MemoryContext saved;
	dsm_segment *segment;

	if (handle == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("medallion._matrix_state works inside medallion.train only")));
	if (attached != NULL && attached_handle == handle)
		return attached;
	saved = MemoryContextSwitchTo(TopMemoryContext);
	segment = dsm_attach(handle);
	if (segment == NULL)
		elog(ERROR, "the shared memory of the load is gone");
	/* The process is a worker of this query and ends with it. */
	dsm_pin_mapping(segment);
	attached_head = dsm_segment_address(segment);
	attached = dsa_attach_in_place(attached_head->place, segment);
	attached_handle = handle;
	dsa_pin_mapping(attached);
	MemoryContextSwitchTo(saved);
	return attached;
}

/* ---- chunks ---------------------------------------------------------------------------------------------------- */

static void
add_group(MdlChunkLayout *layout, int first, int width)
{
	layout->groups[layout->n_groups++] = (MdlChunkGroup) {first, width, layout->row_bytes};
	layout->row_bytes += width * sizeof(double);
}

void
mdl_chunk_lay_out(const MdlRowPlan *plan, MdlChunkLayout *layout)
{
	int			open = -1;		/* group that single numbers still go to */

	memset(layout, 0, sizeof(*layout));
	layout->groups = palloc(sizeof(MdlChunkGroup) * (plan->n_numbers + 1));
	layout->row_bytes = sizeof(uint64);	/* the hash */
	if (plan->fold >= 0 || plan->n_groups > 0)
	{
		layout->split_at = layout->row_bytes;
		layout->row_bytes += sizeof(uint64);
	}
	if (plan->weight >= 0)
	{
		layout->weight_at = layout->row_bytes;
		layout->row_bytes += sizeof(double);
	}
	for (int i = 0; i < plan->n_columns; i++)
	{
		const MdlRowColumn *column = &plan->columns[i];

		if (column->number < 0)
			continue;
		if (column->length > 1)
			for (int k = 0; k < column->length; k += VECTOR_GROUP)
				add_group(layout, column->number + k, Min(VECTOR_GROUP, column->length - k));
		else if (open >= 0 && layout->groups[open].width < GROUP)
		{
			layout->groups[open].width++;
			layout->row_bytes += sizeof(double);
			continue;
		}
		else
		{
			open = layout->n_groups;
			add_group(layout, column->number, 1);
			continue;
		}
		open = -1;
	}
	layout->codes_at = layout->row_bytes;
	layout->row_bytes += plan->n_cats * sizeof(int32);
}

/* The rows of a new chunk: more in each, so that few rows take little memory, and many few chunks. */
static int32
chunk_rows(const Appender *a)
{
	Size		most = Min(MDL_CHUNK_ROWS, LARGEST_CHUNK / a->layout.row_bytes);
	Size		rows = a->room == 0 ? FIRST_CHUNK / a->layout.row_bytes : (Size) a->room * 2;

	rows = Max(Min(rows, most), 16);
	return (int32) (rows >= 512 ? rows / 512 * 512 : rows / 16 * 16);
}

/* ---- appending ------------------------------------------------------------------------------------------------- */

static void
make_part(Appender *a)
{
	int			n_columns = a->reader->plan->n_columns;
	uint32		room = a->reader->plan->n_cats > 0 ? 64 : 0;

	a->part_pointer = allocate(sizeof(MdlMatrixPart));
	a->part = dsa_get_address(a->area, a->part_pointer);
	memset(a->part, 0, sizeof(MdlMatrixPart));
	a->part->counts = allocate(sizeof(MdlRowCounts) * (n_columns + 1));
	a->counts = dsa_get_address(a->area, a->part->counts);
	memset(a->counts, 0, sizeof(MdlRowCounts) * (n_columns + 1));
	a->part->texts = allocate(ml_catset_size(room, room * 16));
	a->texts = dsa_get_address(a->area, a->part->texts);
	ml_catset_init(a->texts, room, room * 16);
	a->part->chunk_room = 64;
	a->part->chunks = allocate(sizeof(MdlMatrixChunk) * a->part->chunk_room);
}

/* The arrays of a chunk. */
static void
find_arrays(Appender *a, char *data)
{
	const MdlRowPlan *plan = a->reader->plan;
	const MdlChunkLayout *layout = &a->layout;

	a->hash = (uint64 *) data;
	a->split = layout->split_at > 0 ? (uint64 *) mdl_chunk_array(data, a->room, layout->split_at) : NULL;
	a->weight = layout->weight_at > 0 ? (double *) mdl_chunk_array(data, a->room, layout->weight_at) : NULL;
	for (int g = 0; g < layout->n_groups; g++)
		a->groups[g] = mdl_chunk_group(data, a->room, layout, g);
	for (int i = 0; i < plan->n_columns; i++)
		if (plan->columns[i].cat >= 0)
			a->codes[i] = mdl_chunk_codes(data, a->room, layout, plan->columns[i].cat);
}

static void
add_chunk(Appender *a)
{
	MdlMatrixPart *part = a->part;
	Size		size;
	char	   *data;

	if (part->n_chunks == part->chunk_room)
	{
		dsa_pointer grown = allocate(sizeof(MdlMatrixChunk) * part->chunk_room * 2);

		memcpy(dsa_get_address(a->area, grown), dsa_get_address(a->area, part->chunks),
			   sizeof(MdlMatrixChunk) * part->chunk_room);
		dsa_free(a->area, part->chunks);
		part->chunks = grown;
		part->chunk_room *= 2;
	}
	a->room = chunk_rows(a);
	a->used = 0;
	size = a->room * a->layout.row_bytes + (a->layout.n_groups + 1) * MDL_CHUNK_STAGGER;
	a->chunk = (MdlMatrixChunk *) dsa_get_address(a->area, part->chunks) + part->n_chunks;
	a->chunk->data = allocate(size);
	a->chunk->room = a->room;
	a->chunk->count = 0;
	part->n_chunks++;
	data = dsa_get_address(a->area, a->chunk->data);
#ifdef MADV_POPULATE_WRITE
	/* One call of the kernel instead of a fault for every 4 kB; where it cannot, there are faults. */
	if (size >= 1024 * 1024)
		(void) madvise((char *) TYPEALIGN_DOWN(BLCKSZ, (uintptr_t) data), size, MADV_POPULATE_WRITE);
#endif
	find_arrays(a, data);
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
		dsa_pointer grown = allocate(ml_catset_size(entry_room, heap_room));
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

/* The numbers of the row into their groups. */
static inline void
append_numbers(const Appender *a, const double *numbers, Size at)
{
	for (int g = 0; g < a->layout.n_groups; g++)
	{
		const MdlChunkGroup *group = &a->layout.groups[g];

		if (group->width == GROUP)
			memcpy(a->groups[g] + at * GROUP, numbers + group->first, GROUP * sizeof(double));
		else
			for (int k = 0; k < group->width; k++)
				a->groups[g][at * group->width + k] = numbers[group->first + k];
	}
}

static void
append_row(Appender *a)
{
	const MdlRowPlan *plan = a->reader->plan;
	const MdlRow *row = &a->reader->row;
	Size		at;

	if (a->used == a->room)
		add_chunk(a);
	at = a->used++;
	a->hash[at] = row->hash;
	if (a->split != NULL)
		a->split[at] = row->split;
	if (a->weight != NULL)
		a->weight[at] = row->weight;
	if (row->any_null)
		for (int j = 0; j < plan->n_numbers; j++)
			if (row->number_nulls[j])
				row->numbers[j] = NAN;
	append_numbers(a, row->numbers, at);
	for (int i = 0; i < plan->n_columns && plan->n_cats > 0; i++)
	{
		int			cat = plan->columns[i].cat;

		if (cat >= 0)
			a->codes[i][at] = row->texts[cat].data == NULL ? -1 :
				plan->columns[i].buckets > 0 ? ml_hash_bucket(&row->texts[cat], plan->columns[i].buckets) :
				text_code(a, i, &row->texts[cat]);
	}
	a->chunk->count = a->used;
	a->part->rows++;
}

static void
lay_out_in(Appender *a, MemoryContext memory)
{
	MemoryContext saved = MemoryContextSwitchTo(memory);

	mdl_chunk_lay_out(a->reader->plan, &a->layout);
	a->groups = palloc0(sizeof(double *) * (a->layout.n_groups + 1));
	a->codes = palloc0(sizeof(int32 *) * (a->reader->plan->n_columns + 1));
	MemoryContextSwitchTo(saved);
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
		a->area = current_area();
		lay_out_in(a, fcinfo->flinfo->fn_mcxt);
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

	if (load->area != NULL && attached == load->area)
	{
		attached = NULL;
		attached_handle = 0;
	}
	if (load->area != NULL)
		dsa_detach(load->area);
	if (load->segment != NULL)
		dsm_detach(load->segment);
	load->area = NULL;
	load->segment = NULL;
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
	callback->func = detach;
	callback->arg = load;
	MemoryContextRegisterResetCallback(memory, callback);
	load->segment = dsm_create(HEAD_SIZE, 0);
	dsm_pin_mapping(load->segment);
	attached_head = dsm_segment_address(load->segment);
	pg_atomic_init_u64(&attached_head->limit, HEAD_SIZE);
	pg_atomic_init_u32(&attached_head->growths, 0);
	attached_head->most = (uint64) mdl_train_mem * 1024;
	load->area = dsa_create_in_place(attached_head->place, HEAD_SIZE - offsetof(MatrixHead, place), LWTRANCHE_PARALLEL_QUERY_DSA,
									 load->segment);
	dsa_pin_mapping(load->area);
	dsa_set_size_limit(load->area, HEAD_SIZE);
	attached = load->area;
	attached_handle = dsm_segment_handle(load->segment);
	MemoryContextSwitchTo(saved);

	rows = mdl_source_estimate_rows(source);
	attached_head->least_step = (uint64) (Min(rows * mdl_sample_record_size(plan), (double) attached_head->most) / 64);
	/* The setting lasts until the query ends, by error too, and goes with it to the workers. */
	level = NewGUCNestLevel();
	snprintf(handle, sizeof(handle), "%d", (int) attached_handle);
	(void) set_config_option("medallion.matrix_area", handle, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
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
