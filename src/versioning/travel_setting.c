/*
 * travel_setting.c: the setting medallion.as_of, by which a whole session reads the past, and the functions that set it.
 *
 * Words: a session *travels* while the setting is not empty; its *goal* is what the setting says: a version, a time or the
 * name of a tag.  The setting is understood when it is set, where no catalog can be read (connection options come before
 * there is a transaction), and resolved to a settled version at its first use, once: that a time always means the same
 * version afterwards is what settling is for.  A time is kept with its zone, so that it means the same to a parallel
 * worker, which may not know the TimeZone yet when it gets the setting.
 *
 * What travelling does to queries is in past_expand.c, what it forbids in travel_refuse.c.
 */
#include "versioning/commits_int.h"
#include "versioning/past_int.h"
#include "versioning/retention_int.h"
#include "versioning/versioning.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

#define SETTING "medallion.as_of"

typedef enum GoalKind
{
	GOAL_PRESENT,
	GOAL_VERSION,
	GOAL_TIME,
	GOAL_TAG
} GoalKind;

typedef struct Goal
{
	GoalKind	kind;
	int64		version;
	TimestampTz at;
	char		tag[NAMEDATALEN * 4];
	int64		settled;		/* the version that it was found to mean; 0: not asked yet */
} Goal;

static char *setting_text = NULL;

/*
 * What is set now; it belongs to the setting, which keeps it for as long as it may come back to it.  So a rollback finds
 * not only the goal but also what it meant.
 */
static Goal present = {GOAL_PRESENT};
static Goal *goal = &present;

/* ---- understanding the setting ----------------------------------------------------------------------------------- */

/* Whether the text is a number; then *version is it, or 0 if it cannot be a version. */
static bool
parse_version(const char *text, int64 *version)
{
	char	   *end;

	errno = 0;
	*version = strtoll(text, &end, 10);
	if (end == text)
		return false;
	while (isspace((unsigned char) *end))
		end++;
	if (*end != '\0')
		return false;
	if (errno != 0 || *version < 1)
		*version = 0;
	return true;
}

/*
 * The time in a form that means the same under every TimeZone and DateStyle; NULL if it is too far away.  malloc'd, as
 * settings are.
 */
static char *
time_text(TimestampTz at)
{
	struct pg_tm parts;
	fsec_t		fraction;
	char		text[MAXDATELEN + 1];

	if (timestamp2tm(at, NULL, &parts, &fraction, NULL, NULL) != 0 || parts.tm_year < 1 || parts.tm_year > 9999)
		return NULL;
	snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d.%06d+00", parts.tm_year, parts.tm_mon, parts.tm_mday,
			 parts.tm_hour, parts.tm_min, parts.tm_sec, (int) fraction);
	return strdup(text);
}

/* Reads what time_text() wrote, which needs no other setting. */
static bool
parse_time_text(const char *text, TimestampTz *at)
{
	struct pg_tm parts = {0};
	fsec_t		fraction;
	int			zone = 0;
	int			length = 0;

	return sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d.%6d+00%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
				  &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &fraction, &length) == 7 &&
		length == strlen(text) && length == strlen("0000-00-00 00:00:00.000000+00") && tm2timestamp(&parts, fraction, &zone, at) == 0;
}

/*
 * Whether the text is a time, without the errors and the catalog access of timestamptz_in.  A parallel worker gets its
 * settings in the order of their names, so it has no abbreviations of time zones yet.
 */
static bool
parse_time(const char *text, TimestampTz *at)
{
	char		buffer[MAXDATELEN + MAXDATEFIELDS];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nfields;
	int			dtype;
	int			zone;
	fsec_t		fraction;
	struct pg_tm parts;

	if (parse_time_text(text, at))
		return true;
	return !InitializingParallelWorker &&
		ParseDateTime(text, buffer, sizeof(buffer), field, ftype, MAXDATEFIELDS, &nfields) == 0 &&
		DecodeDateTime(field, ftype, nfields, &dtype, &parts, &fraction, &zone) == 0 &&
		dtype == DTK_DATE && tm2timestamp(&parts, fraction, &zone, at) == 0;
}

static bool
check_setting(char **text, void **extra, GucSource source)
{
	Goal		parsed = {GOAL_PRESENT};
	const char *start = *text;

	while (isspace((unsigned char) *start))
		start++;
	if (*start == '\0')
		parsed.kind = GOAL_PRESENT;
	else if (parse_version(start, &parsed.version))
	{
		parsed.kind = GOAL_VERSION;
		if (parsed.version == 0)
		{
			GUC_check_errdetail("Versions are numbered from 1.");
			return false;
		}
	}
	else if (parse_time(start, &parsed.at))
	{
		char	   *fixed = time_text(parsed.at);

		if (fixed == NULL)
		{
			GUC_check_errdetail("The time is out of range.");
			return false;
		}
		parsed.kind = GOAL_TIME;
		free(*text);
		*text = fixed;
	}
	else
	{
		if (strlen(start) >= sizeof(parsed.tag))
		{
			GUC_check_errdetail("It is neither a version nor a time, and too long for the name of a tag.");
			return false;
		}
		parsed.kind = GOAL_TAG;
		strlcpy(parsed.tag, start, sizeof(parsed.tag));
		for (char *end = parsed.tag + strlen(parsed.tag); isspace((unsigned char) end[-1]); end--)
			end[-1] = '\0';
	}
	*extra = malloc(sizeof(Goal));
	if (*extra == NULL)
		return false;
	memcpy(*extra, &parsed, sizeof(Goal));
	return true;
}

static bool
same_goal(const Goal *a, const Goal *b)
{
	return a->kind == b->kind && a->version == b->version && a->at == b->at && strcmp(a->tag, b->tag) == 0;
}

/* Plans were made for the time that the session read when they were made; this runs in an abort as well. */
static void
assign_setting(const char *text, void *extra)
{
	Goal	   *wanted = extra ? extra : &present;
	bool		same = same_goal(wanted, goal);

	/* A tag may have been moved since; versions and times keep their meaning. */
	if (same && wanted->kind != GOAL_TAG && wanted->settled == 0)
		wanted->settled = goal->settled;
	same &= wanted->settled == goal->settled;
	goal = wanted;
	if (!same || (goal->kind == GOAL_TAG && goal->settled == 0))
		ResetPlanCache();
}

void
mdl_travel_setting_init(void)
{
	DefineCustomStringVariable(SETTING,
							   "The version, the time or the tag as of which the session reads all versioned tables.",
							   "Empty: the present.  While it is set nothing permanent can be written.",
							   &setting_text, "", PGC_USERSET, GUC_NOT_IN_SAMPLE, check_setting, assign_setting, NULL);
}

/* ---- what it means ----------------------------------------------------------------------------------------------- */

bool
mdl_travelling(void)
{
	return goal->kind != GOAL_PRESENT;
}

const char *
mdl_travel_text(void)
{
	return setting_text ? setting_text : "";
}

static int64
resolve_goal(void)
{
	int64		version;

	switch (goal->kind)
	{
		case GOAL_VERSION:
			return mdl_settled_version_of(&goal->version, NULL);
		case GOAL_TIME:
			return mdl_settled_version_of(NULL, &goal->at);
		case GOAL_TAG:
			if (mdl_tag_find(goal->tag, &version))
				return mdl_settled_version_of(&version, NULL);
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("medallion.as_of is \"%s\", which is neither a version nor a time nor the name of a tag", goal->tag),
					 errhint("SET medallion.as_of = '42' or '2026-11-20 10:00+00'; RESET medallion.as_of returns to the present.")));
			break;
		case GOAL_PRESENT:
			elog(ERROR, "the session does not travel");
	}
	return 0;					/* keep the compiler quiet */
}

int64
mdl_travel_version(void)
{
	if (goal->settled == 0)
		goal->settled = resolve_goal();
	return goal->settled;
}

void
mdl_travel_prepare_workers(void)
{
	if (goal->kind == GOAL_TIME && goal->settled == 0 && !IsParallelWorker() && goal->at <= GetCurrentTimestamp() &&
		OidIsValid(mdl_history_relation(MDL_CLOCK_TABLE, true)))
		mdl_settle_time(goal->at);
}

int
mdl_travel_suspend(void)
{
	int			level = NewGUCNestLevel();

	if (mdl_travelling())
		(void) set_config_option(SETTING, "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
mdl_travel_resume(int level)
{
	AtEOXact_GUC(true, level);
}

/* ---- SQL functions ----------------------------------------------------------------------------------------------- */

static void
set_goal(const char *text)
{
	(void) set_config_option(SETTING, text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
}

MDL_FUNCTION(mdl_travel_to);
Datum
mdl_travel_to(PG_FUNCTION_ARGS)
{
	int64		version;

	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time travel needs either a version or a time, not both"),
				 errhint("Write version => 42 or at => '2026-11-20 10:00'.")));
	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
	{
		set_goal("");
		PG_RETURN_NULL();
	}
	/* Resolved before the setting changes, so that a point that cannot be read leaves the session where it was. */
	if (!PG_ARGISNULL(0))
	{
		int64		asked = PG_GETARG_INT64(0);

		version = mdl_settled_version_of(&asked, NULL);
	}
	else
	{
		TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);

		version = mdl_settled_version_of(NULL, &at);
	}
	set_goal(psprintf(INT64_FORMAT, version));
	PG_RETURN_INT64(version);
}

MDL_FUNCTION(mdl_travel_back);
Datum
mdl_travel_back(PG_FUNCTION_ARGS)
{
	set_goal("");
	PG_RETURN_VOID();
}

MDL_FUNCTION(mdl_travel_version_sql);
Datum
mdl_travel_version_sql(PG_FUNCTION_ARGS)
{
	if (!mdl_travelling())
		PG_RETURN_NULL();
	PG_RETURN_INT64(mdl_travel_version());
}
