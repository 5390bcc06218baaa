/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  From a chosen path to a plan node: which columns are fetched, which
 *	  clauses are sent, and what PostgreSQL still evaluates.
 *
 * Nothing here contacts a source.
 *
 * IDENTIFICATION
 *	  src/fdw/plan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"

#include "base/guc.h"
#include "fdw/fdw.h"

/* A plan node in the making. */
typedef struct Builder
{
	RelOptInfo *rel;			/* the base relation */
	SyClassifier classifier;
	SyPlan		plan;
	List	   *local;			/* clauses that PostgreSQL evaluates */
	List	   *recheck;		/* clauses that the source evaluates exactly */
} Builder;

/*
 * Decide for each clause who evaluates it.  Whether a clause may go out at all
 * was checked when the relation was sized; clauses that come from a
 * parameterized path are checked here for the first time.
 */
static void
assign_clauses(Builder *builder, const SyRel *syrel, List *scan_clauses)
{
	List	   *nodes = NIL;
	ListCell   *lc;

	foreach(lc, scan_clauses)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		SyShip		ship = SY_SHIP_LOCAL;
		SyNode	   *node = NULL;

		if (rinfo->pseudoconstant)
			continue;
		if (sy_enable_pushdown && !list_member_ptr(syrel->local, rinfo) &&
			(rinfo->security_level <= builder->rel->baserestrict_min_security ||
			 rinfo->leakproof))
			node = sy_classify(&builder->classifier, rinfo->clause, &ship);
		if (ship != SY_SHIP_LOCAL)
			nodes = lappend(nodes, node);
		if (ship == SY_SHIP_EXACT)
			builder->recheck = lappend(builder->recheck, rinfo->clause);
		else
			builder->local = lappend(builder->local, rinfo->clause);
	}
	builder->plan.where = sy_path_conjunction(nodes);
}

/*
 * The Vars of our relation that plan nodes above, filters here and rechecks
 * look at.  The node's own target list is not asked: it may name every
 * column, where core spares a projection, without anybody looking at them.
 */
static List *
needed_vars(Builder *builder)
{
	List	   *exprs = list_concat_copy(builder->local, builder->recheck);
	List	   *found;
	List	   *vars = NIL;
	ListCell   *lc;

	exprs = list_concat(exprs, builder->rel->reltarget->exprs);
	found = pull_var_clause((Node *) exprs,
							PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
							PVC_RECURSE_PLACEHOLDERS);
	foreach(lc, found)
	{
		Var		   *var = lfirst_node(Var, lc);

		if (var->varno == (int) builder->rel->relid && var->varlevelsup == 0)
			vars = list_append_unique(vars, var);
	}
	return vars;
}

/*
 * Are rows of the relation remembered for rechecks?  Then core asks all
 * members of a tree for their ctid if one of them has any, but looks at ours
 * never.
 */
static bool
has_row_mark(PlannerInfo *root, const RelOptInfo *rel)
{
	ListCell   *lc;

	foreach(lc, root->rowMarks)
		if (lfirst_node(PlanRowMark, lc)->rti == rel->relid)
			return true;
	return false;
}

/*
 * Does one of the Vars stand for the row's identity?  Notes whether core asks
 * for a ctid, which it knows by its type; a user who does is refused.
 */
static bool
wants_identity(PlannerInfo *root, Builder *builder, List *vars)
{
	const SyTable *table = builder->classifier.table;
	bool		found = false;
	ListCell   *lc;

	foreach(lc, vars)
	{
		Var		   *var = lfirst_node(Var, lc);

		if (var->varattno != SelfItemPointerAttributeNumber)
			continue;
		if (var->vartype == BYTEAOID)
			found = true;
		else if (has_row_mark(root, builder->rel))
			builder->plan.as_tuple = true;
		else
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("system column \"ctid\" of foreign table \"%s\" does not exist",
							table->name),
					 errdetail("Rows of source \"%s\" have no physical location in PostgreSQL.",
							   table->source->name)));
	}
	return found;
}

/* Targets for rows that are laid out as "vars", which become fdw_scan_tlist. */
static List *
targets_by_tlist(Builder *builder, List *vars)
{
	List	   *scan_tlist = NIL;
	ListCell   *lc;

	builder->plan.has_tlist = true;
	foreach(lc, vars)
	{
		Var		   *var = lfirst_node(Var, lc);

		if (var->varattno < 0 && var->varattno != SY_TARGET_IDENTITY &&
			var->varattno != SY_TARGET_TABLEOID)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("system columns of foreign table \"%s\" cannot be read here",
							builder->classifier.table->name)));
		scan_tlist = lappend(scan_tlist,
							 makeTargetEntry((Expr *) copyObject(var),
											 list_length(scan_tlist) + 1, NULL, false));
		builder->plan.targets = lappend_int(builder->plan.targets, var->varattno);
	}
	return scan_tlist;
}

/*
 * Targets for rows that are laid out as the table: the columns that somebody
 * looks at.  A column that only the source's filter looks at is fetched too,
 * so that its conversion finds a value that does not belong there; what is
 * not fetched is guarded instead.
 */
static void
targets_by_table(Builder *builder, List *vars)
{
	const SyTable *table = builder->classifier.table;
	Bitmapset  *wanted = NULL;
	int			attnum = -1;
	ListCell   *lc;

	foreach(lc, vars)
	{
		AttrNumber	varattno = lfirst_node(Var, lc)->varattno;

		if (varattno > 0)
			wanted = bms_add_member(wanted, varattno);
		else if (varattno == SY_TARGET_WHOLE_ROW)
			for (int i = 0; i < table->natts; i++)
				if (table->columns[i] != NULL)
					wanted = bms_add_member(wanted, i + 1);
	}
	while ((attnum = bms_next_member(wanted, attnum)) >= 0)
		builder->plan.targets = lappend_int(builder->plan.targets, attnum);
}

/* Add LIMIT and OFFSET, which are expressions that upper.c found can be sent. */
static void
add_bounds(Builder *builder, Node *limit, Node *offset)
{
	if (!sy_classify_bound(&builder->classifier, limit, &builder->plan.limit) ||
		!sy_classify_bound(&builder->classifier, offset, &builder->plan.offset))
		elog(ERROR, "LIMIT of a foreign scan cannot be sent any more");
	builder->plan.guard = builder->plan.offset.present;
}

/* A builder for a plan node that reads the relation. */
static Builder
builder_for(RelOptInfo *rel, const SyTable *table)
{
	Builder		builder;

	memset(&builder, 0, sizeof(builder));
	builder.rel = rel;
	builder.classifier = sy_path_classifier(rel, table);
	builder.plan.relid = table->relid;
	return builder;
}

/* The plan node of a base relation's scan. */
static ForeignScan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, ForeignPath *path, List *tlist,
		  List *scan_clauses, Plan *outer_plan)
{
	SyRel	   *syrel = (SyRel *) rel->fdw_private;
	List	   *orders = linitial(path->fdw_private);
	int			flags = linitial_int(lsecond(path->fdw_private));
	List	   *scan_tlist = NIL;
	List	   *vars;
	Builder		builder;

	builder = builder_for(rel, syrel->table);
	builder.plan.orders = sy_private_read_orders(orders, syrel->table, &builder.plan.norders);
	assign_clauses(&builder, syrel, scan_clauses);
	if (flags & SY_PATH_LIMIT)
		add_bounds(&builder, root->parse->limitCount, root->parse->limitOffset);
	else if (flags & SY_PATH_TOP)
		add_bounds(&builder, sy_upper_rows_seen(root), NULL);

	vars = needed_vars(&builder);
	if (wants_identity(root, &builder, vars))
		scan_tlist = targets_by_tlist(&builder, vars);
	else
		targets_by_table(&builder, vars);

	return make_foreignscan(tlist, builder.local, rel->relid, builder.classifier.values,
							sy_private_encode(&builder.plan), scan_tlist, builder.recheck,
							outer_plan);
}

/* The plan node that asks for count(*): one row of one bigint. */
static ForeignScan *
plan_count(RelOptInfo *output, List *tlist)
{
	RelOptInfo *rel = (RelOptInfo *) output->fdw_private;
	SyRel	   *syrel = (SyRel *) rel->fdw_private;
	List	   *scan_tlist = NIL;
	List	   *aggrefs;
	ListCell   *lc;
	Builder		builder;

	builder = builder_for(rel, syrel->table);
	builder.plan.has_tlist = true;
	builder.plan.count = true;
	builder.plan.guard = true;
	assign_clauses(&builder, syrel, rel->baserestrictinfo);
	Assert(builder.local == NIL);

	aggrefs = pull_var_clause((Node *) tlist, PVC_INCLUDE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
							  PVC_RECURSE_PLACEHOLDERS);
	foreach(lc, aggrefs)
	{
		if (tlist_member((Expr *) lfirst(lc), scan_tlist) != NULL)
			continue;
		scan_tlist = lappend(scan_tlist,
							 makeTargetEntry((Expr *) copyObject(lfirst(lc)),
											 list_length(scan_tlist) + 1, NULL, false));
		builder.plan.targets = lappend_int(builder.plan.targets, 0);
	}
	return make_foreignscan(tlist, NIL, 0, builder.classifier.values,
							sy_private_encode(&builder.plan), scan_tlist, NIL, NULL);
}

/* Make the plan node of a path. */
ForeignScan *
syGetForeignPlan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
				 List *tlist, List *scan_clauses, Plan *outer_plan)
{
	if (linitial_int(lsecond(path->fdw_private)) & SY_PATH_COUNT)
		return plan_count(rel, tlist);
	return plan_scan(root, rel, path, tlist, scan_clauses, outer_plan);
}
