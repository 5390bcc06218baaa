/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  What EXPLAIN shows of a foreign scan.
 *
 * IDENTIFICATION
 *	  src/fdw/explain.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "utils/builtins.h"

#define SY_NEED_EXPLAIN
#include "base/compat.h"
#include "fdw/fdw.h"

/* Counters of a scan that ran. */
static void
explain_counters(const SyScanState *state, ExplainState *es)
{
	SyScanStats stats = sy_scan_stats(state);

	ExplainPropertyInteger("Remote Rows", NULL, stats.rows, es);
	if (state->table->source->driver->caps & SY_CAP_NETWORK)
	{
		ExplainPropertyInteger("Remote Bytes", NULL, stats.bytes, es);
		ExplainPropertyInteger("Round Trips", NULL, stats.round_trips, es);
	}
	if (es->timing)
		ExplainPropertyFloat("Remote Time", "ms", stats.remote_us / 1000.0, 3, es);
}

/*
 * Show the query: as planned, or, after execution, as it was last sent.  The
 * sole contact with the source is what execution made.
 */
void
syExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	SyScanState *state = (SyScanState *) node->fdw_state;
	const SyDriver *driver = state->table->source->driver;

	if (((ForeignScan *) node->ss.ps.plan)->scan.scanrelid == 0)
		ExplainPropertyText("Relations",
							quote_qualified_identifier(state->table->schema,
													   state->table->name), es);
	if (es->verbose)
	{
		if (!state->started)
			sy_scan_explain(state, ((ForeignScan *) node->ss.ps.plan)->fdw_exprs);
		ExplainPropertyText(driver->query_label,
							driver->describe(&state->query,
											 state->cursor != NULL ?
											 state->cursor->conn->session : NULL, false), es);
	}
	if (es->analyze)
		explain_counters(state, es);
}
