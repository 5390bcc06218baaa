/*-------------------------------------------------------------------------
 *
 * domain.c
 *	  Conditions that keep out documents whose values a column cannot show.
 *
 * A collection holds anything in any field.  Where a filter's columns are
 * fetched, a value outside the column's domain is found when it is read; where
 * documents are counted or skipped unseen, these conditions are added.  NULL
 * is in every domain.
 *
 * An expression that can raise carries its own protection ($convert with
 * onError), because the server evaluates the parts of a filter in any order.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/domain.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/uuid.h"

#define MS_PER_DAY		INT64CONST(86400000)

/* The Date at the start of a Julian day. */
#define JULIAN_MS(julian)	(((int64) (julian) - UNIX_EPOCH_JDATE) * MS_PER_DAY)

/* Longest repetition that the server's regular expressions can count. */
#define MAX_REPETITION	65535

static const int all_types[] = {
	BSON_TYPE_DOUBLE, BSON_TYPE_UTF8, BSON_TYPE_DOCUMENT, BSON_TYPE_ARRAY, BSON_TYPE_BINARY,
	BSON_TYPE_OID, BSON_TYPE_BOOL, BSON_TYPE_DATE_TIME, BSON_TYPE_REGEX, BSON_TYPE_DBPOINTER,
	BSON_TYPE_CODE, BSON_TYPE_SYMBOL, BSON_TYPE_CODEWSCOPE, BSON_TYPE_INT32,
	BSON_TYPE_TIMESTAMP, BSON_TYPE_INT64, BSON_TYPE_DECIMAL128, -1 /* MinKey */ , 127	/* MaxKey */
};

/* Are all comparisons for order with the column's values sent as such? */
static bool
has_one_range_form(const SyColumn *column)
{
	switch (column->kind)
	{
		case SY_TYPE_BOOL:
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_UUID:
			return true;
		default:
			return false;
	}
}

/* Does a value of this BSON type have a chance to be shown in the column? */
static bool
type_is_good(const SyColumn *column, int type)
{
	bool		is_integer = (type == BSON_TYPE_INT32 || type == BSON_TYPE_INT64);
	bool		is_number = (is_integer || type == BSON_TYPE_DOUBLE ||
							 type == BSON_TYPE_DECIMAL128);

	if (mongo_field_is_objectid(column))
		return type == (column->kind == SY_TYPE_ARRAY ? BSON_TYPE_ARRAY : BSON_TYPE_OID);
	switch (column->kind)
	{
		case SY_TYPE_BOOL:
			return type == BSON_TYPE_BOOL;
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
		case SY_TYPE_NUMERIC:
			return is_number;
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
			return type == BSON_TYPE_UTF8 || type == BSON_TYPE_SYMBOL;
		case SY_TYPE_BYTEA:
		case SY_TYPE_UUID:
			return type == BSON_TYPE_BINARY;
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return type == BSON_TYPE_DATE_TIME;
		case SY_TYPE_ARRAY:
			return type == BSON_TYPE_ARRAY;
		default:
			return true;
	}
}

/* Length limit of a varchar(n) or char(n); -1: none. */
static int
length_limit(const SyColumn *column)
{
	return column->typmod > (int32) VARHDRSZ ? column->typmod - (int32) VARHDRSZ : -1;
}

/* Can the server tell which of its values the column can show? */
bool
mongo_domain_checkable(const SyColumn *column)
{
	if (mongo_field_is_objectid(column))
		return column->kind != SY_TYPE_ARRAY;
	switch (column->kind)
	{
		case SY_TYPE_BOOL:
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
		case SY_TYPE_FLOAT8:
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
		case SY_TYPE_UUID:
			return true;
		case SY_TYPE_NUMERIC:
			return column->typmod < (int32) VARHDRSZ;
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
			/* Other encodings lack characters that a string may have. */
			return GetDatabaseEncoding() == PG_UTF8 && length_limit(column) <= MAX_REPETITION;
		default:
			return false;
	}
}

/* {field: {$not: {op: value}}} */
static MongoItem *
field_not(const char *field, const char *op, MongoItem *value)
{
	return mongo_item_document(field,
							   mongo_item_document("$not", mongo_item_document(op, value)));
}

/* The condition, for values of two BSON types (or one twice); others pass. */
static MongoItem *
where_type(const char *field, int type, int other, MongoItem *condition)
{
	MongoItem  *types = mongo_item_list(mongo_item_int(type), NULL);

	if (other != type)
		types = mongo_item_list(mongo_item_int(type), mongo_item_int(other), NULL);
	return mongo_item_document("$or",
							   mongo_item_list(field_not(field, "$type", types), condition, NULL));
}

/* The expression that converts a field, null where it cannot be. */
static MongoItem *
convert(const char *field, const char *type)
{
	MongoItem  *call = mongo_item_document("input", mongo_item_text(psprintf("$%s", field)));

	mongo_item_add(call, "to", mongo_item_text(type));
	mongo_item_add(call, "onError", mongo_item_null());
	mongo_item_add(call, "onNull", mongo_item_null());
	return mongo_item_document("$convert", call);
}

/* The field's number is unchanged by a conversion to this type. */
static MongoItem *
is_same_as(const char *field, const char *type)
{
	MongoItem  *both = mongo_item_list(mongo_item_text(psprintf("$%s", field)),
									   convert(field, type), NULL);

	return mongo_item_document("$expr", mongo_item_document("$eq", both));
}

/* Keep out integers that are out of range, and numbers that are none. */
static List *
integer_guards(const SyColumn *column, const char *field, MongoKnown known, List *guards)
{
	int64		max = (column->kind == SY_TYPE_INT2) ? PG_INT16_MAX : PG_INT32_MAX;

	if (column->kind != SY_TYPE_INT8)
	{
		guards = lappend(guards, field_not(field, "$lt", mongo_item_int(-max - 1)));
		guards = lappend(guards, field_not(field, "$gt", mongo_item_int(max)));
	}
	if (known == MONGO_KNOWN_EQUAL)
		return guards;
	return lappend(guards, where_type(field, BSON_TYPE_DOUBLE, BSON_TYPE_DECIMAL128,
									  is_same_as(field, "long")));
}

/*
 * Keep out strings with NUL bytes, that are not UTF-8 (no regular expression
 * matches those), or that are too long, trailing spaces of char(n) apart.
 */
static MongoItem *
text_guard(const SyColumn *column, const char *field)
{
	int			limit = length_limit(column);
	const char *repetition = limit < 0 ? "*" : psprintf("{0,%d}", limit);
	const char *spaces = column->kind == SY_TYPE_BPCHAR ? "\\x20*+" : "";
	MongoItem  *regex = mongo_item_document("$regex",
											mongo_item_text(psprintf("\\A[^\\x00]%s+%s\\z",
																	 repetition, spaces)));

	return where_type(field, BSON_TYPE_UTF8, BSON_TYPE_SYMBOL, mongo_item_document(field, regex));
}

/* A Date as item. */
static MongoItem *
date_item(int64 ms)
{
	bson_value_t value;

	memset(&value, 0, sizeof(value));
	value.value_type = BSON_TYPE_DATE_TIME;
	value.value.v_datetime = ms;
	return mongo_item_value(&value);
}

/* Keep out Dates that PostgreSQL does not know or that would be rounded. */
static List *
date_guards(const SyColumn *column, const char *field, List *guards)
{
	int64		grid = mongo_datum_grid(column, column->kind);
	int64		end = JULIAN_MS(column->kind == SY_TYPE_DATE ?
								DATE_END_JULIAN : TIMESTAMP_END_JULIAN);
	MongoItem  *rest;

	guards = lappend(guards, field_not(field, "$lt", date_item(JULIAN_MS(DATETIME_MIN_JULIAN))));
	guards = lappend(guards, field_not(field, "$gte", date_item(end)));
	if (grid == 1)
		return guards;
	rest = mongo_item_document("$mod", mongo_item_list(convert(field, "long"),
													   mongo_item_int(grid), NULL));
	rest = mongo_item_document("$eq", mongo_item_list(rest, mongo_item_int(0), NULL));
	return lappend(guards, where_type(field, BSON_TYPE_DATE_TIME, BSON_TYPE_DATE_TIME,
									  mongo_item_document("$expr", rest)));
}

/* Keep out binaries of another length or subtype: those sort elsewhere. */
static List *
uuid_guards(const SyColumn *column, const char *field, List *guards)
{
	bson_subtype_t subtype = mongo_field_is_legacy_uuid(column) ?
	BSON_SUBTYPE_UUID_DEPRECATED : BSON_SUBTYPE_UUID;
	uint8	   *bytes = palloc(2 * UUID_LEN);
	bson_value_t lowest = mongo_operand_binary(subtype, bytes, UUID_LEN);
	bson_value_t highest = mongo_operand_binary(subtype, bytes + UUID_LEN, UUID_LEN);

	memset(bytes, 0, UUID_LEN);
	memset(bytes + UUID_LEN, 0xFF, UUID_LEN);
	guards = lappend(guards, field_not(field, "$lt", mongo_item_value(&lowest)));
	return lappend(guards, field_not(field, "$gt", mongo_item_value(&highest)));
}

/* The condition that the field's value is of a good BSON type. */
static MongoItem *
type_guard(const SyColumn *column, const char *field, MongoKnown known)
{
	MongoItem  *is_array = mongo_item_document("$type", mongo_item_text("array"));
	MongoItem  *guard;
	List	   *bad = NIL;

	/* The filter finds its own type, but looks for it in arrays, too. */
	if (known != MONGO_KNOWN_NOTHING && type_is_good(column, BSON_TYPE_ARRAY))
		return mongo_item_true();
	if (known != MONGO_KNOWN_NOTHING)
		return mongo_item_document(field, mongo_item_document("$not", is_array));
	for (int i = 0; i < (int) lengthof(all_types); i++)
		if (!type_is_good(column, all_types[i]))
			bad = lappend(bad, mongo_item_int(all_types[i]));
	if (bad == NIL)
		return mongo_item_true();
	guard = field_not(field, "$type", mongo_item_array(bad));

	/* So does the test for a type. */
	if (column->kind == SY_TYPE_ARRAY)
		guard = mongo_item_or(list_make2(guard, mongo_item_document(field, is_array)));
	return guard;
}

/* The conditions for one column's field, as far as the server can tell. */
static List *
column_guards(const SyColumn *column, MongoKnown known)
{
	const char *field = mongo_field_address(column);
	List	   *guards = NIL;

	/* No array on the way: commands would look into it, reading does not. */
	for (const char *dot = strchr(field, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		guards = lappend(guards, field_not(pnstrdup(field, dot - field), "$type",
										   mongo_item_text("array")));
	guards = lappend(guards, type_guard(column, field, known));
	if (mongo_field_is_objectid(column) || !mongo_domain_checkable(column))
		return guards;
	switch (column->kind)
	{
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
			return integer_guards(column, field, known, guards);
		case SY_TYPE_FLOAT8:
			if (known == MONGO_KNOWN_EQUAL)
				return guards;
			return lappend(guards, where_type(field, BSON_TYPE_INT64, BSON_TYPE_DECIMAL128,
											  is_same_as(field, "double")));
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
			if (known == MONGO_KNOWN_EQUAL && length_limit(column) < 0)
				return guards;
			return lappend(guards, text_guard(column, field));
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			if (known == MONGO_KNOWN_EQUAL &&
				(column->kind == SY_TYPE_DATE || mongo_datum_grid(column, column->kind) == 1))
				return guards;
			return date_guards(column, field, guards);
		case SY_TYPE_UUID:
			return known == MONGO_KNOWN_EQUAL ? guards : uuid_guards(column, field, guards);
		default:
			return guards;
	}
}

/*
 * What a leaf's filter says about its column.  Only filters whose form does
 * not depend on the values count: a comparison with infinity, for example,
 * becomes a test for null.
 */
MongoKnown
mongo_domain_known(const SyNode *leaf)
{
	switch (leaf->kind)
	{
		case SY_NODE_COMPARE:
			if (leaf->op == SY_OP_EQ)
				return MONGO_KNOWN_EQUAL;
			if (leaf->op == SY_OP_NE)
				return MONGO_KNOWN_NOTHING;
			return has_one_range_form(leaf->column) ? MONGO_KNOWN_TYPE : MONGO_KNOWN_NOTHING;
		case SY_NODE_IN:
			return leaf->negated ? MONGO_KNOWN_NOTHING : MONGO_KNOWN_EQUAL;
		case SY_NODE_DISTINCT:
			return leaf->negated ? MONGO_KNOWN_EQUAL : MONGO_KNOWN_NOTHING;
		case SY_NODE_NULLTEST:
			/* NULL is as good as a value. */
			return leaf->negated ? MONGO_KNOWN_NOTHING : MONGO_KNOWN_EQUAL;
		default:
			return MONGO_KNOWN_NOTHING;
	}
}

/*
 * The condition that a column's value is in its domain, NULL included, as far
 * as the server can tell, and beside a filter that ensures what is "known".
 */
MongoItem *
mongo_domain_guard(const SyColumn *column, MongoKnown known)
{
	return mongo_item_and(column_guards(column, known));
}
