/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  What has happened to the sources, for those who listen.
 *
 * Only the prober notifies: a notification of the session whose query failed
 * would be lost with its transaction.
 *
 * IDENTIFICATION
 *	  src/worker/notify.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/error.h"
#include "health/health.h"
#include "worker/worker.h"

#define CHANNEL		"switchyard"

static bool warned = false;		/* since listeners were told the last time */

/* Append a key and a text, or null, to a JSON object. */
static void
append_text(StringInfo json, const char *key, const char *value)
{
	appendStringInfo(json, ", \"%s\": ", key);
	if (value != NULL && value[0] != '\0')
		escape_json(json, value);
	else
		appendStringInfoString(json, "null");
}

/* Append a key and a number; a negative one is null. */
static void
append_number(StringInfo json, const char *key, int value)
{
	if (value < 0)
		append_text(json, key, NULL);
	else
		appendStringInfo(json, ", \"%s\": %d", key, value);
}

/* The payload for a transition, palloc'd; well below the limit of 8000 bytes. */
static char *
payload_of(const SyEvent *event)
{
	StringInfoData json;
	char		at[MAXDATELEN + 1];

	initStringInfo(&json);
	JsonEncodeDateTime(at, TimestampTzGetDatum(event->at), TIMESTAMPTZOID, NULL);
	appendStringInfo(&json, "{\"at\": \"%s\"", at);
	append_text(&json, "kind", sy_event_kind_name(event->kind));
	append_text(&json, "source", NameStr(event->source));
	append_text(&json, "route", NULL);
	append_text(&json, "from", sy_breaker_state_name(event->from));
	append_text(&json, "to", sy_breaker_state_name(event->to));
	append_text(&json, "reason", event->message);
	append_number(&json, "failures", event->failures);
	append_number(&json, "threshold", event->failures < 0 ? -1 : event->threshold);
	append_text(&json, "sqlstate", event->sqlstate ? unpack_sql_state(event->sqlstate) : NULL);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/*
 * Send the transitions among the events, in one transaction.  The queue may
 * be full, when nobody hears of them; the events are still to be seen.  That
 * lasts, and is said once.
 */
static void
send_all(const SyEvent *events, int count)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		for (int i = 0; i < count; i++)
			if (events[i].kind != SY_EVENT_FAILURE)
				Async_Notify(CHANNEL, payload_of(&events[i]));
		CommitTransactionCommand();
		warned = false;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		if (!warned)
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("could not notify listeners on channel \"%s\"", CHANNEL),
					 errdetail("%s.", error->message)));
		warned = true;
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/* Tell listeners what is newer than "since"; see worker.h. */
uint64
sy_notify_events(uint64 since)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "switchyard events",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(cxt);
	uint64		last = since;
	bool		any = false;
	int			count;
	SyEvent    *events = sy_event_read(since, &count, &last);

	for (int i = 0; i < count; i++)
		any = any || events[i].kind != SY_EVENT_FAILURE;
	if (any && !RecoveryInProgress())
		send_all(events, count);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cxt);
	return last;
}
