/*-------------------------------------------------------------------------
 *
 * classify.h
 *	  One walk over PostgreSQL's expressions for all drivers: what may be
 *	  sent exactly, what as a weaker filter, what stays here.
 *
 * IDENTIFICATION
 *	  src/pushdown/classify.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_CLASSIFY_H
#define SY_CLASSIFY_H

#include "nodes/pathnodes.h"

#include "pushdown/query.h"

/* State of the classification of one query's pieces. */
typedef struct SyClassifier
{
	Index		relid;			/* range table index of the foreign table */
	const SyTable *table;
	List	   *values;			/* of Expr *: what leaves compare with, by
								 * SyValue.index; becomes fdw_exprs */
	int			nparams;		/* parameters numbered so far */
} SyClassifier;

/*
 * The trees of sy_classify() are raw: constants too are named by their index
 * only.  sy_normalize() makes of them what drivers read.
 */
extern SyNode *sy_classify(SyClassifier *classifier, Expr *clause, SyShip *ship);
extern bool sy_classify_order(SyClassifier *classifier, PathKey *pathkey,
							  EquivalenceMember *member, int position, SyOrder *order);
extern bool sy_classify_bound(SyClassifier *classifier, Node *expr, SyBound *bound);

/* Trees as integers, so that plans can be copied. */
extern List *sy_node_encode(const SyNode *node);
extern SyNode *sy_node_decode(const List *code, int *position, const SyTable *table);

/* An evaluated member of SyClassifier.values. */
typedef struct SyArgument
{
	bool		known;			/* false: EXPLAIN without execution */
	bool		isnull;
	Oid			typid;
	Datum		datum;
} SyArgument;

extern SyNode *sy_normalize(const SyNode *tree, const SyArgument *arguments);
extern void sy_normalize_bound(SyBound *bound, const SyArgument *arguments, bool is_limit);

#endif							/* SY_CLASSIFY_H */
