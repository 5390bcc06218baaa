/*-------------------------------------------------------------------------
 *
 * node.c
 *	  Building blocks of neutral query trees.
 *
 * Everything is allocated in CurrentMemoryContext; nothing throws but for
 * want of memory.
 *
 * IDENTIFICATION
 *	  src/pushdown/node.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pushdown/node.h"

/* The tree that selects every row, or none. */
SyNode *
sy_node_constant(bool truth)
{
	SyNode	   *node = palloc0(sizeof(SyNode));

	node->kind = truth ? SY_NODE_TRUE : SY_NODE_FALSE;
	return node;
}

/*
 * A leaf about "column" with room for "nvalues" zeroed values, all in one
 * allocation.  The caller fills operator, collation and values.
 */
SyNode *
sy_node_leaf(SyNodeKind kind, const SyColumn *column, int nvalues)
{
	Size		head = MAXALIGN(sizeof(SyNode));
	SyNode	   *node;

	node = MemoryContextAllocExtended(CurrentMemoryContext,
									  head + nvalues * sizeof(SyValue),
									  MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	node->kind = kind;
	node->column = column;
	node->nvalues = nvalues;
	if (nvalues > 0)
		node->values = (SyValue *) ((char *) node + head);
	return node;
}

/* A copy of a leaf with its values; the datums are shared. */
SyNode *
sy_node_copy(const SyNode *leaf)
{
	SyNode	   *copy = sy_node_leaf(leaf->kind, leaf->column, leaf->nvalues);

	copy->op = leaf->op;
	copy->negated = leaf->negated;
	copy->collation = leaf->collation;
	for (int i = 0; i < leaf->nvalues; i++)
		copy->values[i] = leaf->values[i];
	return copy;
}

/* "column" IS NULL, or with "negated" IS NOT NULL. */
SyNode *
sy_node_nulltest(const SyColumn *column, bool negated)
{
	SyNode	   *node = sy_node_leaf(SY_NODE_NULLTEST, column, 0);

	node->negated = negated;
	return node;
}

/*
 * AND or OR of "children", which are already simplified themselves.
 *
 * TRUE and FALSE are folded, a child of the same kind gives up its own
 * children, and what remains of one child is that child: the result keeps
 * the promises of query.h.  The array is the caller's and is not kept.
 */
SyNode *
sy_node_combine(SyNodeKind kind, SyNode **children, int nchildren)
{
	SyNodeKind	neutral = (kind == SY_NODE_AND) ? SY_NODE_TRUE : SY_NODE_FALSE;
	SyNodeKind	decisive = (kind == SY_NODE_AND) ? SY_NODE_FALSE : SY_NODE_TRUE;
	SyNode	   *single = NULL;
	SyNode	   *node;
	int			count = 0;

	Assert(kind == SY_NODE_AND || kind == SY_NODE_OR);
	for (int i = 0; i < nchildren; i++)
	{
		if (children[i]->kind == decisive)
			return children[i];
		if (children[i]->kind == neutral)
			continue;
		single = children[i];
		count += (single->kind == kind) ? single->nchildren : 1;
	}
	if (count == 0)
		return sy_node_constant(kind == SY_NODE_AND);
	if (count == 1)
		return single;

	node = palloc0(sizeof(SyNode));
	node->kind = kind;
	node->children = palloc(count * sizeof(SyNode *));
	for (int i = 0; i < nchildren; i++)
	{
		if (children[i]->kind == neutral)
			continue;
		if (children[i]->kind != kind)
			node->children[node->nchildren++] = children[i];
		else
			for (int j = 0; j < children[i]->nchildren; j++)
				node->children[node->nchildren++] = children[i]->children[j];
	}
	Assert(node->nchildren == count);
	return node;
}

/*
 * How deep are AND and OR nested?  A leaf counts as 1, and a list of more
 * than SY_NODE_WIDTH children as often as it must be halved to be no longer.
 */
int
sy_node_depth(const SyNode *node)
{
	int			depth = 0;

	for (int i = 0; i < node->nchildren; i++)
		depth = Max(depth, sy_node_depth(node->children[i]));
	for (int width = node->nchildren; width > SY_NODE_WIDTH; width = (width + 1) / 2)
		depth++;
	return depth + 1;
}
