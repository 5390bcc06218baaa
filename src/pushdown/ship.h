/*-------------------------------------------------------------------------
 *
 * ship.h
 *	  Which operators, casts, types and collations can be shipped at all,
 *	  and asking a driver whether it ships them.
 *
 * IDENTIFICATION
 *	  src/pushdown/ship.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_SHIP_H
#define SY_SHIP_H

#include "pushdown/query.h"

/* What a built-in operator does, known by the OID of its function. */
typedef struct SyShipOperator
{
	Oid			funcid;
	SyNodeKind	node;			/* COMPARE or LIKE */
	SyOp		op;				/* COMPARE */
	bool		negated;		/* LIKE */
	SyTypeKind	left;			/* the types that it takes */
	SyTypeKind	right;
} SyShipOperator;

extern const SyShipOperator *sy_ship_operator(Oid funcid);
extern SyTypeKind sy_ship_cast(Oid funcid, SyTypeKind from);
extern SyTypeKind sy_ship_kind(Oid typid);
extern SyTypeKind sy_ship_family(SyTypeKind kind);
extern SyCollation sy_ship_collation(Oid collation);
extern SyOp sy_ship_negate(SyOp op);
extern SyOp sy_ship_commute(SyOp op);
extern SyShip sy_ship_tree(const SyTable *table, const SyNode *tree);
extern SyShip sy_ship_unknown(const SyTable *table, const SyNode *leaf, SyTypeKind value);

/* Are these the integer types? */
static inline bool
sy_ship_is_int(SyTypeKind kind)
{
	return kind == SY_TYPE_INT2 || kind == SY_TYPE_INT4 || kind == SY_TYPE_INT8;
}

/* Are these the collatable types? */
static inline bool
sy_ship_is_text(SyTypeKind kind)
{
	return kind == SY_TYPE_TEXT || kind == SY_TYPE_VARCHAR || kind == SY_TYPE_BPCHAR;
}

#endif							/* SY_SHIP_H */
