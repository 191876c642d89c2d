/*
 * travel_refuse.c: what a session cannot do while it reads the past.
 *
 * Foreign keys, triggers and defaults would read the past while they decide about the present, so nothing permanent can be
 * written, defined or locked; temporary tables can.  Utility statements are refused unless they are known to do no harm.
 * COPY table TO never meets the planner and is turned into a COPY of a query.
 */
#include "versioning/past_int.h"
#include "versioning/tables_int.h"
#include "versioning/versioning.h"

#include "access/attnum.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static ProcessUtility_hook_type previous_process_utility = NULL;

static void
refuse(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("cannot execute %s while the session reads the past", what),
			 errdetail("medallion.as_of is set to \"%s\".", mdl_travel_text()),
			 errhint("RESET medallion.as_of returns to the present.")));
}

void
mdl_refuse_while_travelling(const char *what)
{
	if (mdl_travelling())
		refuse(what);
}

/* ---- queries ------------------------------------------------------------------------------------------------------- */

static bool
is_temporary(Oid relid)
{
	return OidIsValid(relid) && get_rel_persistence(relid) == RELPERSISTENCE_TEMP;
}

static const char *
command_name(CmdType command)
{
	switch (command)
	{
		case CMD_INSERT:
			return "INSERT";
		case CMD_UPDATE:
			return "UPDATE";
		case CMD_DELETE:
			return "DELETE";
		case CMD_MERGE:
			return "MERGE";
		default:
			return "this statement";
	}
}

static const char *
lock_name(LockClauseStrength strength)
{
	switch (strength)
	{
		case LCS_FORKEYSHARE:
			return "SELECT FOR KEY SHARE";
		case LCS_FORSHARE:
			return "SELECT FOR SHARE";
		case LCS_FORNOKEYUPDATE:
			return "SELECT FOR NO KEY UPDATE";
		default:
			return "SELECT FOR UPDATE";
	}
}

void
mdl_refuse_query(struct Query *query)
{
	ListCell   *cell;

	if (query->resultRelation > 0 && !is_temporary(rt_fetch(query->resultRelation, query->rtable)->relid))
		refuse(command_name(query->commandType));
	foreach(cell, query->rowMarks)
	{
		RowMarkClause *mark = lfirst(cell);
		RangeTblEntry *entry = rt_fetch(mark->rti, query->rtable);

		if (entry->rtekind == RTE_RELATION && !is_temporary(entry->relid))
			refuse(lock_name(mark->strength));
	}
}

void
mdl_refuse_plan(const PlannedStmt *plan)
{
	ListCell   *cell;

	foreach(cell, plan->resultRelations)
		if (!is_temporary(rt_fetch(lfirst_int(cell), plan->rtable)->relid))
			refuse(command_name(plan->commandType));
}

/* nextval('s') and setval('s', …) of a sequence that is temporary harm nobody. */
static bool
is_temporary_sequence(const FuncExpr *call)
{
	Const	   *sequence = linitial(call->args);

	return IsA(sequence, Const) && !sequence->constisnull && is_temporary(DatumGetObjectId(sequence->constvalue));
}

void
mdl_refuse_expression(const Node *node)
{
	const FuncExpr *call = (const FuncExpr *) node;

	if (!IsA(node, FuncExpr))
		return;
	switch (call->funcid)
	{
		case F_NEXTVAL:
		case F_SETVAL_REGCLASS_INT8:
		case F_SETVAL_REGCLASS_INT8_BOOL:
			if (is_temporary_sequence(call))
				break;
			/* FALLTHROUGH */
		case F_LO_CREAT:
		case F_LO_CREATE:
		case F_LO_FROM_BYTEA:
		case F_LO_IMPORT_TEXT:
		case F_LO_IMPORT_TEXT_OID:
		case F_LO_PUT:
		case F_LO_TRUNCATE:
		case F_LO_TRUNCATE64:
		case F_LO_UNLINK:
		case F_LOWRITE:
			refuse(psprintf("%s()", get_func_name(call->funcid)));
			break;
		default:
			break;
	}
}

/* ---- utility statements -------------------------------------------------------------------------------------------- */

/* Whether a relation that is to be made will be temporary. */
static bool
makes_temporary(const RangeVar *name)
{
	Oid			schema;

	if (name == NULL)
		return false;
	if (name->relpersistence == RELPERSISTENCE_TEMP)
		return true;
	if (name->schemaname == NULL)
		return false;
	if (strcmp(name->schemaname, "pg_temp") == 0)
		return true;
	schema = get_namespace_oid(name->schemaname, true);
	return OidIsValid(schema) && isTempNamespace(schema);
}

/* One that does not exist is left to the statement, which will say so. */
static bool
is_temporary_name(const RangeVar *name)
{
	Oid			relid = name ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;

	return !OidIsValid(relid) || is_temporary(relid);
}

static bool
are_temporary_names(const List *names)
{
	ListCell   *cell;

	foreach(cell, names)
		if (!is_temporary_name(lfirst(cell)))
			return false;
	return true;
}

/* A temporary table may become the child of a permanent one. */
static bool
ties_to_another(const List *commands)
{
	ListCell   *cell;

	foreach(cell, commands)
		if (lfirst_node(AlterTableCmd, cell)->subtype == AT_AddInherit)
			return true;
	return false;
}

static bool
drops_temporary(const DropStmt *drop)
{
	ListCell   *cell;

	if (drop->removeType != OBJECT_TABLE && drop->removeType != OBJECT_INDEX && drop->removeType != OBJECT_SEQUENCE &&
		drop->removeType != OBJECT_VIEW)
		return false;
	foreach(cell, drop->objects)
		if (!is_temporary_name(makeRangeVarFromNameList(lfirst(cell))))
			return false;
	return true;
}

static bool
vacuums_temporary(const VacuumStmt *vacuum)
{
	ListCell   *cell;

	foreach(cell, vacuum->rels)
		if (!is_temporary_name(lfirst_node(VacuumRelation, cell)->relation))
			return false;
	return vacuum->rels != NIL;
}

/* Whether a utility statement may run: it reads, or concerns the session or temporary tables only. */
static bool
is_harmless(Node *statement)
{
	switch (nodeTag(statement))
	{
			/* What these run inside comes here by itself, or to the executor. */
		case T_CallStmt:
		case T_DoStmt:
		case T_ExecuteStmt:
		case T_PrepareStmt:
		case T_DeallocateStmt:
		case T_DeclareCursorStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_TransactionStmt:
		case T_ConstraintsSetStmt:
		case T_VariableSetStmt:
		case T_VariableShowStmt:
		case T_DiscardStmt:
		case T_LoadStmt:
		case T_ListenStmt:
		case T_UnlistenStmt:
		case T_NotifyStmt:
		case T_CheckPointStmt:
			return true;
		case T_ExplainStmt:
			{
				Query	   *query = castNode(Query, ((ExplainStmt *) statement)->query);

				return query->commandType != CMD_UTILITY || is_harmless(query->utilityStmt);
			}
		case T_CopyStmt:
			{
				CopyStmt   *copy = (CopyStmt *) statement;

				return !copy->is_from || is_temporary_name(copy->relation);
			}
			/* The lock that every SELECT takes, which pg_dump takes first. */
		case T_LockStmt:
			return ((LockStmt *) statement)->mode == AccessShareLock ||
				are_temporary_names(((LockStmt *) statement)->relations);
		case T_CreateStmt:
			return makes_temporary(((CreateStmt *) statement)->relation) &&
				are_temporary_names(((CreateStmt *) statement)->inhRelations);
		case T_CreateTableAsStmt:
			return ((CreateTableAsStmt *) statement)->objtype == OBJECT_TABLE &&
				makes_temporary(((CreateTableAsStmt *) statement)->into->rel);
		case T_CreateSeqStmt:
			return makes_temporary(((CreateSeqStmt *) statement)->sequence);
		case T_ViewStmt:
			return makes_temporary(((ViewStmt *) statement)->view);
		case T_AlterSeqStmt:
			return is_temporary_name(((AlterSeqStmt *) statement)->sequence);
		case T_AlterTableStmt:
			return is_temporary_name(((AlterTableStmt *) statement)->relation) &&
				!ties_to_another(((AlterTableStmt *) statement)->cmds);
		case T_RenameStmt:
			return ((RenameStmt *) statement)->relation != NULL && is_temporary_name(((RenameStmt *) statement)->relation);
		case T_IndexStmt:
			return is_temporary_name(((IndexStmt *) statement)->relation);
		case T_TruncateStmt:
			return are_temporary_names(((TruncateStmt *) statement)->relations);
		case T_DropStmt:
			return drops_temporary((DropStmt *) statement);
		case T_VacuumStmt:
			return vacuums_temporary((VacuumStmt *) statement);
		default:
			return false;
	}
}

/* ---- COPY table TO --------------------------------------------------------------------------------------------------- */

/* The columns that COPY writes: those named, or all but generated ones. */
static List *
copied_columns(Relation relation, const List *names)
{
	TupleDesc	desc = RelationGetDescr(relation);
	List	   *columns = NIL;

	if (names != NIL)
		return copyObject((List *) names);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped && !column->attgenerated)
			columns = lappend(columns, makeString(pstrdup(NameStr(column->attname))));
	}
	return columns;
}

/* COPY t (a, b) TO is COPY (SELECT a, b FROM ONLY t) TO. */
static CopyStmt *
copy_of_query(const CopyStmt *copy, Relation relation)
{
	CopyStmt   *result = copyObject((CopyStmt *) copy);
	SelectStmt *select = makeNode(SelectStmt);
	ListCell   *cell;

	foreach(cell, copied_columns(relation, copy->attlist))
	{
		ResTarget  *target = makeNode(ResTarget);
		ColumnRef  *column = makeNode(ColumnRef);

		column->fields = list_make1(lfirst(cell));
		column->location = -1;
		target->val = (Node *) column;
		target->location = -1;
		select->targetList = lappend(select->targetList, target);
	}
	select->fromClause = list_make1(makeRangeVar(get_namespace_name(RelationGetNamespace(relation)),
												 pstrdup(RelationGetRelationName(relation)), -1));
	linitial_node(RangeVar, select->fromClause)->inh = false;
	result->relation = NULL;
	result->attlist = NIL;
	result->query = (Node *) select;
	return result;
}

/* The statement to run in place of a COPY TO; the same one unless it copies a versioned table. */
static CopyStmt *
copy_of_past(CopyStmt *copy)
{
	Relation	relation;
	Oid			relid;

	if (copy->is_from || copy->relation == NULL)
		return copy;
	relid = RangeVarGetRelid(copy->relation, AccessShareLock, true);
	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
		return copy;
	if (mdl_is_history_table(relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("history table \"%s\" cannot be copied while the session reads the past", mdl_display_name(relid)),
				 errdetail("medallion.as_of is set to \"%s\".", mdl_travel_text()),
				 errhint("History has no past; dump the tables alone, with pg_dump --schema or --table.")));
	if (mdl_table_find(relid) == NULL)
		return copy;
	relation = table_open(relid, NoLock);
	copy = copy_of_query(copy, relation);
	table_close(relation, NoLock);
	return copy;
}

/* ---- the hook -------------------------------------------------------------------------------------------------------- */

static void
travel_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
			   ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination, QueryCompletion *completion)
{
	/* A subcommand is part of a statement that has been here. */
	if (mdl_travelling() && context != PROCESS_UTILITY_SUBCOMMAND)
	{
		if (!is_harmless(statement->utilityStmt))
			refuse(GetCommandTagName(CreateCommandTag(statement->utilityStmt)));
		if (IsA(statement->utilityStmt, CopyStmt))
		{
			CopyStmt   *copy = copy_of_past((CopyStmt *) statement->utilityStmt);

			if (copy != (CopyStmt *) statement->utilityStmt)
			{
				statement = copyObject(statement);
				statement->utilityStmt = (Node *) copy;
			}
		}
	}
	if (previous_process_utility)
		previous_process_utility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
}

void
mdl_travel_refuse_init(void)
{
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = travel_utility;
}
