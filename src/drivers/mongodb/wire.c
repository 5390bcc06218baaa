/*-------------------------------------------------------------------------
 *
 * wire.c
 *	  Waiting and refusing: what all streams of one client share.
 *
 * Runs on the coroutine's stack: no allocation by PostgreSQL, no errors.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/wire.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>

#include "stream.h"

static char last_log[512];

/* Begin an operation: nothing is refused, nothing has gone wrong yet. */
void
mongo_wire_begin(MongoWire *wire)
{
	wire->refusal = MONGO_ACCEPTED;
	wire->deadline = 0;
	wire->patient = false;
	wire->trouble.noted = false;
	wire->nitems = 0;
	wire->until = 0;
	last_log[0] = '\0';
}

/* From now on, waits end at "deadline" (0: never) with that refusal. */
void
mongo_wire_limit(MongoWire *wire, SyDeadline deadline, MongoRefusal meaning)
{
	wire->deadline = deadline;
	wire->on_deadline = meaning;
}

#if !MONGO_COROUTINES

/* Wait here, and note what ended the wait. */
static void
mongo_wire_wait_here(MongoWire *wire)
{
	SyWaitSpec	spec;

	spec.nitems = wire->nitems;
	spec.items = wire->items;
	spec.until = wire->until;
	if (!wire->wait_in_place(&spec))
		wire->refusal = MONGO_INTERRUPTED;
}

#endif

/*
 * Wait for wire->items, until "until" at most (0: the deadline alone
 * counts).  False: I/O is refused from now on.  Wake-ups may be spurious, so
 * callers look at their descriptors themselves.
 */
bool
mongo_wire_pause(MongoWire *wire, SyDeadline until)
{
	int			save_errno = errno;

	if (wire->refusal != MONGO_ACCEPTED)
		return false;
	wire->until = sy_deadline_min(until, wire->deadline);
#if MONGO_COROUTINES
	mongo_coroutine_yield(wire->coroutine);
#else
	mongo_wire_wait_here(wire);
#endif
	wire->nitems = 0;
	if (wire->refusal == MONGO_ACCEPTED && sy_deadline_passed(wire->deadline))
		wire->refusal = wire->on_deadline;
	errno = save_errno;
	return wire->refusal == MONGO_ACCEPTED;
}

/* Free what a wire holds; no stream of it exists any more. */
void
mongo_wire_free(MongoWire *wire)
{
	mongo_coroutine_destroy(wire->coroutine);
	wire->coroutine = NULL;
	bson_free(wire->items);
	wire->items = NULL;
	wire->maxitems = 0;
}

/*
 * libmongoc's log: the last warning or error of the operation is kept, as
 * some failures are explained nowhere else; the rest is dropped.  The library
 * holds a lock here, so nothing but a copy happens.
 */
void MONGO_CALLBACK
mongo_log_handler(mongoc_log_level_t level, const char *domain,
				  const char *message, void *data)
{
	if (level <= MONGOC_LOG_LEVEL_WARNING)
		strlcpy(last_log, message, sizeof(last_log));
}

/* The last warning or error that libmongoc logged in this operation, or "". */
const char *
mongo_log_last(void)
{
	return last_log;
}

/* Forget it. */
void
mongo_log_clear(void)
{
	last_log[0] = '\0';
}
