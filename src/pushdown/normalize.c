/*-------------------------------------------------------------------------
 *
 * normalize.c
 *	  From a classified filter and the values that it compares with to the
 *	  filter that a driver compiles.
 *
 * The classifier moves a widening cast of a column (int to numeric or float8,
 * float4 to float8) away; here the value is brought into the column's own
 * family instead, exactly: a value between two integers becomes a bound, one
 * beyond all of them decides the comparison.
 *
 * Three-valued logic.  A tree selects the rows for which the condition is
 * true, so NULL and false fall together and a leaf compared with NULL is
 * FALSE.  Where a comparison turns out true for every value of the column it
 * becomes IS NOT NULL, never TRUE: for a NULL column it is NULL.  IS DISTINCT
 * FROM has no NULL result and may become TRUE.
 *
 * Pure: no catalog writes, no clock, no settings; the trees given are not
 * changed.  The results are allocated in CurrentMemoryContext, and their
 * datums may point into the arguments.
 *
 * IDENTIFICATION
 *	  src/pushdown/normalize.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "pushdown/classify.h"
#include "pushdown/node.h"
#include "pushdown/ship.h"

/*
 * Where a value lies among the integers of a column's type, in the order in
 * which PostgreSQL compares them after widening.
 */
typedef struct Place
{
	int64		min;			/* what the type can hold */
	int64		max;
	bool		has_lo;			/* is any integer >= the value? */
	bool		has_hi;			/* is any integer <= the value? */
	int64		lo;				/* the least integer that is >= the value */
	int64		hi;				/* the greatest integer that is <= the value */
} Place;

/* Set the limits of an integer type. */
static void
place_limits(Place *place, SyTypeKind kind)
{
	switch (kind)
	{
		case SY_TYPE_INT2:
			place->min = PG_INT16_MIN;
			place->max = PG_INT16_MAX;
			break;
		case SY_TYPE_INT4:
			place->min = PG_INT32_MIN;
			place->max = PG_INT32_MAX;
			break;
		default:
			place->min = PG_INT64_MIN;
			place->max = PG_INT64_MAX;
			break;
	}
}

/*
 * The least integer from min to max that widens to at least "value" (or, with
 * "above", to more); there must be one.
 *
 * Widening to a double rounds beyond 2^53, but it never reverses an order, so
 * bisection finds the exact edge.
 */
static int64
search_edge(int64 min, int64 max, double value, bool above)
{
	while (min < max)
	{
		int64		middle = min + (int64) (((uint64) max - (uint64) min) / 2);
		double		widened = (double) middle;

		if (above ? widened > value : widened >= value)
			max = middle;
		else
			min = middle + 1;
	}
	return min;
}

/* Place a float8; NaN is greater than every number, as PostgreSQL has it. */
static void
place_float8(Place *place, double value)
{
	bool		is_nan = isnan(value);

	place->has_lo = !is_nan && (double) place->max >= value;
	if (place->has_lo)
		place->lo = search_edge(place->min, place->max, value, false);

	place->has_hi = is_nan || (double) place->min <= value;
	if (is_nan || (double) place->max <= value)
		place->hi = place->max;
	else if (place->has_hi)
		place->hi = search_edge(place->min, place->max, value, true) - 1;
}

/* PostgreSQL's order of two numerics. */
static int
compare_numeric(Numeric left, Numeric right)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
											 NumericGetDatum(left),
											 NumericGetDatum(right)));
}

/* Place a numeric, which may be NaN or infinite. */
static void
place_numeric(Place *place, Numeric value)
{
	Numeric		floor;

	place->has_lo = place->has_hi = true;
	if (compare_numeric(value, int64_to_numeric(place->max)) > 0)
	{
		place->has_lo = false;
		place->hi = place->max;
		return;
	}
	if (compare_numeric(value, int64_to_numeric(place->min)) < 0)
	{
		place->has_hi = false;
		place->lo = place->min;
		return;
	}
	floor = DatumGetNumeric(DirectFunctionCall1(numeric_floor, NumericGetDatum(value)));
	place->hi = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(floor)));
	place->lo = place->hi + (compare_numeric(floor, value) == 0 ? 0 : 1);
}

/* Does no integer equal the value? */
static bool
place_is_gap(const Place *place)
{
	return !place->has_lo || !place->has_hi || place->lo > place->hi;
}

/* column op value, in place of a leaf about a column of an integer type. */
static SyNode *
compare_int64(const SyNode *leaf, SyOp op, int64 value)
{
	SyNode	   *node = sy_node_leaf(SY_NODE_COMPARE, leaf->column, 1);

	node->op = op;
	node->values[0] = leaf->values[0];
	node->values[0].known = true;
	node->values[0].kind = SY_TYPE_INT8;
	node->values[0].datum = Int64GetDatum(value);
	return node;
}

/* Two conditions joined by AND or OR. */
static SyNode *
join_nodes(SyNodeKind kind, SyNode *left, SyNode *right)
{
	SyNode	   *children[2];

	children[0] = left;
	children[1] = right;
	return sy_node_combine(kind, children, 2);
}

/*
 * The leaf's column op the placed value, in terms of integers: a comparison,
 * IS NOT NULL, FALSE, or two comparisons where many integers round to it.
 */
static SyNode *
compare_place(const SyNode *leaf, SyOp op, const Place *place)
{
	bool		every;			/* true of all integers */
	bool		none;			/* true of no integer */

	switch (op)
	{
		case SY_OP_LT:
			every = !place->has_lo;
			none = place->has_lo && place->lo == place->min;
			break;
		case SY_OP_LE:
			every = place->has_hi && place->hi == place->max;
			none = !place->has_hi;
			break;
		case SY_OP_GT:
			every = !place->has_hi;
			none = place->has_hi && place->hi == place->max;
			break;
		case SY_OP_GE:
			every = place->has_lo && place->lo == place->min;
			none = !place->has_lo;
			break;
		default:
			every = (op == SY_OP_NE) && place_is_gap(place);
			none = (op == SY_OP_EQ) && place_is_gap(place);
			break;
	}

	if (every)
		return sy_node_nulltest(leaf->column, true);
	if (none)
		return sy_node_constant(false);
	if (op == SY_OP_LT || op == SY_OP_GE)
		return compare_int64(leaf, op, place->lo);
	if (op == SY_OP_LE || op == SY_OP_GT || place->lo == place->hi)
		return compare_int64(leaf, op, place->hi);
	if (op == SY_OP_EQ)
		return join_nodes(SY_NODE_AND,
						  compare_place(leaf, SY_OP_GE, place),
						  compare_place(leaf, SY_OP_LE, place));
	return join_nodes(SY_NODE_OR,
					  compare_place(leaf, SY_OP_LT, place),
					  compare_place(leaf, SY_OP_GT, place));
}

/*
 * Bring a value of type "typid" into the column's family: true, with *result
 * set, or false with *place set, which says where among the integers of the
 * column the value lies.
 */
static bool
reduce_value(const SyColumn *column, Oid typid, Datum datum, Datum *result, Place *place)
{
	bool		is_int = sy_ship_is_int(column->kind);

	if (is_int || column->kind == SY_TYPE_FLOAT4 || column->kind == SY_TYPE_FLOAT8)
	{
		double		number;

		switch (is_int ? typid : InvalidOid)
		{
			case INT2OID:
				*result = Int64GetDatum(DatumGetInt16(datum));
				return true;
			case INT4OID:
				*result = Int64GetDatum(DatumGetInt32(datum));
				return true;
			case INT8OID:
				*result = datum;
				return true;
			case NUMERICOID:
				place_limits(place, column->kind);
				place_numeric(place, DatumGetNumeric(datum));
				return false;
			default:
				break;
		}
		if (typid == FLOAT4OID)
			number = DatumGetFloat4(datum);
		else if (typid == FLOAT8OID)
			number = DatumGetFloat8(datum);
		else
			elog(ERROR, "cannot compare column \"%s\" with a value of type %u",
				 column->name, typid);
		*result = Float8GetDatum(number);
		if (!is_int)
			return true;
		place_limits(place, column->kind);
		place_float8(place, number);
		return false;
	}

	if (sy_ship_family(sy_ship_kind(typid)) != sy_ship_family(column->kind))
		elog(ERROR, "cannot compare column \"%s\" with a value of type %u",
			 column->name, typid);
	if (column->kind == SY_TYPE_NUMERIC || column->kind == SY_TYPE_BYTEA ||
		sy_ship_is_text(column->kind))
		*result = PointerGetDatum(PG_DETOAST_DATUM_PACKED(datum));
	else
		*result = datum;
	return true;
}

/*
 * Does a LIKE pattern end within an escape?  PostgreSQL raises 22025 for it,
 * but only once a row matches that far.
 */
static bool
pattern_is_broken(Datum pattern)
{
	const char *text = VARDATA_ANY(DatumGetPointer(pattern));
	int			length = VARSIZE_ANY_EXHDR(DatumGetPointer(pattern));
	int			escapes = 0;

	while (escapes < length && text[length - 1 - escapes] == '\\')
		escapes++;
	return escapes % 2 == 1;
}

/* IS [NOT] DISTINCT FROM a value that lies somewhere among the integers. */
static SyNode *
distinct_place(const SyNode *leaf, const Place *place)
{
	SyNode	   *node;

	if (place_is_gap(place) && leaf->negated)
		return sy_node_constant(false);
	/* not TRUE: where rows are only counted, the column must be guarded */
	if (place_is_gap(place))
		return join_nodes(SY_NODE_OR,
						  sy_node_nulltest(leaf->column, false),
						  sy_node_nulltest(leaf->column, true));
	if (place->lo < place->hi && leaf->negated)
		return compare_place(leaf, SY_OP_EQ, place);
	if (place->lo < place->hi)
		return join_nodes(SY_NODE_OR,
						  sy_node_nulltest(leaf->column, false),
						  compare_place(leaf, SY_OP_NE, place));
	node = compare_int64(leaf, SY_OP_EQ, place->lo);
	node->kind = SY_NODE_DISTINCT;
	node->negated = leaf->negated;
	return node;
}

/* A leaf with one value: COMPARE, DISTINCT, LIKE. */
static SyNode *
normalize_single(const SyNode *leaf, const SyArgument *argument)
{
	Datum		datum;
	Place		place;
	SyNode	   *node;

	if (argument->known && argument->isnull)
	{
		if (leaf->kind == SY_NODE_DISTINCT)
			return sy_node_nulltest(leaf->column, !leaf->negated);
		return sy_node_constant(false);
	}
	if (argument->known &&
		!reduce_value(leaf->column, argument->typid, argument->datum, &datum, &place))
	{
		if (leaf->kind == SY_NODE_DISTINCT)
			return distinct_place(leaf, &place);
		return compare_place(leaf, leaf->op, &place);
	}

	node = sy_node_copy(leaf);
	node->values[0].kind = sy_ship_family(leaf->column->kind);
	node->values[0].known = argument->known;
	if (argument->known)
	{
		node->values[0].datum = datum;
		/* A weaker filter: the rows bring the error about, here. */
		if (leaf->kind == SY_NODE_LIKE && pattern_is_broken(datum))
			return sy_node_constant(true);
	}
	return node;
}

/*
 * Finish an IN: "node" holds the values that are exact, "others" with room
 * for one more the conditions for those that many integers round to.
 */
static SyNode *
finish_in(SyNode *node, SyNode **others, int nothers)
{
	SyNodeKind	kind = node->negated ? SY_NODE_AND : SY_NODE_OR;

	if (node->nvalues > 0)
		others[nothers++] = node;
	else if (node->negated)
		others[nothers++] = sy_node_nulltest(node->column, true);
	return sy_node_combine(kind, others, nothers);
}

/*
 * An IN over an array that is known.  The rows of an array that has several
 * dimensions do not matter here, as they do not to PostgreSQL.
 */
static SyNode *
normalize_array(const SyNode *leaf, Oid elemtype, ArrayType *array)
{
	SyOp		op = leaf->negated ? SY_OP_NE : SY_OP_EQ;
	SyNode	  **others;
	SyNode	   *node;
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int			nothers = 0;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	get_typlenbyvalalign(elemtype, &typlen, &typbyval, &typalign);
	deconstruct_array(array, elemtype, typlen, typbyval, typalign,
					  &elements, &nulls, &count);
	if (count == 0)
		return sy_node_constant(leaf->negated);

	node = sy_node_leaf(SY_NODE_IN, leaf->column, count);
	node->negated = leaf->negated;
	node->collation = leaf->collation;
	node->nvalues = 0;
	others = palloc((count + 1) * sizeof(SyNode *));
	for (int i = 0; i < count; i++)
	{
		SyValue    *value = &node->values[node->nvalues];
		Place		place;

		if (nulls[i] && leaf->negated)
			return sy_node_constant(false);
		if (nulls[i])
			continue;
		*value = leaf->values[0];
		value->known = true;
		value->kind = sy_ship_family(leaf->column->kind);
		if (reduce_value(leaf->column, elemtype, elements[i], &value->datum, &place))
			node->nvalues++;
		else if (place_is_gap(&place))
			continue;
		else if (place.lo == place.hi)
		{
			value->datum = Int64GetDatum(place.lo);
			node->nvalues++;
		}
		else
			others[nothers++] = compare_place(leaf, op, &place);
	}
	return finish_in(node, others, nothers);
}

/* A leaf of kind IN. */
static SyNode *
normalize_in(const SyNode *leaf, const SyArgument *argument)
{
	if (!argument->known)
	{
		SyNode	   *node = sy_node_copy(leaf);

		node->values[0].kind = sy_ship_family(leaf->column->kind);
		node->values[0].known = false;
		return node;
	}
	if (argument->isnull)
		return sy_node_constant(false);
	return normalize_array(leaf, get_element_type(argument->typid),
						   DatumGetArrayTypeP(argument->datum));
}

/*
 * The tree that a driver compiles, from one that sy_classify() made or
 * sy_node_decode() rebuilt, and the values of SyClassifier.values in their
 * order.  Leaves whose argument is not known keep a value that is not known.
 *
 * A value's datum may be a packed varlena.  A LIKE pattern that is an error
 * gives TRUE: the classifier has promised no more than SUPERSET then.
 */
SyNode *
sy_normalize(const SyNode *tree, const SyArgument *arguments)
{
	SyNode	  **children;
	SyNode	   *node;

	switch (tree->kind)
	{
		case SY_NODE_FALSE:
		case SY_NODE_TRUE:
			return sy_node_constant(tree->kind == SY_NODE_TRUE);
		case SY_NODE_AND:
		case SY_NODE_OR:
			check_stack_depth();
			children = palloc(tree->nchildren * sizeof(SyNode *));
			for (int i = 0; i < tree->nchildren; i++)
				children[i] = sy_normalize(tree->children[i], arguments);
			node = sy_node_combine(tree->kind, children, tree->nchildren);
			pfree(children);
			return node;
		case SY_NODE_IN:
			return normalize_in(tree, &arguments[tree->values[0].index]);
		case SY_NODE_NULLTEST:
			return sy_node_copy(tree);
		case SY_NODE_COMPARE:
		case SY_NODE_DISTINCT:
		case SY_NODE_LIKE:
			return normalize_single(tree, &arguments[tree->values[0].index]);
	}
	elog(ERROR, "unrecognized kind of filter: %d", (int) tree->kind);
	return NULL;				/* keep the compiler quiet */
}

/*
 * Give a LIMIT (else an OFFSET) the value of its argument.  NULL is none; a
 * negative one is the error that PostgreSQL makes of it.  What was none
 * stays none: each start of a scan begins with the bound as it was planned.
 */
void
sy_normalize_bound(SyBound *bound, const SyArgument *arguments, bool is_limit)
{
	const SyArgument *argument;

	if (!bound->present)
		return;
	argument = &arguments[bound->index];
	bound->known = argument->known;
	if (!argument->known)
		return;
	if (argument->isnull)
	{
		bound->present = false;
		bound->value = 0;
		return;
	}
	bound->value = DatumGetInt64(argument->datum);
	if (bound->value >= 0)
		return;
	if (is_limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE),
				 errmsg("LIMIT must not be negative")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE),
			 errmsg("OFFSET must not be negative")));
}
