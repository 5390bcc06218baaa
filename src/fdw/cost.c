/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What a remote scan costs, guessed without asking the source.
 *
 * The unit is PostgreSQL's: a sequential page read is 1.  The figures follow
 * the measurements behind doc/performance.md: a command over the network costs
 * about as much as 25 page reads, a row about as much as two local ones, and
 * a source steps over rows that its filter drops at half the price of
 * delivering them.
 *
 * IDENTIFICATION
 *	  src/fdw/cost.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "optimizer/cost.h"
#include "optimizer/optimizer.h"

#include "fdw/fdw.h"

#define NETWORK_STARTUP_COST	25.0
#define FILE_STARTUP_COST		1.0
#define SKIPPED_ROW_FACTOR		0.5

/* A source sorts about as well as we do, a little less predictably. */
#define REMOTE_SORT_FACTOR		1.05

/*
 * A scan that delivers "remote_rows", of which "rows" pass the filters that
 * are evaluated here.  With "keyed" an index finds them, else the source reads
 * the whole table.
 */
SyCost
sy_cost_scan(const SyRel *syrel, RelOptInfo *rel, double remote_rows, double rows, bool keyed)
{
	bool		network = (syrel->table->source->driver->caps & SY_CAP_NETWORK) != 0;
	double		row_cost = cpu_tuple_cost * (network ? 2.0 : 1.0);
	double		skipped = keyed ? 0 : Max(rel->tuples - remote_rows, 0);
	QualCost	local_cost;
	SyCost		cost;

	cost_qual_eval(&local_cost, list_concat_copy(syrel->local, syrel->superset), NULL);
	cost.rows = rows;
	cost.startup = (network ? NETWORK_STARTUP_COST : FILE_STARTUP_COST) +
		local_cost.startup + rel->reltarget->cost.startup;
	cost.total = cost.startup +
		skipped * row_cost * SKIPPED_ROW_FACTOR +
		remote_rows * (row_cost + local_cost.per_tuple) +
		rows * rel->reltarget->cost.per_tuple;
	return cost;
}

/*
 * Let the source sort its "rows" and keep the first "keep" of them; for
 * nothing if an index has the order.  The rows are all read before the first
 * is delivered.
 */
void
sy_cost_sort(SyCost *cost, double rows, double keep, bool by_key)
{
	double		run_cost = cost->total - cost->startup;
	double		sort_cost;

	if (by_key)
		return;
	sort_cost = cpu_operator_cost * rows * log2(2.0 * Max(Min(keep, rows), 1.0)) *
		REMOTE_SORT_FACTOR;
	cost->startup += run_cost * SKIPPED_ROW_FACTOR + sort_cost;
	cost->total += sort_cost;
}

/* The number of rows that a bound stands for: core's guess if not known. */
double
sy_cost_bound(const SyBound *bound, double rows)
{
	if (!bound->present)
		return 0;
	return bound->known ? (double) bound->value : clamp_row_est(rows * 0.10);
}

/* Let the source skip "offset" rows and return "limit" of them; 0: no limit. */
void
sy_cost_limit(SyCost *cost, double offset, double limit)
{
	double		all = Max(cost->rows, 1.0);
	double		rows = Max(all - offset, 1.0);

	if (limit > 0)
		rows = Min(rows, limit);
	cost->total = cost->startup +
		(cost->total - cost->startup) * (Min(rows + offset, all) / all);
	cost->rows = rows;
}
