/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Settings.
 *
 * IDENTIFICATION
 *	  src/base/guc.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/guc.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/varlena.h"

bool		sy_enable_pushdown = true;
char	   *sy_sqlite_directories = NULL;
bool		sy_log_remote_queries = false;
int			sy_log_access = SY_LOG_ACCESS_NONE;
bool		sy_probe = true;
int			sy_max_sources = 256;

static const struct config_enum_entry log_access_words[] = {
	{"none", SY_LOG_ACCESS_NONE, false},
	{"write", SY_LOG_ACCESS_WRITE, false},
	{"all", SY_LOG_ACCESS_ALL, false},
	{NULL, 0, false}
};

/*
 * Cached plans were made for the old value: have them made again.
 */
static void
assign_enable_pushdown(bool newval, void *extra)
{
	if (newval != sy_enable_pushdown)
		ResetPlanCache();
}

/*
 * Accept a comma-separated list of absolute paths; the empty list is the
 * default and means that every directory is allowed.
 */
static bool
check_sqlite_directories(char **newval, void **extra, GucSource source)
{
	char	   *raw = pstrdup(*newval);
	List	   *directories = NIL;
	ListCell   *cell;
	bool		valid = true;

	if (!SplitDirectoriesString(raw, ',', &directories))
	{
		GUC_check_errdetail("List syntax is invalid.");
		valid = false;
	}
	else
	{
		foreach(cell, directories)
		{
			const char *directory = (const char *) lfirst(cell);

			if (!is_absolute_path(directory))
			{
				GUC_check_errdetail("\"%s\" is not an absolute path.", directory);
				valid = false;
				break;
			}
		}
	}

	list_free_deep(directories);
	pfree(raw);
	return valid;
}

/*
 * Define all settings and claim the prefix.  Called once, from _PG_init.
 */
void
sy_guc_define(void)
{
	DefineCustomBoolVariable("switchyard.enable_pushdown",
							 "Lets sources evaluate parts of queries.",
							 "Turned off, sources deliver rows and PostgreSQL does all else: "
							 "the results must be the same.",
							 &sy_enable_pushdown,
							 true,
							 PGC_USERSET,
							 GUC_EXPLAIN,
							 NULL, assign_enable_pushdown, NULL);

	DefineCustomStringVariable("switchyard.sqlite_directories",
							   "Lists the directories below which SQLite files may be opened.",
							   "Absolute paths, separated by commas.  "
							   "The empty list allows every directory.",
							   &sy_sqlite_directories,
							   "",
							   PGC_SIGHUP,
							   GUC_LIST_INPUT | GUC_SUPERUSER_ONLY,
							   check_sqlite_directories, NULL, NULL);

	DefineCustomBoolVariable("switchyard.log_remote_queries",
							 "Logs what is sent to sources, without the constants.",
							 NULL,
							 &sy_log_remote_queries,
							 false,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);

	DefineCustomEnumVariable("switchyard.log_access",
							 "Logs who reads from or writes to which relation of a source.",
							 NULL,
							 &sy_log_access,
							 SY_LOG_ACCESS_NONE,
							 log_access_words,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("switchyard.probe",
							 "Probes all sources in the background.",
							 "Works only if switchyard is in shared_preload_libraries.",
							 &sy_probe,
							 true,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);

	/* Memory that the server has not set aside at its start it never will. */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("switchyard.max_sources",
								"Sets how many sources can share their health among all backends.",
								"Each takes 4 kB of shared memory.",
								&sy_max_sources,
								256,
								1, 100000,
								PGC_POSTMASTER,
								0,
								NULL, NULL, NULL);

	MarkGUCPrefixReserved("switchyard");
}
