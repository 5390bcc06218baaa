/*-------------------------------------------------------------------------
 *
 * node.h
 *	  Building blocks of neutral query trees.
 *
 * IDENTIFICATION
 *	  src/pushdown/node.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_NODE_H
#define SY_NODE_H

#include "pushdown/query.h"

extern SyNode *sy_node_constant(bool truth);
extern SyNode *sy_node_leaf(SyNodeKind kind, const SyColumn *column, int nvalues);
extern SyNode *sy_node_copy(const SyNode *leaf);
extern SyNode *sy_node_nulltest(const SyColumn *column, bool negated);
extern int	sy_node_depth(const SyNode *node);
extern SyNode *sy_node_combine(SyNodeKind kind, SyNode **children, int nchildren);

#endif							/* SY_NODE_H */
