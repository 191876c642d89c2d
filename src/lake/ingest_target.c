/*
 * ingest_target.c: the table that files are loaded into: finding, creating and widening it.
 *
 * A table that ingest makes has the columns of the files first and the bookkeeping columns after them, with primary key
 * (_batch, _row): a batch is one load of one file and its number is never given twice, so the key never collides, takes
 * 16 bytes, and grows at the end of its index.  Columns found later come after the bookkeeping ones.
 */
#include "lake/ingest_int.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/varlena.h"
#include "versioning/versioning.h"

static const struct
{
	const char *name;
	Oid			type;
	const char *definition;
	size_t		member;			/* of MdlTarget */
}			bookkeeping[] =
{
	{"_source", TEXTOID, "text NOT NULL", offsetof(MdlTarget, source_att)},
	{"_row", INT8OID, "bigint NOT NULL", offsetof(MdlTarget, row_att)},
	{"_batch", INT8OID, "bigint NOT NULL", offsetof(MdlTarget, batch_att)},
	{"_ingested_at", TIMESTAMPTZOID, "timestamp with time zone NOT NULL", offsetof(MdlTarget, ingested_at_att)},
	{"_rescued", JSONBOID, "jsonb", offsetof(MdlTarget, rescued_att)},
};

static const char *const system_columns[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};

static int
bookkeeping_index(const char *name)
{
	for (int i = 0; i < lengthof(bookkeeping); i++)
		if (strcmp(bookkeeping[i].name, name) == 0)
			return i;
	return -1;
}

bool
mdl_target_reserved(const char *name)
{
	for (int i = 0; i < lengthof(system_columns); i++)
		if (strcmp(system_columns[i], name) == 0)
			return true;
	return bookkeeping_index(name) >= 0;
}

/* ---- describing a table ------------------------------------------------------------------------------------- */

static MdlConversion
conversion_of(Oid type, int32 typmod)
{
	switch (type)
	{
		case BOOLOID:
			return MDL_CONVERT_BOOL;
		case INT2OID:
			return MDL_CONVERT_INT2;
		case INT4OID:
			return MDL_CONVERT_INT4;
		case INT8OID:
			return MDL_CONVERT_INT8;
		case FLOAT8OID:
			return MDL_CONVERT_FLOAT8;
		case DATEOID:
			return MDL_CONVERT_DATE;
		case JSONBOID:
			return MDL_CONVERT_JSONB;
		case NUMERICOID:
			return MDL_CONVERT_NUMERIC;
		case TIMESTAMPOID:
			return MDL_CONVERT_TIMESTAMP;
		case TIMESTAMPTZOID:
			return MDL_CONVERT_TIMESTAMPTZ;
		case TEXTOID:
		case VARCHAROID:
			return typmod < 0 ? MDL_CONVERT_TEXT : MDL_CONVERT_INPUT;
		default:
			return MDL_CONVERT_INPUT;
	}
}

static void
describe_column(Form_pg_attribute att, MdlColumn *column)
{
	Oid			function;

	column->name = pstrdup(NameStr(att->attname));
	column->attnum = att->attnum;
	column->type = att->atttypid;
	column->typmod = att->atttypmod;
	column->how = conversion_of(att->atttypid, att->atttypmod);
	column->has_default = att->atthasdef || att->attidentity != '\0';
	column->is_domain = get_typtype(att->atttypid) == TYPTYPE_DOMAIN;
	getTypeInputInfo(att->atttypid, &function, &column->input_param);
	fmgr_info(function, &column->input);
}

static void
missing_bookkeeping(const MdlTarget *target, int index, Oid found)
{
	StringInfoData statement;

	initStringInfo(&statement);
	for (int i = 0; i < lengthof(bookkeeping); i++)
		appendStringInfo(&statement, "%sADD COLUMN IF NOT EXISTS %s %s", i ? ", " : "", bookkeeping[i].name,
						 format_type_be(bookkeeping[i].type));
	if (OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" has type %s, expected %s", bookkeeping[index].name,
						target->display, format_type_be(found), format_type_be(bookkeeping[index].type)),
				 errhint("Files can be loaded into tables that medallion.ingest made, or that have its bookkeeping columns.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("table \"%s\" has no column \"%s\", where medallion.ingest keeps where a row came from",
					target->display, bookkeeping[index].name),
			 errhint("Name a table that does not exist yet, or run ALTER TABLE %s %s.",
					 quote_qualified_identifier(target->schema, target->name), statement.data)));
}

/* Fills in the columns of an existing table. */
static void
describe(MdlTarget *target)
{
	Relation	relation = table_open(target->relid, RowExclusiveLock);
	TupleDesc	tupdesc = RelationGetDescr(relation);
	MemoryContext caller = MemoryContextSwitchTo(target->context);

	target->column_count = 0;
	target->has_domains = false;
	target->columns = palloc0(tupdesc->natts * sizeof(MdlColumn));
	for (int i = 0; i < lengthof(bookkeeping); i++)
		*(AttrNumber *) ((char *) target + bookkeeping[i].member) = InvalidAttrNumber;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		int			index = bookkeeping_index(NameStr(att->attname));

		if (att->attisdropped)
			continue;
		if (index >= 0)
		{
			if (att->atttypid != bookkeeping[index].type)
				missing_bookkeeping(target, index, att->atttypid);
			*(AttrNumber *) ((char *) target + bookkeeping[index].member) = att->attnum;
		}
		else if (att->attgenerated == '\0')
		{
			MdlColumn  *column = &target->columns[target->column_count++];

			describe_column(att, column);
			target->has_domains |= column->is_domain;
		}
	}
	for (int i = 0; i < lengthof(bookkeeping); i++)
		if (*(AttrNumber *) ((char *) target + bookkeeping[i].member) == InvalidAttrNumber)
			missing_bookkeeping(target, i, InvalidOid);
	MemoryContextSwitchTo(caller);
	table_close(relation, NoLock);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static void
check_kind(const MdlTarget *target)
{
	char		kind = get_rel_relkind(target->relid);

	if (kind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot load files into partitioned table \"%s\"", target->display),
				 errhint("Load them into a plain table, and move the rows on by a query.")));
	if (kind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot load files into \"%s\": it is not a table", target->display),
				 errdetail_relkind_not_supported(kind)));
	mdl_require_privilege(target->relid, ACL_INSERT);
	if (check_enable_rls(target->relid, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot load files into \"%s\": its row-level security applies to role \"%s\"", target->display,
						GetUserNameFromId(GetUserId(), false)),
				 errhint("Load as the owner of the table, or into another table.")));
}

/* Waits for other calls on a table of this name; held until the transaction ends. */
static void
lock_name(Oid schema, const char *name)
{
	uint16		part = hash_bytes((const unsigned char *) name, strlen(name)) | 1;

	LockDatabaseObject(NamespaceRelationId, schema, part, ExclusiveLock);
}

void
mdl_target_open(MdlTarget *target, const char *name)
{
	RangeVar   *range;

	memset(target, 0, sizeof(*target));
	target->context = CurrentMemoryContext;
	mdl_split_name(name, &target->schema, &target->name);
	if (strlen(target->name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("table name \"%s\" is longer than %d bytes", target->name, NAMEDATALEN - 1)));
	target->display = psprintf("%s.%s", target->schema, target->name);
	lock_name(get_namespace_oid(target->schema, false), target->name);
	range = makeRangeVar(target->schema, target->name, -1);
	target->relid = RangeVarGetRelid(range, RowExclusiveLock, true);
	if (!OidIsValid(target->relid))
		return;
	check_kind(target);
	/* A renamed table is still one table. */
	LockDatabaseObject(RelationRelationId, target->relid, 0, ExclusiveLock);
	describe(target);
}

/* ---- creating and widening ---------------------------------------------------------------------------------- */

/* Returns the type for a new column as SQL text: the one the options give, else the one inferred. */
static char *
new_column_type(const MdlFileColumns *files, int index, const MdlIngestOptions *options)
{
	char	   *given = mdl_ingest_option_type(options, files->names[index]);
	Oid			type;
	int32		typmod;

	if (given == NULL)
		return pstrdup(mdl_kind_type(files->kinds[index]));
	parseTypeString(given, &type, &typmod, false);
	return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* Raises an error for a column named in option types that the files do not have: most likely a misspelling. */
static void
check_types_used(const MdlFileColumns *files, const MdlIngestOptions *options)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;

	if (options->types == NULL)
		return;
	iterator = JsonbIteratorInit(&options->types->root);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		if (token == WJB_KEY && mdl_file_columns_find(files, key.val.string.val, key.val.string.len) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("\"types\" in argument \"options\" names column \"%.*s\", which the files do not have",
							key.val.string.len, key.val.string.val)));
}

static void
run_ddl(const char *statement)
{
	SPI_connect();
	mdl_run(statement, NULL, false);
	SPI_finish();
}

void
mdl_target_create(MdlTarget *target, const MdlFileColumns *files, const MdlIngestOptions *options)
{
	StringInfoData statement;
	Oid			schema = get_namespace_oid(target->schema, false);
	AclResult	acl = pg_namespace_aclcheck(schema, GetUserId(), ACL_CREATE);

	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_SCHEMA, target->schema);
	check_types_used(files, options);
	initStringInfo(&statement);
	appendStringInfo(&statement, "CREATE TABLE %s (", quote_qualified_identifier(target->schema, target->name));
	for (int i = 0; i < files->count; i++)
		appendStringInfo(&statement, "%s %s, ", quote_identifier(files->names[i]), new_column_type(files, i, options));
	for (int i = 0; i < lengthof(bookkeeping); i++)
		appendStringInfo(&statement, "%s %s, ", bookkeeping[i].name, bookkeeping[i].definition);
	appendStringInfoString(&statement, "PRIMARY KEY (_batch, _row))");
	run_ddl(statement.data);

	target->relid = get_relname_relid(target->name, schema);
	target->created = true;
	mdl_ledger_forget(target->relid);
	LockDatabaseObject(RelationRelationId, target->relid, 0, ExclusiveLock);
	if (get_rel_persistence(target->relid) == RELPERSISTENCE_PERMANENT)
		mdl_enable_versioning(target->relid);	/* a temporary table has no history to keep */
	describe(target);
}

static bool
has_column(const MdlTarget *target, const char *name)
{
	for (int i = 0; i < target->column_count; i++)
		if (strcmp(target->columns[i].name, name) == 0)
			return true;
	return false;
}

bool
mdl_target_lacks_columns(const MdlTarget *target, const MdlFileColumns *files)
{
	for (int i = 0; i < files->count; i++)
		if (!has_column(target, files->names[i]))
			return true;
	return false;
}

void
mdl_target_evolve(MdlTarget *target, const MdlFileColumns *files, const MdlIngestOptions *options, const char *uri)
{
	StringInfoData statement;
	StringInfoData names;
	int			count = 0;

	if (options->evolution == MDL_EVOLVE_RESCUE)
		return;
	initStringInfo(&statement);
	initStringInfo(&names);
	appendStringInfo(&statement, "ALTER TABLE %s", quote_qualified_identifier(target->schema, target->name));
	for (int i = 0; i < files->count; i++)
	{
		if (has_column(target, files->names[i]))
			continue;
		appendStringInfo(&names, "%s\"%s\"", count ? ", " : "", files->names[i]);
		appendStringInfo(&statement, "%s ADD COLUMN %s %s", count ? "," : "", quote_identifier(files->names[i]),
						 new_column_type(files, i, options));
		count++;
	}
	if (count == 0)
		return;
	if (options->evolution == MDL_EVOLVE_FAIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg_plural("file \"%s\" has column %s, which table \"%s\" lacks",
							   "file \"%s\" has columns %s, which table \"%s\" lacks", count, uri, names.data,
							   target->display),
				 errhint("Add the columns, or set \"schema_evolution\" in the options to \"add\" or \"rescue\".")));
	if (!pg_class_ownercheck(target->relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table \"%s\" to add column %s, which file \"%s\" has", target->display,
						names.data, uri),
				 errhint("Load as the owner, or set \"schema_evolution\" in the options to \"rescue\".")));
	run_ddl(statement.data);
	describe(target);
}
