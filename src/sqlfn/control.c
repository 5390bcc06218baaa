/*-------------------------------------------------------------------------
 *
 * control.c
 *	  SQL functions by which an administrator steers sources.
 *
 * trip(), drain() and reset() act at once and are not undone by ROLLBACK.
 *
 * IDENTIFICATION
 *	  src/sqlfn/control.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "conn/conn.h"
#include "sqlfn/sqlfn.h"

PG_FUNCTION_INFO_V1(switchyard_trip);
PG_FUNCTION_INFO_V1(switchyard_drain);
PG_FUNCTION_INFO_V1(switchyard_reset);
PG_FUNCTION_INFO_V1(switchyard_disconnect);

/* The server that the first argument names, for one who may control it. */
static SyServer *
server_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"source\" must not be null")));
	return sy_server_control(NameStr(*PG_GETARG_NAME(0)));
}

/*
 * A reason given as an argument; NULL: none.  It is kept and shown whole, in
 * one line, or refused.
 */
static char *
reason_argument(FunctionCallInfo fcinfo, int number)
{
	char	   *reason = PG_ARGISNULL(number) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(number));

	if (reason == NULL || reason[0] == '\0')
		return NULL;
	if (strlen(reason) >= SY_HEALTH_REASON_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("reason is too long"),
				 errdetail("It has %zu bytes, and there is room for %d.", strlen(reason),
						   SY_HEALTH_REASON_SIZE - 1)));
	for (const char *c = reason; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7F)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("reason must not contain control characters"),
					 errhint("Write it in one line.")));
	return reason;
}

/* An interval given as an argument, in ms from now on; 0: none, or infinite. */
static int64
duration_argument(FunctionCallInfo fcinfo, int number)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	if (PG_ARGISNULL(number))
		return 0;
	until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(now),
													PG_GETARG_DATUM(number)));
	if (TIMESTAMP_IS_NOEND(until))
		return 0;
	if (TIMESTAMP_IS_NOBEGIN(until) || until - now < 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("duration must be at least one millisecond")));
	return (until - now) / 1000;
}

/* A state that was set holds for this session alone: say so. */
static void
warn_if_private(const SyServer *server, const SySlot *slot)
{
	if (sy_slot_is_shared(slot))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("other sessions do not learn of this change of source \"%s\"", server->name),
			 errdetail("Its circuit breaker is this session's own."),
			 sy_shmem_is_shared() ?
			 errhint("Raise switchyard.max_sources and restart the server.") :
			 errhint("Add switchyard to shared_preload_libraries and restart the server.")));
}

/* trip(name, interval, text): refuse all calls, for a while or for good. */
Datum
switchyard_trip(PG_FUNCTION_ARGS)
{
	SyServer   *server = server_argument(fcinfo);
	int64		duration_ms = duration_argument(fcinfo, 1);
	char	   *reason = reason_argument(fcinfo, 2);
	SySlot	   *slot = sy_slot_get(server->serverid, server->name);

	sy_control_trip(slot, server->name, duration_ms, reason, GetUserId());
	warn_if_private(server, slot);
	PG_RETURN_VOID();
}

/* drain(name, text): let transactions finish, admit no new ones. */
Datum
switchyard_drain(PG_FUNCTION_ARGS)
{
	SyServer   *server = server_argument(fcinfo);
	char	   *reason = reason_argument(fcinfo, 1);
	SySlot	   *slot = sy_slot_get(server->serverid, server->name);

	sy_control_drain(slot, server->name, reason, GetUserId());
	warn_if_private(server, slot);
	PG_RETURN_VOID();
}

/* reset(name): undo what was set by hand and begin to count anew. */
static void
reset_server(const SyServer *server)
{
	SySlot	   *slot = sy_slot_get(server->serverid, server->name);

	sy_control_reset(slot, server->name, GetUserId());
	warn_if_private(server, slot);
}

/* reset(name): the same; NULL: for all sources that the caller may control. */
Datum
switchyard_reset(PG_FUNCTION_ARGS)
{
	ListCell   *cell;

	if (!PG_ARGISNULL(0))
	{
		reset_server(server_argument(fcinfo));
		PG_RETURN_VOID();
	}
	foreach(cell, sy_server_list())
	{
		const SyServer *server = (const SyServer *) lfirst(cell);

		if (server->owned)
			reset_server(server);
	}
	PG_RETURN_VOID();
}

/*
 * disconnect(name): close the sessions of this backend that no transaction
 * uses; NULL: with all sources.  Returns how many it has closed.
 */
Datum
switchyard_disconnect(PG_FUNCTION_ARGS)
{
	ListCell   *cell;
	List	   *servers;
	int			closed = 0;

	if (PG_ARGISNULL(0))
		servers = sy_server_list();
	else
		servers = list_make1(sy_server_find(NameStr(*PG_GETARG_NAME(0))));
	foreach(cell, servers)
	{
		const SyServer *server = (const SyServer *) lfirst(cell);
		int			nbusy;

		closed += sy_conn_disconnect(server->serverid, &nbusy);
		if (nbusy > 0)
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("sessions with source \"%s\" stay open", server->name),
					 errdetail("The present transaction uses them.")));
	}
	PG_RETURN_INT32(closed);
}
