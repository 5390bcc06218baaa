/*-------------------------------------------------------------------------
 *
 * fdw.h
 *	  What the files of the foreign data wrapper share.
 *
 * IDENTIFICATION
 *	  src/fdw/fdw.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_FDW_H
#define SY_FDW_H

#include "commands/explain.h"
#include "foreign/fdwapi.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

#include "conn/cursor.h"
#include "pushdown/classify.h"

/* Junk column that carries a row's identity through UPDATE and DELETE. */
#define SY_IDENTITY_NAME	"switchyard_identity"

/*
 * A base relation while it is planned (RelOptInfo.fdw_private).
 */
typedef struct SyRel
{
	const SyTable *table;
	List	   *exact;			/* RestrictInfos that the source evaluates */
	List	   *superset;		/* RestrictInfos sent, and repeated here */
	List	   *local;			/* RestrictInfos evaluated here only */
	SyNode	   *where;			/* the filter that is sent; NULL: none */
	bool		keyed;			/* an equality on a key column is sent */
	double		remote_rows;	/* rows that the source will deliver */
} SyRel;

/* path.c's private data of a path: list_make2(orders, flags) */
#define SY_PATH_LIMIT	1		/* LIMIT and OFFSET are sent */
#define SY_PATH_COUNT	2		/* count(*) is sent */
#define SY_PATH_TOP		4		/* LIMIT is sent, and OFFSET added to it */

/* Targets other than columns, in lists of attribute numbers. */
#define SY_TARGET_WHOLE_ROW		0
#define SY_TARGET_IDENTITY		SelfItemPointerAttributeNumber
#define SY_TARGET_TABLEOID		TableOidAttributeNumber

/*
 * What a plan says (ForeignScan.fdw_private), and the query that it makes.
 */
typedef struct SyPlan
{
	Oid			relid;
	bool		has_tlist;		/* rows are laid out as fdw_scan_tlist */
	List	   *targets;		/* attribute numbers; with has_tlist, one for each
								 * of its entries */
	bool		count;
	bool		guard;
	bool		as_tuple;		/* rows must have a (meaningless) ctid */
	SyNode	   *where;
	int			norders;
	SyOrder    *orders;
	SyBound		limit;
	SyBound		offset;
} SyPlan;

/* private.c */
extern List *sy_private_encode(const SyPlan *plan);
extern SyPlan *sy_private_decode(List *private, Oid userid, const SyTable **table);
extern List *sy_private_orders(const SyOrder *orders, int norders);
extern SyOrder *sy_private_read_orders(const List *code, const SyTable *table, int *norders);

/* path.c */
extern void syGetForeignRelSize(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void syGetForeignPaths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern List *sy_path_ship_pathkeys(RelOptInfo *rel, const SyRel *syrel, List *pathkeys,
								   bool *by_index);
extern bool sy_path_may_sort(const SyRel *syrel, const RelOptInfo *rel, double keep);
extern SyClassifier sy_path_classifier(const RelOptInfo *rel, const SyTable *table);
extern SyNode *sy_path_conjunction(List *nodes);

/* plan.c */
extern ForeignScan *syGetForeignPlan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
									 ForeignPath *path, List *tlist, List *scan_clauses,
									 Plan *outer_plan);

/* upper.c */
extern void syGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage,
								   RelOptInfo *input, RelOptInfo *output, void *extra);
extern Node *sy_upper_rows_seen(PlannerInfo *root);

/* cost.c */
typedef struct SyCost
{
	double		rows;			/* that the node returns */
	Cost		startup;
	Cost		total;
} SyCost;

extern SyCost sy_cost_scan(const SyRel *syrel, RelOptInfo *rel, double remote_rows,
						   double rows, bool keyed);
extern void sy_cost_sort(SyCost *cost, double rows, double keep, bool by_key);
extern double sy_cost_bound(const SyBound *bound, double rows);
extern void sy_cost_limit(SyCost *cost, double offset, double limit);

/*
 * A scan while it runs (ForeignScanState.fdw_state).
 */
typedef struct SyScanState
{
	ForeignScanState *node;
	const SyTable *table;
	SyPlan	   *plan;
	SyQuery		query;			/* what the driver sees */
	int			nslots;			/* columns of the scan tuple */
	int			natts_extra;	/* scratch columns behind them (whole row) */
	Datum	   *values;			/* the slot's own arrays, unless there are */
	bool	   *nulls;			/* scratch columns */
	int			narguments;
	SyArgument *arguments;
	List	   *argument_states;	/* of ExprState * */
	MemoryContext start_cxt;	/* arguments and filter; reset at each start */
	MemoryContext row_cxt;		/* the present row, and some before it */
	SyCursor   *cursor;			/* NULL until the first fetch */
	bool		started;
	bool		finished;
	bool		ready;			/* a row waits in "values" (async.c) */
	bool		left_to_core;	/* async.c: of the first scan of an Append */
	bool		no_rows;		/* the filter is false: nothing is asked */
	Tuplestorestate *drained;	/* rows read ahead, see SyDrain */
	bool		drain_broken;	/* they are not all there: interrupted */
	SyError    *drain_error;	/* what came behind them; NULL: the end */
	TupleTableSlot *drained_slot;	/* to read them; NULL until needed */
	SyScanStats stats;			/* of cursors that are closed */
} SyScanState;

/* scan.c */
extern void syBeginForeignScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *syIterateForeignScan(ForeignScanState *node);
extern void syReScanForeignScan(ForeignScanState *node);
extern void syEndForeignScan(ForeignScanState *node);
extern void sy_scan_prepare(SyScanState *state);
extern void sy_scan_explain(SyScanState *state, List *exprs);
extern SyScanStats sy_scan_stats(const SyScanState *state);


/* async.c */
extern bool syIsForeignPathAsyncCapable(ForeignPath *path);
extern void syForeignAsyncRequest(AsyncRequest *areq);
extern void syForeignAsyncConfigureWait(AsyncRequest *areq);
extern void syForeignAsyncNotify(AsyncRequest *areq);

/* explain.c */
extern void syExplainForeignScan(ForeignScanState *node, struct ExplainState *es);

/* modify.c */
extern int	syIsForeignRelUpdatable(Relation rel);
extern void syAddForeignUpdateTargets(PlannerInfo *root, Index rtindex,
									  RangeTblEntry *target_rte, Relation target_relation);
extern List *syPlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index resultRelation,
								 int subplan_index);
extern void syBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
								 List *fdw_private, int subplan_index, int eflags);
extern void syBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rinfo);
extern TupleTableSlot *syExecForeignInsert(EState *estate, ResultRelInfo *rinfo,
										   TupleTableSlot *slot, TupleTableSlot *planSlot);
extern TupleTableSlot *syExecForeignUpdate(EState *estate, ResultRelInfo *rinfo,
										   TupleTableSlot *slot, TupleTableSlot *planSlot);
extern TupleTableSlot *syExecForeignDelete(EState *estate, ResultRelInfo *rinfo,
										   TupleTableSlot *slot, TupleTableSlot *planSlot);
extern RowMarkType syGetForeignRowMarkType(RangeTblEntry *rte, LockClauseStrength strength);

/* import.c, analyze.c */
extern List *syImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid serverid);
extern bool syAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *func,
								  BlockNumber *totalpages);

#endif							/* SY_FDW_H */
