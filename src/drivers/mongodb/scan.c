/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Scans: a cursor whose documents become rows.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "session.h"

/* The server's code when a view refuses to have its collation overridden. */
#define VIEW_HAS_COLLATION	167

typedef struct MongoScan
{
	SyScan		base;			/* first */
	MongoCursor *cursor;
	MongoReader *reader;
	SyGuard    *guard;			/* of a command that is being compiled */
	bool		counted;		/* count: its one row has been delivered */
} MongoScan;

/* The driver's member: see source/driver.h. */
SyScan *
mongo_scan_create(SySession *session, const SyQuery *query, MemoryContext cxt)
{
	MongoScan  *scan = MemoryContextAllocZero(cxt, sizeof(MongoScan));

	scan->base.session = session;
	scan->base.query = query;
	scan->base.cxt = cxt;
	scan->guard = sy_guard_reserve(cxt, (void (*) (void *)) bson_destroy);
	scan->cursor = mongo_cursor_create((MongoSession *) session, cxt);
	scan->cursor->fetch_size = query->table->fetch_size;
	scan->reader = mongo_reader_create(query, cxt);
	return &scan->base;
}

/* Copy what the cursor counted to where core looks. */
static void
mongo_scan_count(MongoScan *scan)
{
	const MongoCounters *counters = &scan->cursor->counters;

	scan->base.stats.bytes = counters->bytes;
	scan->base.stats.round_trips = counters->round_trips;
	if (scan->base.timing)
		scan->base.stats.remote_us += counters->remote_us;
	scan->cursor->counters.remote_us = 0;
}

/* The driver's member: see source/driver.h. */
SyProgress
mongo_scan_start(SyScan *base, SyError *err)
{
	MongoScan  *scan = (MongoScan *) base;
	MongoSession *session = (MongoSession *) base->session;
	MongoReadMode mode = mongo_session_mode(session);
	bson_t	   *command = bson_new();

	scan->guard->object = command;
	if (!mongo_compile(base->query, &session->facts,
					   mongo_session_in_transaction(base->session), command, err))
	{
		sy_guard_release(scan->guard);
		return SY_FAILED;
	}
	scan->guard->object = NULL;
	mongo_cursor_prepare(scan->cursor, command, mode);
	scan->counted = false;
	return mongo_scan_start_more(base, err);
}

/* The driver's member: see source/driver.h. */
SyProgress
mongo_scan_start_more(SyScan *base, SyError *err)
{
	MongoScan  *scan = (MongoScan *) base;
	SyProgress	progress = mongo_cursor_start(scan->cursor, err);

	mongo_scan_count(scan);
	if (progress == SY_FAILED && scan->cursor->failure.error.code == VIEW_HAS_COLLATION)
		mongo_ship_leave_text(base->query->table->relid);
	return progress;
}

/* The driver's member: see source/driver.h. */
SyProgress
mongo_scan_next(SyScan *base, Datum *values, bool *nulls, SyError *err)
{
	MongoScan  *scan = (MongoScan *) base;
	MongoDocument document;
	SyProgress	progress = mongo_cursor_fetch(scan->cursor, &document, err);

	if (progress == SY_ROW)
	{
		base->stats.rows++;
		scan->counted = true;
		if (mongo_reader_row(scan->reader, document.data, document.length, values, nulls, err))
			return SY_ROW;
		return SY_FAILED;
	}
	mongo_scan_count(scan);
	if (progress == SY_DONE && base->query->count && !scan->counted)
	{
		values[0] = Int64GetDatum(0);	/* no document: nothing to count */
		nulls[0] = false;
		scan->counted = true;
		return SY_ROW;
	}
	return progress;
}

/* The driver's member: see source/driver.h. */
void
mongo_scan_close(SyScan *base)
{
	mongo_cursor_drop(((MongoScan *) base)->cursor);
}
