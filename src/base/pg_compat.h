/*
 * pg_compat.h: the only file that names PG_VERSION_NUM.
 *
 * Differences between PostgreSQL majors are bridged here, so that supporting another major is a change to this file.
 * Compiled and tested: 15.
 */
#ifndef MDL_PG_COMPAT_H
#define MDL_PG_COMPAT_H

#include "postgres.h"
#include "fmgr.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 160000
#error "medallion is compiled and tested with PostgreSQL 15 only"
#endif

/*
 * Declares and registers an SQL-callable function.  Before PostgreSQL 16 PG_FUNCTION_INFO_V1 does not mark the function
 * itself for export, and we compile with hidden visibility.
 */
#define MDL_FUNCTION(name) \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

/* Typed allocation: in the headers since PostgreSQL 16, and in late minor releases of older majors. */
#ifndef palloc_object
#define palloc_object(type) ((type *) palloc(sizeof(type)))
#define palloc0_object(type) ((type *) palloc0(sizeof(type)))
#define palloc_array(type, count) ((type *) palloc(sizeof(type) * (count)))
#define palloc0_array(type, count) ((type *) palloc0(sizeof(type) * (count)))
#endif

/* A symbol that one of our libraries offers to the others, or that the server looks up by name. */
#define MDL_EXPORT PGDLLEXPORT

#endif							/* MDL_PG_COMPAT_H */
