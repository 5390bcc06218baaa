/*-------------------------------------------------------------------------
 *
 * pushdown_test.c
 *	  Classification and normalization without a source: filters over an
 *	  ordinary table go through src/pushdown and are then evaluated by the
 *	  smallest interpreter that query.h allows.
 *
 * test/pgtap/pushdown.sql compares the rows with those that PostgreSQL finds.
 * The "source" is one of two: the willing driver ships everything exactly;
 * the moody one answers by the shape of the leaf, and what it ships as
 * SUPERSET lets every row pass.  So a tree that is sent under a better class
 * than its leaves deserve, or that takes a form at run time that the driver
 * was never asked about, shows.
 *
 * IDENTIFICATION
 *	  test/module/pushdown_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "optimizer/optimizer.h"
#include "optimizer/prep.h"
#include "parser/analyze.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "pushdown/classify.h"
#include "pushdown/ship.h"

PG_FUNCTION_INFO_V1(switchyard_test_pushdown);
PG_FUNCTION_INFO_V1(switchyard_test_order);
PG_FUNCTION_INFO_V1(switchyard_test_bound);

static const char *const op_names[] = {"=", "<>", "<", "<=", ">", ">="};

/*
 * The two drivers
 */

/* Ships everything. */
static SyShip
willing_ship(const SyTable *table, const SyNode *leaf)
{
	return SY_SHIP_EXACT;
}

/* Ships what its mood allows: every form of leaf gets an answer of its own. */
static SyShip
moody_ship(const SyTable *table, const SyNode *leaf)
{
	int			form = leaf->kind * 7 + leaf->op * 3 + leaf->negated * 5 + leaf->column->attnum * 11;

	return (form % 8 == 0) ? SY_SHIP_LOCAL :
		(form % 3 == 0) ? SY_SHIP_SUPERSET : SY_SHIP_EXACT;
}

/* Sorts by everything. */
static bool
willing_ship_order(const SyTable *table, const SyOrder *order, int position)
{
	return true;
}

static const SyDriver willing_driver = {
	.abi = SY_DRIVER_ABI,
	.name = "willing",
	.ship = willing_ship,
	.ship_order = willing_ship_order
};

static const SyDriver moody_driver = {
	.abi = SY_DRIVER_ABI,
	.name = "moody",
	.ship = moody_ship,
	.ship_order = willing_ship_order
};

/* An ordinary table as if it were a foreign one of the given driver. */
static SyTable *
make_table(Relation rel, const SyDriver *driver)
{
	TupleDesc	desc = RelationGetDescr(rel);
	SyTable    *table = palloc0(sizeof(SyTable));
	SySource   *source = palloc0(sizeof(SySource));

	source->driver = driver;
	source->name = "test";
	table->relid = RelationGetRelid(rel);
	table->source = source;
	table->name = RelationGetRelationName(rel);
	table->natts = desc->natts;
	table->columns = palloc0(desc->natts * sizeof(SyColumn *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		SyColumn   *column;

		if (att->attisdropped)
			continue;
		column = palloc0(sizeof(SyColumn));
		column->attnum = att->attnum;
		column->name = NameStr(att->attname);
		column->typid = att->atttypid;
		column->typmod = att->atttypmod;
		column->kind = sy_ship_kind(att->atttypid);
		if (att->atttypid == JSONBOID)
			column->kind = SY_TYPE_JSONB;
		else if (OidIsValid(get_element_type(att->atttypid)))
			column->kind = SY_TYPE_ARRAY;
		table->columns[i] = column;
		table->ncolumns++;
	}
	return table;
}

/*
 * The interpreter
 */

/* PostgreSQL's order of two values of a leaf. */
static int
compare_datums(const SyNode *leaf, Datum left, Datum right)
{
	Oid			collation = leaf->collation == SY_COLLATION_C ? C_COLLATION_OID : DEFAULT_COLLATION_OID;

	switch (leaf->values[0].kind)
	{
		case SY_TYPE_INT8:
			return DatumGetInt64(left) < DatumGetInt64(right) ? -1 :
				DatumGetInt64(left) > DatumGetInt64(right);
		case SY_TYPE_FLOAT8:
			return float8_cmp_internal(DatumGetFloat8(left), DatumGetFloat8(right));
		case SY_TYPE_NUMERIC:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp, left, right));
		case SY_TYPE_TEXT:
			return DatumGetInt32(DirectFunctionCall2Coll(bttextcmp, collation, left, right));
		case SY_TYPE_BPCHAR:
			return DatumGetInt32(DirectFunctionCall2Coll(bpcharcmp, collation, left, right));
		case SY_TYPE_BYTEA:
			return DatumGetInt32(DirectFunctionCall2(byteacmp, left, right));
		case SY_TYPE_UUID:
			return memcmp(DatumGetPointer(left), DatumGetPointer(right), 16);
		case SY_TYPE_BOOL:
			return (int) DatumGetBool(left) - (int) DatumGetBool(right);
		case SY_TYPE_DATE:
			return DatumGetDateADT(left) < DatumGetDateADT(right) ? -1 :
				DatumGetDateADT(left) > DatumGetDateADT(right);
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return timestamp_cmp_internal(DatumGetTimestamp(left), DatumGetTimestamp(right));
		default:
			elog(ERROR, "leaf with values of kind %d", leaf->values[0].kind);
	}
	return 0;
}

/* Does an order of left and right satisfy the operator? */
static bool
satisfies(SyOp op, int order)
{
	switch (op)
	{
		case SY_OP_EQ:
			return order == 0;
		case SY_OP_NE:
			return order != 0;
		case SY_OP_LT:
			return order < 0;
		case SY_OP_LE:
			return order <= 0;
		case SY_OP_GT:
			return order > 0;
		case SY_OP_GE:
			return order >= 0;
	}
	elog(ERROR, "unrecognized operator %d", op);
	return false;
}

/* A column's value in the family that leaves use. */
static Datum
widen(const SyColumn *column, Datum value)
{
	switch (column->kind)
	{
		case SY_TYPE_INT2:
			return Int64GetDatum(DatumGetInt16(value));
		case SY_TYPE_INT4:
			return Int64GetDatum(DatumGetInt32(value));
		case SY_TYPE_FLOAT4:
			return Float8GetDatum(DatumGetFloat4(value));
		default:
			return value;
	}
}

/* Is the leaf true of the row? */
static bool
leaf_is_true(const SyTable *table, const SyNode *leaf, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, leaf->column->attnum, &isnull);
	bool		found = false;

	if (table->source->driver->ship(table, leaf) == SY_SHIP_SUPERSET)
		return true;
	if (!isnull)
		value = widen(leaf->column, value);
	switch (leaf->kind)
	{
		case SY_NODE_COMPARE:
			return !isnull &&
				satisfies(leaf->op, compare_datums(leaf, value, leaf->values[0].datum));
		case SY_NODE_IN:
			for (int i = 0; !isnull && i < leaf->nvalues; i++)
				found = found || compare_datums(leaf, value, leaf->values[i].datum) == 0;
			return !isnull && found != leaf->negated;
		case SY_NODE_NULLTEST:
			return isnull != leaf->negated;
		case SY_NODE_DISTINCT:
			found = isnull || compare_datums(leaf, value, leaf->values[0].datum) != 0;
			return found != leaf->negated;
		case SY_NODE_LIKE:
			return !isnull &&
				DatumGetBool(DirectFunctionCall2Coll(textlike, DEFAULT_COLLATION_OID, value,
													 leaf->values[0].datum)) != leaf->negated;
		default:
			elog(ERROR, "node of kind %d is no leaf", leaf->kind);
	}
	return false;
}

/* Is the tree true of the row? */
static bool
tree_is_true(const SyTable *table, const SyNode *tree, TupleTableSlot *slot)
{
	switch (tree->kind)
	{
		case SY_NODE_FALSE:
		case SY_NODE_TRUE:
			return tree->kind == SY_NODE_TRUE;
		case SY_NODE_AND:
			for (int i = 0; i < tree->nchildren; i++)
				if (!tree_is_true(table, tree->children[i], slot))
					return false;
			return true;
		case SY_NODE_OR:
			for (int i = 0; i < tree->nchildren; i++)
				if (tree_is_true(table, tree->children[i], slot))
					return true;
			return false;
		default:
			return leaf_is_true(table, tree, slot);
	}
}

/*
 * Promises of query.h
 */

/* Raise an error if a leaf breaks a promise. */
static void
check_leaf(const SyTable *table, const SyNode *leaf, SyShip ship, bool known)
{
	SyTypeKind	family = sy_ship_family(leaf->column->kind);

	if (table->source->driver->ship(table, leaf) < ship)
		elog(ERROR, "tree of class %d with a leaf of class %d: kind %d, op %d, negated %d, column %s",
			 ship, table->source->driver->ship(table, leaf), leaf->kind, leaf->op, leaf->negated,
			 leaf->column->name);
	if (leaf->kind == SY_NODE_NULLTEST ? leaf->nvalues != 0 : leaf->nvalues < 1)
		elog(ERROR, "leaf of kind %d with %d values", leaf->kind, leaf->nvalues);
	if (leaf->kind != SY_NODE_NULLTEST &&
		sy_ship_is_text(family) != (leaf->collation != SY_COLLATION_NONE))
		elog(ERROR, "leaf with collation %d", leaf->collation);
	for (int i = 0; i < leaf->nvalues; i++)
	{
		if (leaf->values[i].kind != family)
			elog(ERROR, "value of kind %d, family %d", leaf->values[i].kind, family);
		if (known && !leaf->values[i].known)
			elog(ERROR, "value is not known");
	}
}

/* Raise an error if a tree breaks a promise. */
static void
check_tree(const SyTable *table, const SyNode *tree, SyShip ship, bool known)
{
	switch (tree->kind)
	{
		case SY_NODE_FALSE:
		case SY_NODE_TRUE:
			break;
		case SY_NODE_AND:
		case SY_NODE_OR:
			if (tree->nchildren < 2)
				elog(ERROR, "AND or OR of %d children", tree->nchildren);
			for (int i = 0; i < tree->nchildren; i++)
			{
				if (tree->children[i]->kind <= SY_NODE_TRUE || tree->children[i]->kind == tree->kind)
					elog(ERROR, "AND or OR is not simplified");
				check_tree(table, tree->children[i], ship, known);
			}
			break;
		default:
			check_leaf(table, tree, ship, known);
			break;
	}
}

/*
 * Text of trees
 */

/* Append a value as its output function prints it. */
static void
append_value(StringInfo text, const SyColumn *column, const SyValue *value)
{
	Oid			typid = column->typid;
	Oid			output;
	bool		isvarlena;

	if (!value->known)
	{
		if (value->param > 0)
			appendStringInfo(text, "$%d", value->param);
		else
			appendStringInfoString(text, "?");
		return;
	}
	if (value->kind == SY_TYPE_INT8)
		typid = INT8OID;
	else if (value->kind == SY_TYPE_FLOAT8)
		typid = FLOAT8OID;
	getTypeOutputInfo(typid, &output, &isvarlena);
	appendStringInfoString(text, OidOutputFunctionCall(output, value->datum));
}

/* Append a tree. */
static void
append_tree(StringInfo text, const SyNode *tree)
{
	const char *negation = tree->negated ? "NOT " : "";

	if (tree->kind == SY_NODE_FALSE || tree->kind == SY_NODE_TRUE)
	{
		appendStringInfoString(text, tree->kind == SY_NODE_TRUE ? "TRUE" : "FALSE");
		return;
	}
	if (tree->kind == SY_NODE_AND || tree->kind == SY_NODE_OR)
	{
		for (int i = 0; i < tree->nchildren; i++)
		{
			appendStringInfoString(text, i == 0 ? "(" : tree->kind == SY_NODE_AND ? " AND " : " OR ");
			append_tree(text, tree->children[i]);
		}
		appendStringInfoChar(text, ')');
		return;
	}
	appendStringInfo(text, "%s ", tree->column->name);
	if (tree->kind == SY_NODE_NULLTEST)
		appendStringInfo(text, "IS %sNULL", negation);
	else if (tree->kind == SY_NODE_COMPARE)
		appendStringInfo(text, "%s ", op_names[tree->op]);
	else if (tree->kind == SY_NODE_DISTINCT)
		appendStringInfo(text, "IS %sDISTINCT FROM ", negation);
	else
		appendStringInfo(text, "%s%s ", negation, tree->kind == SY_NODE_IN ? "IN" : "LIKE");
	for (int i = 0; i < tree->nvalues; i++)
	{
		if (i > 0)
			appendStringInfoString(text, ", ");
		append_value(text, tree->column, &tree->values[i]);
	}
}

/*
 * What the tests call
 */

/* Parameters of the types and texts given, as EXECUTE would have them. */
static ParamListInfo
make_params(ArrayType *types, ArrayType *texts, Oid **typids, int *count)
{
	ParamListInfo params;
	Datum	   *type_datums;
	Datum	   *text_datums;
	bool	   *nulls;
	int			ntexts;

	deconstruct_array(types, REGTYPEOID, sizeof(Oid), true, TYPALIGN_INT, &type_datums, NULL, count);
	deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &text_datums, &nulls, &ntexts);
	if (ntexts != *count)
		elog(ERROR, "%d types for %d arguments", *count, ntexts);
	params = makeParamList(*count);
	*typids = palloc((*count + 1) * sizeof(Oid));
	for (int i = 0; i < *count; i++)
	{
		ParamExternData *param = &params->params[i];
		Oid			input;
		Oid			ioparam;

		(*typids)[i] = param->ptype = DatumGetObjectId(type_datums[i]);
		param->pflags = PARAM_FLAG_CONST;
		param->isnull = nulls[i];
		getTypeInputInfo(param->ptype, &input, &ioparam);
		if (!nulls[i])
			param->value = OidInputFunctionCall(input, TextDatumGetCString(text_datums[i]),
												ioparam, -1);
	}
	return params;
}

/* The analyzed query "SELECT what FROM rel rest". */
static Query *
parse_query(Relation rel, const char *what, const char *rest, Oid *typids, int ntypids)
{
	char	   *sql = psprintf("SELECT %s FROM %s.%s %s", what,
							   quote_identifier(get_namespace_name(RelationGetNamespace(rel))),
							   quote_identifier(RelationGetRelationName(rel)), rest);
	List	   *statements = pg_parse_query(sql);

	return parse_analyze_fixedparams(linitial_node(RawStmt, statements), sql,
									 typids, ntypids, NULL);
}

/* The values as arguments; without "econtext" constants alone are known. */
static SyArgument *
evaluate(List *values, ExprContext *econtext)
{
	SyArgument *arguments = palloc0((list_length(values) + 1) * sizeof(SyArgument));
	ListCell   *lc;

	foreach(lc, values)
	{
		SyArgument *argument = &arguments[foreach_current_index(lc)];
		Expr	   *expr = expression_planner(copyObject(lfirst(lc)));

		argument->typid = exprType(lfirst(lc));
		if (econtext == NULL && !IsA(lfirst(lc), Const))
			continue;
		argument->known = true;
		if (IsA(lfirst(lc), Const))
		{
			argument->datum = ((Const *) lfirst(lc))->constvalue;
			argument->isnull = ((Const *) lfirst(lc))->constisnull;
		}
		else
			argument->datum = ExecEvalExpr(ExecInitExpr(expr, NULL), econtext, &argument->isnull);
	}
	return arguments;
}

/* The ids (first column) of the rows for which the tree is true. */
static ArrayType *
find_rows(Relation rel, const SyTable *table, const SyNode *tree)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	ArrayBuildState *ids = initArrayResult(INT4OID, CurrentMemoryContext, false);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		id = slot_getattr(slot, 1, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (tree_is_true(table, tree, slot))
			ids = accumArrayResult(ids, id, isnull, INT4OID, CurrentMemoryContext);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return DatumGetArrayTypeP(makeArrayResult(ids, CurrentMemoryContext));
}

/* The class, its name for the tests. */
static const char *
ship_name(SyShip ship)
{
	return ship == SY_SHIP_EXACT ? "exact" : ship == SY_SHIP_SUPERSET ? "superset" : "local";
}

/*
 * switchyard_test_pushdown(rel regclass, condition text, types regtype[],
 *		arguments text[], simplify bool, moody bool,
 *		OUT ship text, OUT planned text, OUT run text, OUT ids int[])
 *
 * Classify a condition over rel, whose first column is an integer id, carry
 * the tree through a plan, and find the rows for which it is true.  "planned"
 * is the tree with constants alone known, "run" the one that was evaluated.
 * Without "simplify" the classifier sees what the parser made.
 */
Datum
switchyard_test_pushdown(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	SyTable    *table = make_table(rel, PG_GETARG_BOOL(5) ? &moody_driver : &willing_driver);
	SyClassifier classifier = {.relid = 1, .table = table};
	ExprContext *econtext = CreateStandaloneExprContext();
	SyShip		ship = SY_SHIP_LOCAL;
	SyNode	   *tree;
	Node	   *condition;
	StringInfoData planned;
	StringInfoData run;
	List	   *code;
	Oid		   *typids;
	int			ntypids;
	int			position = 0;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	econtext->ecxt_param_list_info = make_params(PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(3),
												 &typids, &ntypids);
	condition = parse_query(rel, "", psprintf("WHERE %s", text_to_cstring(PG_GETARG_TEXT_PP(1))),
							typids, ntypids)->jointree->quals;
	if (PG_GETARG_BOOL(4))
		condition = (Node *) canonicalize_qual((Expr *) eval_const_expressions(NULL, condition), false);

	tree = sy_classify(&classifier, (Expr *) condition, &ship);
	if ((tree == NULL) != (ship == SY_SHIP_LOCAL))
		elog(ERROR, "class %d does not fit the tree", ship);
	if (tree == NULL && (classifier.values != NIL || classifier.nparams != 0))
		elog(ERROR, "values of a local condition were kept");
	code = copyObject(sy_node_encode(tree));
	tree = sy_node_decode(code, &position, table);
	if (position != list_length(code))
		elog(ERROR, "decoding ended at %d of %d", position, list_length(code));

	values[0] = CStringGetTextDatum(ship_name(ship));
	if (tree != NULL)
	{
		SyNode	   *normal = sy_normalize(tree, evaluate(classifier.values, NULL));

		check_tree(table, normal, ship, false);
		initStringInfo(&planned);
		append_tree(&planned, normal);
		normal = sy_normalize(tree, evaluate(classifier.values, econtext));
		check_tree(table, normal, ship, true);
		initStringInfo(&run);
		append_tree(&run, normal);
		values[1] = CStringGetTextDatum(planned.data);
		values[2] = CStringGetTextDatum(run.data);
		values[3] = PointerGetDatum(find_rows(rel, table, normal));
		nulls[1] = nulls[2] = nulls[3] = false;
	}
	FreeExprContext(econtext, true);
	table_close(rel, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * switchyard_test_order(rel regclass, ordering text) RETURNS text
 *
 * How the first key of "ORDER BY ordering" would be sorted by a source, or
 * NULL if only PostgreSQL can.
 */
Datum
switchyard_test_order(PG_FUNCTION_ARGS)
{
	static const char *const collations[] = {"", " C", " deterministic", " nondeterministic"};
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	SyTable    *table = make_table(rel, &willing_driver);
	SyClassifier classifier = {.relid = 1, .table = table};
	PathKey    *pathkey = makeNode(PathKey);
	EquivalenceMember *member = makeNode(EquivalenceMember);
	Query	   *query = parse_query(rel, "1",
									psprintf("ORDER BY %s", text_to_cstring(PG_GETARG_TEXT_PP(1))),
									NULL, 0);
	SortGroupClause *key = linitial_node(SortGroupClause, query->sortClause);
	Node	   *expr = get_sortgroupclause_expr(key, query->targetList);
	SyOrder		order;
	SyOrdering	ordering;
	Oid			type;
	bool		shipped;

	pathkey->pk_eclass = makeNode(EquivalenceClass);
	pathkey->pk_eclass->ec_collation = exprCollation(expr);
	pathkey->pk_nulls_first = key->nulls_first;
	if (!get_ordering_op_properties(key->sortop, &pathkey->pk_opfamily, &type, &ordering))
		elog(ERROR, "operator %u is no ordering operator", key->sortop);
	sy_pathkey_ordering(pathkey) = ordering;
	member->em_expr = (Expr *) eval_const_expressions(NULL, expr);
	shipped = sy_classify_order(&classifier, pathkey, member, 0, &order);
	table_close(rel, AccessShareLock);
	if (!shipped)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s %s NULLS %s%s", order.column->name,
											  order.descending ? "DESC" : "ASC",
											  order.nulls_first ? "FIRST" : "LAST",
											  collations[order.collation])));
}

/*
 * switchyard_test_bound(rel regclass, bound text, types regtype[],
 *		arguments text[], is_limit bool) RETURNS text
 *
 * "LIMIT bound" (or OFFSET) at planning and at run time.
 */
Datum
switchyard_test_bound(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	SyTable    *table = make_table(rel, &willing_driver);
	SyClassifier classifier = {.relid = 1, .table = table};
	ExprContext *econtext = CreateStandaloneExprContext();
	Oid		   *typids;
	int			ntypids;
	Query	   *query;
	SyBound		bound;
	bool		shipped;
	StringInfoData out;

	econtext->ecxt_param_list_info = make_params(PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(3),
												 &typids, &ntypids);
	query = parse_query(rel, "", psprintf("LIMIT %s", text_to_cstring(PG_GETARG_TEXT_PP(1))),
						typids, ntypids);
	shipped = sy_classify_bound(&classifier, eval_const_expressions(NULL, query->limitCount), &bound);
	table_close(rel, AccessShareLock);
	if (!shipped)
		PG_RETURN_NULL();

	initStringInfo(&out);
	if (bound.known)
		appendStringInfo(&out, INT64_FORMAT, bound.value);
	else
		appendStringInfo(&out, bound.present ? "$%d" : "none", bound.param);
	sy_normalize_bound(&bound, evaluate(classifier.values, econtext), PG_GETARG_BOOL(4));
	if (bound.present)
		appendStringInfo(&out, " -> " INT64_FORMAT, bound.value);
	else
		appendStringInfoString(&out, " -> none");
	FreeExprContext(econtext, true);
	PG_RETURN_TEXT_P(cstring_to_text(out.data));
}
