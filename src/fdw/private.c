/*-------------------------------------------------------------------------
 *
 * private.c
 *	  What a plan carries: lists of integers that PostgreSQL can copy.
 *
 * IDENTIFICATION
 *	  src/fdw/private.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fdw/fdw.h"

/* Members of ForeignScan.fdw_private. */
enum PrivateIndex
{
	PRIVATE_RELID,				/* list of one OID */
	PRIVATE_FLAGS,				/* integers, see sy_private_encode() */
	PRIVATE_TARGETS,			/* attribute numbers */
	PRIVATE_WHERE,				/* sy_node_encode(), or NIL */
	PRIVATE_ORDERS				/* sy_private_orders() */
};

#define INTS_PER_ORDER	4
#define INTS_PER_BOUND	3

/* Sort keys as integers. */
List *
sy_private_orders(const SyOrder *orders, int norders)
{
	List	   *code = NIL;

	for (int i = 0; i < norders; i++)
	{
		code = lappend_int(code, orders[i].column->attnum);
		code = lappend_int(code, orders[i].descending);
		code = lappend_int(code, orders[i].nulls_first);
		code = lappend_int(code, orders[i].collation);
	}
	return code;
}

/* The reverse: an array in CurrentMemoryContext. */
SyOrder *
sy_private_read_orders(const List *code, const SyTable *table, int *norders)
{
	SyOrder    *orders;

	*norders = list_length(code) / INTS_PER_ORDER;
	if (*norders == 0)
		return NULL;
	orders = palloc0(*norders * sizeof(SyOrder));
	for (int i = 0; i < *norders; i++)
	{
		int			at = i * INTS_PER_ORDER;

		orders[i].column = table->columns[list_nth_int(code, at) - 1];
		orders[i].descending = list_nth_int(code, at + 1) != 0;
		orders[i].nulls_first = list_nth_int(code, at + 2) != 0;
		orders[i].collation = (SyCollation) list_nth_int(code, at + 3);
	}
	return orders;
}

/* Append a bound; its value, if it is constant, is among the arguments too. */
static List *
encode_bound(List *code, const SyBound *bound)
{
	code = lappend_int(code, bound->present);
	code = lappend_int(code, bound->param);
	return lappend_int(code, bound->index);
}

/* The reverse. */
static void
decode_bound(const List *code, int at, SyBound *bound)
{
	memset(bound, 0, sizeof(SyBound));
	bound->present = list_nth_int(code, at) != 0;
	bound->param = list_nth_int(code, at + 1);
	bound->index = list_nth_int(code, at + 2);
}

/* The plan as fdw_private. */
List *
sy_private_encode(const SyPlan *plan)
{
	List	   *flags = NIL;

	flags = lappend_int(flags, plan->has_tlist);
	flags = lappend_int(flags, plan->count);
	flags = lappend_int(flags, plan->guard);
	flags = lappend_int(flags, plan->as_tuple);
	flags = encode_bound(flags, &plan->limit);
	flags = encode_bound(flags, &plan->offset);
	return list_make5(list_make1_oid(plan->relid), flags, plan->targets,
					  plan->where != NULL ? sy_node_encode(plan->where) : NIL,
					  sy_private_orders(plan->orders, plan->norders));
}

/* The reverse, in CurrentMemoryContext; also looks up the table. */
SyPlan *
sy_private_decode(List *private, Oid userid, const SyTable **table)
{
	SyPlan	   *plan = palloc0(sizeof(SyPlan));
	List	   *flags = list_nth(private, PRIVATE_FLAGS);
	List	   *where = list_nth(private, PRIVATE_WHERE);
	int			position = 0;

	plan->relid = linitial_oid(list_nth(private, PRIVATE_RELID));
	*table = sy_table_get(plan->relid, userid);
	plan->has_tlist = list_nth_int(flags, 0) != 0;
	plan->count = list_nth_int(flags, 1) != 0;
	plan->guard = list_nth_int(flags, 2) != 0;
	plan->as_tuple = list_nth_int(flags, 3) != 0;
	decode_bound(flags, 4, &plan->limit);
	decode_bound(flags, 4 + INTS_PER_BOUND, &plan->offset);
	plan->targets = list_nth(private, PRIVATE_TARGETS);
	if (where != NIL)
		plan->where = sy_node_decode(where, &position, *table);
	plan->orders = sy_private_read_orders(list_nth(private, PRIVATE_ORDERS), *table,
										  &plan->norders);
	return plan;
}
