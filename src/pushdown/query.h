/*-------------------------------------------------------------------------
 *
 * query.h
 *	  The neutral query tree: what a source is asked, free of PostgreSQL's
 *	  parse nodes and of any remote language.
 *
 * Filters are always in "is true" form: a tree selects exactly the rows for
 * which PostgreSQL's condition is true, NULL counts as false.  There is no
 * NOT node; leaves that have a negative form carry "negated".
 *
 * Values in leaves are already reduced to the column's own family by
 * pushdown/normalize.c, so drivers see these pairs only:
 *
 *		column					value.kind and Datum
 *		INT2, INT4, INT8		INT8
 *		FLOAT4, FLOAT8			FLOAT8 (the exact value, NaN and infinities)
 *		NUMERIC					NUMERIC
 *		TEXT, VARCHAR			TEXT (server encoding)
 *		BPCHAR					BPCHAR
 *		others					the column's own kind
 *
 * Trees are built by classify.c, travel in plans as integers (encode.c), and
 * are rebuilt for each start of a scan; drivers only read them.
 *
 * IDENTIFICATION
 *	  src/pushdown/query.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_QUERY_H
#define SY_QUERY_H

#include "source/driver.h"

typedef enum SyNodeKind
{
	SY_NODE_FALSE,				/* no row */
	SY_NODE_TRUE,				/* every row */
	SY_NODE_AND,				/* all children; there are at least two */
	SY_NODE_OR,					/* any child; there are at least two */
	SY_NODE_COMPARE,			/* column op values[0]; the value is not NULL */
	SY_NODE_IN,					/* column equals any value; negated: is not
								 * NULL and equals none.  No NULL among the
								 * values, at least one of them */
	SY_NODE_NULLTEST,			/* IS NULL; negated: IS NOT NULL */
	SY_NODE_DISTINCT,			/* IS DISTINCT FROM values[0], which is not
								 * NULL; negated: IS NOT DISTINCT FROM */
	SY_NODE_LIKE				/* column LIKE values[0]; negated: NOT LIKE */
} SyNodeKind;

typedef enum SyOp
{
	SY_OP_EQ,
	SY_OP_NE,
	SY_OP_LT,
	SY_OP_LE,
	SY_OP_GT,
	SY_OP_GE
} SyOp;

/* How the operator compares text. */
typedef enum SyCollation
{
	SY_COLLATION_NONE,			/* not a collatable type */
	SY_COLLATION_C,				/* byte order */
	SY_COLLATION_DETERMINISTIC, /* equality is byte equality, order is not */
	SY_COLLATION_NONDETERMINISTIC	/* not even equality is */
} SyCollation;

/*
 * A driver may write AND and OR over more children than this as nested halves;
 * the classifier, which bounds the depth of trees, counts them so.
 */
#define SY_NODE_WIDTH	8

/* A value to compare with. */
typedef struct SyValue
{
	bool		known;			/* false: a parameter, at plan time */
	int			param;			/* 0: a constant; else its number, from 1, for
								 * EXPLAIN */
	int			index;			/* core's: position among the plan's values */
	SyTypeKind	kind;
	Datum		datum;			/* if known; never NULL */
} SyValue;

struct SyNode
{
	SyNodeKind	kind;
	SyOp		op;				/* COMPARE */
	bool		negated;		/* IN, NULLTEST, DISTINCT, LIKE */
	SyCollation collation;		/* of the operator; leaves */
	const SyColumn *column;		/* leaves */
	int			nvalues;		/* leaves.  IN over an array that is not known
								 * yet: one value with known = false */
	SyValue    *values;
	int			nchildren;		/* AND, OR */
	SyNode	  **children;
};

struct SyOrder
{
	const SyColumn *column;
	bool		descending;
	bool		nulls_first;
	SyCollation collation;
};

/* LIMIT or OFFSET. */
typedef struct SyBound
{
	bool		present;		/* false: none (no limit; offset 0) */
	bool		known;			/* false: a parameter, at plan time */
	int			param;			/* as in SyValue */
	int			index;			/* as in SyValue */
	int64		value;			/* if known; >= 0 */
} SyBound;

/* What a fetched row must bring. */
typedef struct SyTarget
{
	const SyColumn *column;		/* NULL: the row's identity, as bytea */
	int			slot;			/* index into values[] and nulls[] */
} SyTarget;

struct SyQuery
{
	const SyTable *table;
	int			ntargets;		/* 0 is possible: count(*) over local filters */
	SyTarget   *targets;
	bool		count;			/* deliver one row, count(*) of the rows as
								 * bigint in slot 0; no targets */
	SyNode	   *where;			/* NULL: every row */
	bool		guard;			/* no row may pass whose value in a column of
								 * "where" or "orders" is outside the column's
								 * domain: it may be counted or skipped without
								 * being fetched, and so not be checked */
	int			norders;
	SyOrder    *orders;
	SyBound		limit;
	SyBound		offset;
	bool		alone;			/* the statement reads nothing else and starts
								 * this once */
	int			sample_rows;	/* ANALYZE, SY_CAP_SAMPLE: about so many rows at
								 * random; 0: all */
};

#endif							/* SY_QUERY_H */
