/*
 * columns_int.h: the columns of versioned tables through their changes: identities, phases, and where past values are.
 */
#ifndef MDL_COLUMNS_INT_H
#define MDL_COLUMNS_INT_H

#include "versioning/tables_int.h"

#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"

/* ---- columns.c: the identities of columns, and where their past values are ------------------------------------------ */

/* Name and type of a column for a while; see columns.c. */
typedef struct MdlPhase
{
	int32		column_id;
	int32		phase;			/* counts the phases of an identity */
	char	   *name;
	char	   *type;			/* as SQL text, qualified */
	char	   *collation;		/* as SQL text; NULL for that of the type */
	char	   *history_column;
	int64		since;			/* stamp; 0: there when versioning was enabled */
	int64		until;			/* stamp; 0: goes on */
	bool		filled;			/* rows older than the column show its default */
} MdlPhase;

/* All phases of a table by identity and number, palloc'd. */
extern MdlPhase *mdl_columns_read(int32 table_id, int *count);

/* The phase of today's column of a name; NULL if there is none. */
extern const MdlPhase *mdl_columns_current(const MdlPhase *phases, int count, const char *name);

/* Fills what MdlTable has of columns; an error if the history cannot keep them. */
extern void mdl_columns_map(MdlTable *table, Relation relation, TupleDesc base, Relation history);

/* The birth of a current row that a transaction wrote: later, if rows of its time were moved to history. */
extern int64 mdl_moved_birth(MdlTable *table, int64 stamp);

/* SQL for the value of a column in the history table: at the point $1, and as the row itself had it. */
extern void mdl_column_at_point(StringInfo sql, const MdlTable *table, Form_pg_attribute form);
extern void mdl_column_of_row(StringInfo sql, const MdlTable *table, Form_pg_attribute form);

/* ---- columns_follow.c: identities and phases made and changed ------------------------------------------------------- */

/* These run as the owner of the extension, within SPI. */

/* How many columns a description has that are not dropped. */
extern int	mdl_columns_count(TupleDesc desc);

/* Appends ", name type" for each column that a new history table needs; records the identities of its columns. */
extern void mdl_columns_define(StringInfo sql, Relation relation);
extern void mdl_columns_record(Relation relation, int32 table_id);

/* The primary key's columns in index order under their names in the history, quoted; table NULL: those of a new one. */
extern char *mdl_columns_key(Relation relation, const MdlTable *table);

/*
 * Lets the history of a table follow from an older description to the one of now.  `rewritten`: its rows were written
 * anew, and the old ones are in the history.  False if its columns are what they were.
 */
extern bool mdl_columns_follow(Relation relation, int32 table_id, const char *history_name, TupleDesc before, bool rewritten);

/* A name for one more column of a history table: the one wanted, if it can be. */
extern char *mdl_columns_free_name(Oid history, const char *wanted);

/* Drops a history table, given as SQL text, and what is recorded of its columns. */
extern void mdl_columns_forget(int32 table_id, const char *history);

/* ---- past_columns.c: lists of columns for statements that bring past rows back ---------------------------------------- */

typedef struct MdlPastColumns
{
	int			natts;
	bool	   *written;		/* (natts) to be given a value: not dropped, not generated, there as of the version */
	bool	   *existed;		/* (natts) there as of the version */
	bool	   *always_identity;	/* (natts) GENERATED ALWAYS AS IDENTITY: INSERT may give it, UPDATE may not */
	char	  **names;			/* (natts) quoted; NULL for a dropped column */
	char	   *absent;			/* names of columns that did not exist then, for a message; NULL if there are none */
} MdlPastColumns;

extern MdlPastColumns *mdl_past_columns(const MdlTable *table, Relation relation, int64 version);

/* "a.x, a.y" of the written columns; alias NULL: "x, y".  NULL if there are none. */
extern char *mdl_past_column_list(const MdlPastColumns *columns, const char *alias);

#endif							/* MDL_COLUMNS_INT_H */
