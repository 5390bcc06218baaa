/*-------------------------------------------------------------------------
 *
 * ship.c
 *	  Which operators, casts, types and collations can be shipped at all,
 *	  and asking a driver whether it ships them.
 *
 * Operators are known by the OID of their built-in function, never by name:
 * what a user defines under the same name is not what the sources do.
 *
 * IDENTIFICATION
 *	  src/pushdown/ship.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#define SY_NEED_COLLATION
#include "base/compat.h"
#include "pushdown/node.h"
#include "pushdown/ship.h"
#include "source/value.h"

/* The six comparisons of one pair of types. */
#define COMPARE(funcid, op, left, right) \
	{funcid, SY_NODE_COMPARE, op, false, SY_TYPE_##left, SY_TYPE_##right}
#define COMPARISONS(left, right, eq, ne, lt, le, gt, ge) \
	COMPARE(eq, SY_OP_EQ, left, right), \
	COMPARE(ne, SY_OP_NE, left, right), \
	COMPARE(lt, SY_OP_LT, left, right), \
	COMPARE(le, SY_OP_LE, left, right), \
	COMPARE(gt, SY_OP_GT, left, right), \
	COMPARE(ge, SY_OP_GE, left, right)
/* Their functions are called prefixEQ, prefixNE and so on. */
#define COMPARISONS_OF(left, right, prefix) \
	COMPARISONS(left, right, prefix##EQ, prefix##NE, prefix##LT, \
				prefix##LE, prefix##GT, prefix##GE)

static const SyShipOperator operators[] = {
	COMPARISONS_OF(BOOL, BOOL, F_BOOL),
	COMPARISONS_OF(INT2, INT2, F_INT2),
	COMPARISONS_OF(INT2, INT4, F_INT24),
	COMPARISONS_OF(INT2, INT8, F_INT28),
	COMPARISONS_OF(INT4, INT2, F_INT42),
	COMPARISONS_OF(INT4, INT4, F_INT4),
	COMPARISONS_OF(INT4, INT8, F_INT48),
	COMPARISONS_OF(INT8, INT2, F_INT82),
	COMPARISONS_OF(INT8, INT4, F_INT84),
	COMPARISONS_OF(INT8, INT8, F_INT8),
	COMPARISONS_OF(FLOAT4, FLOAT4, F_FLOAT4),
	COMPARISONS_OF(FLOAT4, FLOAT8, F_FLOAT48),
	COMPARISONS_OF(FLOAT8, FLOAT4, F_FLOAT84),
	COMPARISONS_OF(FLOAT8, FLOAT8, F_FLOAT8),
	COMPARISONS_OF(NUMERIC, NUMERIC, F_NUMERIC_),
	COMPARISONS(TEXT, TEXT, F_TEXTEQ, F_TEXTNE,
				F_TEXT_LT, F_TEXT_LE, F_TEXT_GT, F_TEXT_GE),
	COMPARISONS_OF(BPCHAR, BPCHAR, F_BPCHAR),
	COMPARISONS_OF(BYTEA, BYTEA, F_BYTEA),
	COMPARISONS_OF(UUID, UUID, F_UUID_),
	COMPARISONS_OF(DATE, DATE, F_DATE_),
	COMPARISONS_OF(TIMESTAMP, TIMESTAMP, F_TIMESTAMP_),
	COMPARISONS_OF(TIMESTAMPTZ, TIMESTAMPTZ, F_TIMESTAMPTZ_),
	{F_TEXTLIKE, SY_NODE_LIKE, SY_OP_EQ, false, SY_TYPE_TEXT, SY_TYPE_TEXT},
	{F_TEXTNLIKE, SY_NODE_LIKE, SY_OP_EQ, true, SY_TYPE_TEXT, SY_TYPE_TEXT},
};

/* The operator behind a function, or NULL if it is not one of ours. */
const SyShipOperator *
sy_ship_operator(Oid funcid)
{
	for (int i = 0; i < (int) lengthof(operators); i++)
		if (operators[i].funcid == funcid)
			return &operators[i];
	return NULL;
}

/*
 * The type that a cast of a column of kind "from" results in, or OTHER.
 *
 * These are the widenings for which normalize.c can move the cast to the
 * other side of a comparison; they are strict and never raise.
 */
SyTypeKind
sy_ship_cast(Oid funcid, SyTypeKind from)
{
	switch (funcid)
	{
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
			return sy_ship_is_int(from) ? SY_TYPE_NUMERIC : SY_TYPE_OTHER;
		case F_FLOAT8_INT2:
		case F_FLOAT8_INT4:
		case F_FLOAT8_INT8:
			return sy_ship_is_int(from) ? SY_TYPE_FLOAT8 : SY_TYPE_OTHER;
		case F_FLOAT8_FLOAT4:
			return from == SY_TYPE_FLOAT4 ? SY_TYPE_FLOAT8 : SY_TYPE_OTHER;
		default:
			return SY_TYPE_OTHER;
	}
}

/* The kind of a type that values may have, or OTHER: JSON is not compared. */
SyTypeKind
sy_ship_kind(Oid typid)
{
	SyTypeKind	kind = sy_value_kind(typid);

	return kind == SY_TYPE_JSON || kind == SY_TYPE_JSONB ? SY_TYPE_OTHER : kind;
}

/* The kind of the values that drivers compare a column of this kind with. */
SyTypeKind
sy_ship_family(SyTypeKind kind)
{
	switch (kind)
	{
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
			return SY_TYPE_INT8;
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
			return SY_TYPE_FLOAT8;
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
			return SY_TYPE_TEXT;
		default:
			return kind;
	}
}

/* How a collation compares; InvalidOid: the type is not collatable. */
SyCollation
sy_ship_collation(Oid collation)
{
	if (!OidIsValid(collation))
		return SY_COLLATION_NONE;
	if (sy_collation_is_c(collation))
		return SY_COLLATION_C;
	return get_collation_isdeterministic(collation) ?
		SY_COLLATION_DETERMINISTIC : SY_COLLATION_NONDETERMINISTIC;
}

/* The comparison that is true when "op" is false and no side is NULL. */
SyOp
sy_ship_negate(SyOp op)
{
	static const SyOp negators[] = {
		[SY_OP_EQ] = SY_OP_NE,
		[SY_OP_NE] = SY_OP_EQ,
		[SY_OP_LT] = SY_OP_GE,
		[SY_OP_LE] = SY_OP_GT,
		[SY_OP_GT] = SY_OP_LE,
		[SY_OP_GE] = SY_OP_LT
	};

	return negators[op];
}

/* The comparison that says the same with its sides exchanged. */
SyOp
sy_ship_commute(SyOp op)
{
	static const SyOp commutators[] = {
		[SY_OP_EQ] = SY_OP_EQ,
		[SY_OP_NE] = SY_OP_NE,
		[SY_OP_LT] = SY_OP_GT,
		[SY_OP_LE] = SY_OP_GE,
		[SY_OP_GT] = SY_OP_LT,
		[SY_OP_GE] = SY_OP_LE
	};

	return commutators[op];
}

/*
 * Ask the driver about every leaf of a normalized tree; the least answer
 * holds for the whole, for a tree has no NOT: weakening a leaf weakens it.
 */
SyShip
sy_ship_tree(const SyTable *table, const SyNode *tree)
{
	SyShip		ship = SY_SHIP_EXACT;

	switch (tree->kind)
	{
		case SY_NODE_FALSE:
		case SY_NODE_TRUE:
			return SY_SHIP_EXACT;
		case SY_NODE_AND:
		case SY_NODE_OR:
			for (int i = 0; i < tree->nchildren; i++)
				ship = Min(ship, sy_ship_tree(table, tree->children[i]));
			return ship;
		default:
			return table->source->driver->ship(table, tree);
	}
}

/*
 * Ask the driver about a leaf whose value of kind "value" is not known yet:
 * about every form that sy_normalize() may give it later.
 */
SyShip
sy_ship_unknown(const SyTable *table, const SyNode *leaf, SyTypeKind value)
{
	bool		is_int = sy_ship_is_int(leaf->column->kind);
	SyShip		ship = sy_ship_tree(table, leaf);

	/* IS DISTINCT FROM NULL */
	if (leaf->kind == SY_NODE_DISTINCT)
		ship = Min(ship, sy_ship_tree(table, sy_node_nulltest(leaf->column, !leaf->negated)));

	/* A pattern that is an error must be evaluated where the rows are. */
	if (leaf->kind == SY_NODE_LIKE)
		ship = Min(ship, SY_SHIP_SUPERSET);

	/* A bound that falls between two integers, or rounds many to itself. */
	if (is_int && !sy_ship_is_int(value))
	{
		SyNode	   *form = sy_node_leaf(SY_NODE_COMPARE, leaf->column, 1);

		form->values[0] = leaf->values[0];
		for (form->op = SY_OP_EQ; form->op <= SY_OP_GE; form->op++)
			ship = Min(ship, sy_ship_tree(table, form));
		ship = Min(ship, sy_ship_tree(table, sy_node_nulltest(leaf->column, true)));
		if (leaf->kind == SY_NODE_DISTINCT)
			ship = Min(ship, sy_ship_tree(table, sy_node_nulltest(leaf->column, false)));
	}
	return ship;
}
