/*
 * train_area.c: shared memory for the samples that the processes of a pass gather.
 *
 * A sample takes some megabytes.  Within a state it would be copied whenever it grows, through the tuple queue of each
 * worker, and once more into each tuple and datum on its way to the leader, which has nothing else to do meanwhile.  So the
 * leader makes an *area* and each process keeps its sample there; the state says only where.
 *
 * The plan, which the workers get as an argument, carries the area's handle and a secret *key*.  Who has the key got it from
 * our leader, so the places in states that have it are ours: no SQL sees the plan of a pass, nor its states.
 */
#include "train/train_int.h"

#include "access/parallel.h"
#include "ml/ml_sample.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#define HEAD_SIZE (256 * 1024)
#define LEAST_ROWS 3			/* of the source, for each row of the sample: with fewer an area costs more than it saves */

typedef struct AreaHead
{
	uint64		key;
	char		place[FLEXIBLE_ARRAY_MEMBER];
} AreaHead;

/* An area this process is attached to. */
typedef struct Area
{
	struct Area *next;
	dsm_segment *segment;
	dsa_area   *area;
	uint64		key;
} Area;

static Area *areas = NULL;

static Area *
remember(dsm_segment *segment, dsa_area *area, uint64 key)
{
	Area    *a = MemoryContextAlloc(TopMemoryContext, sizeof(Area));

	dsm_pin_mapping(segment);
	dsa_pin_mapping(area);
	a->segment = segment;
	a->area = area;
	a->key = key;
	a->next = areas;
	areas = a;
	return a;
}

/* Of the leader's, when its training ends, by error too; a worker ends with its query. */
static void
leave(void *arg)
{
	Area    *a = arg;

	for (Area **link = &areas; *link != NULL; link = &(*link)->next)
		if (*link == a)
		{
			*link = a->next;
			break;
		}
	dsa_detach(a->area);
	dsm_detach(a->segment);
	pfree(a);
}

/* Makes an area that lives as long as the context, if it can, and puts it into the plan. */
static void
make_area(MemoryContext memory, MdlRowPlan *plan)
{
	MemoryContextCallback *callback = MemoryContextAlloc(memory, sizeof(MemoryContextCallback));
	MemoryContext saved;
	dsm_segment *segment;
	AreaHead   *head;

	segment = dsm_create(HEAD_SIZE, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (segment == NULL)
		return;
	head = dsm_segment_address(segment);
	if (!pg_strong_random(&head->key, sizeof(head->key)) || head->key == 0)
	{
		dsm_detach(segment);
		return;
	}
	saved = MemoryContextSwitchTo(TopMemoryContext);
	callback->func = leave;
	callback->arg = remember(segment, dsa_create_in_place(head->place, HEAD_SIZE - offsetof(AreaHead, place),
														  LWTRANCHE_PARALLEL_QUERY_DSA, segment), head->key);
	MemoryContextSwitchTo(saved);
	MemoryContextRegisterResetCallback(memory, callback);
	plan->area = dsm_segment_handle(segment);
	plan->area_key = head->key;
}

void
mdl_samples_begin(MdlTraining *t)
{
	if (t->plan.sample == 0 || mdl_source_estimate_rows(&t->source) < LEAST_ROWS * (double) t->plan.sample)
		return;
	t->plan.area = 0;
	t->plan.area_key = 0;
	make_area(t->memory, &t->plan);
	t->plan_bytes = mdl_row_plan_encode(&t->plan);
}

/* The area of a handle and key that this process is attached to; NULL: it is attached to none such. */
static Area *
find(uint32 handle, uint64 key)
{
	for (Area *a = areas; a != NULL && handle != 0 && key != 0; a = a->next)
		if (dsm_segment_handle(a->segment) == handle)
			return a->key == key ? a : NULL;
	return NULL;
}

/* The same, and a worker becomes attached.  A handle that it knows is not attached twice. */
static Area *
find_or_attach(uint32 handle, uint64 key)
{
	Area	   *found = find(handle, key);
	MemoryContext saved;
	dsm_segment *segment;

	if (found != NULL || handle == 0 || key == 0 || !IsParallelWorker() || dsm_find_mapping(handle) != NULL)
		return found;
	saved = MemoryContextSwitchTo(TopMemoryContext);
	segment = dsm_attach(handle);
	if (segment != NULL)
	{
		AreaHead   *head = dsm_segment_address(segment);

		if (dsm_segment_map_length(segment) == HEAD_SIZE && head->key == key)
			found = remember(segment, dsa_attach_in_place(head->place, segment), key);
		else
			dsm_detach(segment);
	}
	MemoryContextSwitchTo(saved);
	return found;
}

bool
mdl_sample_share(const MdlRowPlan *plan, MdlSharedSample *shared)
{
	Area	   *area = plan->sample > 0 ? find_or_attach(plan->area, plan->area_key) : NULL;
	uint32		capacity = ml_sample_most(plan->sample);
	Size		record_size = mdl_sample_record_size(plan);

	memset(shared, 0, sizeof(*shared));
	if (area == NULL)
		return false;
	shared->place = dsa_allocate_extended(area->area, ml_sample_size(capacity, record_size), DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
	if (shared->place == 0)
		return false;
	shared->key = plan->area_key;
	shared->area = plan->area;
	ml_sample_init(dsa_get_address(area->area, shared->place), plan->sample, capacity, record_size);
	return true;
}

ml_sample *
mdl_sample_shared(const MdlSharedSample *shared)
{
	Area	   *area = shared->place != 0 ? find(shared->area, shared->key) : NULL;

	return area != NULL ? dsa_get_address(area->area, shared->place) : NULL;
}
