/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  Which drivers there are, and which one serves a server.
 *
 * A driver is linked in, or it is a library of its own, "switchyard_<name>",
 * which is loaded when a backend first needs it and never in the postmaster:
 * client libraries must not be initialised before fork.
 *
 * The SQL functions of a wrapper name its driver: switchyard_<name>_handler
 * and switchyard_<name>_validator, which share one C function each.  Wrappers
 * can be renamed, their functions are ours, so the name is taken from there.
 *
 * IDENTIFICATION
 *	  src/source/registry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/source.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/version.h"

/* Drivers within this library, as SY_DRIVER(a) SY_DRIVER(b). */
#ifndef SY_LINKED_DRIVERS
#define SY_LINKED_DRIVERS	SY_DRIVER(sqlite)
#endif

#define SY_DRIVER(name)	extern const SyDriver *sy_##name##_driver(const SyHost *host);
SY_LINKED_DRIVERS
#undef SY_DRIVER

typedef struct LinkedDriver
{
	const char *name;
	SyDriverEntry entry;
} LinkedDriver;

static const LinkedDriver linked_drivers[] = {
#define SY_DRIVER(name)	{#name, sy_##name##_driver},
	SY_LINKED_DRIVERS
#undef SY_DRIVER
	{NULL, NULL}
};

/* A driver that this process has initialised. */
typedef struct KnownDriver
{
	struct KnownDriver *next;
	const SyDriver *driver;
} KnownDriver;

static const SyHost *host_services = NULL;
static KnownDriver *known_drivers = NULL;

#define LIBRARY_PREFIX		"switchyard_"
#define FUNCTION_PREFIX		"switchyard_"
#define HANDLER_SYMBOL		"switchyard_fdw_handler"
#define HANDLER_SUFFIX		"_handler"
#define VALIDATOR_SYMBOL	"switchyard_fdw_validator"
#define VALIDATOR_SUFFIX	"_validator"

/*
 * Say what drivers are lent.  Called once, from _PG_init; "host" is static.
 */
void
sy_registry_init(const SyHost *host)
{
	host_services = host;
}

/*
 * Load the library of a driver.  Returns its entry point, or NULL with a
 * palloc'd reason if it cannot be loaded.  Throws for want of memory.
 */
static SyDriverEntry
load_library(const char *name, char **reason)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *library = psprintf("$libdir/" LIBRARY_PREFIX "%s", name);
	SyDriverEntry volatile entry = NULL;

	PG_TRY();
	{
		entry = (SyDriverEntry) load_external_function(library, "sy_driver", true, NULL);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
		*reason = error->message;
	}
	PG_END_TRY();

	return entry;
}

/*
 * The entry point of a driver: linked in, or in a library.  NULL with a
 * palloc'd reason if there is none.
 */
static SyDriverEntry
find_entry(const char *name, char **reason)
{
	for (const LinkedDriver *linked = linked_drivers; linked->name != NULL; linked++)
		if (strcmp(linked->name, name) == 0)
			return linked->entry;
	return load_library(name, reason);
}

/*
 * Initialise a driver and remember it.  A driver that was built for another
 * version of the contract is an error.
 */
static const SyDriver *
enlist_driver(const char *name, SyDriverEntry entry)
{
	const SyDriver *driver = entry(host_services);
	KnownDriver *known;

	if (driver == NULL || driver->abi != SY_DRIVER_ABI || strcmp(driver->name, name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("library \"%s%s\" does not fit switchyard %s",
						LIBRARY_PREFIX, name, SY_VERSION),
				 errdetail("It was built for another version of switchyard."),
				 errhint("Install both libraries from the same version, then start a new session.")));

	known = MemoryContextAlloc(TopMemoryContext, sizeof(KnownDriver));
	known->driver = driver;
	known->next = known_drivers;
	known_drivers = known;
	return driver;
}

/*
 * The driver of that name, initialised on first use; NULL with a palloc'd
 * reason if its library, or a client library below it, is not there.
 */
static const SyDriver *
get_driver(const char *name, char **reason)
{
	SyDriverEntry entry;

	for (KnownDriver *known = known_drivers; known != NULL; known = known->next)
		if (strcmp(known->driver->name, name) == 0)
			return known->driver;

	if (process_shared_preload_libraries_in_progress)
		elog(ERROR, "source driver \"%s\" must not be loaded in the postmaster", name);

	entry = find_entry(name, reason);
	return entry != NULL ? enlist_driver(name, entry) : NULL;
}

/*
 * The driver of that name.  Its library not being there is an error.
 */
const SyDriver *
sy_registry_driver(const char *name)
{
	SyError		err;
	const SyDriver *driver = sy_registry_try_driver(name, &err);

	if (driver == NULL)
		sy_error_throw(&err);
	return driver;
}

/*
 * The driver of that name, or NULL if its library cannot be loaded, and "err"
 * says why.
 */
const SyDriver *
sy_registry_try_driver(const char *name, SyError *err)
{
	char	   *reason = NULL;
	const SyDriver *driver = get_driver(name, &reason);

	if (driver != NULL)
		return driver;
	sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_UNDEFINED_FILE,
				 "could not load source driver \"%s\"", name);
	sy_error_detail(err, "The library could not be loaded: %s.", reason);
	sy_error_hint(err, "Install the library \"%s%s\" and the client library that it needs.",
				  LIBRARY_PREFIX, name);
	return NULL;
}

/*
 * Is it a name that drivers have?  It becomes part of a file name.
 */
static bool
is_driver_name(const char *name)
{
	return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/*
 * The driver's name in the name of a SQL function, switchyard_<driver><suffix>,
 * if the function is written in C as "symbol"; palloc'd.  NULL: it is not ours.
 */
static char *
driver_of_function(Oid funcid, const char *symbol, const char *suffix)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc;
	Datum		source;
	bool		isnull;
	char	   *result = NULL;
	size_t		prefix_length = strlen(FUNCTION_PREFIX);
	size_t		suffix_length = strlen(suffix);
	size_t		length;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	length = strlen(NameStr(proc->proname));

	if (proc->prolang == ClanguageId && !isnull &&
		strcmp(TextDatumGetCString(source), symbol) == 0 &&
		length > prefix_length + suffix_length &&
		strncmp(NameStr(proc->proname), FUNCTION_PREFIX, prefix_length) == 0 &&
		strcmp(NameStr(proc->proname) + length - suffix_length, suffix) == 0)
	{
		result = pnstrdup(NameStr(proc->proname) + prefix_length,
						  length - prefix_length - suffix_length);
		if (!is_driver_name(result))
			result = NULL;
	}
	ReleaseSysCache(tuple);
	return result;
}

/*
 * The name of the driver that serves a server, palloc'd; NULL: not ours.
 * Loads no driver.
 */
char *
sy_registry_driver_name(Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);

	return driver_of_function(wrapper->fdwhandler, HANDLER_SYMBOL, HANDLER_SUFFIX);
}

/*
 * The version of the SQL objects, palloc'd; NULL without the extension.
 */
static char *
installed_version(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *result = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("switchyard"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion,
										   RelationGetDescr(rel), &isnull);

		if (!isnull)
			result = TextDatumGetCString(version);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Refuse to work on with SQL objects of another version than this library.
 *
 * pg_upgrade restores servers before anybody could update the extension.
 */
static void
check_versions(void)
{
	static bool checked = false;
	char	   *version;

	if (checked || creating_extension || IsBinaryUpgrade)
		return;
	version = installed_version();
	if (version != NULL && strcmp(version, SY_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the switchyard library has version %s, but its SQL objects have version %s",
						SY_VERSION, version),
				 errhint("If the library is the newer one, run ALTER EXTENSION switchyard UPDATE; "
						 "otherwise start a new session, or restart the server if "
						 "shared_preload_libraries names switchyard.")));
	checked = true;
}

/*
 * The driver of a server.  A server of another extension is an error.
 */
const SyDriver *
sy_registry_for_server(Oid serverid)
{
	char	   *name = sy_registry_driver_name(serverid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a switchyard source",
						GetForeignServer(serverid)->servername)));
	check_versions();
	return sy_registry_driver(name);
}

/*
 * The driver whose SQL validator function this is.
 */
const SyDriver *
sy_registry_for_validator(Oid funcid)
{
	char	   *name = driver_of_function(funcid, VALIDATOR_SYMBOL, VALIDATOR_SUFFIX);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %u does not name a source driver", funcid),
				 errdetail("Validators are named %s<driver>%s.",
						   FUNCTION_PREFIX, VALIDATOR_SUFFIX)));
	check_versions();
	return sy_registry_driver(name);
}

/*
 * Is the relation a foreign table of ours?  Loads no driver.
 */
bool
sy_registry_is_ours(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE &&
		sy_registry_driver_name(GetForeignServerIdByRelId(relid)) != NULL;
}

/*
 * Is the string in a List of strings?
 */
static bool
has_name(const List *names, const char *wanted)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp((const char *) lfirst(cell), wanted) == 0)
			return true;
	return false;
}

/*
 * For list_sort(): by name.
 */
static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp((const char *) lfirst(a), (const char *) lfirst(b));
}

/*
 * Names of the drivers that have a wrapper in this database, in order; a List
 * of palloc'd strings.  Loads no driver.
 */
List *
sy_registry_names(void)
{
	Relation	rel = table_open(ForeignDataWrapperRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	List	   *names = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_data_wrapper wrapper = (Form_pg_foreign_data_wrapper) GETSTRUCT(tuple);
		char	   *name = driver_of_function(wrapper->fdwhandler, HANDLER_SYMBOL, HANDLER_SUFFIX);

		if (name != NULL && !has_name(names, name))
			names = lappend(names, name);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	list_sort(names, compare_names);
	return names;
}
