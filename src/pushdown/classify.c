/*-------------------------------------------------------------------------
 *
 * classify.c
 *	  One walk over PostgreSQL's expressions for all drivers: what may be
 *	  sent exactly, what as a weaker filter, what stays here.
 *
 * The walk carries one bit, "truth": does the caller want the rows for which
 * the expression is true, or those for which it is false?  NULL is neither,
 * so a NOT only flips the bit and never negates a finished tree:
 *
 *		a AND b		true: both true			false: any false
 *		a OR b		true: any true			false: both false
 *		NOT a		true: a false			false: a true
 *		a op b		true: op				false: the negator of op
 *					(both sides not NULL, and all the types have a total
 *					order, NaN included)
 *		LIKE		true: LIKE				false: NOT LIKE
 *		= ANY (v)	true: IN				false: NOT IN: all elements
 *					differ and none is NULL, or there is none
 *		IS NULL, IS DISTINCT FROM, IS TRUE and the like are never NULL:
 *					false is their complement
 *		b			true: b = true			false: b = false
 *		x IS TRUE	true: x true			false: x false or NULL, known for
 *					boolean columns only (IS DISTINCT FROM true)
 *
 * The trees that result have AND and OR but no NOT, so to weaken a leaf is to
 * weaken the whole; that is why an AND may lose a child that stays local and
 * become SUPERSET, wherever in the tree it stands.
 *
 * The clauses must have gone through the planner's simplification.  Whether
 * a clause may be evaluated before others (security barriers) is for the
 * caller to ask, as is the user's right to see the table.
 *
 * IDENTIFICATION
 *	  src/pushdown/classify.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "pushdown/classify.h"
#include "pushdown/node.h"
#include "pushdown/ship.h"

/* Longest constant array that is written out as OR or AND. */
#define MAX_WRITTEN_OUT	100

/*
 * AND and OR nested deeper than this stay here: SQLite's parser has a stack
 * of 100 symbols, three for each level and some for all clauses and the leaf.
 */
#define MAX_DEPTH	16

/* A comparison of our column with a value, sides and types checked. */
typedef struct Comparison
{
	const SyShipOperator *operator;
	const SyColumn *column;
	Expr	   *value;			/* or array of them */
	bool		commuted;		/* the column is the right side */
	SyCollation collation;
} Comparison;

static SyNode *walk(SyClassifier *classifier, Node *expr, bool truth, SyShip *ship);

/*
 * Values
 */

/* Does the expression hold what keeps it from being a value? */
static bool
has_obstacle(Node *node, void *context)
{
	Index		relid = *(Index *) context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			return ((Var *) node)->varno == (int) relid ||
				((Var *) node)->varlevelsup != 0;
		case T_Param:
			if (((Param *) node)->paramkind != PARAM_EXTERN &&
				((Param *) node)->paramkind != PARAM_EXEC)
				return true;
			break;
		case T_PlaceHolderVar:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_SubLink:
		case T_SubPlan:
		case T_AlternativeSubPlan:
		case T_CurrentOfExpr:
		case T_SetToDefault:
		case T_NextValueExpr:
			return true;
		default:
			break;
	}
	return expression_tree_walker(node, has_obstacle, context);
}

/*
 * Can the expression be evaluated without a row of ours, once per start of a
 * scan?  Stable functions can; they are PostgreSQL's to run, whoever wrote
 * them.
 */
static bool
is_value(const SyClassifier *classifier, Node *expr)
{
	Index		relid = classifier->relid;

	return !has_obstacle(expr, &relid) && !contain_volatile_functions(expr);
}

/*
 * Find or append "expr" among the classifier's values.  Returns its position
 * and in *param its number among those that are not constants, or 0.
 */
static int
add_value(SyClassifier *classifier, Expr *expr, int *param)
{
	bool		is_const = IsA(expr, Const);
	int			number = is_const ? 0 : 1;
	ListCell   *lc;

	foreach(lc, classifier->values)
	{
		if (equal(lfirst(lc), expr))
		{
			*param = number;
			return foreach_current_index(lc);
		}
		if (!is_const && !IsA(lfirst(lc), Const))
			number++;
	}
	if (!is_const)
		classifier->nparams++;
	*param = number;
	classifier->values = lappend(classifier->values, expr);
	return list_length(classifier->values) - 1;
}

/*
 * Columns
 */

/*
 * The column of our table that "expr" is, perhaps widened by a cast that
 * normalize.c can undo; NULL if it is anything else.  *kind is the type that
 * an operator above it sees.
 */
static const SyColumn *
find_column(const SyClassifier *classifier, Node *expr, SyTypeKind *kind)
{
	const SyColumn *column;
	Var		   *var;

	if (IsA(expr, RelabelType) || IsA(expr, CollateExpr))
	{
		Oid			typid = exprType(expr);

		expr = IsA(expr, RelabelType) ? (Node *) ((RelabelType *) expr)->arg :
			(Node *) ((CollateExpr *) expr)->arg;
		column = find_column(classifier, expr, kind);
		/* A text taken for a bpchar compares in another way. */
		if (column == NULL || sy_ship_family(sy_ship_kind(typid)) != sy_ship_family(*kind))
			return NULL;
		*kind = sy_ship_kind(typid);
		return column;
	}
	if (IsA(expr, FuncExpr) && list_length(((FuncExpr *) expr)->args) == 1)
	{
		FuncExpr   *cast = (FuncExpr *) expr;

		column = find_column(classifier, linitial(cast->args), kind);
		if (column == NULL || *kind != column->kind)
			return NULL;
		*kind = sy_ship_cast(cast->funcid, column->kind);
		return *kind == SY_TYPE_OTHER ? NULL : column;
	}

	if (!IsA(expr, Var))
		return NULL;
	var = (Var *) expr;
	if (var->varno != (int) classifier->relid || var->varlevelsup != 0 ||
		var->varattno < 1 || var->varattno > classifier->table->natts)
		return NULL;
	column = classifier->table->columns[var->varattno - 1];
	if (column == NULL || column->kind == SY_TYPE_OTHER || column->typid != var->vartype)
		return NULL;
	*kind = column->kind;
	return column;
}

/*
 * Leaves
 */

/*
 * Let the driver decide about a leaf that compares with "value", of kind
 * "kind".  Returns the leaf, or FALSE if the value alone decides that, or NULL
 * if it stays local.
 */
static SyNode *
decide(const SyClassifier *classifier, SyNode *leaf, Expr *value, SyTypeKind kind,
	   SyShip *ship)
{
	const SyTable *table = classifier->table;
	SyArgument	argument;
	SyNode	   *probe;
	SyNode	   *normal;

	if (!IsA(value, Const))
	{
		*ship = sy_ship_unknown(table, leaf, kind);
		return *ship == SY_SHIP_LOCAL ? NULL : leaf;
	}

	argument.known = true;
	argument.isnull = ((Const *) value)->constisnull;
	argument.typid = ((Const *) value)->consttype;
	argument.datum = ((Const *) value)->constvalue;
	probe = sy_node_copy(leaf);
	probe->values[0].index = 0;
	normal = sy_normalize(probe, &argument);

	/* A pattern that is an error, or <> ALL of nothing: the rows are looked at here. */
	if (normal->kind == SY_NODE_TRUE)
		return NULL;
	*ship = sy_ship_tree(table, normal);
	if (normal->kind == SY_NODE_FALSE)
		return normal;
	return *ship == SY_SHIP_LOCAL ? NULL : leaf;
}

/* A leaf that compares a column with "value", which becomes one of ours. */
static SyNode *
make_leaf(SyClassifier *classifier, SyNodeKind kind, const SyColumn *column, Expr *value)
{
	SyNode	   *leaf = sy_node_leaf(kind, column, 1);

	leaf->values[0].kind = sy_ship_family(column->kind);
	leaf->values[0].index = add_value(classifier, value, &leaf->values[0].param);
	return leaf;
}

/*
 * Recognize an operator between our column and a value, or with "is_array"
 * between our column and the elements of an array value.
 */
static bool
match_comparison(const SyClassifier *classifier, Oid funcid, Oid collation, List *args,
				 bool is_array, Comparison *comparison)
{
	const SyShipOperator *operator = sy_ship_operator(funcid);
	SyTypeKind	seen;
	Oid			typid;

	if (operator == NULL || list_length(args) != 2)
		return false;
	comparison->operator = operator;
	comparison->commuted = false;
	comparison->value = lsecond(args);
	comparison->column = find_column(classifier, linitial(args), &seen);
	if (comparison->column == NULL && !is_array && operator->node == SY_NODE_COMPARE)
	{
		comparison->commuted = true;
		comparison->value = linitial(args);
		comparison->column = find_column(classifier, lsecond(args), &seen);
	}
	if (comparison->column == NULL || !is_value(classifier, (Node *) comparison->value))
		return false;

	typid = exprType((Node *) comparison->value);
	if (is_array)
		typid = get_element_type(typid);
	if (seen == SY_TYPE_VARCHAR ||
		seen != (comparison->commuted ? operator->right : operator->left) ||
		sy_ship_kind(typid) != (comparison->commuted ? operator->left : operator->right))
		return false;

	comparison->collation = SY_COLLATION_NONE;
	if (sy_ship_is_text(seen))
	{
		comparison->collation = sy_ship_collation(collation);
		/* No collation at all is an error, PostgreSQL's to raise. */
		if (comparison->collation == SY_COLLATION_NONE ||
			comparison->collation == SY_COLLATION_NONDETERMINISTIC)
			return false;
	}
	return true;
}

/* The leaf for a comparison; "value" stands for its value. */
static SyNode *
classify_comparison(SyClassifier *classifier, const Comparison *comparison, Expr *value,
					bool truth, SyShip *ship)
{
	const SyShipOperator *operator = comparison->operator;
	SyNode	   *leaf;

	leaf = make_leaf(classifier, operator->node, comparison->column, value);
	leaf->collation = comparison->collation;
	if (operator->node == SY_NODE_LIKE)
		leaf->negated = (operator->negated == truth);
	else
	{
		leaf->op = comparison->commuted ? sy_ship_commute(operator->op) : operator->op;
		if (!truth)
			leaf->op = sy_ship_negate(leaf->op);
	}
	return decide(classifier, leaf, value,
				  comparison->commuted ? operator->left : operator->right, ship);
}

/* a op b */
static SyNode *
classify_operator(SyClassifier *classifier, OpExpr *expr, bool truth, SyShip *ship)
{
	Comparison	comparison;

	set_opfuncid(expr);
	if (!match_comparison(classifier, expr->opfuncid, expr->inputcollid, expr->args,
						  false, &comparison))
		return NULL;
	return classify_comparison(classifier, &comparison, comparison.value, truth, ship);
}

/* a IS DISTINCT FROM b */
static SyNode *
classify_distinct(SyClassifier *classifier, DistinctExpr *expr, bool truth, SyShip *ship)
{
	Comparison	comparison;
	SyNode	   *leaf;

	set_opfuncid((OpExpr *) expr);
	if (!match_comparison(classifier, expr->opfuncid, expr->inputcollid, expr->args,
						  false, &comparison) ||
		comparison.operator->node != SY_NODE_COMPARE ||
		comparison.operator->op != SY_OP_EQ)
		return NULL;
	leaf = make_leaf(classifier, SY_NODE_DISTINCT, comparison.column, comparison.value);
	leaf->collation = comparison.collation;
	leaf->negated = !truth;
	return decide(classifier, leaf, comparison.value,
				  comparison.commuted ? comparison.operator->left : comparison.operator->right,
				  ship);
}

/*
 * Write a op ANY or ALL (constant array) out as OR or AND over the elements,
 * if they are few; not as TRUE, which would not look at the column's values.
 */
static SyNode *
write_out_array(SyClassifier *classifier, const Comparison *comparison, bool is_or,
				bool truth, SyShip *ship)
{
	Const	   *constant = (Const *) comparison->value;
	ArrayType  *array;
	SyNode	  **children;
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Oid			elemtype;

	*ship = SY_SHIP_EXACT;
	if (constant->constisnull)
		return sy_node_constant(false);
	elemtype = get_element_type(constant->consttype);
	array = DatumGetArrayTypeP(constant->constvalue);
	count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (count > MAX_WRITTEN_OUT || (count == 0 && is_or != truth))
		return NULL;
	get_typlenbyvalalign(elemtype, &typlen, &typbyval, &typalign);
	deconstruct_array(array, elemtype, typlen, typbyval, typalign,
					  &elements, &nulls, &count);
	children = palloc((count + 1) * sizeof(SyNode *));
	for (int i = 0; i < count; i++)
	{
		SyShip		child_ship = SY_SHIP_EXACT;
		Const	   *element = makeConst(elemtype, -1, constant->constcollid, typlen,
										elements[i], nulls[i], typbyval);

		children[i] = classify_comparison(classifier, comparison, (Expr *) element,
										  truth, &child_ship);
		if (children[i] == NULL)
			return NULL;
		*ship = Min(*ship, child_ship);
	}
	return sy_node_combine(is_or == truth ? SY_NODE_OR : SY_NODE_AND, children, count);
}

/* a op ANY (array), a op ALL (array) */
static SyNode *
classify_array(SyClassifier *classifier, ScalarArrayOpExpr *expr, bool truth, SyShip *ship)
{
	Comparison	comparison;
	SyNode	   *leaf;

	set_sa_opfuncid(expr);
	if (!match_comparison(classifier, expr->opfuncid, expr->inputcollid, expr->args,
						  true, &comparison))
		return NULL;
	if (comparison.operator->node == SY_NODE_COMPARE &&
		comparison.operator->op == (expr->useOr ? SY_OP_EQ : SY_OP_NE))
	{
		leaf = make_leaf(classifier, SY_NODE_IN, comparison.column, comparison.value);
		leaf->collation = comparison.collation;
		leaf->negated = (expr->useOr != truth);
		return decide(classifier, leaf, comparison.value, comparison.operator->right, ship);
	}
	if (IsA(comparison.value, Const))
		return write_out_array(classifier, &comparison, expr->useOr, truth, ship);
	return NULL;
}

/* a IS NULL, a IS NOT NULL */
static SyNode *
classify_nulltest(SyClassifier *classifier, NullTest *expr, bool truth, SyShip *ship)
{
	const SyColumn *column;
	SyTypeKind	seen;
	SyNode	   *leaf;

	if (expr->argisrow)
		return NULL;
	column = find_column(classifier, (Node *) expr->arg, &seen);
	if (column == NULL)
		return NULL;
	leaf = sy_node_nulltest(column, (expr->nulltesttype == IS_NOT_NULL) == truth);
	*ship = sy_ship_tree(classifier->table, leaf);
	return *ship == SY_SHIP_LOCAL ? NULL : leaf;
}

/* A boolean column compared with true or false by =, or IS DISTINCT FROM. */
static SyNode *
classify_boolean(SyClassifier *classifier, const SyColumn *column, bool is_distinct,
				 bool value, SyShip *ship)
{
	Expr	   *constant = (Expr *) makeBoolConst(value, false);
	SyNode	   *leaf;

	leaf = make_leaf(classifier, is_distinct ? SY_NODE_DISTINCT : SY_NODE_COMPARE,
					 column, constant);
	return decide(classifier, leaf, constant, SY_TYPE_BOOL, ship);
}

/*
 * x IS [NOT] TRUE, FALSE, UNKNOWN.  Over anything but a boolean column only
 * those forms are known that NULL does not satisfy.
 */
static SyNode *
classify_booltest(SyClassifier *classifier, BooleanTest *expr, bool truth, SyShip *ship)
{
	BoolTestType test = expr->booltesttype;
	const SyColumn *column;
	SyTypeKind	seen;
	SyNode	   *leaf;

	if (!truth)
	{
		static const BoolTestType complements[] = {
			[IS_TRUE] = IS_NOT_TRUE,
			[IS_NOT_TRUE] = IS_TRUE,
			[IS_FALSE] = IS_NOT_FALSE,
			[IS_NOT_FALSE] = IS_FALSE,
			[IS_UNKNOWN] = IS_NOT_UNKNOWN,
			[IS_NOT_UNKNOWN] = IS_UNKNOWN
		};

		test = complements[test];
	}
	if (test == IS_TRUE || test == IS_FALSE)
		return walk(classifier, (Node *) expr->arg, test == IS_TRUE, ship);

	column = find_column(classifier, (Node *) expr->arg, &seen);
	if (column == NULL || seen != SY_TYPE_BOOL)
		return NULL;
	if (test == IS_NOT_TRUE || test == IS_NOT_FALSE)
		return classify_boolean(classifier, column, true, test == IS_NOT_TRUE, ship);
	leaf = sy_node_nulltest(column, test == IS_NOT_UNKNOWN);
	*ship = sy_ship_tree(classifier->table, leaf);
	return *ship == SY_SHIP_LOCAL ? NULL : leaf;
}

/*
 * The walk
 */

/*
 * AND and OR.  An OR needs all of its children; an AND does without those
 * that stay local, if there is another.
 */
static SyNode *
classify_list(SyClassifier *classifier, SyNodeKind kind, List *args, bool truth,
			  SyShip *ship)
{
	SyNode	  **children = palloc(list_length(args) * sizeof(SyNode *));
	int			nchildren = 0;
	ListCell   *lc;

	*ship = SY_SHIP_EXACT;
	foreach(lc, args)
	{
		SyShip		child_ship = SY_SHIP_LOCAL;
		SyNode	   *child = walk(classifier, lfirst(lc), truth, &child_ship);

		if (child != NULL)
		{
			children[nchildren++] = child;
			*ship = Min(*ship, child_ship);
		}
		else if (kind == SY_NODE_OR)
			return NULL;
		else
			*ship = SY_SHIP_SUPERSET;
	}
	return nchildren > 0 ? sy_node_combine(kind, children, nchildren) : NULL;
}

/* AND, OR, NOT */
static SyNode *
classify_bool(SyClassifier *classifier, BoolExpr *expr, bool truth, SyShip *ship)
{
	if (expr->boolop == NOT_EXPR)
		return walk(classifier, linitial(expr->args), !truth, ship);
	return classify_list(classifier,
						 (expr->boolop == AND_EXPR) == truth ? SY_NODE_AND : SY_NODE_OR,
						 expr->args, truth, ship);
}

/*
 * The tree of one expression, not yet judged as a whole.  A NULL constant is
 * neither true nor false.
 */
static SyNode *
walk_expr(SyClassifier *classifier, Node *expr, bool truth, SyShip *ship)
{
	switch (nodeTag(expr))
	{
		case T_RestrictInfo:
			return walk(classifier, (Node *) ((RestrictInfo *) expr)->clause, truth, ship);
		case T_BoolExpr:
			return classify_bool(classifier, (BoolExpr *) expr, truth, ship);
		case T_OpExpr:
			return classify_operator(classifier, (OpExpr *) expr, truth, ship);
		case T_DistinctExpr:
			return classify_distinct(classifier, (DistinctExpr *) expr, truth, ship);
		case T_ScalarArrayOpExpr:
			return classify_array(classifier, (ScalarArrayOpExpr *) expr, truth, ship);
		case T_NullTest:
			return classify_nulltest(classifier, (NullTest *) expr, truth, ship);
		case T_BooleanTest:
			return classify_booltest(classifier, (BooleanTest *) expr, truth, ship);
		case T_Const:
			*ship = SY_SHIP_EXACT;
			return sy_node_constant(!((Const *) expr)->constisnull &&
									DatumGetBool(((Const *) expr)->constvalue) == truth);
		default:
			{
				SyTypeKind	seen;
				const SyColumn *column = find_column(classifier, expr, &seen);

				if (column == NULL || seen != SY_TYPE_BOOL)
					return NULL;
				return classify_boolean(classifier, column, false, truth, ship);
			}
	}
}

/*
 * The tree of the rows for which "expr" has the given truth, or of more rows
 * if *ship is SUPERSET; NULL if it stays local.  Values that no tree mentions
 * are taken back, for each one is evaluated.
 */
static SyNode *
walk(SyClassifier *classifier, Node *expr, bool truth, SyShip *ship)
{
	int			nvalues = list_length(classifier->values);
	int			nparams = classifier->nparams;
	SyNode	   *node;

	check_stack_depth();
	node = walk_expr(classifier, expr, truth, ship);

	if (node != NULL && node->kind == SY_NODE_FALSE)
		*ship = SY_SHIP_EXACT;	/* there is nothing less than no row */
	else if (node != NULL && node->kind == SY_NODE_TRUE && *ship != SY_SHIP_EXACT)
		node = NULL;			/* a filter that filters nothing */
	if (node == NULL || node->kind == SY_NODE_FALSE || node->kind == SY_NODE_TRUE)
	{
		classifier->values = list_truncate(classifier->values, nvalues);
		classifier->nparams = nparams;
	}
	return node;
}

/*
 * Classify a condition.  Returns the tree that the source can evaluate, with
 * *ship EXACT if it replaces the condition and SUPERSET if PostgreSQL must
 * repeat it, or NULL, with *ship LOCAL.  What the tree compares with is added
 * to classifier->values.
 *
 * The tree is raw: its values are not known, not even constants, and have
 * the kind that sy_normalize() will give them.
 */
SyNode *
sy_classify(SyClassifier *classifier, Expr *clause, SyShip *ship)
{
	SyNode	   *node = walk(classifier, (Node *) clause, true, ship);

	if (node != NULL && sy_node_depth(node) > MAX_DEPTH)
		node = NULL;
	if (node == NULL)
		*ship = SY_SHIP_LOCAL;
	return node;
}

/*
 * Sort keys and limits
 */

/*
 * Can the source sort by this key?  "member" is the member of the pathkey's
 * class that belongs to our table.  True: *order says how.
 */
bool
sy_classify_order(SyClassifier *classifier, PathKey *pathkey,
				  EquivalenceMember *member, int position, SyOrder *order)
{
	const SyTable *table = classifier->table;
	const SyColumn *column;
	SyTypeKind	seen;
	TypeCacheEntry *type;

	column = find_column(classifier, (Node *) member->em_expr, &seen);
	if (column == NULL || sy_ship_family(seen) != sy_ship_family(column->kind) ||
		sy_ship_kind(column->typid) == SY_TYPE_OTHER)
		return false;

	/* varchar sorts by text's operators */
	type = lookup_type_cache(column->typid, TYPECACHE_BTREE_OPFAMILY);
	if (type->btree_opf != pathkey->pk_opfamily)
		return false;

	order->column = column;
	order->descending = (sy_pathkey_ordering(pathkey) == SY_ORDERING_DESCENDING);
	order->nulls_first = pathkey->pk_nulls_first;
	order->collation = SY_COLLATION_NONE;
	if (sy_ship_is_text(column->kind))
	{
		order->collation = sy_ship_collation(pathkey->pk_eclass->ec_collation);
		if (order->collation == SY_COLLATION_NONE ||
			order->collation == SY_COLLATION_NONDETERMINISTIC)
			return false;
	}
	return table->source->driver->ship_order(table, order, position);
}

/*
 * Can the source apply this LIMIT or OFFSET, which may be NULL?  True: *bound
 * is absent or refers to classifier->values, and is known if it is constant.
 */
bool
sy_classify_bound(SyClassifier *classifier, Node *expr, SyBound *bound)
{
	memset(bound, 0, sizeof(SyBound));
	if (expr == NULL || (IsA(expr, Const) && ((Const *) expr)->constisnull))
		return true;
	if (exprType(expr) != INT8OID || !is_value(classifier, expr))
		return false;
	if (IsA(expr, Const))
	{
		bound->known = true;
		bound->value = DatumGetInt64(((Const *) expr)->constvalue);
		if (bound->value < 0)
			return false;
	}
	bound->present = true;
	bound->index = add_value(classifier, (Expr *) expr, &bound->param);
	return true;
}
