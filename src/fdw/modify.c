/*-------------------------------------------------------------------------
 *
 * modify.c
 *	  Writing: refused for now, when it is really to begin.
 *
 * Tables report themselves updatable, and UPDATE and DELETE plan with the
 * identity of the row, so that a parent whose members come from several
 * sources can be planned and explained.  A table that is written to by itself
 * refuses before there is a row; as a member of a parent it refuses its first
 * row, so that members without a row to write do not fail.
 *
 * IDENTIFICATION
 *	  src/fdw/modify.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "fdw/fdw.h"

/* All kinds of writes may be planned. */
int
syIsForeignRelUpdatable(Relation rel)
{
	return (1 << CMD_INSERT) | (1 << CMD_UPDATE) | (1 << CMD_DELETE);
}

/*
 * Ask for the identity of rows: one column of one name and type for the
 * members of all drivers, or core could not plan a tree that mixes them.  It
 * borrows the place of ctid, which rows of a source do not have.
 */
void
syAddForeignUpdateTargets(PlannerInfo *root, Index rtindex, RangeTblEntry *target_rte,
						  Relation target_relation)
{
	Var		   *var = makeVar(rtindex, SelfItemPointerAttributeNumber, BYTEAOID, -1,
							  InvalidOid, 0);

	add_row_identity_var(root, var, rtindex, SY_IDENTITY_NAME);
}

/* Nothing to plan: the execution is refused. */
List *
syPlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index resultRelation,
					int subplan_index)
{
	return NIL;
}

/* Refuse to write to a table. */
static void
refuse(ResultRelInfo *rinfo)
{
	Relation	rel = rinfo->ri_RelationDesc;
	const SyTable *table = sy_table_get(RelationGetRelid(rel), GetUserId());

	if (table->read_only)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot write to foreign table \"%s\" because it is read-only",
						table->name),
				 errdetail("Option read_only is set on the table or on source \"%s\".",
						   table->source->name)));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot write to foreign table \"%s\"", table->name),
			 errdetail("This version of switchyard only reads from source \"%s\".",
					   table->source->name)));
}

/* A plan that writes starts, or is shown. */
void
syBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *fdw_private,
					 int subplan_index, int eflags)
{
	if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY) && rinfo->ri_RootResultRelInfo == NULL)
		refuse(rinfo);
}

/* COPY starts, or the first row goes to this member of a parent. */
void
syBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
	if (rinfo->ri_RootResultRelInfo == NULL)
		refuse(rinfo);
}

/* A row is to be inserted. */
TupleTableSlot *
syExecForeignInsert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
					TupleTableSlot *planSlot)
{
	refuse(rinfo);
	return NULL;
}

/* A row is to be updated. */
TupleTableSlot *
syExecForeignUpdate(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
					TupleTableSlot *planSlot)
{
	refuse(rinfo);
	return NULL;
}

/* A row is to be deleted. */
TupleTableSlot *
syExecForeignDelete(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
					TupleTableSlot *planSlot)
{
	refuse(rinfo);
	return NULL;
}

/* Do parent and child have the same columns at the same places? */
static bool
same_layout(TupleDesc parent, TupleDesc child)
{
	if (parent->natts != child->natts)
		return false;
	for (int i = 0; i < parent->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(parent, i);
		Form_pg_attribute b = TupleDescAttr(child, i);

		if (a->attisdropped != b->attisdropped ||
			(!a->attisdropped &&
			 (a->atttypid != b->atttypid || a->atttypmod != b->atttypmod ||
			  strcmp(NameStr(a->attname), NameStr(b->attname)) != 0)))
			return false;
	}
	return true;
}

/* The direct parents of a table, partitioned or by inheritance. */
static List *
parents_of(Oid relid)
{
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	List	   *parents = NIL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

/*
 * Refuse a child whose columns lie otherwise than its parents': when rows are
 * rechecked after a concurrent update, core reads the child's row with the
 * parent's layout, which can crash the server.
 */
static void
check_layout(Oid relid)
{
	Relation	child = table_open(relid, NoLock);
	List	   *pending = list_make1_oid(relid);

	while (pending != NIL)
	{
		Oid			present = linitial_oid(pending);
		List	   *parents = parents_of(present);
		ListCell   *lc;

		pending = list_delete_first(pending);
		foreach(lc, parents)
		{
			Relation	parent = table_open(lfirst_oid(lc), AccessShareLock);

			if (!same_layout(RelationGetDescr(parent), RelationGetDescr(child)))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("foreign table \"%s\" and its parent \"%s\" have different column layouts",
								RelationGetRelationName(child),
								RelationGetRelationName(parent)),
						 errdetail("Rows that are updated or locked concurrently could not be rechecked."),
						 errhint("Recreate the foreign table as PARTITION OF or INHERITS its parent, without a column list.")));
			table_close(parent, NoLock);
			pending = lappend_oid(pending, lfirst_oid(lc));
		}
	}
	table_close(child, NoLock);
}

/*
 * How are rows locked or remembered for rechecks?  Locks cannot be taken at a
 * source: FOR UPDATE and its like are refused.
 */
RowMarkType
syGetForeignRowMarkType(RangeTblEntry *rte, LockClauseStrength strength)
{
	if (strength != LCS_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot lock rows of foreign table \"%s\"", get_rel_name(rte->relid)),
				 errdetail("Sources do not take row locks from a reader."),
				 errhint("Leave the table out of the locking clause by naming the others after FOR UPDATE OF.")));
	if (!sy_rte_is_named(rte))
		check_layout(rte->relid);
	return ROW_MARK_COPY;
}
