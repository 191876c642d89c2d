/*
 * train_pack.c: medallion._pack(VARIADIC "any"): columns as one bytea.
 *
 * A call takes at most 100 arguments; building an array for each row costs more than reading it.  A pack is written
 * into one buffer per call site, which the next call overwrites, so it is only good as an argument of an aggregate.
 */
#include "train/train_pack.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Behind the head: nulls (count, padded to 8), slots (count), texts and arrays, each an aligned varlena with a 4-byte head. */
typedef struct Pack
{
	int32		vl_len_;
	int32		count;
} Pack;

#define pack_slots_at(count) (sizeof(Pack) + MAXALIGN(count))
#define pack_texts_at(count) (pack_slots_at(count) + (Size) (count) * sizeof(Datum))

typedef struct PackBuffer
{
	Pack	   *pack;
	Size		size;
	int			n_varlenas;
	int			varlenas[FUNC_MAX_ARGS];	/* (n_varlenas) arguments that are texts or arrays */
} PackBuffer;

static PackBuffer *
make_buffer(FunctionCallInfo fcinfo)
{
	PackBuffer *buffer = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(PackBuffer));

	for (int i = 0; i < PG_NARGS(); i++)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, i);

		if (type == TEXTOID || type == FLOAT8ARRAYOID)
			buffer->varlenas[buffer->n_varlenas++] = i;
		else if (type != FLOAT8OID && type != FLOAT4OID && type != INT2OID && type != INT4OID && type != INT8OID && type != BOOLOID)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("a pack cannot hold a value of type %s", format_type_be(type))));
	}
	fcinfo->flinfo->fn_extra = buffer;
	return buffer;
}

static void
reserve(PackBuffer *buffer, MemoryContext context, Size size)
{
	if (size <= buffer->size)
		return;
	size = Max(size, buffer->size * 2);
	buffer->pack = buffer->pack ? repalloc(buffer->pack, size) : MemoryContextAlloc(context, size);
	buffer->size = size;
}

MDL_SHIM_TARGET(mdl_train_pack);
Datum
mdl_train_pack_impl(PG_FUNCTION_ARGS)
{
	PackBuffer *buffer = fcinfo->flinfo->fn_extra;
	int			count = PG_NARGS();
	Size		at = pack_texts_at(count);
	uint8	   *nulls;
	Datum	   *slots;

	if (unlikely(buffer == NULL))
		buffer = make_buffer(fcinfo);
	reserve(buffer, fcinfo->flinfo->fn_mcxt, at);
	nulls = (uint8 *) (buffer->pack + 1);
	slots = (Datum *) ((char *) buffer->pack + pack_slots_at(count));
	/* What a NULL's slot holds is never looked at. */
	for (int i = 0; i < count; i++)
	{
		nulls[i] = PG_ARGISNULL(i);
		slots[i] = PG_GETARG_DATUM(i);
	}
	for (int v = 0; v < buffer->n_varlenas; v++)
	{
		int			i = buffer->varlenas[v];

		if (!PG_ARGISNULL(i))
		{
			struct varlena *value = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(i));
			Size		size = VARSIZE_ANY_EXHDR(value) + VARHDRSZ;
			char	   *copy;

			reserve(buffer, fcinfo->flinfo->fn_mcxt, at + MAXALIGN(size));
			slots = (Datum *) ((char *) buffer->pack + pack_slots_at(count));
			copy = (char *) buffer->pack + at;
			SET_VARSIZE(copy, size);
			memcpy(VARDATA(copy), VARDATA_ANY(value), size - VARHDRSZ);
			slots[i] = at;
			at += MAXALIGN(size);
		}
	}
	buffer->pack->count = count;
	SET_VARSIZE(buffer->pack, at);
	PG_RETURN_BYTEA_P(buffer->pack);
}

/* Raises for bytes that _pack did not make; they may be anything. */
static void
damaged_pack(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a packed row is damaged")));
}

/* The value that starts at an offset of the pack, bounds checked. */
static Datum
packed_varlena(const char *pack, Size size, Datum offset)
{
	const char *found;

	if (offset < sizeof(Pack) || offset % MAXIMUM_ALIGNOF != 0 || offset + VARHDRSZ > size)
		damaged_pack();
	found = pack + offset;
	if (!VARATT_IS_4B_U(found) || VARSIZE(found) < VARHDRSZ || VARSIZE(found) > size - offset)
		damaged_pack();
	return PointerGetDatum(found);
}

void
mdl_unpack(const NullableDatum *packs, const MdlRowPlan *plan, NullableDatum *values)
{
	int			v = 0;

	for (int first = 0; first < plan->n_columns; first += plan->pack)
	{
		int			expected = Min(plan->pack, plan->n_columns - first);
		const char *pack;
		const Datum *slots;
		Size		size;

		if (packs->isnull)
			damaged_pack();
		/* A pack of ours is plain and aligned; what is not is copied to be so. */
		pack = (const char *) DatumGetPointer(packs->value);
		if (!VARATT_IS_4B_U(pack) || (uintptr_t) pack % MAXIMUM_ALIGNOF != 0)
			pack = (const char *) PG_DETOAST_DATUM_COPY(packs->value);
		size = VARSIZE(pack);
		if (size < pack_texts_at(expected) || ((const Pack *) pack)->count != expected)
			damaged_pack();
		slots = (const Datum *) (pack + pack_slots_at(expected));
		for (int i = 0; i < expected; i++)
		{
			values[first + i].isnull = ((const uint8 *) pack)[sizeof(Pack) + i] != 0;
			values[first + i].value = slots[i];
		}
		for (; v < plan->n_varlenas && plan->varlenas[v] < first + expected; v++)
		{
			NullableDatum *value = &values[plan->varlenas[v]];

			if (!value->isnull)
				value->value = packed_varlena(pack, size, value->value);
		}
		packs++;
	}
}
