/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  Neutral query trees as lists of integers, so that plans can be copied.
 *
 * Only the trees that sy_classify() makes are encoded: they name what they
 * compare with by position among the plan's expressions and hold no Datum.
 * The code is a prefix code:
 *
 *		no tree			-1
 *		TRUE, FALSE		kind
 *		AND, OR			kind, number of children, the children
 *		leaf			kind, operator + 8 * negated + 16 * collation, attnum,
 *						and (none for NULLTEST) index, param of its value
 *
 * IDENTIFICATION
 *	  src/pushdown/encode.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pushdown/classify.h"
#include "pushdown/node.h"
#include "pushdown/ship.h"

#define NO_TREE	(-1)

/* Append the code of "node" to "code". */
static List *
encode_node(List *code, const SyNode *node)
{
	check_stack_depth();

	code = lappend_int(code, node->kind);
	switch (node->kind)
	{
		case SY_NODE_FALSE:
		case SY_NODE_TRUE:
			break;
		case SY_NODE_AND:
		case SY_NODE_OR:
			code = lappend_int(code, node->nchildren);
			for (int i = 0; i < node->nchildren; i++)
				code = encode_node(code, node->children[i]);
			break;
		default:
			Assert(node->nvalues == (node->kind == SY_NODE_NULLTEST ? 0 : 1));
			code = lappend_int(code, node->op + 8 * node->negated + 16 * node->collation);
			code = lappend_int(code, node->column->attnum);
			for (int i = 0; i < node->nvalues; i++)
			{
				Assert(!node->values[i].known);
				code = lappend_int(code, node->values[i].index);
				code = lappend_int(code, node->values[i].param);
			}
			break;
	}
	return code;
}

/* The code of a tree that sy_classify() made; "node" may be NULL. */
List *
sy_node_encode(const SyNode *node)
{
	return node == NULL ? list_make1_int(NO_TREE) : encode_node(NIL, node);
}

/* The integer at *position, which moves on. */
static int
next_int(const List *code, int *position)
{
	if (*position >= list_length(code))
		elog(ERROR, "encoded filter ends too early");
	return list_nth_int(code, (*position)++);
}

/* The leaf whose kind was just read. */
static SyNode *
decode_leaf(SyNodeKind kind, const List *code, int *position, const SyTable *table)
{
	int			flags = next_int(code, position);
	int			attnum = next_int(code, position);
	SyNode	   *node;

	if (attnum < 1 || attnum > table->natts || table->columns[attnum - 1] == NULL)
		elog(ERROR, "encoded filter names attribute %d, which table \"%s\" does not have",
			 attnum, table->name);
	node = sy_node_leaf(kind, table->columns[attnum - 1],
						kind == SY_NODE_NULLTEST ? 0 : 1);
	node->op = flags & 7;
	node->negated = (flags & 8) != 0;
	node->collation = flags >> 4;
	for (int i = 0; i < node->nvalues; i++)
	{
		node->values[i].index = next_int(code, position);
		node->values[i].param = next_int(code, position);
		node->values[i].kind = sy_ship_family(node->column->kind);
	}
	return node;
}

/*
 * Rebuild the tree that begins at *position, which moves behind it; NULL if
 * none was encoded.  Its values are not known until sy_normalize().
 */
SyNode *
sy_node_decode(const List *code, int *position, const SyTable *table)
{
	int			kind = next_int(code, position);
	SyNode	   *node;

	check_stack_depth();

	switch (kind)
	{
		case NO_TREE:
			return NULL;
		case SY_NODE_FALSE:
		case SY_NODE_TRUE:
			return sy_node_constant(kind == SY_NODE_TRUE);
		case SY_NODE_AND:
		case SY_NODE_OR:
			node = palloc0(sizeof(SyNode));
			node->kind = kind;
			node->nchildren = next_int(code, position);
			node->children = palloc(node->nchildren * sizeof(SyNode *));
			for (int i = 0; i < node->nchildren; i++)
				node->children[i] = sy_node_decode(code, position, table);
			return node;
		case SY_NODE_COMPARE:
		case SY_NODE_IN:
		case SY_NODE_NULLTEST:
		case SY_NODE_DISTINCT:
		case SY_NODE_LIKE:
			return decode_leaf(kind, code, position, table);
		default:
			elog(ERROR, "unrecognized kind of encoded filter: %d", kind);
	}
	return NULL;				/* keep the compiler quiet */
}
