/*-------------------------------------------------------------------------
 *
 * driver.h
 *	  The contract between switchyard and the driver of one kind of source.
 *
 * A driver is a table of functions.  It knows its client library and nothing
 * of planner, executor, breakers or routes; the rest of switchyard knows no
 * client library.  What drivers have in common:
 *
 * - A driver never throws for what a source did.  It fills a SyError and
 *   returns SY_FAILED, false or NULL.  (PostgreSQL's own functions that it
 *   calls for a conversion may throw, where the comment of the member does
 *   not forbid it.)
 * - A session runs one operation at a time.  An operation that would have to
 *   wait returns SY_BLOCKED; wait() then says what for, the caller waits on
 *   its own stack, where interrupts are served, and calls the same function
 *   again (or step(), for operations that are not a scan's).
 * - If the wait is interrupted, abandon() is called before the error goes on.
 *   Scans below an async Append are an exception, as PostgreSQL waits for them:
 *   those that are blocked then see scan_close(), end() and settle() only.
 * - Functions marked "may wait" do such a loop themselves, by host->wait().
 * - Nothing is contacted, though a file may be opened, before the first
 *   scan_start(), ping() or call of a function marked "may wait".
 * - All run on the backend's own stack, outside of any client library frame.
 *
 * IDENTIFICATION
 *	  src/source/driver.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_DRIVER_H
#define SY_DRIVER_H

#include "access/attnum.h"
#include "nodes/pg_list.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/wait.h"

/* Changes whenever a struct of this file changes its layout. */
#define SY_DRIVER_ABI	6

typedef struct SyDriver SyDriver;
typedef struct SyQuery SyQuery; /* pushdown/query.h */
typedef struct SyNode SyNode;	/* pushdown/query.h */
typedef struct SyOrder SyOrder; /* pushdown/query.h */

/*
 * Options
 */

/* Where an option may stand; a mask. */
typedef enum SyLevel
{
	SY_LEVEL_WRAPPER = 1,
	SY_LEVEL_SERVER = 2,
	SY_LEVEL_MAPPING = 4,
	SY_LEVEL_TABLE = 8,
	SY_LEVEL_COLUMN = 16,
	SY_LEVEL_IMPORT = 32
} SyLevel;

typedef enum SyOptionType
{
	SY_OPTION_TEXT,
	SY_OPTION_BOOL,
	SY_OPTION_INT,
	SY_OPTION_DURATION,			/* as settings parse it, default unit ms */
	SY_OPTION_SIZE,				/* as settings parse it, default unit bytes */
	SY_OPTION_REAL,
	SY_OPTION_ENUM				/* one of "values" */
} SyOptionType;

/* One option that users may set.  Tables of these end with a NULL name. */
typedef struct SyOption
{
	const char *name;
	int			levels;			/* mask of SyLevel */
	SyOptionType type;
	const char *default_value;	/* as a user would type it; NULL: none */
	const char *const *values;	/* ENUM: the words, NULL-terminated */
	int64		min;			/* INT, REAL, DURATION (ms), SIZE (bytes) */
	int64		max;
	const char *description;	/* one line, also in doc/options.md */
} SyOption;

/* Option values in force on one object, later levels over earlier ones. */
typedef struct SyOptionValue
{
	const char *name;
	const char *value;
} SyOptionValue;

typedef struct SyOptions
{
	int			count;
	SyOptionValue *items;
} SyOptions;

/* The value of an option as it was typed, or NULL if it is not set. */
static inline const char *
sy_options_get(const SyOptions *options, const char *name)
{
	for (int i = 0; i < options->count; i++)
		if (strcmp(options->items[i].name, name) == 0)
			return options->items[i].value;
	return NULL;
}

/*
 * Sources, tables, columns: what the catalogs say, resolved
 */

/* One server as one user sees it.  Allocated by core, constant to drivers. */
typedef struct SySource
{
	const SyDriver *driver;
	Oid			serverid;
	Oid			userid;			/* whose mapping it is */
	Oid			umid;			/* the mapping; InvalidOid if there is none */
	bool		superuser;		/* is userid a superuser? */
	uint32		generation;		/* sy_source_generation() when it was read */
	const char *name;			/* the server's name */
	SyOptions	options;		/* of wrapper and server */
	SyOptions	mapping;		/* of the user mapping: secrets live here */
	bool		read_only;		/* the common options, parsed */
	int			connect_timeout_ms;
	int			query_timeout_ms;	/* 0: none */
	const char *role;			/* a label; NULL: none */
	int64		size_limit;		/* bytes; 0: none */
	bool		size_of_storage;	/* size_metric: storage, not data+index */
	bool		size_of_cluster;	/* size_scope: all databases, not this one */
	SyLimits	limits;			/* what else steers health */
} SySource;

/* Built-in types that drivers may support; everything else is OTHER. */
typedef enum SyTypeKind
{
	SY_TYPE_OTHER = 0,
	SY_TYPE_BOOL,
	SY_TYPE_INT2,
	SY_TYPE_INT4,
	SY_TYPE_INT8,
	SY_TYPE_FLOAT4,
	SY_TYPE_FLOAT8,
	SY_TYPE_NUMERIC,
	SY_TYPE_TEXT,
	SY_TYPE_VARCHAR,
	SY_TYPE_BPCHAR,
	SY_TYPE_BYTEA,
	SY_TYPE_UUID,
	SY_TYPE_DATE,
	SY_TYPE_TIMESTAMP,
	SY_TYPE_TIMESTAMPTZ,
	SY_TYPE_JSON,
	SY_TYPE_JSONB,
	SY_TYPE_ARRAY				/* of "element" */
} SyTypeKind;

/* One column of a foreign table. */
typedef struct SyColumn
{
	AttrNumber	attnum;
	const char *name;			/* in PostgreSQL */
	const char *type_name;		/* format_type_with_typemod() of it */
	SyTypeKind	kind;
	SyTypeKind	element;		/* ARRAY: kind of its elements */
	Oid			typid;
	Oid			elemtypid;		/* ARRAY: type of its elements */
	int32		typmod;
	const char *remote_name;	/* option column_name, or "name" */
	const char *path;			/* option path; NULL if not given */
	const char *storage;		/* option storage; NULL if not given */
	const char *bson_type;		/* option bson_type; NULL if not given */
	bool		is_key;			/* option key: the source has an index on it */
	bool		not_null;		/* declared NOT NULL: a word to be relied on */
} SyColumn;

/* A foreign table.  Allocated by core, constant to drivers. */
typedef struct SyTable
{
	Oid			relid;
	const SySource *source;
	const char *schema;			/* in PostgreSQL */
	const char *name;			/* in PostgreSQL */
	const char *remote_name;	/* option table or collection, or "name" */
	SyOptions	options;		/* of the table alone */
	int			fetch_size;		/* rows a batch; 0: batches of about 1 MB */
	bool		read_only;		/* of the source or of the table */
	int			natts;			/* length of "columns" */
	SyColumn  **columns;		/* by attnum - 1; NULL where dropped */
	int			ncolumns;		/* columns that are not dropped */
} SyTable;

/*
 * Push-down
 */

/* May a piece of a query be evaluated by the source? */
typedef enum SyShip
{
	SY_SHIP_LOCAL = 0,			/* no */
	SY_SHIP_SUPERSET,			/* a filter only, and PostgreSQL repeats it */
	SY_SHIP_EXACT				/* yes, exactly as PostgreSQL would */
} SyShip;

/*
 * Sessions and operations
 */

/* What a function that works on a source returns. */
typedef enum SyProgress
{
	SY_DONE,					/* finished; scans: no more rows */
	SY_ROW,						/* scan_next(): a row was delivered */
	SY_BLOCKED,					/* must wait, see SyDriver.wait */
	SY_FAILED					/* the SyError says why */
} SyProgress;

/* Sources whose keys are equal may use one session.  Zero the padding. */
typedef struct SySessionKey
{
	uint64		a;
	uint64		b;
	uint64		flags;
} SySessionKey;

/* A connection to a source, or a file held open.  Drivers extend it. */
typedef struct SySession
{
	const SyDriver *driver;
	const SySource *source;		/* lives as long as the session */
	MemoryContext cxt;			/* holds the session; child of TopMemoryContext */
} SySession;

/* What reads of one transaction may see. */
typedef enum SyIsolation
{
	SY_READ_COMMITTED,			/* each statement its own state */
	SY_REPEATABLE_READ,			/* one state from first touch to the end */
	SY_REPEATABLE_READ_ONLY		/* the same, and PostgreSQL's transaction is
								 * READ ONLY: no write can follow */
} SyIsolation;

/* Room for what SyPing.hosts says; a driver says nothing if it needs more. */
#define SY_HOSTS_SIZE	512

/* What ping() learned. */
typedef struct SyPing
{
	char		server_version[64]; /* "" if unknown */
	char		database[64];	/* the remote database, "" if there is none */
	bool		read_only;		/* the source itself takes no writes */
	char		hosts[SY_HOSTS_SIZE];	/* where a look-up of names has led, in the
										 * driver's words; never a secret.  "":
										 * nothing that is worth to be known */
} SyPing;

/* Where a source is, for people: never a user name or a secret. */
typedef struct SyEndpoint
{
	char	   *address;		/* hosts or file; NULL: not known */
	char	   *database;		/* the remote database; NULL: there is none */
} SyEndpoint;

/* What sample() learned; -1: not known. */
typedef struct SySize
{
	int			tables;			/* tables or collections with data of their own */
	int64		rows;			/* in all of them, from the source's metadata */
	int64		bytes;			/* by source->size_of_storage and size_of_cluster */
	char		degraded[128];	/* "", or why something could not be had: a
								 * phrase without a period */
} SySize;

/* Counters of one scan, shown by EXPLAIN (ANALYZE). */
typedef struct SyScanStats
{
	int64		rows;			/* received, before local filters */
	int64		bytes;			/* received; 0 where nothing travels */
	int64		round_trips;	/* commands answered; 0 where nothing travels */
	int64		remote_us;		/* in the source, or waiting for it */
} SyScanStats;

/* A running query.  Drivers extend it. */
typedef struct SyScan
{
	SySession  *session;
	const SyQuery *query;		/* core's; its values change between starts */
	MemoryContext cxt;			/* lives as long as the scan */
	bool		timing;			/* measure remote_us; core adds what waits take */
	SyScanStats stats;
} SyScan;

/* What IMPORT FOREIGN SCHEMA wants. */
typedef struct SyImport
{
	const char *remote_schema;
	bool		limit_to;		/* only "tables" */
	bool		except;			/* all but "tables" */
	List	   *tables;			/* of char *: names as the user wrote them */
	SyOptions	options;		/* IMPORT's OPTIONS */
} SyImport;

/* One column of a table that is there to be imported. */
typedef struct SyImportColumn
{
	const char *name;			/* as the source spells it, any length */
	const char *type;			/* SQL text of the PostgreSQL type */
	const char *path;			/* option path to write; NULL: none */
	bool		not_null;
	bool		is_key;			/* write option key 'true' */
	const char *storage;		/* option storage to write; NULL: none */
	const char *bson_type;		/* option bson_type to write; NULL: none */
} SyImportColumn;

/* One table that is there to be imported. */
typedef struct SyImportTable
{
	const char *name;			/* as the source spells it, any length */
	bool		read_only;		/* write option read_only 'true' */
	List	   *columns;		/* of SyImportColumn * */
	List	   *notices;		/* of char *: NOTICEs for the user */
} SyImportTable;

/* What ANALYZE asks first. */
typedef struct SyEstimate
{
	double		rows;			/* in the table */
	double		bytes;			/* it takes at the source */
} SyEstimate;

/* Differences between drivers that core must know. */
#define SY_CAP_SNAPSHOT_SESSION	1	/* a session has one snapshot at a time: all
									 * scans of a statement share a session, the
									 * next statement takes another one while a
									 * cursor of the first is open */
#define SY_CAP_SAMPLE			2	/* obeys SyQuery.sample_rows */
#define SY_CAP_NETWORK			4	/* bytes and round trips mean something and
									 * cost, scans can overlap (async Append), and
									 * large sorts may be refused */
#define SY_CAP_FILES			8	/* names files: the path option needs
									 * pg_read_server_files */

/* Services that core lends to a driver's library. */
typedef struct SyHost
{
	int			abi;

	/*
	 * Wait for what "session" is blocked on.  Serves interrupts: may throw,
	 * after calling the driver's abandon() for the session.
	 */
	void		(*wait) (SySession *session);

	/*
	 * The same without serving interrupts: returns false as soon as one is
	 * pending (the caller then gives up), true when the wait is over.
	 */
	bool		(*wait_quietly) (SyWaitSpec *spec);

	/* Replace credentials in URIs within "text" by ***, in place. */
	void		(*redact) (char *text);

	/*
	 * SyPing.hosts of the last good probe by whichever process, into "hosts"
	 * (SY_HOSTS_SIZE).  False: there is none that is still to be relied on.
	 * No wait, no throw.
	 */
	bool		(*recall_hosts) (const SySource *source, char *hosts);
} SyHost;

struct SyDriver
{
	int			abi;			/* SY_DRIVER_ABI */
	const char *name;			/* "sqlite" */
	uint32		caps;			/* mask of SY_CAP_… */
	const SyOption *options;	/* besides the common ones */
	const char *query_label;	/* EXPLAIN's name for the text: "Remote SQL" */
	const char *table_option;	/* table option that names the remote table */

	/* Name and version of the client library: "SQLite 3.40.1"; static. */
	const char *(*library_version) (void);

	/*
	 * DDL: check option values beyond their syntax, e.g. that a path is
	 * absolute.  Throws.  Contacts nothing.  "options" are all those that the
	 * one object will have, or IMPORT's.  NULL: nothing to check.
	 */
	void		(*check_options) (SyLevel level, const SyOptions *options);

	/*
	 * Where do the options say that the source is?  Texts are palloc'd, in
	 * UTF-8 or the server encoding.  Contacts nothing.  NULL: nowhere.
	 */
	void		(*endpoint) (const SySource *source, SyEndpoint *result);

	/*
	 * Planning.  Pure: no contact, no dependence on what a session learned.
	 */

	/*
	 * NULL if the column's type and options can be served; else why not, a
	 * phrase without a period.
	 */
	const char *(*check_column) (const SyTable *table, const SyColumn *column);

	/*
	 * May this leaf (no AND, OR) of a filter be sent?  Of a value that is not
	 * known only the kind is: the answer must hold whatever it will be.
	 */
	SyShip		(*ship) (const SyTable *table, const SyNode *leaf);

	/* May this sort key be sent?  "position" counts from 0. */
	bool		(*ship_order) (const SyTable *table, const SyOrder *order, int position);

	/*
	 * Would an index on the column of the only sort key deliver the rows in
	 * order, so that the source need not sort?  For costs; the filter's values
	 * are not known.  NULL: never.
	 */
	bool		(*order_by_index) (const SyQuery *query);

	/*
	 * The text that EXPLAIN shows and execution sends, palloc'd; values that
	 * are not known print as parameters.  With hide_constants (for the log)
	 * known ones do as well.  "session" is NULL, or the session that ran it,
	 * whose knowledge of the source may have changed the form.
	 */
	char	   *(*describe) (const SyQuery *query, SySession *session, bool hide_constants);

	/*
	 * Sessions.
	 */

	/*
	 * Which session serves this source?  May look at the file system, not at
	 * the network.
	 */
	bool		(*session_key) (const SySource *source, SySessionKey *key, SyError *err);

	/*
	 * A new session, allocated in "cxt", which core deletes after
	 * session_close().  Network drivers connect at first use, not here.
	 * NULL: failed; what is not in "cxt" has been freed.
	 */
	SySession  *(*session_create) (const SySource *source, MemoryContext cxt, SyError *err);

	/*
	 * Close at once; no wait, no throw.  Scans were closed before, but an
	 * operation may still be blocked.  Frees what is not in the session's
	 * memory context.
	 */
	void		(*session_close) (SySession *session);

	/*
	 * Is the session fit to be used again?  False after a loss of
	 * connection that it cannot mend by itself, or if the file was replaced.
	 * No wait.
	 */
	bool		(*session_usable) (SySession *session);

	/*
	 * Is the session connected, or connecting, to a source that has never
	 * sent a byte over that connection?  Asked while an operation is blocked
	 * or has just failed.  No wait.  NULL: there is no connection.
	 */
	bool		(*session_silent) (SySession *session);

	/* Reach the source and say who it is: an operation, continued by step. */
	SyProgress	(*ping) (SySession *session, SyPing *result, SyError *err);

	/*
	 * How large is the source?  From its metadata, never by a scan; also an
	 * operation, continued by step.  What the user may not see, or the source
	 * does not know, is no failure.  NULL: nothing of it can be known.
	 */
	SyProgress	(*sample) (SySession *session, SySize *result, SyError *err);

	/* Continue the operation that ping() or sample() began. */
	SyProgress	(*step) (SySession *session, SyError *err);

	/*
	 * What is the session blocked on?  Valid after SY_BLOCKED only; may be
	 * called more than once.
	 */
	void		(*wait) (SySession *session, SyWaitSpec *spec);

	/*
	 * The wait was interrupted: give up the operation in progress, so that
	 * the session can begin another one or be closed.  What the source must
	 * be told (a running operation, an open cursor) becomes a debt, paid by
	 * settle().  No wait, no throw.
	 */
	void		(*abandon) (SySession *session);

	/*
	 * Transactions.
	 */

	/*
	 * Reads that follow belong to a new transaction (or, in READ COMMITTED
	 * with SY_CAP_SNAPSHOT_SESSION, statement).  No contact.
	 */
	void		(*begin) (SySession *session, SyIsolation isolation);

	/*
	 * It is over; no scan is open.  Gives up snapshot and locks.  No wait,
	 * no throw: what must travel becomes a debt.
	 */
	void		(*end) (SySession *session);

	/*
	 * Pay debts (cursors to close, transactions to end) until "until" at
	 * most.  Waits without serving interrupts, ends early when one comes,
	 * never throws.  Other scans of the session may be open, and one of them
	 * blocked: its operation is finished first, or given up if there is no
	 * time.  True if nothing is owed any more.  NULL: never owes.
	 */
	bool		(*settle) (SySession *session, SyDeadline until);

	/*
	 * Scans.
	 */

	/*
	 * Prepare to run "query", which the caller keeps.  No contact.  May throw
	 * for want of memory only.
	 */
	SyScan	   *(*scan_create) (SySession *session, const SyQuery *query, MemoryContext cxt);

	/*
	 * Send the query with its present values; also to run it again, whether
	 * or not the last run was read to its end.  SY_DONE: started.
	 * SY_BLOCKED: wait, then call scan_start_more().
	 */
	SyProgress	(*scan_start) (SyScan *scan, SyError *err);

	/* Continue a start that was blocked; NULL if starts never block. */
	SyProgress	(*scan_start_more) (SyScan *scan, SyError *err);

	/*
	 * The next row: values[target->slot] for each target of the query,
	 * allocated in CurrentMemoryContext (never in a buffer that the next call
	 * overwrites).  SY_BLOCKED: wait, call again.
	 */
	SyProgress	(*scan_next) (SyScan *scan, Datum *values, bool *nulls, SyError *err);

	/*
	 * Free the scan's client library objects, also while it is blocked.  No
	 * wait, no throw; what is left at the source becomes a debt.  Core deletes
	 * scan->cxt afterwards.
	 */
	void		(*scan_close) (SyScan *scan);

	/*
	 * Catalog.  Both may wait; both are called on a session that is inside
	 * begin().
	 */

	/* The tables to import, a List of SyImportTable *.  err set: failed. */
	List	   *(*import) (SySession *session, const SyImport *request, SyError *err);

	/* Size of a table.  False: failed. */
	bool		(*estimate) (SySession *session, const SyTable *table,
							 SyEstimate *result, SyError *err);
};

/*
 * A driver library exports this under the name "sy_driver"; drivers that are
 * linked in are listed in source/registry.c.
 */
typedef const SyDriver *(*SyDriverEntry) (const SyHost *host);

#endif							/* SY_DRIVER_H */
