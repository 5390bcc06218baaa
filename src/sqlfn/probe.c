/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  SQL function that probes sources now.
 *
 * Each source is asked over a new session of its own, so that neither this
 * transaction nor what is cached tells in the answer, and all are asked at
 * the same time.
 *
 * IDENTIFICATION
 *	  src/sqlfn/probe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "conn/visit.h"
#include "sqlfn/sqlfn.h"

PG_FUNCTION_INFO_V1(switchyard_probe);

/* One source that is probed. */
typedef struct Probe
{
	const SyServer *server;
	MemoryContext cxt;			/* of the session */
	SyVisit		visit;
	bool		blocked;
} Probe;

typedef struct Probes
{
	int			count;
	Probe	   *items;
} Probes;

static Probes *running = NULL;	/* those that are under way */

/* Whatever has ended the function: no session and no lease stays behind. */
static void
end_probes(void)
{
	Probes	   *probes = running;

	running = NULL;
	for (int i = 0; probes != NULL && i < probes->count; i++)
	{
		SyVisit    *visit = &probes->items[i].visit;

		sy_visit_forget(visit);
		if (visit->session != NULL)
			visit->session->driver->session_close(visit->session);
		visit->session = NULL;
	}
}

/* Exit callback: a backend that is terminated passes no PG_CATCH. */
static void
at_exit(int code, Datum arg)
{
	end_probes();
}

/*
 * Open a session.  False: visit->err says why; what was wrong here, and not
 * with the source, is not told to its breaker.
 */
static bool
open_session(Probe *probe)
{
	SyVisit    *visit = &probe->visit;
	const SySource *source = visit->source;
	SySessionKey key;

	memset(&key, 0, sizeof(key));
	if (source->driver->session_key(source, &key, &visit->err))
		visit->session = source->driver->session_create(source, probe->cxt, &visit->err);
	if (visit->session != NULL)
	{
		source->driver->begin(visit->session, SY_READ_COMMITTED);
		return true;
	}
	if (visit->err.cls == SY_ERROR_SOURCE)
		sy_visit_fail(visit);
	else
		sy_visit_forget(visit);
	return false;
}

/* Begin to probe one source. */
static void
start_probe(Probe *probe)
{
	probe->cxt = AllocSetContextCreate(CurrentMemoryContext, "switchyard probe",
									   ALLOCSET_SMALL_SIZES);
	sy_visit_begin(&probe->visit, true);
	probe->blocked = open_session(probe) && sy_visit_start(&probe->visit) == SY_BLOCKED;
}

/* Wait until one of those that are blocked may go on; how many there are. */
static int
wait_for_some(Probes *probes, SyWaitSpec *specs)
{
	int			nspecs = 0;

	for (int i = 0; i < probes->count; i++)
	{
		SyVisit    *visit = &probes->items[i].visit;

		if (!probes->items[i].blocked)
			continue;
		visit->session->driver->wait(visit->session, &specs[nspecs]);
		specs[nspecs].until = sy_deadline_min(specs[nspecs].until, visit->until);
		nspecs++;
	}
	if (nspecs > 0)
		sy_wait(specs, nspecs);
	return nspecs;
}

/* Probe all of them.  Waits, and throws for an interrupt. */
static void
run_probes(Probes *probes)
{
	SyWaitSpec *specs = palloc(Max(probes->count, 1) * sizeof(SyWaitSpec));

	for (int i = 0; i < probes->count; i++)
		if (probes->items[i].server->source != NULL)
			start_probe(&probes->items[i]);
	while (wait_for_some(probes, specs) > 0)
	{
		for (int i = 0; i < probes->count; i++)
		{
			Probe	   *probe = &probes->items[i];

			if (probe->blocked)
				probe->blocked = sy_visit_step(&probe->visit) == SY_BLOCKED;
		}
	}
}

/*
 * The servers to probe: the one that is named, or all.  What has no driver
 * has failed already.
 */
static Probes
make_probes(FunctionCallInfo fcinfo)
{
	List	   *servers = PG_ARGISNULL(0) ? sy_server_list() :
		list_make1(sy_server_find(NameStr(*PG_GETARG_NAME(0))));
	Probes		probes;
	ListCell   *cell;

	probes.count = 0;
	probes.items = palloc0(Max(list_length(servers), 1) * sizeof(Probe));
	foreach(cell, servers)
	{
		const SyServer *server = (const SyServer *) lfirst(cell);
		Probe	   *probe = &probes.items[probes.count++];

		probe->server = server;
		if (server->source == NULL)
		{
			probe->visit.err = *server->missing;
			continue;
		}
		probe->visit.source = server->source;
		probe->visit.slot = sy_slot_get(server->serverid, server->name);
	}
	return probes;
}

/* What the caller is told about a failure: it is his own, so all of it. */
static void
add_message(SyRow *row, const SyVisit *visit)
{
	char		summary[SY_ERROR_SUMMARY_SIZE];

	if (visit->err.cls == SY_ERROR_NONE)
	{
		sy_row_add_null(row);
		sy_row_add_text(row, visit->degraded);
		return;
	}
	sy_error_summary(summary, &visit->err);
	sy_row_add_sqlstate(row, visit->err.sqlstate);
	sy_row_add_text(row, summary);
}

/* One row of the result. */
static void
put_probe(SyRow *row, FunctionCallInfo fcinfo, const Probe *probe)
{
	const SyVisit *visit = &probe->visit;
	SyStatus	status;

	status.status = "unknown";
	if (probe->server->source != NULL)
		sy_server_status(probe->server, &status);
	sy_row_add_name(row, probe->server->name);
	sy_row_add(row, BoolGetDatum(visit->ok));
	sy_row_add_text(row, status.status);
	sy_row_add_text(row, visit->ping.database);
	sy_row_add_text(row, visit->ping.server_version);
	sy_row_add_ms(row, visit->round_trip_ms > 0 ? visit->round_trip_ms : -1);
	sy_row_add_count(row, visit->sampled ? visit->size.bytes : -1);
	add_message(row, visit);
	sy_row_put(row, fcinfo);
}

/* probe(name): how does the source answer now?  NULL: all sources. */
Datum
switchyard_probe(PG_FUNCTION_ARGS)
{
	static bool exit_registered = false;
	Probes		probes;
	SyRow		row = {0};

	InitMaterializedSRF(fcinfo, 0);
	probes = make_probes(fcinfo);
	if (!exit_registered)
		before_shmem_exit(at_exit, (Datum) 0);
	exit_registered = true;

	running = &probes;
	PG_TRY();
	{
		run_probes(&probes);
	}
	PG_FINALLY();
	{
		end_probes();
	}
	PG_END_TRY();

	for (int i = 0; i < probes.count; i++)
		put_probe(&row, fcinfo, &probes.items[i]);
	return (Datum) 0;
}
