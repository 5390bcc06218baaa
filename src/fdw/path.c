/*-------------------------------------------------------------------------
 *
 * path.c
 *	  Sizes and paths of a base relation: the plain scan, scans in a wanted
 *	  order, and look-ups by a key that another table brings.
 *
 * Nothing here contacts a source.
 *
 * IDENTIFICATION
 *	  src/fdw/path.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"

#define SY_NEED_CLASS_MEMBERS
#include "base/compat.h"
#include "base/guc.h"
#include "fdw/fdw.h"

/* Rows of a table that was never analyzed. */
#define UNKNOWN_ROWS	1000

/* A server that may not spill to disk sorts this much in memory. */
#define SORT_MEMORY_BYTES	(32.0 * 1024 * 1024)

/* A classifier for one relation's expressions. */
SyClassifier
sy_path_classifier(const RelOptInfo *rel, const SyTable *table)
{
	SyClassifier classifier;

	memset(&classifier, 0, sizeof(classifier));
	classifier.relid = rel->relid;
	classifier.table = table;
	return classifier;
}

/* Does the filter, as far as it is a conjunction, fix a key column? */
static bool
fixes_key(const SyNode *node)
{
	if (node->kind == SY_NODE_AND)
	{
		for (int i = 0; i < node->nchildren; i++)
			if (fixes_key(node->children[i]))
				return true;
		return false;
	}
	if (node->kind == SY_NODE_COMPARE)
		return node->column->is_key && node->op == SY_OP_EQ;
	return node->kind == SY_NODE_IN && !node->negated && node->column->is_key;
}

/* Join conditions by AND; NULL if there are none. */
SyNode *
sy_path_conjunction(List *nodes)
{
	SyNode	   *node;
	int			i = 0;
	ListCell   *lc;

	if (list_length(nodes) <= 1)
		return nodes == NIL ? NULL : linitial(nodes);
	node = palloc0(sizeof(SyNode));
	node->kind = SY_NODE_AND;
	node->nchildren = list_length(nodes);
	node->children = palloc(node->nchildren * sizeof(SyNode *));
	foreach(lc, nodes)
		node->children[i++] = lfirst(lc);
	return node;
}

/*
 * How far may a clause be sent?  Clauses that a security barrier holds back
 * stay here, or an error of the source could tell what rows hold.
 */
static SyShip
ship_clause(SyClassifier *classifier, const RelOptInfo *rel, RestrictInfo *rinfo,
			SyNode **node)
{
	SyShip		ship = SY_SHIP_LOCAL;

	if (!sy_enable_pushdown || rinfo->pseudoconstant ||
		(rinfo->security_level > rel->baserestrict_min_security && !rinfo->leakproof))
		return SY_SHIP_LOCAL;
	*node = sy_classify(classifier, rinfo->clause, &ship);
	return ship;
}

/* Estimate the relation's size and sort its clauses by who evaluates them. */
void
syGetForeignRelSize(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	SyRel	   *syrel = palloc0(sizeof(SyRel));
	Oid			userid = sy_rel_userid(root, rel);
	SyClassifier classifier;
	List	   *nodes = NIL;
	ListCell   *lc;

	syrel->table = sy_table_get(relid, OidIsValid(userid) ? userid : GetUserId());
	rel->fdw_private = syrel;
	classifier = sy_path_classifier(rel, syrel->table);

	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		SyNode	   *node = NULL;

		switch (ship_clause(&classifier, rel, rinfo, &node))
		{
			case SY_SHIP_EXACT:
				syrel->exact = lappend(syrel->exact, rinfo);
				nodes = lappend(nodes, node);
				break;
			case SY_SHIP_SUPERSET:
				syrel->superset = lappend(syrel->superset, rinfo);
				nodes = lappend(nodes, node);
				break;
			case SY_SHIP_LOCAL:
				syrel->local = lappend(syrel->local, rinfo);
				break;
		}
	}

	syrel->where = sy_path_conjunction(nodes);
	syrel->keyed = syrel->where != NULL && fixes_key(syrel->where);

	/* reltuples is -1 and pages 0 until the first ANALYZE */
	if (rel->tuples < 0 || (rel->tuples == 0 && rel->pages == 0))
		rel->tuples = UNKNOWN_ROWS;
	set_baserel_size_estimates(root, rel);
	syrel->remote_rows =
		clamp_row_est(rel->tuples *
					  clauselist_selectivity(root,
											 list_concat_copy(syrel->exact, syrel->superset),
											 rel->relid, JOIN_INNER, NULL));
}

/* The sort key of our relation that a pathkey stands for; false: none. */
static bool
ship_pathkey(SyClassifier *classifier, RelOptInfo *rel, PathKey *pathkey, int position,
			 SyOrder *order)
{
	ListCell   *lc;

	if (pathkey->pk_eclass->ec_has_volatile)
		return false;
	foreach(lc, sy_class_members(pathkey->pk_eclass, rel->relids))
	{
		EquivalenceMember *member = lfirst_node(EquivalenceMember, lc);

		if (!member->em_is_const && bms_equal(member->em_relids, rel->relids) &&
			sy_classify_order(classifier, pathkey, member, position, order))
			return true;
	}
	return false;
}

/*
 * The sort keys, as integers, by which the source can deliver "pathkeys"; NIL
 * if it cannot, or if it should not.  "by_index" says whether an index does.
 */
List *
sy_path_ship_pathkeys(RelOptInfo *rel, const SyRel *syrel, List *pathkeys, bool *by_index)
{
	const SyDriver *driver = syrel->table->source->driver;
	SyQuery		query;
	SyClassifier classifier = sy_path_classifier(rel, syrel->table);
	SyOrder    *orders = palloc(Max(list_length(pathkeys), 1) * sizeof(SyOrder));
	int			norders = 0;
	ListCell   *lc;

	if (!sy_enable_pushdown)
		return NIL;
	foreach(lc, pathkeys)
	{
		if (!ship_pathkey(&classifier, rel, lfirst_node(PathKey, lc), norders,
						  &orders[norders]))
			return NIL;
		norders++;
	}

	memset(&query, 0, sizeof(query));
	query.table = syrel->table;
	query.where = syrel->where;
	query.norders = norders;
	query.orders = orders;
	*by_index = driver->order_by_index != NULL && driver->order_by_index(&query);
	return sy_private_orders(orders, norders);
}

/*
 * May the source be asked to sort, "keep" rows at a time?  A small MongoDB
 * server fails where it may not spill to disk, so only what surely fits goes
 * out.
 */
bool
sy_path_may_sort(const SyRel *syrel, const RelOptInfo *rel, double keep)
{
	if ((syrel->table->source->driver->caps & SY_CAP_NETWORK) == 0)
		return true;
	return Min(keep, syrel->remote_rows) * (rel->reltarget->width + 64) < SORT_MEMORY_BYTES;
}

/* Add the path that delivers rows in the order that the query wants. */
static void
add_ordered_path(PlannerInfo *root, RelOptInfo *rel, SyRel *syrel)
{
	List	   *orders;
	bool		by_index;
	SyCost		cost;

	if (root->query_pathkeys == NIL)
		return;
	orders = sy_path_ship_pathkeys(rel, syrel, root->query_pathkeys, &by_index);
	if (orders == NIL || !(by_index || sy_path_may_sort(syrel, rel, syrel->remote_rows)))
		return;

	cost = sy_cost_scan(syrel, rel, syrel->remote_rows, rel->rows, syrel->keyed);
	sy_cost_sort(&cost, syrel->remote_rows, syrel->remote_rows, by_index);
	add_path(rel, (Path *)
			 sy_foreignscan_path(root, rel, NULL, cost.rows, cost.startup, cost.total,
								 root->query_pathkeys, rel->lateral_relids,
								 list_make2(orders, list_make1_int(0))));
}

/* Is it an equality on a key column that could be sent? */
static bool
is_key_clause(RelOptInfo *rel, SyRel *syrel, RestrictInfo *rinfo)
{
	SyClassifier classifier = sy_path_classifier(rel, syrel->table);
	SyNode	   *node = NULL;

	return ship_clause(&classifier, rel, rinfo, &node) != SY_SHIP_LOCAL && fixes_key(node);
}

/* Add to "infos" the parameterization that a clause asks for, if any. */
static List *
add_parameterization(PlannerInfo *root, RelOptInfo *rel, SyRel *syrel, RestrictInfo *rinfo,
					 List *infos)
{
	Relids		outer;

	if (!join_clause_is_movable_to(rinfo, rel) || !is_key_clause(rel, syrel, rinfo))
		return infos;
	outer = bms_difference(bms_union(rinfo->clause_relids, rel->lateral_relids), rel->relids);
	if (bms_is_empty(outer))
		return infos;
	return list_append_unique_ptr(infos, get_baserel_parampathinfo(root, rel, outer));
}

/* Callback: is this member of a class the column that "arg" points to? */
static bool
is_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em,
		  void *arg)
{
	Node	   *expr = (Node *) em->em_expr;

	while (IsA(expr, RelabelType))
		expr = (Node *) ((RelabelType *) expr)->arg;
	return IsA(expr, Var) && ((Var *) expr)->varno == (int) rel->relid &&
		((Var *) expr)->varattno == *(AttrNumber *) arg;
}

/* All ways in which other relations could bring a key of this one. */
static List *
find_parameterizations(PlannerInfo *root, RelOptInfo *rel, SyRel *syrel)
{
	List	   *infos = NIL;
	ListCell   *lc;

	foreach(lc, rel->joininfo)
		infos = add_parameterization(root, rel, syrel, lfirst_node(RestrictInfo, lc), infos);

	if (!rel->has_eclass_joins)
		return infos;
	for (int i = 0; i < syrel->table->natts; i++)
	{
		AttrNumber	attnum = i + 1;

		if (syrel->table->columns[i] == NULL || !syrel->table->columns[i]->is_key)
			continue;
		foreach(lc, generate_implied_equalities_for_column(root, rel, is_column, &attnum,
														   rel->lateral_referencers))
			infos = add_parameterization(root, rel, syrel, lfirst_node(RestrictInfo, lc),
										 infos);
	}
	return infos;
}

/* Add paths that look rows up by a key that other relations bring. */
static void
add_parameterized_paths(PlannerInfo *root, RelOptInfo *rel, SyRel *syrel)
{
	ListCell   *lc;

	foreach(lc, find_parameterizations(root, rel, syrel))
	{
		ParamPathInfo *info = lfirst_node(ParamPathInfo, lc);
		SyCost		cost = sy_cost_scan(syrel, rel, info->ppi_rows, info->ppi_rows, true);

		add_path(rel, (Path *)
				 sy_foreignscan_path(root, rel, NULL, cost.rows, cost.startup, cost.total,
									 NIL, info->ppi_req_outer,
									 list_make2(NIL, list_make1_int(0))));
	}
}

/* All paths of a base relation. */
void
syGetForeignPaths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	SyRel	   *syrel = (SyRel *) rel->fdw_private;
	SyCost		cost = sy_cost_scan(syrel, rel, syrel->remote_rows, rel->rows, syrel->keyed);

	add_path(rel, (Path *)
			 sy_foreignscan_path(root, rel, NULL, cost.rows, cost.startup, cost.total,
								 NIL, rel->lateral_relids,
								 list_make2(NIL, list_make1_int(0))));
	add_ordered_path(root, rel, syrel);
	if (sy_enable_pushdown)
		add_parameterized_paths(root, rel, syrel);
}
