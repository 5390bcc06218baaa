/*-------------------------------------------------------------------------
 *
 * option.c
 *	  Options that users set: the common ones, and the validation of all by
 *	  tables.
 *
 * Drivers describe their own options in tables of the same form; what a table
 * cannot say (a path must be absolute) is left to SyDriver.check_options.
 *
 * IDENTIFICATION
 *	  src/source/option.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/source.h"

#include <limits.h>
#include <math.h>

#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

/* A misspelt name may differ so much, in letters added, left out, changed. */
#define MAX_TYPING_ERRORS	3

#define SOURCE_LEVELS	(SY_LEVEL_WRAPPER | SY_LEVEL_SERVER)

static const char *const size_metrics[] = {"data+index", "storage", NULL};
static const char *const size_scopes[] = {"database", "cluster", NULL};

const SyOption sy_common_options[] = {
	{"read_only", SOURCE_LEVELS | SY_LEVEL_TABLE, SY_OPTION_BOOL, "false", NULL, 0, 0,
	"Refuse writes to the source or table."},
	{"connect_timeout", SOURCE_LEVELS, SY_OPTION_DURATION, "10s", NULL, 1, INT_MAX,
	"Longest wait for a connection to the source."},
	{"query_timeout", SOURCE_LEVELS, SY_OPTION_DURATION, "0", NULL, 0, INT_MAX,
	"Longest time that the source may work on one query; 0 sets no limit."},
	{"fetch_size", SOURCE_LEVELS | SY_LEVEL_TABLE, SY_OPTION_INT, "0", NULL, 0, INT_MAX,
	"Rows fetched in one batch; 0 makes batches of about 1 MB."},
	{"role", SOURCE_LEVELS, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"A label for people, shown in the view sources."},
	{"size_limit", SOURCE_LEVELS, SY_OPTION_SIZE, NULL, NULL, 1, PG_INT64_MAX,
	"How large the source may grow."},
	{"size_metric", SOURCE_LEVELS, SY_OPTION_ENUM, "data+index", size_metrics, 0, 0,
	"What counts as the size of a source: its data and indexes, or the storage they occupy."},
	{"size_scope", SOURCE_LEVELS, SY_OPTION_ENUM, "database", size_scopes, 0, 0,
	"Whether the limit is for the one database, or for all databases of the server."},
	{"pool_size", SOURCE_LEVELS, SY_OPTION_INT, "5", NULL, 1, 100000,
	"Sessions with the source that may stay open while nobody uses them, in all backends."},
	{"max_overflow", SOURCE_LEVELS, SY_OPTION_INT, "10", NULL, 0, 100000,
	"Sessions in use at the same time beyond pool_size, in all backends."},
	{"pool_timeout", SOURCE_LEVELS, SY_OPTION_DURATION, "30s", NULL, 1, INT_MAX,
	"Longest wait for one of the sessions that pool_size and max_overflow allow."},
	{"probe_interval", SOURCE_LEVELS, SY_OPTION_DURATION, "10s", NULL, 100, INT_MAX,
	"Time between two probes of the source."},
	{"probe_timeout", SOURCE_LEVELS, SY_OPTION_DURATION, "5s", NULL, 1, INT_MAX,
	"Longest time that a probe may take."},
	{"breaker", SOURCE_LEVELS, SY_OPTION_BOOL, "on", NULL, 0, 0,
	"Whether the source's circuit breaker refuses queries after failures."},
	{"failure_threshold", SOURCE_LEVELS, SY_OPTION_INT, "5", NULL, 1, 1000000,
	"Failures in a row that open the breaker."},
	{"failure_rate", SOURCE_LEVELS, SY_OPTION_REAL, "0.5", NULL, 0, 1,
	"Share of failures among the calls of a minute, at least 20, that opens the breaker; 0 sets no limit."},
	{"recovery_timeout", SOURCE_LEVELS, SY_OPTION_DURATION, "300s", NULL, 1, INT_MAX,
	"How long the breaker stays open, unless a probe succeeds earlier."},
	{"half_open_calls", SOURCE_LEVELS, SY_OPTION_INT, "3", NULL, 1, 32,
	"Trial calls that must succeed before the breaker closes again."},
	{"column_name", SY_LEVEL_COLUMN, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Name of the column or top-level field in the source; default: the column's name."},
	{"key", SY_LEVEL_COLUMN, SY_OPTION_BOOL, "false", NULL, 0, 0,
	"The source finds rows by this column through an index."},
	{NULL}
};

/* What a level is called in messages. */
static const struct
{
	SyLevel		level;
	const char *name;
}			levels[] = {
	{SY_LEVEL_WRAPPER, "a foreign-data wrapper"},
	{SY_LEVEL_SERVER, "a server"},
	{SY_LEVEL_MAPPING, "a user mapping"},
	{SY_LEVEL_TABLE, "a foreign table"},
	{SY_LEVEL_COLUMN, "a column"},
	{SY_LEVEL_IMPORT, "IMPORT FOREIGN SCHEMA"}
};

/*
 * The name of one level, with its article.
 */
static const char *
level_name(SyLevel level)
{
	for (int i = 0; i < (int) lengthof(levels); i++)
		if (levels[i].level == level)
			return levels[i].name;
	return "this object";
}

/*
 * "a server, a foreign table or a column" for a mask of levels, palloc'd.
 */
static char *
level_names(int mask)
{
	StringInfoData buf;
	int			left = mask;

	initStringInfo(&buf);
	for (int i = 0; i < (int) lengthof(levels); i++)
	{
		if ((mask & levels[i].level) == 0)
			continue;
		left &= ~levels[i].level;
		if (buf.len > 0)
			appendStringInfoString(&buf, left == 0 ? " or " : ", ");
		appendStringInfoString(&buf, levels[i].name);
	}
	return buf.data;
}

/*
 * Find an option that may stand on any of "mask", in one table.
 */
static const SyOption *
find_in_table(const SyOption *table, const char *name, int mask)
{
	for (const SyOption *option = table; option->name != NULL; option++)
		if ((option->levels & mask) != 0 && strcmp(option->name, name) == 0)
			return option;
	return NULL;
}

/*
 * Find an option that may stand on any of "mask", the driver's own first.
 */
static const SyOption *
find_option(const SyDriver *driver, const char *name, int mask)
{
	const SyOption *option = find_in_table(driver->options, name, mask);

	return option != NULL ? option : find_in_table(sy_common_options, name, mask);
}

/*
 * Among the options of a level, look for the one that "name" may be a
 * misspelling of; "best" and "distance" are improved.
 */
static void
find_closest(const SyOption *table, SyLevel level, const char *name,
			 const char **best, int *distance)
{
	int			length = strlen(name);

	for (const SyOption *option = table; option->name != NULL; option++)
	{
		int			limit = Min(*distance - 1, length / 2);
		int			typos;

		if ((option->levels & level) == 0 || limit <= 0)
			continue;
		typos = varstr_levenshtein_less_equal(name, length,
											  option->name, strlen(option->name),
											  1, 1, 1, limit, true);
		if (typos <= limit)
		{
			*best = option->name;
			*distance = typos;
		}
	}
}

/*
 * Append the names of the options of a level, separated by commas.
 */
static void
append_options(StringInfo buf, const SyOption *table, SyLevel level)
{
	for (const SyOption *option = table; option->name != NULL; option++)
		if ((option->levels & level) != 0)
			appendStringInfo(buf, "%s%s", buf->len > 0 ? ", " : "", option->name);
}

/*
 * The hint for an option that does not exist at a level, palloc'd.
 */
static char *
hint_for_unknown(const SyDriver *driver, const char *name, SyLevel level)
{
	const char *best = NULL;
	int			distance = MAX_TYPING_ERRORS + 1;
	StringInfoData buf;

	if (strlen(name) < NAMEDATALEN)
	{
		find_closest(driver->options, level, name, &best, &distance);
		find_closest(sy_common_options, level, name, &best, &distance);
	}
	if (best != NULL)
		return psprintf("Perhaps you meant the option \"%s\".", best);

	initStringInfo(&buf);
	append_options(&buf, driver->options, level);
	append_options(&buf, sy_common_options, level);
	if (buf.len == 0)
		return pstrdup("There are no valid options in this context.");
	return psprintf("Valid options in this context are: %s.", buf.data);
}

/*
 * Raise HV00D for an option that is not known, or not there.
 */
pg_noreturn static void
report_unknown(const SyDriver *driver, const char *name, SyLevel level)
{
	int			elsewhere = 0;

	for (int i = 0; i < (int) lengthof(levels); i++)
		if (find_option(driver, name, levels[i].level) != NULL)
			elsewhere |= levels[i].level;

	if (elsewhere != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"%s\" cannot be set for %s", name, level_name(level)),
				 errhint("It can be set for %s.", level_names(elsewhere))));
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("unrecognized option \"%s\" for %s", name, level_name(level)),
			 errhint("%s", hint_for_unknown(driver, name, level))));
}

/*
 * Raise HV024 for a value that is not of its option's type.  What was written
 * at a wrong place may be a secret: credentials in a URI are hidden, and of a
 * user mapping nothing is repeated.
 */
pg_noreturn static void
report_invalid(const SyOption *option, const char *value, const char *hint)
{
	char	   *shown = pstrdup(value);

	sy_error_redact(shown);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 option->levels == SY_LEVEL_MAPPING ?
			 errmsg("invalid value for option \"%s\"", option->name) :
			 errmsg("invalid value for option \"%s\": \"%s\"", option->name, shown),
			 errhint("%s", hint)));
}

/*
 * Parse a number as settings do, with the unit that the option's type has.
 * What is no whole number of base units (but for REAL), or out of bounds, is
 * HV024.
 */
static double
parse_number(const SyOption *option, const char *value)
{
	int			unit = 0;
	const char *base = "";
	const char *need = "A whole number is needed.";
	double		number;

	if (option->type == SY_OPTION_REAL)
		need = "A number is needed.";
	if (option->type == SY_OPTION_DURATION)
	{
		unit = GUC_UNIT_MS;
		base = " ms";
		need = "A whole number of milliseconds is needed, or a number with one of the units "
			"us, ms, s, min, h, d.";
	}
	else if (option->type == SY_OPTION_SIZE)
	{
		unit = GUC_UNIT_BYTE;
		base = " bytes";
		need = "A whole number of bytes is needed, or a number with one of the units "
			"B, kB, MB, GB, TB.";
	}

	if (!parse_real(value, &number, unit, NULL) || isnan(number))
		report_invalid(option, value, need);
	if (number < (double) option->min || number > (double) option->max ||
		number >= -(double) PG_INT64_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("value \"%s\" of option \"%s\" is out of range", value, option->name),
				 errdetail("Valid values are between %lld and %lld%s.",
						   (long long) option->min, (long long) option->max, base)));
	if (number != rint(number) && option->type != SY_OPTION_REAL)
		report_invalid(option, value, need);
	return number;
}

/*
 * Raise HV024 for a value that is not one of an ENUM's words.
 */
static void
check_word(const SyOption *option, const char *value)
{
	StringInfoData buf;

	for (int i = 0; option->values[i] != NULL; i++)
		if (strcmp(option->values[i], value) == 0)
			return;

	initStringInfo(&buf);
	for (int i = 0; option->values[i] != NULL; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", option->values[i]);
	report_invalid(option, value, psprintf("Valid values are: %s.", buf.data));
}

/*
 * Check a value against its option's type.  The values of TEXT options may be
 * secrets: they are never shown here.
 */
static void
check_value(const SyOption *option, const char *value)
{
	bool		ignored;

	switch (option->type)
	{
		case SY_OPTION_TEXT:
			break;
		case SY_OPTION_BOOL:
			if (!parse_bool(value, &ignored))
				report_invalid(option, value, "A Boolean value is needed: true or false.");
			break;
		case SY_OPTION_INT:
		case SY_OPTION_DURATION:
		case SY_OPTION_SIZE:
		case SY_OPTION_REAL:
			(void) parse_number(option, value);
			break;
		case SY_OPTION_ENUM:
			check_word(option, value);
			break;
	}
}

/*
 * Only who may use the server's files anyhow may make us use one.
 *
 * The option read_only must stand beside the path: a wrapper's default could
 * change later without anybody asking the server's owner for this privilege.
 */
static void
check_file_rights(const SyOptions *options)
{
	if (sy_options_get(options, "path") == NULL)
		return;

	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"path\" of a server"),
				 errdetail("Only roles with privileges of the role \"%s\" may create or alter "
						   "servers that name a file.", "pg_read_server_files")));
	if (!sy_option_bool(options, "read_only", false) &&
		!has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"path\" of a server that is not read-only"),
				 errdetail("Only roles with privileges of the role \"%s\" may create or alter "
						   "servers that name a file for writing.", "pg_write_server_files"),
				 errhint("Set the server's option read_only to true.")));
}

/*
 * The level that a catalog's options stand on.
 */
static SyLevel
level_of_catalog(Oid catalog)
{
	switch (catalog)
	{
		case ForeignDataWrapperRelationId:
			return SY_LEVEL_WRAPPER;
		case ForeignServerRelationId:
			return SY_LEVEL_SERVER;
		case UserMappingRelationId:
			return SY_LEVEL_MAPPING;
		case ForeignTableRelationId:
			return SY_LEVEL_TABLE;
		case AttributeRelationId:
			return SY_LEVEL_COLUMN;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("catalog %u has no options that could be validated", catalog)));
}

/*
 * Check options (a List of DefElem) by the tables and by the driver, and
 * return them.  The result lives in CurrentMemoryContext, its texts in part
 * in the list.
 */
static SyOptions
check_options(const SyDriver *driver, List *list, SyLevel level)
{
	SyOptions	result;
	ListCell   *cell;

	result.count = 0;
	result.items = palloc(sizeof(SyOptionValue) * Max(list_length(list), 1));
	foreach(cell, list)
	{
		DefElem    *def = lfirst_node(DefElem, cell);
		const SyOption *option = find_option(driver, def->defname, level);
		SyOptionValue *item = &result.items[result.count];

		if (option == NULL)
			report_unknown(driver, def->defname, level);
		item->name = option->name;
		item->value = defGetString(def);
		check_value(option, item->value);
		result.count++;
	}

	if (level == SY_LEVEL_SERVER && (driver->caps & SY_CAP_FILES) != 0)
		check_file_rights(&result);
	if (driver->check_options != NULL)
		driver->check_options(level, &result);
	return result;
}

/*
 * Check the options (a List of DefElem) of an object in "catalog", all those
 * that it will have.  What is wrong is an error: HV00D names, HV024 values.
 */
void
sy_option_validate(const SyDriver *driver, List *options, Oid catalog)
{
	(void) check_options(driver, options, level_of_catalog(catalog));
}

/*
 * Check the options of IMPORT FOREIGN SCHEMA and return them, palloc'd.
 */
SyOptions
sy_option_import(const SyDriver *driver, List *options)
{
	return check_options(driver, options, SY_LEVEL_IMPORT);
}

/*
 * The value of a BOOL option, or "otherwise" if it is not set.
 */
bool
sy_option_bool(const SyOptions *options, const char *name, bool otherwise)
{
	const char *value = sy_options_get(options, name);
	bool		result;

	if (value == NULL)
		return otherwise;
	if (!parse_bool(value, &result))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value)));
	return result;
}

/*
 * The value of an option of any type with numbers, or its default.
 */
static double
real_of(const SyDriver *driver, const SyOptions *options, const char *name)
{
	const SyOption *option = find_option(driver, name, ~0);
	const char *value = sy_options_get(options, name);

	Assert(option != NULL);
	return parse_number(option, value != NULL ? value : option->default_value);
}

/*
 * The value of an INT, DURATION (ms) or SIZE (bytes) option, or its default.
 */
int64
sy_option_int(const SyDriver *driver, const SyOptions *options, const char *name)
{
	return (int64) real_of(driver, options, name);
}

/*
 * The word of an ENUM option, or its default.
 */
static const char *
word_of(const SyDriver *driver, const SyOptions *options, const char *name)
{
	const SyOption *option = find_option(driver, name, ~0);
	const char *value = sy_options_get(options, name);

	Assert(option != NULL && option->type == SY_OPTION_ENUM);
	return value != NULL ? value : option->default_value;
}

/*
 * A duration or a number of the source's options that an int can hold.
 */
static int
int_of(const SySource *source, const char *name)
{
	return (int) sy_option_int(source->driver, &source->options, name);
}

/*
 * Parse the common options of a source, source->options, into its members.
 */
void
sy_option_load(SySource *source)
{
	const SyOptions *options = &source->options;
	SyLimits   *limits = &source->limits;

	source->read_only = sy_option_bool(options, "read_only", false);
	source->connect_timeout_ms = int_of(source, "connect_timeout");
	source->query_timeout_ms = int_of(source, "query_timeout");
	source->role = sy_options_get(options, "role");
	if (sy_options_get(options, "size_limit") != NULL)
		source->size_limit = sy_option_int(source->driver, options, "size_limit");
	source->size_of_storage = strcmp(word_of(source->driver, options, "size_metric"),
									 "storage") == 0;
	source->size_of_cluster = strcmp(word_of(source->driver, options, "size_scope"),
									 "cluster") == 0;

	limits->breaker = sy_option_bool(options, "breaker", true);
	limits->failure_threshold = int_of(source, "failure_threshold");
	limits->failure_rate = real_of(source->driver, options, "failure_rate");
	limits->recovery_timeout_ms = int_of(source, "recovery_timeout");
	limits->half_open_calls = int_of(source, "half_open_calls");
	limits->pool_size = int_of(source, "pool_size");
	limits->max_overflow = int_of(source, "max_overflow");
	limits->pool_timeout_ms = int_of(source, "pool_timeout");
	limits->probe_interval_ms = int_of(source, "probe_interval");
	limits->probe_timeout_ms = int_of(source, "probe_timeout");
	limits->connect_timeout_ms = source->connect_timeout_ms;
	limits->query_timeout_ms = source->query_timeout_ms;
}
