/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Running a foreign scan.
 *
 * Begin contacts nothing; the first fetch evaluates the arguments, builds the
 * filter that the driver sees, opens a cursor and starts it.  A rescan starts
 * the same cursor again.
 *
 * IDENTIFICATION
 *	  src/fdw/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "fdw/fdw.h"

/* As whom does this node work? */
static Oid
acting_user(ForeignScanState *node)
{
	ForeignScan *fsplan = (ForeignScan *) node->ss.ps.plan;
	EState	   *estate = node->ss.ps.state;
	int			rtindex = fsplan->scan.scanrelid > 0 ? (int) fsplan->scan.scanrelid :
		bms_next_member(fsplan->fs_relids, -1);
	RangeTblEntry *rte = exec_rt_fetch(rtindex, estate);
	Oid			userid = sy_scan_check_as_user(fsplan, rte);

	(void) rte;
	return OidIsValid(userid) ? userid : GetUserId();
}

/* Does the plan's target list hold the whole row? */
static bool
wants_whole_row(const SyPlan *plan)
{
	return plan->has_tlist && !plan->count &&
		list_member_int(plan->targets, SY_TARGET_WHOLE_ROW);
}

/* Fill the targets of a query whose rows are laid out as the table. */
static void
targets_by_table(SyScanState *state)
{
	ListCell   *lc;

	state->nslots = state->table->natts;
	foreach(lc, state->plan->targets)
	{
		SyTarget   *target = &state->query.targets[state->query.ntargets++];

		target->column = state->table->columns[lfirst_int(lc) - 1];
		target->slot = lfirst_int(lc) - 1;
	}
}

/*
 * Fill the targets of a query whose rows are laid out as fdw_scan_tlist.  For
 * a whole row all columns are fetched into scratch columns behind the slots.
 */
static void
targets_by_tlist(SyScanState *state)
{
	bool		whole_row = wants_whole_row(state->plan);
	int			slot = 0;
	ListCell   *lc;

	state->nslots = list_length(state->plan->targets);
	foreach(lc, state->plan->targets)
	{
		int			attnum = lfirst_int(lc);
		SyTarget   *target = &state->query.targets[state->query.ntargets];

		if (attnum == SY_TARGET_IDENTITY || (attnum > 0 && !whole_row))
		{
			target->column = attnum > 0 ? state->table->columns[attnum - 1] : NULL;
			target->slot = slot;
			state->query.ntargets++;
		}
		slot++;
	}
	if (!whole_row)
		return;

	state->natts_extra = state->table->natts;
	for (int i = 0; i < state->table->natts; i++)
		if (state->table->columns[i] != NULL)
		{
			SyTarget   *target = &state->query.targets[state->query.ntargets++];

			target->column = state->table->columns[i];
			target->slot = state->nslots + i;
		}
}

/* Arrays of "n" values, all NULL: what is not fetched stays so. */
static void
make_arrays(int n, Datum **values, bool **nulls)
{
	*values = palloc0((n + 1) * sizeof(Datum));
	*nulls = palloc((n + 1) * sizeof(bool));
	memset(*nulls, true, (n + 1) * sizeof(bool));
}

/*
 * Decide which values the driver delivers, and where to: into the slot itself
 * if it has room for them.
 */
static void
prepare_targets(SyScanState *state)
{
	TupleTableSlot *slot = state->node->ss.ss_ScanTupleSlot;

	state->query.targets = palloc0((list_length(state->plan->targets) + state->table->natts) *
								   sizeof(SyTarget));
	if (state->plan->count)
		state->nslots = list_length(state->plan->targets);
	else if (state->plan->has_tlist)
		targets_by_tlist(state);
	else
		targets_by_table(state);
	if (state->natts_extra > 0 || state->nslots == 0)
	{
		make_arrays(state->nslots + state->natts_extra, &state->values, &state->nulls);
		return;
	}
	state->values = slot->tts_values;
	state->nulls = slot->tts_isnull;
	memset(state->nulls, true, state->nslots * sizeof(bool));
}

/*
 * Is this scan, run once, all that the statement does?  Then nobody else needs
 * the state of the source that it saw, not even a function beside it.
 */
static bool
is_alone(ForeignScanState *node)
{
	const PlannedStmt *statement = node->ss.ps.state->es_plannedstmt;
	const Plan *plan = node->ss.ps.plan;
	ListCell   *lc;

	if (statement->commandType != CMD_SELECT || statement->planTree != plan ||
		statement->subplans != NIL || statement->rowMarks != NIL || plan->qual != NIL)
		return false;
	foreach(lc, plan->targetlist)
		if (!IsA(lfirst_node(TargetEntry, lc)->expr, Var))
			return false;
	return true;
}

/* Make a scan ready to run, or to be explained; contacts nothing. */
void
syBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *fsplan = (ForeignScan *) node->ss.ps.plan;
	SyScanState *state = palloc0(sizeof(SyScanState));
	MemoryContext parent = node->ss.ps.state->es_query_cxt;

	state->node = node;
	node->fdw_state = state;
	state->plan = sy_private_decode(fsplan->fdw_private, acting_user(node), &state->table);
	state->query.table = state->table;
	state->query.count = state->plan->count;
	state->query.guard = state->plan->guard;
	state->query.norders = state->plan->norders;
	state->query.orders = state->plan->orders;
	state->query.alone = is_alone(node);
	state->start_cxt = AllocSetContextCreate(parent, "switchyard scan start",
											 ALLOCSET_SMALL_SIZES);
	state->row_cxt = AllocSetContextCreate(parent, "switchyard row", ALLOCSET_DEFAULT_SIZES);
	prepare_targets(state);

	state->narguments = list_length(fsplan->fdw_exprs);
	state->arguments = palloc0((state->narguments + 1) * sizeof(SyArgument));
	state->argument_states = ExecInitExprList(fsplan->fdw_exprs, &node->ss.ps);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		sy_scan_explain(state, fsplan->fdw_exprs);
}

/* Build the driver's query from arguments that are known, or not (EXPLAIN). */
static void
normalize_query(SyScanState *state)
{
	SyQuery    *query = &state->query;

	query->where = state->plan->where == NULL ? NULL :
		sy_normalize(state->plan->where, state->arguments);
	query->limit = state->plan->limit;
	query->offset = state->plan->offset;
	sy_normalize_bound(&query->offset, state->arguments, false);
	sy_normalize_bound(&query->limit, state->arguments, true);
	if (query->where != NULL && query->where->kind == SY_NODE_TRUE)
		query->where = NULL;
	state->no_rows = (query->where != NULL && query->where->kind == SY_NODE_FALSE) ||
		(query->limit.present && query->limit.known && query->limit.value == 0);
}

/* Build the query as EXPLAIN without ANALYZE shows it: constants only. */
void
sy_scan_explain(SyScanState *state, List *exprs)
{
	int			i = 0;
	ListCell   *lc;

	foreach(lc, exprs)
	{
		SyArgument *argument = &state->arguments[i++];

		argument->typid = exprType(lfirst(lc));
		argument->known = IsA(lfirst(lc), Const);
		if (!argument->known)
			continue;
		argument->isnull = lfirst_node(Const, lc)->constisnull;
		argument->datum = lfirst_node(Const, lc)->constvalue;
	}
	normalize_query(state);
}

/* Evaluate the arguments and build the query that this start sends. */
static void
evaluate_query(SyScanState *state)
{
	ExprContext *econtext = state->node->ss.ps.ps_ExprContext;
	MemoryContext old;
	int			i = 0;
	ListCell   *lc;

	MemoryContextReset(state->start_cxt);
	old = MemoryContextSwitchTo(state->start_cxt);
	foreach(lc, state->argument_states)
	{
		ExprState  *expr = (ExprState *) lfirst(lc);
		SyArgument *argument = &state->arguments[i++];

		argument->typid = exprType((Node *) expr->expr);
		argument->datum = ExecEvalExpr(expr, econtext, &argument->isnull);
		argument->known = true;
	}
	normalize_query(state);
	MemoryContextSwitchTo(old);
}

/* Fill the slots of a target list that the driver does not: whole row, tableoid,
 * counts. */
static void
complete_row(SyScanState *state)
{
	int			slot = 0;
	ListCell   *lc;

	foreach(lc, state->plan->targets)
	{
		int			attnum = lfirst_int(lc);

		if (state->plan->count)
		{
			state->values[slot] = state->values[0];
			state->nulls[slot] = state->nulls[0];
		}
		else if (attnum == SY_TARGET_TABLEOID)
		{
			state->values[slot] = ObjectIdGetDatum(state->table->relid);
			state->nulls[slot] = false;
		}
		else if (attnum > 0 && state->natts_extra > 0)
		{
			state->values[slot] = state->values[state->nslots + attnum - 1];
			state->nulls[slot] = state->nulls[state->nslots + attnum - 1];
		}
		else if (attnum == SY_TARGET_WHOLE_ROW)
		{
			TupleDesc	desc = RelationGetDescr(state->node->ss.ss_currentRelation);
			HeapTuple	tuple = heap_form_tuple(desc, state->values + state->nslots,
												state->nulls + state->nslots);

			state->values[slot] = heap_copy_tuple_as_datum(tuple, desc);
			state->nulls[slot] = false;
		}
		slot++;
	}
}

/*
 * Read the remaining rows into a tuplestore, and the error behind them if
 * there is one.  The present row, which somebody may still look at, is left
 * alone.
 */
static void
read_ahead(SyScanState *state, SyCursor *cursor)
{
	TupleDesc	desc = state->node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	MemoryContext query_cxt = state->node->ss.ps.state->es_query_cxt;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "switchyard drain",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(query_cxt);
	ResourceOwner caller = CurrentResourceOwner;
	SyProgress	progress;
	SyError		err;

	/* temporary files must not end with the statement that is beginning */
	CurrentResourceOwner = cursor->resowner;
	state->drained = tuplestore_begin_heap(false, false, work_mem);
	CurrentResourceOwner = caller;

	if (state->values == state->node->ss.ss_ScanTupleSlot->tts_values)
		make_arrays(state->nslots, &state->values, &state->nulls);
	state->drain_broken = true;
	MemoryContextSwitchTo(cxt);
	while ((progress = sy_cursor_read(cursor, state->values, state->nulls, &err)) == SY_ROW)
	{
		if (state->plan->has_tlist)
			complete_row(state);
		tuplestore_putvalues(state->drained, desc, state->values, state->nulls);
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	if (progress == SY_FAILED)
	{
		state->drain_error = MemoryContextAlloc(query_cxt, sizeof(SyError));
		*state->drain_error = err;
	}
	state->drain_broken = false;
}

/* Add the counters of one cursor to the sum. */
static void
add_stats(SyScanStats *sum, const SyScanStats *stats)
{
	sum->rows += stats->rows;
	sum->bytes += stats->bytes;
	sum->round_trips += stats->round_trips;
	sum->remote_us += stats->remote_us;
}

/* SyDrain: a later statement needs the session. */
static void
drain_scan(SyCursor *cursor, void *owner)
{
	SyScanState *state = (SyScanState *) owner;

	/* what an earlier attempt lost is lost */
	if (state->started && !state->finished && state->drained == NULL)
		read_ahead(state, cursor);
	add_stats(&state->stats, &cursor->scan->stats);
	state->cursor = NULL;
}

/* Build the query and, if it can have rows, open the cursor it needs. */
void
sy_scan_prepare(SyScanState *state)
{
	EState	   *estate = state->node->ss.ps.state;

	evaluate_query(state);
	state->started = true;
	state->finished = state->no_rows;
	if (state->no_rows && state->query.count)
	{
		state->values[0] = Int64GetDatum(0);
		state->nulls[0] = false;
		state->ready = true;
	}
	if (state->no_rows || state->cursor != NULL)
		return;
	state->cursor = sy_cursor_open(&state->query, estate,
								   state->node->ss.ps.instrument != NULL &&
								   state->node->ss.ps.instrument->need_timer,
								   estate->es_query_cxt, drain_scan, state);
}

/* Finish the scan's slot, whose values are filled. */
static inline void
store_slot(SyScanState *state, TupleTableSlot *slot)
{
	if (likely(!state->plan->as_tuple))
		ExecStoreVirtualTuple(slot);
	else
		ExecForceStoreHeapTuple(heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values,
												slot->tts_isnull), slot, false);
}

/* Store the row that was just fetched. */
static inline void
store_row(SyScanState *state, TupleTableSlot *slot)
{
	if (state->plan->has_tlist)
		complete_row(state);
	if (state->values != slot->tts_values)
	{
		memcpy(slot->tts_values, state->values, state->nslots * sizeof(Datum));
		memcpy(slot->tts_isnull, state->nulls, state->nslots * sizeof(bool));
	}
	store_slot(state, slot);
}

/* Throw: the rows that were read ahead are not all there. */
static void
refuse_broken(const SyScanState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_CURSOR_STATE),
			 errmsg("could not read all rows of foreign table \"%s\"", state->table->name),
			 errdetail("A later statement that needed the connection to source \"%s\" failed while it read them ahead.",
					   state->table->source->name)));
}

/* The next of the rows that were read ahead; an empty slot at the end. */
static TupleTableSlot *
next_drained(SyScanState *state)
{
	EState	   *estate = state->node->ss.ps.state;
	TupleTableSlot *slot = state->node->ss.ss_ScanTupleSlot;
	TupleTableSlot *stored;
	MemoryContext old;
	bool		found;

	if (state->drain_broken)
		refuse_broken(state);

	/* the slot and its tuples live until the next row */
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	if (state->drained_slot == NULL)
		state->drained_slot = ExecInitExtraTupleSlot(estate, slot->tts_tupleDescriptor,
													 &TTSOpsMinimalTuple);
	stored = state->drained_slot;
	found = tuplestore_gettupleslot(state->drained, true, true, stored);
	MemoryContextSwitchTo(old);
	if (!found)
	{
		if (state->drain_error != NULL)
			sy_cursor_throw(state->table, state->drain_error);
		state->finished = true;
		return ExecClearTuple(slot);
	}
	slot_getallattrs(stored);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, stored->tts_values, state->nslots * sizeof(Datum));
	memcpy(slot->tts_isnull, stored->tts_isnull, state->nslots * sizeof(bool));
	store_slot(state, slot);
	return slot;
}

/*
 * Make room for the next row.  Rows share the context's first block: to reset
 * it costs as much as to convert a value.
 */
static inline void
forget_rows(SyScanState *state)
{
	if (state->row_cxt->mem_allocated > ALLOCSET_DEFAULT_INITSIZE)
		MemoryContextReset(state->row_cxt);
}

/* The next row, or an empty slot. */
TupleTableSlot *
syIterateForeignScan(ForeignScanState *node)
{
	SyScanState *state = (SyScanState *) node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MemoryContext old;
	bool		found;

	if (unlikely(!state->started))
	{
		sy_scan_prepare(state);
		if (!state->no_rows)
			sy_cursor_start(state->cursor);
	}
	if (unlikely(state->drained != NULL))
		return next_drained(state);
	ExecClearTuple(slot);
	if (unlikely(state->ready))
	{
		state->ready = false;
		store_row(state, slot);
		return slot;
	}
	if (unlikely(state->finished))
		return slot;

	forget_rows(state);
	old = MemoryContextSwitchTo(state->row_cxt);
	found = sy_cursor_next(state->cursor, state->values, state->nulls);
	if (likely(found))
		store_row(state, slot);
	else
		state->finished = true;
	MemoryContextSwitchTo(old);
	return slot;
}

/* Forget rows that were read ahead. */
static void
forget_drained(SyScanState *state)
{
	if (state->drained == NULL)
		return;
	if (state->drained_slot != NULL)
		ExecClearTuple(state->drained_slot);
	tuplestore_end(state->drained);
	state->drained = NULL;
	state->drain_error = NULL;
	state->drain_broken = false;
}

/* Close the cursor, keeping its counters. */
static void
close_cursor(SyScanState *state)
{
	SyCursor   *cursor = state->cursor;

	add_stats(&state->stats, &cursor->scan->stats);
	state->cursor = NULL;
	sy_cursor_close(cursor);
}

/* Begin again, perhaps with other arguments: the next fetch does the work. */
void
syReScanForeignScan(ForeignScanState *node)
{
	SyScanState *state = (SyScanState *) node->fdw_state;

	forget_drained(state);
	state->started = false;
	state->finished = false;
	state->ready = false;
	if (state->cursor != NULL && state->cursor->state == SY_BLOCKED)
		close_cursor(state);
}

/* End a scan. */
void
syEndForeignScan(ForeignScanState *node)
{
	SyScanState *state = (SyScanState *) node->fdw_state;

	if (state == NULL)
		return;
	forget_drained(state);
	if (state->cursor != NULL)
		close_cursor(state);
}

/* The counters of a scan: of its present cursor and of those before. */
SyScanStats
sy_scan_stats(const SyScanState *state)
{
	SyScanStats stats = state->stats;

	if (state->cursor != NULL)
		add_stats(&stats, &state->cursor->scan->stats);
	return stats;
}
