/*-------------------------------------------------------------------------
 *
 * notify_test.c
 *	  A queue of notifications that is full, as far as a prober can tell.
 *
 * To fill the real one takes 8 GB before PostgreSQL 17.  Works if the module
 * is in shared_preload_libraries.
 *
 * IDENTIFICATION
 *	  test/module/notify_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/memnodes.h"
#include "postmaster/bgworker.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* The context that src/worker/notify.c works in. */
#define NOTIFYING	"switchyard events"

extern PGDLLEXPORT void _PG_init(void);

static bool queue_full = false;

/* Is there a memory context of that name in or below "cxt"? */
static bool
has_context(MemoryContext cxt, const char *name)
{
	if (strcmp(cxt->name, name) == 0)
		return true;
	for (MemoryContext child = cxt->firstchild; child != NULL; child = child->nextchild)
		if (has_context(child, name))
			return true;
	return false;
}

/* Transaction callback: fail where PostgreSQL does, with its words. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (queue_full && event == XACT_EVENT_PRE_COMMIT && MyBgworkerEntry != NULL &&
		has_context(TopMemoryContext, NOTIFYING))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many notifications in the NOTIFY queue")));
}

/* Called when the module is loaded. */
void
_PG_init(void)
{
	DefineCustomBoolVariable("switchyard_test.notify_queue_full",
							 "Lets background workers fail to notify.",
							 NULL, &queue_full, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	RegisterXactCallback(at_transaction_end, NULL);
}
