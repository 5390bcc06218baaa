/*-------------------------------------------------------------------------
 *
 * driver.c
 *	  The SQLite driver's table of functions and its options.
 *
 * SQLite runs in this process.  Nothing of it is touched before the first
 * session of a backend: what a library initialises must not be inherited
 * from the postmaster.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/driver.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/builtins.h"

#include "sqlite.h"

const SyHost *sqlite_host = NULL;

static const char *const storage_words[] = {
	"text", "iso", "julian", "unix", "unix_ms", "blob", NULL
};

static const SyOption sqlite_options[] = {
	{"path", SY_LEVEL_SERVER, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Absolute path of the database file; required."},
	{"immutable", SY_LEVEL_SERVER | SY_LEVEL_WRAPPER, SY_OPTION_BOOL, "false", NULL, 0, 0,
	"Nobody changes the file while it is read: no locks; only with read_only."},
	{"busy_timeout", SY_LEVEL_SERVER | SY_LEVEL_WRAPPER, SY_OPTION_DURATION, "30s", NULL, 0, INT_MAX,
	"Longest wait for locks of other programs on the file."},
	{"table", SY_LEVEL_TABLE, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Name of the table or view in the file; default: the foreign table's name."},
	{"storage", SY_LEVEL_COLUMN, SY_OPTION_ENUM, NULL, storage_words, 0, 0,
	"How values are stored: dates as iso, julian, unix or unix_ms; uuid and numeric as text; uuid as blob."},
	{"sample", SY_LEVEL_IMPORT, SY_OPTION_INT, "1000", NULL, 0, INT_MAX,
	"Rows of each table that are looked at to check the declared types."},
	{"import_not_null", SY_LEVEL_IMPORT, SY_OPTION_BOOL, "true", NULL, 0, 0,
	"Import NOT NULL constraints."},
	{NULL}
};

/* Is a boolean option set and true?  Its form was checked at DDL. */
bool
sqlite_option_bool(const SyOptions *options, const char *name)
{
	const char *value = sy_options_get(options, name);
	bool		result = false;

	return value != NULL && parse_bool(value, &result) && result;
}

/* The member library_version: see source/driver.h. */
static const char *
sqlite_library_version(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "SQLite %s", sqlite3_libversion());
	return text;
}

/*
 * Check the options of one object beyond their syntax.  Throws.
 *
 * Whether the file exists is asked at its first use: a dump must be
 * restorable where it does not.
 */
static void
sqlite_check_options(SyLevel level, const SyOptions *options)
{
	const char *path = sy_options_get(options, "path");

	if ((level == SY_LEVEL_SERVER || level == SY_LEVEL_WRAPPER) &&
		sqlite_option_bool(options, "immutable") && !sqlite_option_bool(options, "read_only"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"immutable\" needs option \"read_only\""),
				 errhint("Add read_only 'true' to the same object.")));
	if (level != SY_LEVEL_SERVER)
		return;
	if (path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"path\" is required"),
				 errhint("Name the database file: OPTIONS (path '/srv/archive.db').")));
	if (strncmp(path, "file:", 5) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"path\" must be a file's name, not a URI"),
				 errhint("Write the absolute path alone; \"immutable\" is an option of its own.")));
	if (path[0] != '/')
	{
		char	   *shown = pstrdup(path);

		sy_error_redact(shown);
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"path\" must be an absolute path, not \"%s\"", shown),
				 errhint("Begin the path with a slash.")));
	}
}

/* The member endpoint: the file, as the option names it. */
static void
sqlite_endpoint(const SySource *source, SyEndpoint *result)
{
	const char *path = sy_options_get(&source->options, "path");

	result->address = path != NULL ? pstrdup(path) : NULL;
	result->database = NULL;
}

/* Sessions are keyed by the file, whatever its name. */
static bool
sqlite_session_key(const SySource *source, SySessionKey *key, SyError *err)
{
	SqliteFile	file;

	/* a wrapper's "immutable" may meet a server's read_only 'false' */
	if (sqlite_option_bool(&source->options, "immutable") && !source->read_only)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
					 "option \"immutable\" of source \"%s\" needs option \"read_only\"",
					 source->name);
		sy_error_hint(err, "Set read_only 'true' on the server, or immutable 'false'.");
		return false;
	}
	if (!sqlite_file_locate(source, &file, err))
		return false;
	memset(key, 0, sizeof(*key));
	key->a = (uint64) file.device;
	key->b = (uint64) file.inode;
	key->flags = sqlite_option_bool(&source->options, "immutable") ? 1 : 0;
	return true;
}

const SyDriver sqlite_driver = {
	.abi = SY_DRIVER_ABI,
	.name = "sqlite",
	.caps = SY_CAP_SNAPSHOT_SESSION | SY_CAP_FILES,
	.options = sqlite_options,
	.query_label = "Remote SQL",
	.table_option = "table",
	.library_version = sqlite_library_version,
	.check_options = sqlite_check_options,
	.endpoint = sqlite_endpoint,
	.check_column = sqlite_check_column,
	.ship = sqlite_ship,
	.ship_order = sqlite_ship_order,
	.order_by_index = sqlite_order_by_index,
	.describe = sqlite_describe,
	.session_key = sqlite_session_key,
	.session_create = sqlite_session_create,
	.session_close = sqlite_session_close,
	.session_usable = sqlite_session_usable,
	.ping = sqlite_probe_ping,
	.sample = sqlite_probe_sample,
	.step = sqlite_probe_step,
	.wait = sqlite_session_wait,
	.abandon = sqlite_session_abandon,
	.begin = sqlite_session_begin,
	.end = sqlite_session_end,
	.settle = NULL,
	.scan_create = sqlite_scan_create,
	.scan_start = sqlite_scan_start,
	.scan_start_more = sqlite_scan_start_more,
	.scan_next = sqlite_scan_next,
	.scan_close = sqlite_scan_close,
	.import = sqlite_import,
	.estimate = sqlite_estimate,
};

/*
 * The driver, for the registry; "host" lives as long as the process.
 */
const SyDriver *
sy_sqlite_driver(const SyHost *host)
{
	sqlite_host = host;
	return &sqlite_driver;
}
