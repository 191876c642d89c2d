/*
 * ddl_int.h: how history follows the definition of a table: changed, moved, dropped and brought back.
 */
#ifndef MDL_DDL_INT_H
#define MDL_DDL_INT_H

#include "versioning/versioning.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"

/* ---- ddl_follow.c, ddl_move.c --------------------------------------------------------------------------------------- */

/* The statement that an event trigger function is called for; an error that names it if it is not called so. */
extern Node *mdl_event_statement(FunctionCallInfo fcinfo, const char *function);

/* Nothing is to be followed: there is no versioned table, or a dump is being restored, which makes tables bit by bit. */
extern bool mdl_nothing_versioned(void);

extern void mdl_ddl_init(void);

/* Whether a command runs that the history of tables will follow. */
extern bool mdl_ddl_followed(void);

/* ddl_drop.c: the hook of columns that go, and a check that ALTER TYPE takes no attribute that past values have. */
extern void mdl_ddl_drop_init(void);
extern void mdl_check_attributes(AlterTableStmt *statement);

/* The columns that a table had before a command of this transaction; NULL if it was not there. */
extern TupleDesc mdl_description_before(Oid relid, CommandId before);

/* Copies the rows of a table, in the shape of before the command, to history: the server is about to rewrite them. */
extern void mdl_rows_before_rewrite(Oid relid, CommandId before);

/* The same for a table, with all its partitions, that is about to lose a column; its rows count as born now. */
extern void mdl_rows_before_drop(Oid relid);

/* ---- table_definition.c: what a table is made of, for undrop ---------------------------------------------------------- */

/* These run as the owner of the extension, within SPI. */
extern void mdl_definition_write(Oid relid, int32 table_id);
extern void mdl_definition_write_grants(Oid relid, int32 table_id);

/* ---- undrop.c -------------------------------------------------------------------------------------------------------- */

/* Notes that a table is being dropped, so that medallion.undrop() can make it again. */
extern void mdl_undrop_note(Oid relid, int32 table_id);

/* ---- drop_follow.c -------------------------------------------------------------------------------------------------- */

extern void mdl_drop_init(void);

#endif							/* MDL_DDL_INT_H */
