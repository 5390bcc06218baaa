/*-------------------------------------------------------------------------
 *
 * views.c
 *	  The functions below the views sources, breakers, events, connections
 *	  and tables.
 *
 * They contact no source.  Everybody may read the views: what says where a
 * source is, or repeats a source's words, is NULL for who may not see it.
 *
 * IDENTIFICATION
 *	  src/sqlfn/views.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "sqlfn/sqlfn.h"

PG_FUNCTION_INFO_V1(switchyard_sources);
PG_FUNCTION_INFO_V1(switchyard_breakers);
PG_FUNCTION_INFO_V1(switchyard_events);
PG_FUNCTION_INFO_V1(switchyard_connections);
PG_FUNCTION_INFO_V1(switchyard_tables);

/*
 * A row for each server: its name, what "fill" knows of it, and NULLs for the
 * remaining columns.
 */
static Datum
put_servers(FunctionCallInfo fcinfo, void (*fill) (SyRow *row, const SyServer *server))
{
	ListCell   *cell;
	SyRow		row = {0};

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, sy_server_list())
	{
		const SyServer *server = (const SyServer *) lfirst(cell);

		sy_row_add_name(&row, server->name);
		fill(&row, server);
		while (row.count < ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc->natts)
			sy_row_add_null(&row);
		sy_row_put(&row, fcinfo);
	}
	return (Datum) 0;
}

/* Text of a source, without credentials and in our encoding. */
static void
add_remote_text(SyRow *row, const char *text)
{
	char		buf[SY_ERROR_DETAIL_SIZE];

	if (text != NULL)
		sy_error_excerpt(buf, sizeof(buf), text);
	sy_row_add_text(row, text != NULL ? buf : NULL);
}

/* Where the source is, and what its database is called. */
static void
add_endpoint(SyRow *row, const SyServer *server)
{
	SyEndpoint	endpoint = {NULL, NULL};

	if (server->source->driver->endpoint != NULL)
		server->source->driver->endpoint(server->source, &endpoint);
	add_remote_text(row, server->visible ? endpoint.address : NULL);
	add_remote_text(row, server->visible ? endpoint.database : NULL);
}

/* What has failed last. */
static void
add_last_error(SyRow *row, const SyServer *server, const SyStatus *status)
{
	bool		any = status->last_failure_class != SY_ERROR_NONE;

	sy_row_add_time(row, any ? status->last_error_at : 0);
	sy_row_add_sqlstate(row, any ? status->last_sqlstate : 0);
	sy_row_add_text(row, any && server->visible ? status->last_error : NULL);
}

/* How large the source is, and may be. */
static void
add_capacity(SyRow *row, const SySource *source, const SyStatus *status)
{
	const SySample *sample = &status->sample;
	bool		has_limit = source->size_limit > 0;

	sy_row_add_int(row, sample->tables);
	sy_row_add_count(row, sample->rows);
	sy_row_add_count(row, sample->bytes);
	sy_row_add_count(row, has_limit ? source->size_limit : -1);
	sy_row_add_real(row, has_limit && sample->bytes >= 0 ?
					(double) sample->bytes / source->size_limit : -1);
	sy_row_add_time(row, status->sampled_at);
	/* nothing writes yet */
	sy_row_add_count(row, 0);
}

/* One row of sources(), but for the name. */
static void
fill_source(SyRow *row, const SyServer *server)
{
	const SySource *source = server->source;
	SyStatus	status;

	sy_row_add_text(row, server->driver_name);
	if (source == NULL)
	{
		/* role, endpoint, remote_database, server_version */
		for (int i = 0; i < 4; i++)
			sy_row_add_null(row);
		sy_row_add_text(row, "unknown");
		return;
	}
	sy_server_status(server, &status);
	sy_row_add_text(row, source->role);
	add_endpoint(row, server);
	sy_row_add_text(row, server->visible ? status.server_version : NULL);
	sy_row_add_text(row, status.status);
	sy_row_add_time(row, status.status_since);
	sy_row_add(row, BoolGetDatum(source->read_only || status.source_read_only));
	sy_row_add_time(row, status.probed_at);
	sy_row_add_ms(row, status.probed_at != 0 ? status.probe_ms : -1);
	add_last_error(row, server, &status);
	add_capacity(row, source, &status);
	sy_row_add_int(row, status.sessions);
	sy_row_add_int(row, source->limits.pool_size + source->limits.max_overflow);
	sy_row_add_int(row, status.waiting);
	sy_row_add_text(row, status.shared ? "cluster" : "backend");
}

/* sources(): each source, where it is, how it is, how large it is. */
Datum
switchyard_sources(PG_FUNCTION_ARGS)
{
	return put_servers(fcinfo, fill_source);
}

/* One row of breakers(), but for the name. */
static void
fill_breaker(SyRow *row, const SyServer *server)
{
	const SyLimits *limits;
	SyStatus	status;

	if (server->source == NULL)
		return;
	limits = &server->source->limits;
	sy_server_status(server, &status);
	sy_row_add_text(row, sy_breaker_state_name(status.state));
	sy_row_add_time(row, status.since);
	sy_row_add_text(row, status.reason);
	sy_row_add_time(row, status.retry_at);
	sy_row_add_role(row, status.set_by);
	sy_row_add_time(row, status.set_until);
	sy_row_add_int(row, status.failures);
	sy_row_add_int(row, limits->failure_threshold);
	sy_row_add_int(row, status.trials);
	sy_row_add_int(row, limits->half_open_calls);
	sy_row_add_count(row, status.calls);
	sy_row_add_count(row, status.errors);
	sy_row_add_count(row, status.rejected);
	sy_row_add_count(row, status.opens);
	sy_row_add_real(row, status.success_ratio);
	sy_row_add_ms(row, status.p50_ms);
	sy_row_add_ms(row, status.p95_ms);
	sy_row_add_ms(row, status.p99_ms);
	sy_row_add_text(row, sy_event_class_name(status.last_failure_class));
	sy_row_add_time(row, status.stats_reset);
}

/* breakers(): the circuit breaker of each source, and its counters. */
Datum
switchyard_breakers(PG_FUNCTION_ARGS)
{
	return put_servers(fcinfo, fill_breaker);
}

/* Does the present role own the server of that name, or is it a superuser? */
static bool
owns_source(List *servers, const char *name)
{
	ListCell   *cell;

	foreach(cell, servers)
	{
		const SyServer *server = (const SyServer *) lfirst(cell);

		if (strcmp(server->name, name) == 0)
			return server->owned;
	}
	return false;
}

/* events(): what has happened to sources lately, oldest first. */
Datum
switchyard_events(PG_FUNCTION_ARGS)
{
	List	   *servers = sy_server_list();
	bool		monitor = sy_server_is_monitor();
	SyEvent    *events;
	uint64		last;
	int			count;
	SyRow		row = {0};

	InitMaterializedSRF(fcinfo, 0);
	events = sy_event_read(0, &count, &last);
	for (int i = 0; i < count; i++)
	{
		const SyEvent *event = &events[i];
		bool		visible = monitor || sy_server_is_role(event->userid) ||
			owns_source(servers, NameStr(event->source));

		sy_row_add_count(&row, (int64) event->id);
		sy_row_add_time(&row, event->at);
		sy_row_add_name(&row, NameStr(event->source));
		sy_row_add_null(&row);	/* route: there are none yet */
		sy_row_add_text(&row, sy_event_kind_name(event->kind));
		sy_row_add_int(&row, event->failures);
		sy_row_add_int(&row, event->threshold);
		sy_row_add_sqlstate(&row, event->sqlstate);
		sy_row_add_text(&row, visible ? event->message : NULL);
		sy_row_add_int(&row, event->pid);
		sy_row_add_role(&row, event->userid);
		sy_row_put(&row, fcinfo);
	}
	return (Datum) 0;
}

/* A session's state in words. */
static const char *
seat_state_name(SySeatState state)
{
	switch (state)
	{
		case SY_SEAT_IDLE:
			return "idle";
		case SY_SEAT_IN_TRANSACTION:
			return "idle in transaction";
		case SY_SEAT_ACTIVE:
			return "active";
	}
	return NULL;
}

/* connections(): each open session with a source. */
Datum
switchyard_connections(PG_FUNCTION_ARGS)
{
	SySeatInfo *seats;
	int			count;
	SyRow		row = {0};

	InitMaterializedSRF(fcinfo, 0);
	seats = sy_seat_list(&count);
	for (int i = 0; i < count; i++)
	{
		const SySeatInfo *seat = &seats[i];

		sy_row_add_int(&row, seat->pid);
		sy_row_add_role(&row, seat->userid);
		sy_row_add_name(&row, NameStr(seat->source));
		sy_row_add_text(&row, seat_state_name(seat->state));
		sy_row_add_time(&row, seat->connected_at);
		sy_row_add_time(&row, seat->used_at);
		sy_row_add(&row, BoolGetDatum(false));	/* nothing writes yet */
		sy_row_add_count(&row, seat->calls);
		sy_row_put(&row, fcinfo);
	}
	return (Datum) 0;
}

/* The server with that OID, or NULL if it is not ours. */
static const SyServer *
server_with_oid(List *servers, Oid serverid)
{
	ListCell   *cell;

	foreach(cell, servers)
	{
		const SyServer *server = (const SyServer *) lfirst(cell);

		if (server->serverid == serverid)
			return server;
	}
	return NULL;
}

/* What the table is called at its source; NULL: only the driver would know. */
static const char *
remote_name(const SyServer *server, Datum options, const char *name)
{
	ListCell   *cell;

	if (server->source == NULL)
		return NULL;
	foreach(cell, untransformRelOptions(options))
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, server->source->driver->table_option) == 0)
			return defGetString(option);
	}
	return name;
}

/* One row of tables(), unless the table is being dropped. */
static void
put_table(SyRow *row, FunctionCallInfo fcinfo, const SyServer *server, Oid relid, Datum options)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_class) GETSTRUCT(tuple);
	sy_row_add(row, ObjectIdGetDatum(relid));
	sy_row_add_name(row, server->name);
	sy_row_add_text(row, server->driver_name);
	sy_row_add_text(row, remote_name(server, options, NameStr(form->relname)));
	sy_row_add_null(row);		/* route and root: there are none yet */
	sy_row_add_null(row);
	sy_row_add(row, BoolGetDatum(false));	/* nothing writes yet */
	sy_row_add_count(row, form->reltuples >= 0 ? (int64) form->reltuples : -1);
	sy_row_put(row, fcinfo);
	ReleaseSysCache(tuple);
}

/* tables(): each foreign table of ours. */
Datum
switchyard_tables(PG_FUNCTION_ARGS)
{
	List	   *servers = sy_server_list();
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;
	SyRow		row = {0};

	InitMaterializedSRF(fcinfo, 0);
	rel = table_open(ForeignTableRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_table form = (Form_pg_foreign_table) GETSTRUCT(tuple);
		const SyServer *server = server_with_oid(servers, form->ftserver);
		bool		isnull;
		Datum		options = heap_getattr(tuple, Anum_pg_foreign_table_ftoptions,
										   RelationGetDescr(rel), &isnull);

		if (server != NULL)
			put_table(&row, fcinfo, server, form->ftrelid, isnull ? (Datum) 0 : options);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return (Datum) 0;
}
