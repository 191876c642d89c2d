/*
 * tables_int.h: what is known of each versioned table.
 *
 * A row version is *born* when a transaction writes it (xmin) and *dies* when one deletes or replaces it; both are told as
 * stamps, see commits_int.h.
 */
#ifndef MDL_TABLES_INT_H
#define MDL_TABLES_INT_H

#include "versioning/commits_int.h"

#include "access/tupdesc.h"
#include "utils/rel.h"

/* ---- version_catalog.c ------------------------------------------------------------------------------------------- */

#define MDL_BORN_COLUMN		"_medallion_born"
#define MDL_DIED_COLUMN		"_medallion_died"
#define MDL_BORN_ATTNO		1
#define MDL_DIED_ATTNO		2

#define MDL_TABLES_TABLE	"versioned_tables"
#define MDL_TABLES_INDEX	"versioned_tables_pkey"
#define MDL_PARTITIONS_TABLE	"partitions"
#define MDL_PARTITIONS_INDEX	"partitions_table_id_idx"
#define MDL_COLUMNS_TABLE	"table_columns"
#define MDL_COLUMNS_INDEX	"table_columns_pkey"

#define Anum_versioned_tables_table_id	1
#define Anum_versioned_tables_schema	2
#define Anum_versioned_tables_name		3
#define Anum_versioned_tables_history	4
#define Anum_versioned_tables_enabled	6

#define Anum_versioned_tables_moved		8

#define Anum_table_columns_table_id			1
#define Anum_table_columns_column_id		2
#define Anum_table_columns_phase			3
#define Anum_table_columns_column_name		4
#define Anum_table_columns_data_type		5
#define Anum_table_columns_collation_name	6
#define Anum_table_columns_history_column	7
#define Anum_table_columns_since			8
#define Anum_table_columns_until			9
#define Anum_table_columns_filled			10

#define Anum_partitions_table_id		1
#define Anum_partitions_attached		2

/* A column of the history table that keeps values of a column of the table. */
typedef struct MdlStorage
{
	AttrNumber	attno;			/* in the history table */
	int64		since;			/* stamp from which on it does; 0: from the start */
} MdlStorage;

/* Where the values of a column of today are; see columns.c. */
typedef struct MdlColumn
{
	int32		column_id;
	int			nstorages;		/* 0 for a dropped column */
	MdlStorage *storages;		/* (nstorages) newest first, the first of today's type */
	int64		filled;			/* points that do not include this stamp show NULL; 0: no such */
} MdlColumn;

/* Whether a table is as versioning left it: see table_state.c. */
typedef enum MdlDoubt
{
	MDL_SOUND,
	MDL_DOUBT_FILE,				/* its rows are in another file; reading them tells */
	MDL_DOUBT_BIRTHS,			/* and rows that share an id cannot be told apart */
	MDL_DOUBT_TRIGGERS,			/* its triggers are other ones, or not in force */
	MDL_DOUBT_DAMAGED			/* rows of unknown birth are there, or were changed */
} MdlDoubt;

/* What a backend keeps of a versioned table; lives in CacheMemoryContext until the relation or its history changes. */
typedef struct MdlTable
{
	Oid			relid;
	int32		table_id;
	Oid			filenode;		/* the file that its rows are in */
	Oid			history;		/* the history table */
	TupleDesc	history_desc;
	int			natts;			/* of the base table, dropped ones included */
	AttrNumber *history_attno;	/* (natts) base attno - 1 -> history attno; 0 for a dropped column */
	MdlColumn  *columns;		/* (natts) */
	bool		same_columns;	/* the history table has these columns, no others, in this order */
	int			nkeys;
	AttrNumber *keys;			/* (nkeys) primary key, base attnos */
	int64		readable_from;	/* oldest readable version; 0 while the enabling transaction runs */
	int64		pruned_to;		/* readable_from as set by pruning; 0: never pruned */
	Oid			root;			/* of a partition: the table that is versioned; else relid */
	bool		partitioned;	/* the versioned table has partitions, or may get them */
	bool		has_rows;		/* stores rows itself */
	int64		attached;		/* of a partition that came with rows: stamp of the attaching transaction; else 0 */
	int64		moved;			/* rows older than this stamp were moved to history and count as born then; 0: none */
	MdlCommit	moving_commit;	/* of that stamp, once looked up */
	int			nreshapes;
	int64	   *reshapes;		/* (nreshapes) stamps of commits that changed rows without a birth or a death */

	MdlDoubt	doubt;			/* as found when it was asked last */
	int64		newest_attached;	/* the greatest stamp at which any partition came with rows; 0 if none did */
} MdlTable;

/* Whether an operation takes all rows of a table or of a partition away without marking each as dead. */
extern bool mdl_operation_empties(const char *operation);

/* The newest version from `first` on with such an operation on the table; 0 if none did. */
extern int64 mdl_table_truncated(const MdlTable *table, int64 first);

/* The newest version that adopted the table from a dump; 0 if none did. */
extern int64 mdl_table_adopted(const MdlTable *table);

/* The oldest readable version of a history by its number, 0 before it is enabled; *pruned_to: 0 if it was never pruned. */
extern int64 mdl_history_readable_from(int32 table_id, int64 *pruned_to);

/* The newest version from `first` on that changed the table in any way; 0 if none did. */
extern int64 mdl_table_changed(const MdlTable *table, int64 first);

/* Whether a relation is a table of past rows. */
extern bool mdl_is_history_table(Oid relid);

/* Returns the versioned table, or NULL when the relation is not versioned. */
extern MdlTable *mdl_table_find(Oid relid);

/* The same, but an error that tells how to enable versioning. */
extern MdlTable *mdl_table_get(Oid relid);

/* The same, and nobody can change the table's columns until the end of the transaction. */
extern MdlTable *mdl_table_lock(Oid relid);

/* The same, taken out of the cache: it lives as long as `parent`, whatever happens to the table. */
extern MdlTable *mdl_table_take(Oid relid, MemoryContext parent);

/* Whether the relation is versioned and its history table exists, without an error. */
extern bool mdl_table_has_history(Oid relid);

/* What would be kept of a table if its columns were those of `desc`; palloc'd. */
extern MdlTable *mdl_table_shaped(Relation relation, TupleDesc desc);

/* The stamp since which all rows of a table count as born; 0: none. */
extern int64 mdl_table_moved(int32 table_id);

/* The number that the capture triggers of a table carry; -1 if it has none. */
extern int32 mdl_table_id(Relation relation);

/* Grows whenever what mdl_table_find() returned may be gone. */
extern uint64 mdl_table_generation;

#endif							/* MDL_TABLES_INT_H */
