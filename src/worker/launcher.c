/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  One for the cluster: sees to it that databases with sources have a
 *	  prober.
 *
 * Which databases have sources only a process within them can find out.  So
 * all that can be connected to are registered at the start and at SIGHUP, and
 * a new one, which may be a copy of another, when it appears; a prober that
 * finds nothing to do takes its database off the list.  From then on databases
 * register themselves.  On a standby, where servers appear without a command,
 * they are all registered again from time to time.
 *
 * Probers take half of max_worker_processes at most, this process included.
 * If there are more databases than that they take turns, a round each.
 *
 * A prober is not restarted by the postmaster but from here, so that its
 * database can be kept free of it.
 *
 * IDENTIFICATION
 *	  src/worker/launcher.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/wait.h"
#include "health/health.h"
#include "worker/schedule.h"
#include "worker/worker.h"

/* pg_database.datconnlimit of a database whose DROP was interrupted. */
#define INVALID_DATABASE	(-2)

/* The launcher looks around at least so often. */
#define LOOK_US			(INT64CONST(5) * 1000000)

/* On a standby, and so often for databases without sources. */
#define STANDBY_LOOK_US		(INT64CONST(30) * 1000000)

/* A prober that ended sooner has failed, unless it was told to end. */
#define SOON_US			(INT64CONST(5) * 1000000)

/* In turns, a database has no second one before, nor needs it later. */
#define SHORTEST_TURN_US	(INT64CONST(1) * 1000000)
#define LONGEST_TURN_US		(INT64CONST(10) * 1000000)

/* A registered database. */
typedef struct Database
{
	Oid			dboid;
	bool		listed;			/* it is still registered */
	bool		withdrawn;
	int			prober_pid;		/* as it says itself; 0: none */
	BackgroundWorkerHandle *handle; /* palloc'd; NULL: no prober of ours */
	bool		one_round;		/* its prober ends by itself */
	bool		stopped;		/* we told its prober to end */
	bool		has_sources;	/* as far as we know */
	bool		had_round;		/* its last prober ended after one round */
	int			failures;		/* probers in a row that ended too soon */
	int64		started_us;
	int64		due_us;			/* no prober before */
	int64		turn_us;		/* the same, in turns */
} Database;

static List *databases = NIL;	/* of Database *, in TopMemoryContext */
static List *visited = NIL;		/* OIDs that were registered once; there, too */
static int64 visit_again_us = 0;	/* on a standby: all of them */
static MemoryContext round_cxt = NULL;	/* reset in each turn of the loop */
static bool warned_turns = false;
static bool warned_slots = false;
static int	start_failures = 0; /* in a row: no free worker */
static int64 start_again_us = 0;

/* OIDs of databases that a prober can connect to. */
static List *
connectable_databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext inner;

		if (!database->datallowconn || database->datistemplate ||
			database->datconnlimit == INVALID_DATABASE)
			continue;
		inner = MemoryContextSwitchTo(caller);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(inner);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	return result;
}

/* Have databases visited: those that are new, or every one. */
static void
register_databases(bool all)
{
	List	   *present = connectable_databases();
	MemoryContext caller;
	ListCell   *cell;

	if (!all && equal(present, visited))
		return;
	foreach(cell, present)
		if (all || !list_member_oid(visited, lfirst_oid(cell)))
			sy_database_register(lfirst_oid(cell));

	caller = MemoryContextSwitchTo(TopMemoryContext);
	list_free(visited);
	visited = list_copy(present);
	MemoryContextSwitchTo(caller);
	visit_again_us = sy_now_us() + STANDBY_LOOK_US;
}

/* What we know of a registered database, made if need be. */
static Database *
database_of(Oid dboid)
{
	ListCell   *cell;
	MemoryContext caller;
	Database   *database;

	foreach(cell, databases)
		if (((Database *) lfirst(cell))->dboid == dboid)
			return (Database *) lfirst(cell);

	caller = MemoryContextSwitchTo(TopMemoryContext);
	database = palloc0(sizeof(Database));
	database->dboid = dboid;
	databases = lappend(databases, database);
	MemoryContextSwitchTo(caller);
	return database;
}

/* A prober of ours has ended: when may the next one begin? */
static void
note_end(Database *database)
{
	int64		now_us = sy_now_us();

	pfree(database->handle);
	database->handle = NULL;
	database->due_us = 0;
	database->has_sources = true;	/* else it is off the list */
	database->had_round = database->one_round;
	if (database->stopped || database->withdrawn || database->one_round ||
		now_us - database->started_us >= SOON_US)
		database->failures = 0;
	else
		database->due_us = now_us +
			(int64) sy_schedule_retry_ms(++database->failures) * 1000;
}

/* Is there a prober?  Also one that a launcher before us has started. */
static bool
is_running(Database *database)
{
	return database->handle != NULL || database->prober_pid != 0;
}

/* Make our list agree with the registry, and see whose prober has ended. */
static void
look_around(void)
{
	int			count;
	SyDatabase *registered = sy_database_list(&count);
	ListCell   *cell;

	foreach(cell, databases)
		((Database *) lfirst(cell))->listed = false;
	for (int i = 0; i < count; i++)
	{
		Database   *database = database_of(registered[i].dboid);

		database->listed = true;
		database->prober_pid = registered[i].prober_pid;
		if (database->prober_pid != 0 && database->handle == NULL)
			database->has_sources = true;	/* an earlier launcher's prober */
		database->withdrawn = registered[i].withdrawn_until_us > sy_now_us();
		database->turn_us = Max(Min(registered[i].due_us, database->started_us + LONGEST_TURN_US),
								database->started_us + SHORTEST_TURN_US);
	}
	foreach(cell, list_copy(databases))
	{
		Database   *database = (Database *) lfirst(cell);
		pid_t		pid;

		if (!database->listed)
			database->prober_pid = 0;
		if (database->handle != NULL &&
			GetBackgroundWorkerPid(database->handle, &pid) == BGWH_STOPPED)
			note_end(database);
		if (!database->listed && database->handle == NULL)
		{
			databases = list_delete_ptr(databases, database);
			pfree(database);
		}
	}
}

/* Tell a prober to end. */
static void
stop_prober(Database *database)
{
	if (database->handle != NULL)
	{
		if (!database->stopped)
			TerminateBackgroundWorker(database->handle);
	}
	else
		(void) kill(database->prober_pid, SIGTERM);
	database->stopped = true;
}

/* No worker could be had: try again later. */
static void
note_no_worker(void)
{
	start_again_us = sy_now_us() +
		(int64) sy_schedule_retry_ms(++start_failures) * 1000;
	if (warned_slots)
		return;
	warned_slots = true;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not start a process to probe sources"),
			 errdetail("All background workers are in use."),
			 errhint("Raise max_worker_processes and restart the server.")));
}

/* Start a prober. */
static void
start_prober(Database *database, bool one_round)
{
	BackgroundWorker worker;
	SyProberOrder order;
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	bool		started;

	memset(&order, 0, sizeof(order));
	order.one_round = one_round;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database->dboid);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &order, sizeof(order));
	strlcpy(worker.bgw_library_name, "switchyard", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "sy_prober_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, BGW_MAXLEN, "switchyard prober for database %u", database->dboid);
	strlcpy(worker.bgw_type, "switchyard prober", BGW_MAXLEN);

	started = RegisterDynamicBackgroundWorker(&worker, &database->handle);
	MemoryContextSwitchTo(caller);
	if (!started)
	{
		database->handle = NULL;
		note_no_worker();
		return;
	}
	start_failures = 0;
	start_again_us = 0;
	database->one_round = one_round;
	database->has_sources = database->has_sources || !one_round;
	database->stopped = false;
	database->started_us = sy_now_us();
}

/* Count the databases that have sources, and those that may have some. */
static void
count_databases(int *known, int *unknown)
{
	ListCell   *cell;

	*known = 0;
	*unknown = 0;
	foreach(cell, databases)
	{
		if (((Database *) lfirst(cell))->has_sources)
			(*known)++;
		else
			(*unknown)++;
	}
}

/* Say once that there are too many databases to have a prober each. */
static void
warn_of_turns(int known, int limit)
{
	if (warned_turns || known <= limit)
		return;
	warned_turns = true;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("%d databases have sources, but only %d of them are probed at a time",
					known, limit),
			 errdetail("Probers take half of max_worker_processes at most, so databases take turns."),
			 errhint("Raise max_worker_processes and restart the server.")));
}

/* The databases as the schedule wants them, in CurrentMemoryContext. */
static SyScheduleDatabase *
describe_databases(bool turns)
{
	SyScheduleDatabase *result = palloc0(sizeof(SyScheduleDatabase) *
										 (list_length(databases) + 1));

	for (int i = 0; i < list_length(databases); i++)
	{
		Database   *database = (Database *) list_nth(databases, i);

		result[i].running = is_running(database);
		result[i].withdrawn = database->withdrawn || !database->listed;
		result[i].due_us = turns && database->had_round ? database->turn_us : database->due_us;
		result[i].started_us = database->started_us;
	}
	return result;
}

/* Is the database to be connected to? */
static bool
is_connectable(const Database *database)
{
	return list_member_oid(connectable_databases(), database->dboid);
}

/*
 * Start a prober where one is missing; false: nowhere, or it cannot be.  A
 * database that is no more, or takes no connections, is off the list.
 */
static bool
start_one(int limit, bool turns, bool crowded)
{
	Database   *database;
	int			number;

	if (sy_now_us() < start_again_us)
		return false;
	number = sy_schedule_database(describe_databases(turns), list_length(databases), limit,
								  sy_now_us());
	if (number < 0)
		return false;
	database = (Database *) list_nth(databases, number);
	if (is_connectable(database))
	{
		start_prober(database, turns || (crowded && !database->has_sources));
		return start_again_us == 0;
	}
	sy_slot_free_database(database->dboid);
	sy_database_unregister(database->dboid);
	databases = list_delete_ptr(databases, database);
	pfree(database);
	return true;
}

/* When is there something to do at the latest? */
static int64
next_look(void)
{
	int64		now_us = sy_now_us();
	int64		next_us = now_us + LOOK_US;
	ListCell   *cell;

	foreach(cell, databases)
	{
		Database   *database = (Database *) lfirst(cell);

		if (database->had_round && database->turn_us > now_us)
			next_us = Min(next_us, database->turn_us);
		if (database->due_us > now_us)
			next_us = Min(next_us, database->due_us);
	}
	if (start_again_us > now_us)
		next_us = Min(next_us, start_again_us);
	return next_us;
}

/*
 * On a standby: are databases without sources to be visited again?  Not when
 * they would take the turns of others.
 */
static bool
is_visit_due(void)
{
	int			known;
	int			unknown;

	count_databases(&known, &unknown);
	return sy_now_us() >= visit_again_us && known < sy_schedule_limit(max_worker_processes);
}

/* Stop and start probers as the state of things wants. */
static void
manage(void)
{
	int			limit = sy_schedule_limit(max_worker_processes);
	int			known;
	int			unknown;
	bool		turns;
	ListCell   *cell;

	look_around();
	count_databases(&known, &unknown);
	turns = sy_schedule_takes_turns(known, unknown, limit);
	foreach(cell, databases)
	{
		Database   *database = (Database *) lfirst(cell);

		if (is_running(database) &&
			(database->withdrawn || (turns && !database->one_round)))
			stop_prober(database);
	}
	while (start_one(limit, turns, known + unknown > limit))
		;
	warn_of_turns(known, limit);
}

/* Entry point of the launcher. */
void
sy_launcher_main(Datum arg)
{
	bool		in_recovery;

	sy_worker_signals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	sy_worker_settings();
	sy_database_set_launcher(MyLatch);
	round_cxt = AllocSetContextCreate(TopMemoryContext, "switchyard launcher round",
									  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(round_cxt);
	in_recovery = RecoveryInProgress();
	register_databases(true);

	for (;;)
	{
		SyWaitSpec	spec = {0, NULL, 0};

		MemoryContextReset(round_cxt);
		if (ProcDiePending)
			proc_exit(1);		/* to be restarted, unless the server ends */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			register_databases(true);
		}
		if (in_recovery && !RecoveryInProgress())
		{
			in_recovery = false;
			register_databases(true);
		}
		register_databases(in_recovery && is_visit_due());
		manage();
		spec.until = next_look();
		(void) sy_wait_briefly(&spec, 1);
	}
}
