/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  Conditions in the server's match language.
 *
 * Every filter selects exactly the documents for which PostgreSQL's condition
 * is true (or more of them, where ship.c said so), as far as their values are
 * in the column's domain; domain.c keeps out the others where they would
 * matter.  A field counts as NULL if it is null, missing or undefined.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/filter.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include <math.h>

#include "lib/stringinfo.h"

static const char *const range_operators[] = {
	[SY_OP_LT] = "$lt",
	[SY_OP_LE] = "$lte",
	[SY_OP_GT] = "$gt",
	[SY_OP_GE] = "$gte"
};

/* A condition on one field. */
static MongoItem *
on_field(const char *field, const char *op, MongoItem *value)
{
	return mongo_item_document(field, mongo_item_document(op, value));
}

/* The text that stands for a value that must not or cannot be shown; or NULL. */
static const char *
placeholder(const MongoForm *form, const SyValue *value)
{
	if (value->known && !form->hide)
		return NULL;
	return value->param > 0 ? psprintf("$%d", value->param) : "?";
}

/* {$regex: …, $options: "s"}, where "." is any character. */
static MongoItem *
regex_operators(const char *regex)
{
	return mongo_item_add(mongo_item_document("$regex", mongo_item_text(regex)),
						  "$options", mongo_item_text("s"));
}

/*
 * The documents that meet "operators" (a document without $ne) and whose
 * field is not NULL.
 */
static MongoItem *
and_not_null(const MongoForm *form, const char *field, MongoItem *operators)
{
	MongoItem  *filter = mongo_item_document(field,
											 mongo_item_add(operators, "$ne", mongo_item_null()));

	if (!form->undefined_apart)
		return filter;
	return mongo_item_and(list_make2(filter,
									 on_field(field, "$not",
											  mongo_item_document("$type",
																  mongo_item_int(BSON_TYPE_UNDEFINED)))));
}

/* The field is not NULL. */
MongoItem *
mongo_filter_not_null(const MongoForm *form, const char *field)
{
	return and_not_null(form, field, mongo_item_document(NULL, NULL));
}

/* The field is NULL; in columns that show arrays, one with null in it is not. */
MongoItem *
mongo_filter_null(const MongoForm *form, const SyColumn *column, const char *field)
{
	bool		takes_arrays = (column->kind == SY_TYPE_ARRAY || column->kind == SY_TYPE_JSON ||
								column->kind == SY_TYPE_JSONB);
	MongoItem  *filter = on_field(field, "$eq", mongo_item_null());

	if (form->undefined_apart)
		filter = mongo_item_or(list_make2(filter,
										  on_field(field, "$type",
												   mongo_item_int(BSON_TYPE_UNDEFINED))));
	if (takes_arrays)
		filter = mongo_item_and(list_make2(filter,
										   on_field(field, "$not",
													mongo_item_document("$type", mongo_item_text("array")))));
	return filter;
}

/* The field is not NULL, whatever the column's type. */
static MongoItem *
is_not_null(const MongoForm *form, const SyColumn *column, const char *field)
{
	MongoItem  *filter = mongo_filter_not_null(form, field);

	/* An array that contains null fails the test for null. */
	if (column->kind == SY_TYPE_ARRAY || column->kind == SY_TYPE_JSON ||
		column->kind == SY_TYPE_JSONB)
		filter = mongo_item_or(list_make2(filter,
										  on_field(field, "$type", mongo_item_text("array"))));
	return filter;
}

/*
 * Equality
 */

/* Conditions one of which is met where a field equals a value. */
typedef struct Equalities
{
	List	   *values;			/* of MongoItem *: the field has this value */
	List	   *filters;		/* of MongoItem *: this filter */
	bool		unknown;		/* "values" holds the text of one parameter
								 * that is an array */
} Equalities;

/*
 * A numeric constant.  Doubles see another value than other types do, unless
 * both are the same number; where no stored value equals it, nothing is added.
 */
static void
add_numeric_equality(Equalities *equalities, const char *field, const SyValue *value)
{
	MongoNumericOperand operand;

	mongo_operand_numeric(value, &operand);
	if (operand.isnan)
		equalities->values = lappend(equalities->values, mongo_item_double(NAN));
	else if (operand.same)
		equalities->values = lappend(equalities->values, mongo_item_value(&operand.decimal.value));
	else
	{
		if (operand.decimal.side == 0)
			equalities->filters =
				lappend(equalities->filters,
						mongo_item_document(field,
											mongo_item_add(mongo_item_document("$eq", mongo_item_value(&operand.decimal.value)),
														   "$not", mongo_item_document("$type", mongo_item_text("double")))));
		if (operand.binary.side == 0)
			equalities->filters =
				lappend(equalities->filters,
						mongo_item_document(field,
											mongo_item_add(mongo_item_document("$eq", mongo_item_value(&operand.binary.value)),
														   "$type", mongo_item_text("double"))));
	}
}

/* A char(n) constant: stored values may end with any number of spaces. */
static void
add_bpchar_equality(Equalities *equalities, const char *field, const SyValue *value)
{
	const char *text = mongo_operand_text(value);
	StringInfoData regex;

	initStringInfo(&regex);
	appendStringInfoString(&regex, "\\A");
	mongo_pattern_quote(&regex, text, strlen(text));
	appendStringInfoString(&regex, "\\x20*\\z");

	/* Longer than any value of the column that ship.c lets through. */
	if (regex.len <= MONGO_PATTERN_MAX_BYTES)
		equalities->filters = lappend(equalities->filters,
									  mongo_item_document(field, regex_operators(regex.data)));
}

/* Add what "field equals value" means. */
static void
add_equality(const MongoForm *form, Equalities *equalities, const SyNode *leaf,
			 const char *field, const SyValue *value)
{
	const char *hidden = placeholder(form, value);
	MongoOperand operand;

	if (hidden != NULL)
	{
		equalities->unknown = (leaf->kind == SY_NODE_IN && !value->known);
		equalities->values = lappend(equalities->values, mongo_item_text(hidden));
		return;
	}
	if (leaf->column->kind == SY_TYPE_NUMERIC)
	{
		add_numeric_equality(equalities, field, value);
		return;
	}
	if (leaf->column->kind == SY_TYPE_BPCHAR && !mongo_field_is_objectid(leaf->column))
	{
		add_bpchar_equality(equalities, field, value);
		return;
	}
	mongo_operand(leaf->column, value, &operand);
	if (operand.beyond != 0 || operand.side != 0)
		return;
	equalities->values = lappend(equalities->values, mongo_item_value(&operand.value));
	if (leaf->column->kind == SY_TYPE_BYTEA)
	{
		/* The old subtype for the same thing is another value. */
		operand.value.value.v_binary.subtype = BSON_SUBTYPE_BINARY_DEPRECATED;
		equalities->values = lappend(equalities->values, mongo_item_value(&operand.value));
	}
}

/* All that a leaf's values mean for equality. */
static void
collect_equalities(const MongoForm *form, const SyNode *leaf, const char *field,
				   Equalities *equalities)
{
	memset(equalities, 0, sizeof(*equalities));
	for (int i = 0; i < leaf->nvalues; i++)
		add_equality(form, equalities, leaf, field, &leaf->values[i]);
}

/* The List of values as an array, or the parameter's text that stands for it. */
static MongoItem *
value_array(const Equalities *equalities)
{
	if (equalities->unknown)
		return (MongoItem *) linitial(equalities->values);
	return mongo_item_array(equalities->values);
}

/* The field equals any of the leaf's values. */
static MongoItem *
equals_any(const MongoForm *form, const SyNode *leaf, const char *field)
{
	Equalities	equalities;
	List	   *filters = NIL;

	collect_equalities(form, leaf, field, &equalities);
	if (list_length(equalities.values) == 1 && !equalities.unknown)
		filters = lappend(filters, on_field(field, "$eq",
											(MongoItem *) linitial(equalities.values)));
	else if (equalities.values != NIL)
		filters = lappend(filters, on_field(field, "$in", value_array(&equalities)));
	return mongo_item_or(list_concat(filters, equalities.filters));
}

/* The field equals none of the leaf's values; NULL qualifies if "or_null". */
static MongoItem *
equals_none(const MongoForm *form, const SyNode *leaf, const char *field, bool or_null)
{
	Equalities	equalities;
	List	   *filters = NIL;

	collect_equalities(form, leaf, field, &equalities);
	if (equalities.values != NIL)
	{
		MongoItem  *none = mongo_item_document("$nin", value_array(&equalities));

		filters = lappend(filters, or_null ? mongo_item_document(field, none) :
						  and_not_null(form, field, none));
	}
	else if (!or_null)
		filters = lappend(filters, mongo_filter_not_null(form, field));
	if (equalities.filters != NIL)
		filters = lappend(filters, mongo_item_document("$nor",
													   mongo_item_array(equalities.filters)));
	return mongo_item_and(filters);
}

/*
 * Order
 */

/* The operator to use with a value beside the constant, see MongoOperand. */
static SyOp
beside(SyOp op, int side)
{
	if (side == 0)
		return op;
	if (op == SY_OP_GT || op == SY_OP_GE)
		return side > 0 ? SY_OP_GE : SY_OP_GT;
	return side > 0 ? SY_OP_LT : SY_OP_LE;
}

/* {op: operand}, to be put behind a field's name. */
static MongoItem *
range_operator(SyOp op, const MongoOperand *operand)
{
	return mongo_item_document(range_operators[beside(op, operand->side)],
							   mongo_item_value(&operand->value));
}

/*
 * A comparison with NaN, which is greater than all other numbers and equal to
 * itself.
 */
static MongoItem *
range_of_nan(const MongoForm *form, const char *field, SyOp op)
{
	if (op == SY_OP_GT)
		return mongo_item_false();
	if (op == SY_OP_GE)
		return on_field(field, "$eq", mongo_item_double(NAN));
	if (op == SY_OP_LE)
		return mongo_filter_not_null(form, field);
	return and_not_null(form, field,
						mongo_item_document("$nin", mongo_item_list(mongo_item_double(NAN), NULL)));
}

/* Let NaN pass, too, where a greater number would. */
static MongoItem *
or_nan(const char *field, SyOp op, MongoItem *filter)
{
	if (op != SY_OP_GT && op != SY_OP_GE)
		return filter;
	return mongo_item_or(list_make2(filter, on_field(field, "$eq", mongo_item_double(NAN))));
}

/* A comparison of a NUMERIC column. */
static MongoItem *
numeric_range(const MongoForm *form, const char *field, SyOp op, const SyValue *value)
{
	MongoNumericOperand operand;
	MongoItem  *decimal;
	MongoItem  *binary;

	mongo_operand_numeric(value, &operand);
	if (operand.isnan)
		return range_of_nan(form, field, op);
	decimal = range_operator(op, &operand.decimal);
	if (operand.same)
		return or_nan(field, op, mongo_item_document(field, decimal));
	decimal = mongo_item_add(decimal, "$not",
							 mongo_item_document("$type", mongo_item_text("double")));
	binary = mongo_item_add(range_operator(op, &operand.binary),
							"$type", mongo_item_text("double"));
	return or_nan(field, op, mongo_item_or(list_make2(mongo_item_document(field, decimal),
													  mongo_item_document(field, binary))));
}

/* field < <= > >= value */
static MongoItem *
range(const MongoForm *form, const SyNode *leaf, const char *field)
{
	const SyValue *value = &leaf->values[0];
	const char *hidden = placeholder(form, value);
	bool		is_float = (leaf->column->kind == SY_TYPE_FLOAT4 ||
							leaf->column->kind == SY_TYPE_FLOAT8);
	MongoOperand operand;
	MongoItem  *filter;

	if (hidden != NULL)
		return on_field(field, range_operators[leaf->op], mongo_item_text(hidden));
	if (leaf->column->kind == SY_TYPE_NUMERIC)
		return numeric_range(form, field, leaf->op, value);
	if (is_float && isnan(DatumGetFloat8(value->datum)))
		return range_of_nan(form, field, leaf->op);

	mongo_operand(leaf->column, value, &operand);
	if (operand.beyond != 0)
	{
		bool		wants_less = (leaf->op == SY_OP_LT || leaf->op == SY_OP_LE);

		return (operand.beyond > 0) == wants_less ?
			mongo_filter_not_null(form, field) : mongo_item_false();
	}
	filter = mongo_item_document(field, range_operator(leaf->op, &operand));
	return is_float ? or_nan(field, leaf->op, filter) : filter;
}

/*
 * Patterns
 */

/* The expression {$eq: [{$type: reference}, type]}. */
static MongoItem *
expression_type_is(const char *reference, const char *type)
{
	return mongo_item_document("$eq",
							   mongo_item_list(mongo_item_document("$type", mongo_item_text(reference)),
											   mongo_item_text(type), NULL));
}

/* The string is too long for a limited pattern to be trusted; never raises. */
static MongoItem *
beyond_reach(const char *field)
{
	const char *reference = psprintf("$%s", field);
	MongoItem  *is_string = expression_type_is(reference, "string");
	MongoItem  *is_symbol = expression_type_is(reference, "symbol");
	MongoItem  *is_long;

	is_long = mongo_item_document("$gt",
								  mongo_item_list(mongo_item_document("$strLenBytes", mongo_item_text(reference)),
												  mongo_item_int(MONGO_PATTERN_REACH), NULL));
	return mongo_item_document("$expr",
							   mongo_item_document("$cond",
												   mongo_item_list(is_string, is_long,
																   is_symbol, NULL)));
}

/* The column's strings are too short to exceed the reach of a pattern. */
static bool
is_within_reach(const SyColumn *column)
{
	return column->typmod > (int32) VARHDRSZ &&
		column->typmod - (int32) VARHDRSZ < MONGO_PATTERN_REACH;
}

/* field [NOT] LIKE pattern */
static MongoItem *
like(const MongoForm *form, const SyNode *leaf, const char *field)
{
	const char *hidden = placeholder(form, &leaf->values[0]);
	MongoPattern pattern;
	MongoItem  *regex;

	if (hidden != NULL)
		regex = mongo_item_document("$regex", mongo_item_text(hidden));
	else
	{
		mongo_pattern(&leaf->values[0], &pattern);

		/* PostgreSQL tests again, and raises what there is to raise. */
		if (!pattern.valid)
			return mongo_item_true();
		if (pattern.any)
			return leaf->negated ? mongo_item_false() : mongo_filter_not_null(form, field);
		regex = regex_operators(pattern.regex);
	}
	if (leaf->negated)
		return and_not_null(form, field, mongo_item_document("$not", regex));
	if (hidden == NULL && pattern.limited && !is_within_reach(leaf->column))
		return mongo_item_or(list_make2(mongo_item_document(field, regex), beyond_reach(field)));
	return mongo_item_document(field, regex);
}

/* A leaf of the tree. */
static MongoItem *
leaf_filter(const MongoForm *form, const SyNode *leaf)
{
	const char *field = mongo_field_address(leaf->column);

	switch (leaf->kind)
	{
		case SY_NODE_COMPARE:
			if (leaf->op == SY_OP_EQ)
				return equals_any(form, leaf, field);
			if (leaf->op == SY_OP_NE)
				return equals_none(form, leaf, field, false);
			return range(form, leaf, field);
		case SY_NODE_IN:
			return leaf->negated ? equals_none(form, leaf, field, false) :
				equals_any(form, leaf, field);
		case SY_NODE_DISTINCT:
			return leaf->negated ? equals_any(form, leaf, field) :
				equals_none(form, leaf, field, true);
		case SY_NODE_NULLTEST:
			return leaf->negated ? is_not_null(form, leaf->column, field) :
				mongo_filter_null(form, leaf->column, field);
		case SY_NODE_LIKE:
			return like(form, leaf, field);
		default:
			elog(ERROR, "unexpected node %d in a remote filter", (int) leaf->kind);
	}
}

static bool
is_leaf(const SyNode *node)
{
	return node->kind != SY_NODE_AND && node->kind != SY_NODE_OR &&
		node->kind != SY_NODE_TRUE && node->kind != SY_NODE_FALSE;
}

/*
 * The guards for those leaves among "nodes" that are first to mention their
 * column: one for each column, with what the leaves on it ensure together.
 */
static List *
guards_of(SyNode *const *nodes, int nnodes)
{
	List	   *guards = NIL;
	List	   *columns = NIL;

	for (int i = 0; i < nnodes; i++)
	{
		MongoKnown	known = MONGO_KNOWN_NOTHING;

		if (!is_leaf(nodes[i]) || list_member_ptr(columns, nodes[i]->column))
			continue;
		columns = lappend(columns, unconstify(SyColumn *, nodes[i]->column));
		for (int j = i; j < nnodes; j++)
			if (is_leaf(nodes[j]) && nodes[j]->column == nodes[i]->column)
				known = Max(known, mongo_domain_known(nodes[j]));
		guards = lappend(guards, mongo_domain_guard(nodes[i]->column, known));
	}
	return guards;
}

/* A tree as filter; with "guard" what is not under another AND is guarded. */
static MongoItem *
tree_filter(const MongoForm *form, SyNode *node, bool guard)
{
	List	   *filters = NIL;

	switch (node->kind)
	{
		case SY_NODE_FALSE:
			return mongo_item_false();
		case SY_NODE_TRUE:
			return mongo_item_true();
		case SY_NODE_AND:
			for (int i = 0; i < node->nchildren; i++)
				filters = lappend(filters, tree_filter(form, node->children[i],
													   guard && !is_leaf(node->children[i])));
			if (guard)
				filters = list_concat(filters, guards_of(node->children, node->nchildren));
			return mongo_item_and(filters);
		case SY_NODE_OR:
			for (int i = 0; i < node->nchildren; i++)
				filters = lappend(filters, tree_filter(form, node->children[i], guard));
			return mongo_item_or(filters);
		default:
			filters = list_make1(leaf_filter(form, node));
			if (guard)
				filters = list_concat(filters, guards_of(&node, 1));
			return mongo_item_and(filters);
	}
}

/*
 * A tree as filter; may be constant, see mongo_item_filter().
 *
 * With form->guard a leaf is true of values in its column's domain only, so
 * that those rows pass whose truth does not depend on any other.  May throw,
 * for want of memory or from conversions to UTF-8.
 */
MongoItem *
mongo_filter(const MongoForm *form, const SyNode *node)
{
	return tree_filter(form, unconstify(SyNode *, node), form->guard);
}
