/*-------------------------------------------------------------------------
 *
 * hook.c
 *	  Commands that the prober of a database has to know of.
 *
 * DROP DATABASE and its like need the database for themselves.  It is
 * withdrawn before such a command and admitted again when its transaction is
 * over.  Commands on servers and mappings wake the prober once they are
 * committed, and CREATE DATABASE the launcher: the new one may be a copy.
 *
 * IDENTIFICATION
 *	  src/worker/hook.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"

#include "base/compat.h"
#include "base/wait.h"
#include "health/health.h"
#include "worker/worker.h"

/* A prober leaves at once; what it may be busy with can take this long. */
#define LEAVE_MS		1000
#define LEAVE_STEP_MS	5

/* Should this process die in the middle of the command: when it is over. */
#define WITHDRAW_MS		60000

static ProcessUtility_hook_type next_hook = NULL;

/* Of the present transaction. */
static Oid	withdrawn = InvalidOid; /* a database */
static bool is_dropping = false;	/* that database */
static bool sources_changed = false;
static bool database_made = false;

/* The database that a command needs for itself; InvalidOid: none. */
static Oid
wanted_database(Node *statement)
{
	const char *name = NULL;
	ListCell   *cell;

	if (IsA(statement, DropdbStmt))
		name = ((DropdbStmt *) statement)->dbname;
	else if (IsA(statement, RenameStmt) &&
			 ((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
		name = ((RenameStmt *) statement)->subname;
	else if (IsA(statement, AlterDatabaseStmt))
	{
		foreach(cell, ((AlterDatabaseStmt *) statement)->options)
			if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
				name = ((AlterDatabaseStmt *) statement)->dbname;
	}
	else if (IsA(statement, CreatedbStmt))
	{
		foreach(cell, ((CreatedbStmt *) statement)->options)
			if (strcmp(lfirst_node(DefElem, cell)->defname, "template") == 0 &&
				lfirst_node(DefElem, cell)->arg != NULL)
				name = defGetString(lfirst_node(DefElem, cell));
	}
	return name != NULL ? get_database_oid(name, true) : InvalidOid;
}

/* May the command change what there is to probe? */
static bool
is_about_sources(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateFdwStmt:
		case T_AlterFdwStmt:
		case T_CreateForeignServerStmt:
		case T_AlterForeignServerStmt:
		case T_CreateUserMappingStmt:
		case T_AlterUserMappingStmt:
		case T_DropUserMappingStmt:
			return true;
		case T_DropStmt:
			return ((DropStmt *) statement)->removeType == OBJECT_FOREIGN_SERVER ||
				((DropStmt *) statement)->removeType == OBJECT_EXTENSION ||
				((DropStmt *) statement)->removeType == OBJECT_FDW;
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_FOREIGN_SERVER;
		case T_AlterOwnerStmt:
			return ((AlterOwnerStmt *) statement)->objectType == OBJECT_FOREIGN_SERVER;
		default:
			return false;
	}
}

/*
 * Have the prober leave the database, and wait for that as long as it should
 * take.  Whoever is still there afterwards, core's own check will find.
 */
static void
withdraw(Oid dboid)
{
	SyDeadline	until = sy_deadline_in(LEAVE_MS);
	SyDatabase	database;

	withdrawn = dboid;
	if (sy_database_withdraw(dboid, WITHDRAW_MS) == 0)
		return;
	while (sy_database_find(dboid, &database) && database.prober_pid != 0 &&
		   !sy_deadline_passed(until))
	{
		SyWaitSpec	pause = {0, NULL, sy_deadline_in(LEAVE_STEP_MS)};

		sy_wait(&pause, 1);
	}
}

/* ProcessUtility hook. */
static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	Node	   *statement = pstmt->utilityStmt;
	Oid			dboid = wanted_database(statement);

	/* others' commands will fail: they must not disturb the prober */
	if (OidIsValid(dboid) && sy_owns_database(dboid))
	{
		is_dropping = IsA(statement, DropdbStmt);
		withdraw(dboid);
	}
	if (is_about_sources(statement))
		sources_changed = true;
	if (IsA(statement, CreatedbStmt))
		database_made = true;
	(next_hook ? next_hook : standard_ProcessUtility) (pstmt, query, read_only_tree, context, params,
													   environment, receiver, completion);
}

/* Transaction callback: what was noted takes effect. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (OidIsValid(withdrawn))
	{
		(void) sy_database_withdraw(withdrawn, 0);
		if (event == XACT_EVENT_COMMIT && is_dropping)
		{
			sy_database_unregister(withdrawn);
			sy_slot_free_database(withdrawn);
		}
		withdrawn = InvalidOid;
	}
	if (sources_changed && event != XACT_EVENT_ABORT)
	{
		sy_database_register(MyDatabaseId);
		sy_database_wake(MyDatabaseId);
	}
	if (database_made && event == XACT_EVENT_COMMIT)
		sy_database_wake_launcher();
	sources_changed = false;
	database_made = false;
}

/* Put the hook in its place; called in the postmaster. */
void
sy_hook_init(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	RegisterXactCallback(at_transaction_end, NULL);
}
