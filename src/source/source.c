/*-------------------------------------------------------------------------
 *
 * source.c
 *	  Sources and tables as the catalogs describe them, cached per backend.
 *
 * An entry is built at its first use and forgotten when a catalog that it
 * was built from changes.  Pointers that were handed out stay valid until the
 * end of the top-level transaction: what is forgotten moves to a graveyard,
 * which is cleared at the first lookup of a later transaction.  By then all
 * scans are closed and no portal runs any more.
 *
 * Sessions live longer than that.  They keep a copy of their source and ask
 * for its generation, a number that changes with the options of wrapper,
 * server and user mapping.
 *
 * IDENTIFICATION
 *	  src/source/source.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/source.h"
#include "source/value.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct SourceKey
{
	Oid			serverid;
	Oid			userid;
} SourceKey;

typedef struct SourceEntry
{
	SourceKey	key;			/* must be first */
	MemoryContext cxt;			/* holds "source" */
	const SySource *source;
} SourceEntry;

/* A table as one user sees it; lives in "cxt". */
typedef struct TableVersion
{
	struct TableVersion *next;	/* as another user sees it */
	Oid			userid;
	MemoryContext cxt;
	SyTable		table;
} TableVersion;

typedef struct TableEntry
{
	Oid			relid;			/* must be first */
	TableVersion *versions;
} TableEntry;

typedef struct GenerationKey
{
	Oid			serverid;
	Oid			umid;
} GenerationKey;

typedef struct GenerationEntry
{
	GenerationKey key;			/* must be first */
	uint32		wrapper_hash;	/* as in messages of the syscaches */
	uint32		server_hash;
	uint32		mapping_hash;
	uint32		generation;
} GenerationEntry;

static HTAB *sources = NULL;
static HTAB *tables = NULL;
static HTAB *generations = NULL;
static MemoryContext graveyard = NULL;
static bool graveyard_due = false;	/* a transaction has ended since */

static uint32 last_generation = 0;	/* given out last; 0 is never given */
static uint64 source_changes = 0;	/* counts messages about sources, ... */
static uint64 table_changes = 0;	/* ... and about any relation */

/*
 * Forget all versions of a table.  Neither allocates nor throws.
 */
static void
bury_table(TableEntry *entry)
{
	for (TableVersion *version = entry->versions; version != NULL; version = version->next)
		MemoryContextSetParent(version->cxt, graveyard);
	(void) hash_search(tables, &entry->relid, HASH_REMOVE, NULL);
}

/*
 * Forget all tables.
 */
static void
bury_all_tables(void)
{
	HASH_SEQ_STATUS status;
	TableEntry *entry;

	hash_seq_init(&status, tables);
	while ((entry = hash_seq_search(&status)) != NULL)
		bury_table(entry);
}

/*
 * Forget all sources, and the tables, which point to them.
 */
static void
bury_all_sources(void)
{
	HASH_SEQ_STATUS status;
	SourceEntry *entry;

	bury_all_tables();
	hash_seq_init(&status, sources);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		MemoryContextSetParent(entry->cxt, graveyard);
		(void) hash_search(sources, &entry->key, HASH_REMOVE, NULL);
	}
}

/*
 * Invalidation callback: a wrapper, a server or a user mapping has changed.
 */
static void
options_changed(Datum arg, int cacheid, uint32 hash)
{
	HASH_SEQ_STATUS status;
	GenerationEntry *entry;

	source_changes++;
	bury_all_sources();

	hash_seq_init(&status, generations);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (hash == 0 ||
			(cacheid == FOREIGNDATAWRAPPEROID && entry->wrapper_hash == hash) ||
			(cacheid == FOREIGNSERVEROID && entry->server_hash == hash) ||
			(cacheid == USERMAPPINGOID && entry->mapping_hash == hash))
			entry->generation = ++last_generation;
	}
}

/*
 * Invalidation callback: a role or a schema has changed, so what a source or
 * a table says about it may be out of date.
 */
static void
surroundings_changed(Datum arg, int cacheid, uint32 hash)
{
	source_changes++;
	bury_all_sources();
}

/*
 * Invalidation callback: a relation has changed; InvalidOid: any.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	table_changes++;
	if (OidIsValid(relid))
	{
		TableEntry *entry = hash_search(tables, &relid, HASH_FIND, NULL);

		if (entry != NULL)
			bury_table(entry);
	}
	else
		bury_all_tables();
}

/*
 * Transaction callback.  Scans may still be closing: only remember it.
 */
static void
transaction_ended(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			graveyard_due = true;
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

/*
 * A hash table in CacheMemoryContext.
 */
static HTAB *
create_hash(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = CacheMemoryContext;
	return hash_create(name, 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Make the caches at the first use.  If that fails half way, the next use
 * goes on; callbacks are registered last, as that cannot be undone.
 */
static void
create_caches(void)
{
	if (graveyard == NULL)
		graveyard = AllocSetContextCreate(CacheMemoryContext, "switchyard outdated entries",
										  ALLOCSET_SMALL_SIZES);
	if (sources == NULL)
		sources = create_hash("switchyard sources", sizeof(SourceKey), sizeof(SourceEntry));
	if (generations == NULL)
		generations = create_hash("switchyard generations",
								  sizeof(GenerationKey), sizeof(GenerationEntry));
	tables = create_hash("switchyard tables", sizeof(Oid), sizeof(TableEntry));

	CacheRegisterSyscacheCallback(FOREIGNDATAWRAPPEROID, options_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, options_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, options_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, surroundings_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, surroundings_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	RegisterXactCallback(transaction_ended, NULL);
}

/*
 * What each lookup does first.
 */
static inline void
prepare_lookup(void)
{
	if (unlikely(tables == NULL))
		create_caches();
	if (unlikely(graveyard_due))
	{
		graveyard_due = false;
		MemoryContextReset(graveyard);
	}
}

/*
 * Set an option, or replace the value that it has from an outer level.
 * "options" has room; the texts are copied to CurrentMemoryContext.
 */
static void
set_option(SyOptions *options, const DefElem *def)
{
	char	   *value = pstrdup(defGetString((DefElem *) def));

	for (int i = 0; i < options->count; i++)
	{
		if (strcmp(options->items[i].name, def->defname) == 0)
		{
			options->items[i].value = value;
			return;
		}
	}
	options->items[options->count].name = pstrdup(def->defname);
	options->items[options->count].value = value;
	options->count++;
}

/*
 * Options of an object over those of the one above it, in
 * CurrentMemoryContext; either List of DefElem may be NIL.
 */
static SyOptions
merge_options(List *outer, List *inner)
{
	SyOptions	result;
	ListCell   *cell;

	result.count = 0;
	result.items = palloc((list_length(outer) + list_length(inner) + 1) * sizeof(SyOptionValue));
	foreach(cell, outer)
		set_option(&result, lfirst_node(DefElem, cell));
	foreach(cell, inner)
		set_option(&result, lfirst_node(DefElem, cell));
	return result;
}

/*
 * Fill in the user mapping of source->userid, else that of PUBLIC.  Neither
 * being there is no error: the driver decides whether it needs one.
 */
static void
load_mapping(SySource *source)
{
	Datum		serverid = ObjectIdGetDatum(source->serverid);
	HeapTuple	tuple;
	Datum		options;
	bool		isnull;

	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(source->userid), serverid);
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid), serverid);
	if (!HeapTupleIsValid(tuple))
	{
		source->umid = InvalidOid;
		source->mapping = merge_options(NIL, NIL);
		return;
	}

	source->umid = ((Form_pg_user_mapping) GETSTRUCT(tuple))->oid;
	options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	source->mapping = merge_options(NIL, isnull ? NIL : untransformRelOptions(options));
	ReleaseSysCache(tuple);
}

/*
 * From now on count the changes of these objects.
 */
static void
watch_generation(Oid wrapperid, Oid serverid, Oid umid)
{
	GenerationKey key = {serverid, umid};
	uint32		wrapper_hash = GetSysCacheHashValue1(FOREIGNDATAWRAPPEROID,
													 ObjectIdGetDatum(wrapperid));
	uint32		server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(serverid));
	uint32		mapping_hash = GetSysCacheHashValue1(USERMAPPINGOID, ObjectIdGetDatum(umid));
	bool		found;
	GenerationEntry *entry = hash_search(generations, &key, HASH_ENTER, &found);

	if (found)
		return;
	entry->wrapper_hash = wrapper_hash;
	entry->server_hash = server_hash;
	entry->mapping_hash = mapping_hash;
	entry->generation = ++last_generation;
}

/*
 * Read a source from the catalogs into CurrentMemoryContext.
 */
static SySource *
build_source(Oid serverid, Oid userid)
{
	ForeignServer *server = GetForeignServer(serverid);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	SySource   *source = palloc0(sizeof(SySource));

	source->driver = sy_registry_for_server(serverid);
	source->serverid = serverid;
	source->userid = userid;
	source->superuser = superuser_arg(userid);
	source->name = pstrdup(server->servername);
	source->options = merge_options(wrapper->options, server->options);
	load_mapping(source);

	sy_option_load(source);
	watch_generation(server->fdwid, serverid, source->umid);
	source->generation = sy_source_generation(serverid, source->umid);
	return source;
}

/*
 * The source that a server is for a user, with the user's mapping, or
 * PUBLIC's, or none.  Valid until the end of the top-level transaction.  A
 * server that is not ours, or whose driver is not installed, is an error.
 */
const SySource *
sy_source_get(Oid serverid, Oid userid)
{
	SourceKey	key = {serverid, userid};
	SourceEntry *entry;
	MemoryContext cxt;
	MemoryContext caller;
	SySource   *source;
	uint64		changes;
	int			tries = 0;

	prepare_lookup();
	entry = hash_search(sources, &key, HASH_FIND, NULL);
	if (likely(entry != NULL))
		return entry->source;

	/*
	 * The generation must be that of what was read, so read again what
	 * changed meanwhile.  Where caches are discarded all the time for testing
	 * that would never end.
	 */
	cxt = AllocSetContextCreate(CurrentMemoryContext, "switchyard source", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(cxt);
	do
	{
		changes = source_changes;
		MemoryContextReset(cxt);
		source = build_source(serverid, userid);
	} while (changes != source_changes && ++tries < 3);
	MemoryContextSwitchTo(caller);

	if (changes != source_changes)
	{
		source->generation = 0; /* may be older: no session is kept */
		MemoryContextSetParent(cxt, graveyard);
		return source;
	}
	entry = hash_search(sources, &key, HASH_ENTER, NULL);
	entry->cxt = cxt;
	entry->source = source;
	MemoryContextSetParent(cxt, CacheMemoryContext);
	return source;
}

/*
 * A number that differs from what it was if the options of the server, its
 * wrapper or the mapping may have changed; 0 if sy_source_get() was never
 * asked for them.  Needs no transaction.
 */
uint32
sy_source_generation(Oid serverid, Oid umid)
{
	GenerationKey key = {serverid, umid};
	GenerationEntry *entry;

	if (generations == NULL)
		return 0;
	entry = hash_search(generations, &key, HASH_FIND, NULL);
	return entry != NULL ? entry->generation : 0;
}

/*
 * A deep copy of options in CurrentMemoryContext.
 */
static SyOptions
copy_options(const SyOptions *options)
{
	SyOptions	result;

	result.count = options->count;
	result.items = palloc(sizeof(SyOptionValue) * Max(options->count, 1));
	for (int i = 0; i < options->count; i++)
	{
		result.items[i].name = pstrdup(options->items[i].name);
		result.items[i].value = pstrdup(options->items[i].value);
	}
	return result;
}

/*
 * A copy of a source that lives as long as "cxt".
 */
SySource *
sy_source_copy(const SySource *source, MemoryContext cxt)
{
	MemoryContext caller = MemoryContextSwitchTo(cxt);
	SySource   *copy = palloc(sizeof(SySource));

	*copy = *source;
	copy->name = pstrdup(source->name);
	copy->options = copy_options(&source->options);
	copy->mapping = copy_options(&source->mapping);
	copy->role = sy_options_get(&copy->options, "role");
	MemoryContextSwitchTo(caller);
	return copy;
}

/*
 * The description of one column, in CurrentMemoryContext.
 */
static SyColumn *
build_column(Oid relid, Form_pg_attribute attribute)
{
	SyColumn   *column = palloc0(sizeof(SyColumn));
	SyOptions	options = merge_options(NIL, GetForeignColumnOptions(relid, attribute->attnum));

	column->attnum = attribute->attnum;
	column->name = pstrdup(NameStr(attribute->attname));
	column->type_name = format_type_with_typemod(attribute->atttypid, attribute->atttypmod);
	column->typid = attribute->atttypid;
	column->typmod = attribute->atttypmod;
	column->kind = sy_value_kind(attribute->atttypid);
	if (column->kind == SY_TYPE_OTHER)
	{
		column->elemtypid = get_element_type(attribute->atttypid);
		column->element = sy_value_kind(column->elemtypid);
		if (column->element != SY_TYPE_OTHER)
			column->kind = SY_TYPE_ARRAY;
	}

	column->remote_name = sy_options_get(&options, "column_name");
	if (column->remote_name == NULL)
		column->remote_name = column->name;
	column->path = sy_options_get(&options, "path");
	column->storage = sy_options_get(&options, "storage");
	column->bson_type = sy_options_get(&options, "bson_type");
	column->is_key = sy_option_bool(&options, "key", false);
	column->not_null = attribute->attnotnull;
	return column;
}

/*
 * Refuse a column that the driver cannot serve with its type and options.
 */
static void
check_column(const SyTable *table, const SyColumn *column)
{
	const char *reason = table->source->driver->check_column(table, column);

	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of foreign table \"%s\" has type %s, which source \"%s\" cannot serve",
						column->name, table->name, column->type_name, table->source->name),
				 errdetail("%c%s.", pg_toupper((unsigned char) reason[0]), reason + 1)));
}

/*
 * Read a foreign table from the catalogs into "table", which is zeroed; the
 * rest is allocated in CurrentMemoryContext.
 */
static void
build_table(SyTable *table, Relation rel, Oid userid)
{
	Oid			relid = RelationGetRelid(rel);
	TupleDesc	desc = RelationGetDescr(rel);
	ForeignTable *foreign = GetForeignTable(relid);
	const char *fetch_size;

	table->relid = relid;
	table->source = sy_source_get(foreign->serverid, userid);
	table->schema = get_namespace_name(RelationGetNamespace(rel));
	table->name = pstrdup(RelationGetRelationName(rel));
	table->options = merge_options(NIL, foreign->options);
	table->remote_name = sy_options_get(&table->options, table->source->driver->table_option);
	if (table->remote_name == NULL)
		table->remote_name = table->name;

	fetch_size = sy_options_get(&table->options, "fetch_size");
	table->fetch_size = (int) sy_option_int(table->source->driver,
											fetch_size != NULL ? &table->options :
											&table->source->options, "fetch_size");
	table->read_only = table->source->read_only ||
		sy_option_bool(&table->options, "read_only", false);

	table->natts = desc->natts;
	table->columns = palloc0(sizeof(SyColumn *) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		table->columns[i] = build_column(relid, attribute);
		table->ncolumns++;
	}
	for (int i = 0; i < desc->natts; i++)
		if (table->columns[i] != NULL)
			check_column(table, table->columns[i]);
}

/*
 * Read a table that is not in the cache, and put it there.
 */
static const SyTable *
add_table(Oid relid, Oid userid)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "switchyard table",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(cxt);
	TableVersion *version = palloc0(sizeof(TableVersion));
	Relation	rel = relation_open(relid, AccessShareLock);
	uint64		source_changes_before = source_changes;
	uint64		table_changes_before = table_changes;
	TableEntry *entry;
	bool		found;

	MemoryContextCopyAndSetIdentifier(cxt, RelationGetRelationName(rel));
	version->userid = userid;
	version->cxt = cxt;
	build_table(&version->table, rel, userid);
	relation_close(rel, NoLock);
	MemoryContextSwitchTo(caller);

	/* Something changed in the meantime?  Then it serves this caller only. */
	if (source_changes_before != source_changes || table_changes_before != table_changes)
	{
		MemoryContextSetParent(cxt, graveyard);
		return &version->table;
	}

	entry = hash_search(tables, &relid, HASH_ENTER, &found);
	if (!found)
		entry->versions = NULL;
	version->next = entry->versions;
	entry->versions = version;
	MemoryContextSetParent(cxt, CacheMemoryContext);
	return &version->table;
}

/*
 * The foreign table as a user sees it.  Valid until the end of the top-level
 * transaction.  A column that the driver cannot serve is an error (0A000).
 */
const SyTable *
sy_table_get(Oid relid, Oid userid)
{
	TableEntry *entry;

	prepare_lookup();
	entry = hash_search(tables, &relid, HASH_FIND, NULL);
	if (likely(entry != NULL))
		for (TableVersion *version = entry->versions; version != NULL; version = version->next)
			if (version->userid == userid)
				return &version->table;
	return add_table(relid, userid);
}
