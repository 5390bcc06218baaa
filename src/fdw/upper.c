/*-------------------------------------------------------------------------
 *
 * upper.c
 *	  Paths above a scan: count(*), and ORDER BY with LIMIT.
 *
 * Only what the source evaluates exactly as PostgreSQL would may lie below:
 * a filter that is repeated here would find too few rows.
 *
 * IDENTIFICATION
 *	  src/fdw/upper.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/selfuncs.h"

#include "base/compat.h"
#include "base/guc.h"
#include "fdw/fdw.h"

/* Makes a limit that is sent win over one that is applied here. */
#define SENT_LIMIT_FACTOR	0.95

/* LIMIT and OFFSET up to which a source is asked for the top of a sort. */
#define MAX_TOP_ROWS	10000

/*
 * The one base relation of a query, if it is ours and all its filters are
 * evaluated by the source; else NULL.
 */
static RelOptInfo *
exact_relation(PlannerInfo *root)
{
	int			relid;
	RelOptInfo *rel;
	SyRel	   *syrel;

	if (!sy_enable_pushdown || root->hasPseudoConstantQuals ||
		!bms_get_singleton_member(root->all_baserels, &relid))
		return NULL;
	rel = find_base_rel(root, relid);
	syrel = (SyRel *) rel->fdw_private;
	if (rel->reloptkind != RELOPT_BASEREL || rel->fdwroutine == NULL || syrel == NULL ||
		rel->fdwroutine->GetForeignUpperPaths != syGetForeignUpperPaths ||
		planner_rt_fetch(relid, root)->inh)
		return NULL;
	return syrel->local == NIL && syrel->superset == NIL ? rel : NULL;
}

/* Is it count(*), plainly? */
static bool
is_count_star(const Aggref *aggref)
{
	return aggref->aggfnoid == F_COUNT_ && aggref->aggstar && aggref->aggfilter == NULL &&
		aggref->aggorder == NIL && aggref->aggdistinct == NIL &&
		aggref->aggsplit == AGGSPLIT_SIMPLE && aggref->agglevelsup == 0;
}

/* Does the target look at nothing but count(*), at least once? */
static bool
only_counts(PathTarget *target)
{
	List	   *found = pull_var_clause((Node *) target->exprs,
										PVC_INCLUDE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
										PVC_INCLUDE_PLACEHOLDERS);
	ListCell   *lc;

	foreach(lc, found)
		if (!IsA(lfirst(lc), Aggref) || !is_count_star(lfirst_node(Aggref, lc)))
			return false;
	return found != NIL;
}

/* Add the path that lets the source count. */
static void
add_count_path(PlannerInfo *root, RelOptInfo *output)
{
	Query	   *parse = root->parse;
	PathTarget *target = root->upper_targets[UPPERREL_GROUP_AGG];
	RelOptInfo *rel = exact_relation(root);
	SyRel	   *syrel;
	SyCost		cost;

	if (rel == NULL || parse->groupClause != NIL || parse->groupingSets != NIL ||
		parse->havingQual != NULL || !only_counts(target) ||
		!bms_is_empty(rel->lateral_relids))
		return;
	syrel = (SyRel *) rel->fdw_private;
	output->fdw_private = rel;
	cost = sy_cost_scan(syrel, rel, syrel->remote_rows, syrel->remote_rows, syrel->keyed);
	/* the rows stay there */
	cost.total = cost.startup + (cost.total - cost.startup) / 2;
	add_path(output, (Path *)
			 sy_foreign_upper_path(root, output, target, 1, cost.total, cost.total,
								   list_make2(NIL, list_make1_int(SY_PATH_COUNT))));
}

/* Is there nothing between the scan and LIMIT but ORDER BY? */
static bool
is_plain_select(const PlannerInfo *root)
{
	const Query *parse = root->parse;

	return parse->commandType == CMD_SELECT && parse->rowMarks == NIL &&
		!parse->hasAggs && !parse->hasWindowFuncs && !parse->hasTargetSRFs &&
		parse->groupClause == NIL && parse->groupingSets == NIL &&
		parse->distinctClause == NIL && parse->setOperations == NULL &&
		parse->havingQual == NULL && !root->hasHavingQual &&
		parse->limitOption == LIMIT_OPTION_COUNT;
}

/* Can LIMIT and OFFSET be sent?  Sets what is known about them, for costs. */
static bool
can_send_bounds(PlannerInfo *root, RelOptInfo *rel, SyBound *limit, SyBound *offset)
{
	SyClassifier classifier = sy_path_classifier(rel, ((SyRel *) rel->fdw_private)->table);

	return sy_classify_bound(&classifier, root->parse->limitCount, limit) &&
		sy_classify_bound(&classifier, root->parse->limitOffset, offset) &&
		(limit->present || offset->present);
}

/* A call of one of bigint's own operators. */
static Expr *
bigint_call(Oid funcid, void *left, void *right)
{
	return (Expr *) makeFuncExpr(funcid, INT8OID, list_make2(left, right), InvalidOid,
								 InvalidOid, COERCE_EXPLICIT_CALL);
}

/*
 * How many rows LIMIT and OFFSET look at together, for a source that is to
 * skip none of them: an expression of type bigint, NULL if LIMIT is.  It
 * cannot overflow: a LIMIT below zero is an error before it is evaluated.
 */
Node *
sy_upper_rows_seen(PlannerInfo *root)
{
	Node	   *limit = root->parse->limitCount;
	Const	   *zero = makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(0),
								 false, FLOAT8PASSBYVAL);
	Const	   *most = makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
								 Int64GetDatum(PG_INT64_MAX), false, FLOAT8PASSBYVAL);
	CoalesceExpr *offset = makeNode(CoalesceExpr);
	MinMaxExpr *skipped = makeNode(MinMaxExpr);

	offset->coalescetype = INT8OID;
	offset->args = list_make2(copyObject(root->parse->limitOffset), zero);
	offset->location = -1;
	skipped->minmaxtype = INT8OID;
	skipped->op = IS_LEAST;
	skipped->args = list_make2(offset, bigint_call(F_INT8MI, most, copyObject(limit)));
	skipped->location = -1;
	return eval_const_expressions(root, (Node *) bigint_call(F_INT8PL, copyObject(limit),
															 skipped));
}

/*
 * Does it not matter whether the target is evaluated for rows that OFFSET
 * skips?  PostgreSQL evaluates it, so it may raise an error or draw from a
 * sequence there.  So may a sub-select, which runs when a row first needs it,
 * and a parameter, which PL/pgSQL fetches then: a record may have no value.
 */
static bool
is_skippable(const PathTarget *target)
{
	ListCell   *lc;

	foreach(lc, target->exprs)
	{
		Node	   *expr = lfirst(lc);

		while (IsA(expr, RelabelType))
			expr = (Node *) ((RelabelType *) expr)->arg;
		if (!IsA(expr, Var) && !IsA(expr, Const))
			return false;
	}
	return true;
}

/*
 * May the source be asked for the first rows of a sort?  Sources keep them in
 * order as they read on, which is quick for few rows and slow for many.  A
 * bound that is a parameter is taken to be small.
 */
static bool
may_sort_top(const SyRel *syrel, const RelOptInfo *rel, const SyBound *limit,
			 const SyBound *offset)
{
	double		keep = (limit->known ? (double) limit->value : 0) +
		(offset->known ? (double) offset->value : 0);

	return limit->present && keep <= MAX_TOP_ROWS && sy_path_may_sort(syrel, rel, keep);
}

/*
 * The path that lets the source sort and cut, with "flags" for SY_PATH.  It
 * skips "nskip" rows and returns "nkeep" of the others; 0: all.
 */
static Path *
limit_path(PlannerInfo *root, RelOptInfo *rel, List *orders, bool by_index, double nskip,
		   double nkeep, int flags)
{
	SyRel	   *syrel = (SyRel *) rel->fdw_private;
	SyCost		cost = sy_cost_scan(syrel, rel, syrel->remote_rows, rel->rows, syrel->keyed);

	if (orders != NIL)
		sy_cost_sort(&cost, syrel->remote_rows,
					 nkeep > 0 ? nskip + nkeep : syrel->remote_rows, by_index);
	sy_cost_limit(&cost, nskip, nkeep);
	/* core's Limit above a scan would cost the same, but fetch a whole batch */
	cost.total *= SENT_LIMIT_FACTOR;
	cost.startup = Min(cost.startup, cost.total);
	return (Path *) sy_foreignscan_path(root, rel, NULL, cost.rows, cost.startup, cost.total,
										root->sort_pathkeys, rel->lateral_relids,
										list_make2(orders, list_make1_int(flags)));
}

/*
 * Add the path that lets the source sort and cut.  Where the rows that OFFSET
 * skips matter, the source cuts behind LIMIT's last row and they are skipped
 * here.
 */
static void
add_limit_path(PlannerInfo *root, RelOptInfo *output)
{
	RelOptInfo *rel = exact_relation(root);
	PathTarget *target = root->upper_targets[UPPERREL_FINAL];
	SyRel	   *syrel;
	SyBound		limit;
	SyBound		offset;
	List	   *orders = NIL;
	bool		by_index = false;
	bool		skip_here;
	double		nskip;
	double		nkeep;
	Path	   *path;

	if (rel == NULL || !is_plain_select(root) || !can_send_bounds(root, rel, &limit, &offset))
		return;
	skip_here = offset.present && !is_skippable(target);
	if (skip_here && !limit.present)
		return;
	syrel = (SyRel *) rel->fdw_private;
	if (root->sort_pathkeys != NIL)
	{
		orders = sy_path_ship_pathkeys(rel, syrel, root->sort_pathkeys, &by_index);
		if (orders == NIL || !(by_index || may_sort_top(syrel, rel, &limit, &offset)))
			return;
	}

	nskip = sy_cost_bound(&offset, rel->rows);
	nkeep = sy_cost_bound(&limit, rel->rows);
	if (skip_here)
		path = limit_path(root, rel, orders, by_index, 0, nskip + nkeep, SY_PATH_TOP);
	else
		path = limit_path(root, rel, orders, by_index, nskip, nkeep, SY_PATH_LIMIT);
	path = (Path *) create_projection_path(root, output, path, target);
	if (skip_here)
		path = (Path *) create_limit_path(root, output, path, root->parse->limitOffset,
										  root->parse->limitCount, LIMIT_OPTION_COUNT,
										  offset.known ? offset.value : -1,
										  limit.known ? Max(limit.value, 1) : -1);
	add_path(output, path);
}

/* Offer paths for a step above the scan. */
void
syGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
					   RelOptInfo *output, void *extra)
{
	if (stage == UPPERREL_GROUP_AGG)
		add_count_path(root, output);
	else if (stage == UPPERREL_FINAL)
		add_limit_path(root, output);
}
