/*
 * definition_options.c: what define and redefine declare of a table besides its query: indexes, comments of columns, the owner, and the
 * columns in whose order new rows are written.  Cursors of sources, declared with them, are in incremental_cursor.c.
 *
 * Indexes that were declared are known by their comment, so that they follow renames, are dumped, and nothing has to be kept
 * about them; an index without it is its maker's, and left alone.
 */
#include "pipeline/definition_int.h"

#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/typcache.h"

#define INDEX_COMMENT "declared index: "

/* ---- reading ----------------------------------------------------------------------------------------------------- */

void
mdl_options_read(FunctionCallInfo fcinfo, int first, DerivedTable *table, DefineOptions *options)
{
	memset(options, 0, sizeof(*options));
	options->indexes_given = !PG_ARGISNULL(first);
	if (options->indexes_given)
		table->indexes = mdl_pipeline_text_array(PG_GETARG_DATUM(first), "indexes", &table->index_count);
	options->comments = PG_ARGISNULL(first + 1) ? NULL : PG_GETARG_JSONB_P(first + 1);
	if (options->comments != NULL && !JB_ROOT_IS_OBJECT(options->comments))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"comments\" must be an object"),
				 errhint("Write for example comments => '{\"day\": \"in UTC\"}'.")));
	options->cursors = PG_ARGISNULL(first + 4) ? NULL : PG_GETARG_JSONB_P(first + 4);
	if (options->cursors != NULL && !JB_ROOT_IS_OBJECT(options->cursors))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"cursors\" must be an object"),
				 errhint("Write for example cursors => '{\"ext.orders\": \"updated_at\"}'.")));
	options->owner = mdl_optional_text(fcinfo, first + 2);
	if (!PG_ARGISNULL(first + 3))
		table->cluster_by = mdl_pipeline_text_array(PG_GETARG_DATUM(first + 3), "cluster_by", &table->cluster_count);
}

/* The columns of cluster_by must be distinct columns of the definition that can be ordered. */
static void
check_cluster_by(const DerivedTable *table)
{
	TupleDesc	columns = mdl_relation_columns(table->definition);

	for (int i = 0; i < table->cluster_count; i++)
	{
		Form_pg_attribute column = NULL;

		for (int j = 0; j < i; j++)
			if (strcmp(table->cluster_by[i], table->cluster_by[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" is given twice in cluster_by of \"%s\"", table->cluster_by[i],
								mdl_display_name(table->target))));
		for (int j = 0; j < columns->natts; j++)
			if (strcmp(NameStr(TupleDescAttr(columns, j)->attname), table->cluster_by[i]) == 0)
				column = TupleDescAttr(columns, j);
		if (column == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of cluster_by is not a column of the query of \"%s\"", table->cluster_by[i],
							mdl_display_name(table->target))));
		if (!OidIsValid(lookup_type_cache(column->atttypid, TYPECACHE_LT_OPR)->lt_opr))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of \"%s\" has type %s, which has no order, and cannot be in cluster_by",
							table->cluster_by[i], mdl_display_name(table->target), format_type_be(column->atttypid))));
	}
}

/* ---- indexes ----------------------------------------------------------------------------------------------------- */

static const char *
skip_word(const char *text, const char *word)
{
	int			length = strlen(word);

	if (pg_strncasecmp(text, word, length) != 0 || (text[length] != ' ' && text[length] != '(' && text[length] != '\t' && text[length] != '\n'))
		return NULL;
	text += length;
	while (*text == ' ' || *text == '\t' || *text == '\n')
		text++;
	return text;
}

/* The statement for "a, b", "lower(a)", "UNIQUE a", "USING gin (doc)", "(a) WHERE b": what stands behind the table's name. */
static char *
index_statement(const DerivedTable *table, const char *text)
{
	const char *rest = text;
	const char *after;
	bool		unique;
	bool		whole;

	while (*rest == ' ' || *rest == '\t' || *rest == '\n')
		rest++;
	after = skip_word(rest, "UNIQUE");
	unique = after != NULL;
	if (unique)
		rest = after;
	whole = *rest == '(' || skip_word(rest, "USING") != NULL;
	return psprintf(whole ? "CREATE %sINDEX ON %s %s" : "CREATE %sINDEX ON %s (%s)", unique ? "UNIQUE " : "",
					mdl_qualified_name(table->target), rest);
}

static void
create_index(const DerivedTable *table, const char *text)
{
	char	   *sql = index_statement(table, text);
	char	   *display = mdl_display_name(table->target);
	TextContext context;
	List	   *statements;
	List	   *before;
	List	   *made;
	Relation	relation;

	mdl_text_context_begin(&context, "index of", display, sql);
	context.always = true;
	statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	if (list_length(statements) != 1 || !IsA(linitial_node(RawStmt, statements)->stmt, IndexStmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("\"%s\" is not one index", text),
				 errhint("Write for example 'day, origin', 'UNIQUE lower(name)' or 'USING gin (doc)'.")));
	relation = table_open(table->target, AccessShareLock);
	before = RelationGetIndexList(relation);
	table_close(relation, NoLock);
	mdl_run(sql, NULL, false);
	CommandCounterIncrement();
	relation = table_open(table->target, NoLock);
	made = list_difference_oid(RelationGetIndexList(relation), before);
	table_close(relation, NoLock);
	if (list_length(made) != 1)
		elog(ERROR, "index was not made by: %s", sql);
	CreateComments(linitial_oid(made), RelationRelationId, 0, psprintf("%s%s", INDEX_COMMENT, text));
	mdl_text_context_end(&context);
}

/* The text that an index was declared by; NULL if it was not. */
static char *
declared_by(Oid index)
{
	char	   *comment = GetComment(index, RelationRelationId, 0);

	if (comment == NULL || strncmp(comment, INDEX_COMMENT, strlen(INDEX_COMMENT)) != 0)
		return NULL;
	return comment + strlen(INDEX_COMMENT);
}

/* Makes declared indexes that are missing; with `drop` those that are declared no more go. */
void
mdl_options_ensure_indexes(const DerivedTable *table, bool drop)
{
	bool	   *present = palloc0_array(bool, table->index_count + 1);
	Relation	relation;
	List	   *indexes;
	ListCell   *cell;

	if (table->index_count == 0 && !drop)
		return;
	CommandCounterIncrement();
	relation = table_open(table->target, AccessShareLock);
	indexes = RelationGetIndexList(relation);
	table_close(relation, NoLock);
	foreach(cell, indexes)
	{
		char	   *text = declared_by(lfirst_oid(cell));
		bool		wanted = false;

		for (int i = 0; text != NULL && i < table->index_count; i++)
			if (!present[i] && strcmp(table->indexes[i], text) == 0)
			{
				wanted = present[i] = true;
				break;
			}
		if (text != NULL && !wanted && drop)
		{
			ObjectAddress object;

			ObjectAddressSet(object, RelationRelationId, lfirst_oid(cell));
			performDeletion(&object, DROP_RESTRICT, 0);
		}
	}
	for (int i = 0; i < table->index_count; i++)
		if (!present[i])
			create_index(table, table->indexes[i]);
}

/* ---- comments and owner --------------------------------------------------------------------------------------------- */

static void
set_comments(const DerivedTable *table, Jsonb *comments)
{
	int			count;
	char	  **names = mdl_jsonb_keys(comments, &count);

	for (int i = 0; i < count; i++)
	{
		AttrNumber	column = get_attnum(table->target, names[i]);
		char	   *text = NULL;

		if (column <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("argument \"comments\" names column \"%s\", which \"%s\" does not have", names[i],
							mdl_display_name(table->target))));
		mdl_jsonb_text(comments, "comments", names[i], &text);
		CreateComments(table->target, RelationRelationId, column, text);
	}
	CommandCounterIncrement();
}

/* Starting to read the definition checks the rights that it takes. */
static void
read_nothing(void *table)
{
	mdl_run(psprintf("SELECT FROM %s LIMIT 0", mdl_qualified_name(((const DerivedTable *) table)->definition)), NULL, false);
}

/* The caller must be allowed to give the table away, as for ALTER TABLE; the new owner must be able to read the sources. */
static void
set_owner(const DerivedTable *table, const char *owner)
{
	mdl_run(psprintf("ALTER TABLE %s OWNER TO %s", mdl_qualified_name(table->target), quote_identifier(owner)), NULL, false);
	if (OidIsValid(table->quarantine))
		mdl_run(psprintf("ALTER TABLE %s OWNER TO %s", mdl_qualified_name(table->quarantine), quote_identifier(owner)), NULL, false);
	CommandCounterIncrement();
	mdl_definition_follow_owner(table);
	mdl_as_table_owner(table, read_nothing, (void *) table);
}

void
mdl_options_check(const DerivedTable *table)
{
	check_cluster_by(table);
}

void
mdl_options_apply(const DerivedTable *table, const DefineOptions *options)
{
	mdl_options_ensure_indexes(table, options->indexes_given);
	if (options->comments)
		set_comments(table, options->comments);
	if (options->owner)
		set_owner(table, options->owner);
	if (options->cursors)
		mdl_cursors_declare(table, options->cursors);
}
