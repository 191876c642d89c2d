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
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/memutils.h"

#define HEAD_SIZE (256 * 1024)

typedef struct AreaHead
{
	uint64		key;
	char		place[FLEXIBLE_ARRAY_MEMBER];
} AreaHead;

/* An area this process is attached to. */
struct MdlArea
{
	MdlArea    *next;
	dsm_segment *segment;
	dsa_area   *area;
	uint64		key;
};

static MdlArea *areas = NULL;

static MdlArea *
remember(dsm_segment *segment, dsa_area *area, uint64 key)
{
	MdlArea    *a = MemoryContextAlloc(TopMemoryContext, sizeof(MdlArea));

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
	MdlArea    *a = arg;

	for (MdlArea **link = &areas; *link != NULL; link = &(*link)->next)
		if (*link == a)
		{
			*link = a->next;
			break;
		}
	dsa_detach(a->area);
	dsm_detach(a->segment);
	pfree(a);
}

void
mdl_area_begin(MemoryContext memory, MdlRowPlan *plan)
{
	MemoryContextCallback *callback = MemoryContextAlloc(memory, sizeof(MemoryContextCallback));
	MemoryContext saved;
	dsm_segment *segment;
	AreaHead   *head;

	plan->area = 0;
	plan->area_key = 0;
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

MdlArea *
mdl_area_find(uint32 handle, uint64 key)
{
	if (handle == 0 || key == 0)
		return NULL;
	for (MdlArea *a = areas; a != NULL; a = a->next)
		if (dsm_segment_handle(a->segment) == handle)
			return a->key == key ? a : NULL;
	return NULL;
}

MdlArea *
mdl_area_attach(uint32 handle, uint64 key)
{
	MdlArea    *found = mdl_area_find(handle, key);
	MemoryContext saved;
	dsm_segment *segment;
	AreaHead   *head;

	/* Only a worker can be told of an area that it does not know; a handle that it knows is not attached twice. */
	if (found != NULL || handle == 0 || key == 0 || !IsParallelWorker() || dsm_find_mapping(handle) != NULL)
		return found;
	saved = MemoryContextSwitchTo(TopMemoryContext);
	segment = dsm_attach(handle);
	if (segment != NULL)
	{
		head = dsm_segment_address(segment);
		if (dsm_segment_map_length(segment) == HEAD_SIZE && head->key == key)
			found = remember(segment, dsa_attach_in_place(head->place, segment), key);
		else
			dsm_detach(segment);
	}
	MemoryContextSwitchTo(saved);
	return found;
}

uint64
mdl_area_allocate(MdlArea *area, Size size)
{
	return dsa_allocate_extended(area->area, size, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
}

void *
mdl_area_address(MdlArea *area, uint64 place)
{
	return dsa_get_address(area->area, place);
}
