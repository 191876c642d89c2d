/*
 * feature_int.h: what the files of src/feature share.
 *
 * Words: an *event* is a row of a feature view's source; a *label row* is a row of the spine, at whose time features
 * are wanted; the *view* is the feature view, not an SQL view.  Times are microseconds, as in timestamptz.
 */
#ifndef MDL_FEATURE_INT_H
#define MDL_FEATURE_INT_H

#include "feature/feature.h"

#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/timestamp.h"

/* ---- feature_define.c: definitions, parsed and checked -------------------------------------------------------- */

typedef enum MdlAggregate
{
	AGG_COUNT,
	AGG_SUM,
	AGG_MEAN,
	AGG_MIN,
	AGG_MAX,
	AGG_STDDEV,
	AGG_COUNT_DISTINCT,
	AGG_LAST,
	AGG_FIRST,
	AGG_TREND,
	AGG_RATE,
} MdlAggregate;

typedef struct MdlFeature
{
	char	   *name;
	MdlAggregate aggregate;
	char	   *column;			/* NULL: the event itself (count, rate) */
	char	   *window_text;	/* as written; NULL: everything before t */
	int64		window;			/* microseconds, 0 if not given */
	char	   *filter;			/* SQL text over the source's columns; NULL: every event */
	char	   *per_text;		/* unit of trend and rate, NULL if not given */
	int64		per;			/* microseconds */
	char	   *default_text;	/* what stands for NULL, in text form; NULL: nothing does */

	/* Found by mdl_feature_resolve, from the source as it is now. */
	Oid			column_type;	/* base type; InvalidOid without a column */
	Oid			type;			/* of the result */
	int32		typmod;
	Oid			collation;
	Datum		default_value;	/* of `type`; meaningful if default_text is not NULL */
} MdlFeature;

typedef struct MdlFeatureView
{
	char	   *name;
	int			version;
	bool		stored;			/* loaded, not being defined */
	Oid			source;
	int			entity_count;
	char	  **entity;
	char	   *at;
	int			tiebreak_count;
	char	  **tiebreak;
	bool		has_ttl;
	int64		ttl;
	int64		delay;
	int			feature_count;
	MdlFeature *features;		/* sorted by name */
} MdlFeatureView;

extern const char *mdl_aggregate_name(MdlAggregate aggregate);

/* Reads the features argument; raises an error that names the feature and what is wrong with it. */
extern void mdl_feature_parse(MdlFeatureView *view, Jsonb *definitions);

/* The reverse of parse, normalised: what is stored. */
extern Jsonb *mdl_feature_unparse(const MdlFeatureView *view);

/*
 * Checks the view against its source as it is now and fills in the types.  The current user must be able to read the
 * source.  With `canonical`, filters are replaced by their fully qualified form.
 */
extern void mdl_feature_resolve(MdlFeatureView *view, bool canonical);

/* The length of an interval in microseconds; refuses months and years, which have no fixed length. */
extern int64 mdl_interval_length(const Interval *interval, const char *what);

/* ---- feature_store.c: medallion._feature_views ----------------------------------------------------------------- */

/* All of these need an SPI connection. */
extern MdlFeatureView *mdl_feature_view_load(const char *name);	/* resolved; undefined_object if there is none */
extern bool mdl_feature_view_exists(const char *name, int *version, char **owner);
extern void mdl_feature_view_require_owner(const char *name, const char *owner);	/* of the role or a member */
extern void mdl_feature_view_store(const MdlFeatureView *view);	/* inserts, or replaces the one of that name */
extern bool mdl_feature_view_delete(const char *name);	/* false if there is none */

/* Fills text[] arguments into C strings; an element that is NULL is an error naming `what`. */
extern char **mdl_text_array(ArrayType *array, const char *what, int *count);

/* ---- entity_table.c: entities numbered from 0 ------------------------------------------------------------------ */

typedef struct MdlEntityTable MdlEntityTable;

/* `types` and `collations` of the key columns; numbers hold as long as the current memory context. */
extern MdlEntityTable *mdl_entity_table_create(int key_count, const Oid *types, const Oid *collations);

/*
 * Returns the entity's number, or -1 if it is not in the table and `insert` is false, or a key is NULL.  Key values are
 * in the table's canonical types (mdl_entity_canonical).
 */
extern int	mdl_entity_lookup(MdlEntityTable *table, const Datum *keys, const bool *nulls, bool insert);
extern int	mdl_entity_count(const MdlEntityTable *table);
extern uint32 mdl_entity_hash(const MdlEntityTable *table, int entity);

/* The type in which keys of this type are compared: integers as int8, strings as text, domains as their base. */
extern Oid	mdl_entity_canonical_type(Oid type);
extern Datum mdl_entity_canonical(Datum value, Oid type);

/* ---- window_plan.c, window_agg.c: all features of one entity ---------------------------------------------------- */

/* The features of a view and where their inputs stand in an event record. */
typedef struct MdlWindowPlan
{
	const MdlFeatureView *view;
	int64		delay;
	int			column_count;	/* columns read per event: features' columns, then tie breakers */
	Oid		   *column_types;	/* base types */
	Oid		   *column_collations;
	int			first_tiebreak;	/* tie breakers are columns [first_tiebreak, column_count) */
	int			filter_count;	/* distinct filters */
	char	  **filters;
	int		   *feature_column; /* per feature: column, or -1 */
	int		   *feature_filter; /* per feature: filter, or -1 */
	char	  **column_names;
} MdlWindowPlan;

#define MDL_MAX_EVENT_BITS 64	/* columns and filters of a view together */

/* One event: bit i of `bits` says that column i is NULL, bit column_count + j that filter j holds. */
typedef struct MdlEvent
{
	int64		at;
	uint64		bits;
	uint32		entity;
	Datum		values[FLEXIBLE_ARRAY_MEMBER];
} MdlEvent;

/* Values of all features for all label rows of a view. */
typedef struct MdlFeatureMatrix
{
	int64		rows;
	int			features;
	Datum	   *values;			/* (rows, features) */
	bool	   *nulls;			/* (rows, features) */
	MemoryContext context;		/* of values that are not passed by value */
} MdlFeatureMatrix;

/* A label row and its time. */
typedef struct MdlLabel
{
	int64		time;
	int64		row;
} MdlLabel;

typedef struct MdlWindowState MdlWindowState;

extern MdlWindowPlan *mdl_window_plan(const MdlFeatureView *view, int64 delay);
extern MdlWindowState *mdl_window_begin(const MdlWindowPlan *plan, MdlFeatureMatrix *matrix);

/*
 * Computes the features of one entity for its label rows, which ascend in time.  The events come in any order; the
 * array of pointers is sorted in place.
 */
extern void mdl_window_entity(MdlWindowState *state, MdlEvent **events, int64 event_count,
							  const MdlLabel *labels, int64 label_count);

/* What lies between a label's time t and the events that count: [t - back, t - delay). */
extern bool mdl_feature_back(const MdlFeatureView *view, const MdlFeature *feature, int64 delay, int64 *back);
extern int64 mdl_time_before(int64 time, int64 length);	/* saturates, keeps infinities */

/* ---- event_reader.c: events of the entities at hand, read from the source within a memory limit ---------------- */

/* Key columns of a view, from its source: types there, and canonical ones. */
extern void mdl_view_entity_types(const MdlFeatureView *view, Oid *types, Oid *canonical, Oid *collations);

/*
 * Values of a view's features for label rows: row i is of entity entity_of[i] (-1: none) at times[i].  `condition` is
 * more text for the WHERE clause of the source query, with its parameters from $3 on in `args`; both may be NULL.
 * Call with an SPI connection open; the source is read as the current user with the active snapshot.
 */
extern MdlFeatureMatrix *mdl_point_in_time(const MdlWindowPlan *plan, MdlEntityTable *entities, const int32 *entity_of,
										   const int64 *times, int64 row_count,
										   const char *condition, const MdlArgs *args);

#endif							/* MDL_FEATURE_INT_H */
