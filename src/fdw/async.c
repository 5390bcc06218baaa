/*-------------------------------------------------------------------------
 *
 * async.c
 *	  Overlap of several sources below one Append.
 *
 * A scan on a session that is connected waits for one socket to become
 * readable, which fits core's protocol.  One that is still connecting waits for
 * several sockets, or to write, and one with a deadline waits for the clock as
 * well: our own loop drives all such scans of the Append together, until one
 * has a row or all wait for a single socket.  It begins when the members that
 * are not asynchronous have been read.
 *
 * A scan whose session is at work for another scan of the same source is not
 * overlapped: it fetches in place.
 *
 * IDENTIFICATION
 *	  src/fdw/async.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/execAsync.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "fdw/fdw.h"

/* Can this path's scan overlap with others? */
bool
syIsForeignPathAsyncCapable(ForeignPath *path)
{
	RelOptInfo *rel = path->path.parent;
	SyRel	   *syrel;

	if (linitial_int(lsecond(path->fdw_private)) & SY_PATH_COUNT)
		rel = (RelOptInfo *) rel->fdw_private;
	syrel = (SyRel *) rel->fdw_private;
	return (syrel->table->source->driver->caps & SY_CAP_NETWORK) != 0;
}

/* The scan behind a request. */
static SyScanState *
scan_of(AsyncRequest *areq)
{
	return (SyScanState *) ((ForeignScanState *) areq->requestee)->fdw_state;
}

/* Is the request for a scan of this extension, and still open? */
static bool
is_pending(AsyncRequest *areq)
{
	return areq != NULL && areq->callback_pending &&
		IsA(areq->requestee, ForeignScanState) &&
		((ForeignScanState *) areq->requestee)->fdwroutine->ForeignAsyncRequest ==
		syForeignAsyncRequest;
}

/* Can the scan answer without a wait? */
static bool
is_ready(const SyScanState *state)
{
	return state->ready || state->finished || state->drained != NULL;
}

/* Go as far as possible without a wait; true if the scan can then answer. */
static bool
advance(SyScanState *state)
{
	MemoryContext old;
	SyProgress	progress;

	if (is_ready(state))
		return true;
	if (state->cursor->starting && state->cursor->state == SY_BLOCKED &&
		sy_cursor_try_start(state->cursor) == SY_BLOCKED)
		return false;

	MemoryContextReset(state->row_cxt);
	old = MemoryContextSwitchTo(state->row_cxt);
	progress = sy_cursor_try_next(state->cursor, state->values, state->nulls);
	MemoryContextSwitchTo(old);
	if (progress == SY_BLOCKED)
		return false;
	state->ready = progress == SY_ROW;
	state->finished = progress == SY_DONE;
	return true;
}

/*
 * Hand the next row to the Append.  Rows that local filters drop make the
 * node fetch on in place.
 */
static void
answer(AsyncRequest *areq)
{
	PlanState  *node = areq->requestee;
	TupleTableSlot *slot = node->ExecProcNodeReal(node);

	ExecAsyncRequestDone(areq, TupIsNull(slot) ? NULL : slot);
}

/* Start the scan if it has not been; true if it can answer. */
static bool
begin_or_advance(SyScanState *state)
{
	if (!state->started)
	{
		sy_scan_prepare(state);
		if (state->no_rows)
			return true;
		if (sy_cursor_session_busy(state->cursor))
			sy_cursor_start(state->cursor);
		else if (sy_cursor_try_start(state->cursor) == SY_BLOCKED)
			return false;
	}
	if (!is_ready(state) && sy_cursor_session_busy(state->cursor))
		return true;
	return advance(state);
}

/* The Append wants a row. */
void
syForeignAsyncRequest(AsyncRequest *areq)
{
	if (begin_or_advance(scan_of(areq)))
		answer(areq);
	else
		ExecAsyncRequestPending(areq);
}

/* Does the scan wait for what core can wait for: one socket to be readable? */
static bool
suits_core(SyScanState *state, SyWaitSpec *spec)
{
	sy_cursor_wait_spec(state->cursor, spec);
	return spec->nitems == 1 && spec->items[0].events == SY_WAIT_READABLE && spec->until == 0;
}

/*
 * Collect the Append's blocked scans that core cannot wait for; false if one
 * of its scans can answer, so that nothing should be waited for.
 */
static bool
collect_cold(AppendState *append, SyCursor **cursors, int *ncursors)
{
	int			i = -1;

	*ncursors = 0;
	while ((i = bms_next_member(append->as_asyncplans, i)) >= 0)
	{
		AsyncRequest *areq = append->as_asyncrequests[i];
		SyWaitSpec	spec;

		if (!is_pending(areq))
			continue;
		if (advance(scan_of(areq)))
			return false;
		if (!suits_core(scan_of(areq), &spec))
			cursors[(*ncursors)++] = scan_of(areq)->cursor;
	}
	return true;
}

/*
 * Drive scans that core cannot wait for, until all can be left to core (true)
 * or one can answer (false).  While the Append has other members to read it
 * only looks: then none is waited for.
 */
static bool
drive_cold(AppendState *append)
{
	SyCursor  **cursors = palloc(append->as_nasyncplans * sizeof(SyCursor *));
	int			ncursors;
	bool		leave;

	while ((leave = collect_cold(append, cursors, &ncursors)) && ncursors > 0 &&
		   append->as_syncdone)
		sy_cursor_wait_any(cursors, ncursors);
	pfree(cursors);
	return leave;
}

/* Answer a request outside of core's notification. */
static void
complete(AsyncRequest *areq)
{
	areq->callback_pending = false;
	answer(areq);
	ExecAsyncResponse(areq);
	if (areq->requestee->instrument)
		InstrUpdateTupleCount(areq->requestee->instrument,
							  TupIsNull(areq->result) ? 0.0 : 1.0);
}

/* The first of the Append's open requests for scans of this extension. */
static AsyncRequest *
first_pending(const AppendState *append)
{
	int			i = -1;

	while ((i = bms_next_member(append->as_asyncplans, i)) >= 0)
		if (is_pending(append->as_asyncrequests[i]))
			return append->as_asyncrequests[i];
	return NULL;
}

/*
 * The Append is going to wait, and asks each scan in turn for its event.  At
 * the first of ours all go as far as possible; if any can answer then, none
 * adds an event, so that the Append does not wait.  Later in the same turn
 * none may be touched any more: what arrives now has to wake the Append up.
 */
void
syForeignAsyncConfigureWait(AsyncRequest *areq)
{
	AppendState *append = (AppendState *) areq->requestor;
	SyScanState *state = scan_of(areq);
	AsyncRequest *first = first_pending(append);
	SyWaitSpec	spec;

	if (append->as_nasyncresults > 0)
		return;
	if (areq == first)
		state->left_to_core = drive_cold(append);
	if (!scan_of(first)->left_to_core)
	{
		if (is_ready(state))
			complete(areq);
		return;
	}
	if (suits_core(state, &spec))
		AddWaitEventToSet(append->as_eventset, WL_SOCKET_READABLE, spec.items[0].fd, NULL, areq);
}

/* The socket is readable. */
void
syForeignAsyncNotify(AsyncRequest *areq)
{
	if (advance(scan_of(areq)))
		answer(areq);
	else
		ExecAsyncRequestPending(areq);
}
