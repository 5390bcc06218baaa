/*-------------------------------------------------------------------------
 *
 * ship.c
 *	  What the server may evaluate in PostgreSQL's place.
 *
 * Judges for the least capable server and for collections that hold anything.
 * EXACT means two things: the server finds the same documents among those
 * whose values the column can show, and it can be told to leave out all
 * others (domain.c), for queries that count or skip documents unseen.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/ship.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "utils/inval.h"
#include "utils/memutils.h"

/* Sort keys that the server takes, two for each of ours. */
#define MAX_ORDERS		16

/* The longest char(n) whose values surely fit in a regular expression. */
#define MAX_BPCHAR_LENGTH	8000

/* The largest list that surely fits in a command with everything else. */
#define MAX_LIST_BYTES	(8 * 1024 * 1024)

/* ObjectIds as text. */
#define OBJECTID_DIGITS	24

/*
 * Foreign tables, by OID, of views that have a collation of their own: the
 * server does not compare their strings by bytes, and cannot be told to.
 * Found out by trying; kept until the backend ends.
 */
static List *collated_views = NIL;

/* Is the kind one that a column can have, by itself or as array element? */
static bool
is_scalar(SyTypeKind kind)
{
	return kind != SY_TYPE_OTHER && kind != SY_TYPE_ARRAY;
}

static bool
is_text(SyTypeKind kind)
{
	return kind == SY_TYPE_TEXT || kind == SY_TYPE_VARCHAR || kind == SY_TYPE_BPCHAR;
}

/* NULL if the column's bson_type fits its type; else why not. */
static const char *
check_bson_type(const SyColumn *column, SyTypeKind kind)
{
	if (mongo_field_is_objectid(column))
	{
		if (!is_text(kind))
			return "option \"bson_type\" 'objectid' needs a column of type text";
		if (column->typmod > (int32) VARHDRSZ &&
			column->typmod - (int32) VARHDRSZ < OBJECTID_DIGITS)
			return "an ObjectId has 24 characters";
	}
	else if (mongo_field_is_legacy_uuid(column))
	{
		if (kind != SY_TYPE_UUID)
			return "option \"bson_type\" 'uuid_legacy' needs a column of type uuid";
	}
	else if (column->bson_type != NULL)
		return "its option \"bson_type\" is neither 'objectid' nor 'uuid_legacy'";
	return NULL;
}

/*
 * NULL if the column can be read from documents; else why not.  That a path
 * is one has been checked when the option was set.
 */
const char *
mongo_check_column(const SyTable *table, const SyColumn *column)
{
	bool		is_array = (column->kind == SY_TYPE_ARRAY);
	SyTypeKind	kind = is_array ? column->element : column->kind;

	if (!is_scalar(kind))
		return "MongoDB has no values of this type";
	if (is_array && (kind == SY_TYPE_JSON || kind == SY_TYPE_JSONB))
		return "elements that are arrays themselves could be read in two ways; use jsonb";
	if (column->storage != NULL)
		return "option \"storage\" is for SQLite";
	if (GetDatabaseEncoding() == PG_SQL_ASCII &&
		(is_text(kind) || kind == SY_TYPE_JSON || kind == SY_TYPE_JSONB))
		return "the database's encoding SQL_ASCII cannot show text of other encodings";
	if (mongo_field_is_whole(column) && column->kind != SY_TYPE_JSON &&
		column->kind != SY_TYPE_JSONB)
		return "the whole document (path \".\") needs a column of type jsonb or json";
	return check_bson_type(column, kind);
}

/* What can be said at most of a leaf that accepts all kinds of values. */
static SyShip
if_checkable(const SyColumn *column)
{
	return mongo_domain_checkable(column) ? SY_SHIP_EXACT : SY_SHIP_SUPERSET;
}

/* Is a known list too long for a command? */
static bool
is_too_long(const SyNode *leaf)
{
	Size		bytes = 0;

	for (int i = 0; i < leaf->nvalues; i++)
	{
		SyTypeKind	kind = leaf->values[i].kind;

		bytes += 32;
		if (leaf->values[i].known && (is_text(kind) || kind == SY_TYPE_BYTEA))
			bytes += 2 * toast_raw_datum_size(leaf->values[i].datum);
	}
	return bytes > MAX_LIST_BYTES;
}

/* column = any of the values, or its opposite ("negated") */
static SyShip
ship_equality(const SyNode *leaf, bool negated)
{
	const SyColumn *column = leaf->column;

	if (is_too_long(leaf))
		return SY_SHIP_LOCAL;
	if (mongo_field_is_objectid(column))
		return column->kind == SY_TYPE_ARRAY ? SY_SHIP_LOCAL : SY_SHIP_EXACT;
	switch (column->kind)
	{
		case SY_TYPE_FLOAT4:
			return SY_SHIP_SUPERSET;
		case SY_TYPE_BPCHAR:
			if (negated || column->typmod <= (int32) VARHDRSZ ||
				column->typmod - (int32) VARHDRSZ > MAX_BPCHAR_LENGTH)
				return SY_SHIP_LOCAL;
			return if_checkable(column);
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BYTEA:
			/* What equals a good value is good. */
			return negated ? if_checkable(column) : SY_SHIP_EXACT;
		case SY_TYPE_ARRAY:
		case SY_TYPE_JSON:
		case SY_TYPE_JSONB:
		case SY_TYPE_OTHER:
			return SY_SHIP_LOCAL;
		default:
			return if_checkable(column);
	}
}

/* May the column's text be compared for order? */
static bool
sorts_by_bytes(const SyColumn *column, SyCollation collation)
{
	if (!is_text(column->kind))
		return true;
	if (collation != SY_COLLATION_C)
		return false;
	if (mongo_field_is_objectid(column))
		return true;
	return column->kind != SY_TYPE_BPCHAR && GetDatabaseEncoding() == PG_UTF8;
}

/* column < <= > >= value */
static SyShip
ship_range(const SyNode *leaf)
{
	const SyColumn *column = leaf->column;

	if (!sorts_by_bytes(column, leaf->collation))
		return SY_SHIP_LOCAL;
	switch (column->kind)
	{
		case SY_TYPE_BYTEA:
		case SY_TYPE_ARRAY:
		case SY_TYPE_JSON:
		case SY_TYPE_JSONB:
		case SY_TYPE_OTHER:
			return SY_SHIP_LOCAL;
		default:
			return if_checkable(column);
	}
}

/* column [NOT] LIKE pattern */
static SyShip
ship_like(const SyNode *leaf)
{
	const SyColumn *column = leaf->column;
	MongoPattern pattern;

	if ((column->kind != SY_TYPE_TEXT && column->kind != SY_TYPE_VARCHAR) ||
		mongo_field_is_objectid(column))
		return SY_SHIP_LOCAL;
	if (!leaf->values[0].known)
		return SY_SHIP_SUPERSET;
	mongo_pattern(&leaf->values[0], &pattern);
	if (!pattern.valid)
		return SY_SHIP_LOCAL;
	if (pattern.limited && (column->typmod <= (int32) VARHDRSZ ||
							column->typmod - (int32) VARHDRSZ >= MONGO_PATTERN_REACH))
		return SY_SHIP_SUPERSET;
	return if_checkable(column);
}

/* Must the server be kept from comparing the column's strings? */
static bool
is_collated(const SyTable *table, const SyColumn *column)
{
	return list_member_oid(collated_views, table->relid) && is_text(column->kind) &&
		!mongo_field_is_objectid(column);
}

/*
 * Remember that a table is a view with a collation of its own, and have plans
 * made anew.
 */
void
mongo_ship_leave_text(Oid relid)
{
	MemoryContext old;

	if (list_member_oid(collated_views, relid))
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	collated_views = lappend_oid(collated_views, relid);
	MemoryContextSwitchTo(old);

	/* A message would be lost with the transaction, which is about to fail. */
	InvalidateSystemCaches();
}

/* May this leaf of a filter be sent? */
SyShip
mongo_ship(const SyTable *table, const SyNode *leaf)
{
	if (mongo_field_address(leaf->column) == NULL)
		return SY_SHIP_LOCAL;
	if (leaf->kind == SY_NODE_NULLTEST)
		return leaf->negated ? if_checkable(leaf->column) : SY_SHIP_EXACT;
	if (is_text(leaf->column->kind) && leaf->collation == SY_COLLATION_NONDETERMINISTIC)
		return SY_SHIP_LOCAL;
	if (leaf->kind != SY_NODE_LIKE && is_collated(table, leaf->column))
		return SY_SHIP_LOCAL;
	switch (leaf->kind)
	{
		case SY_NODE_COMPARE:
			if (leaf->op == SY_OP_EQ || leaf->op == SY_OP_NE)
				return ship_equality(leaf, leaf->op == SY_OP_NE);
			return ship_range(leaf);
		case SY_NODE_IN:
			return ship_equality(leaf, leaf->negated);
		case SY_NODE_DISTINCT:
			return ship_equality(leaf, !leaf->negated);
		case SY_NODE_LIKE:
			return ship_like(leaf);
		default:
			return SY_SHIP_LOCAL;
	}
}

/*
 * May this sort key be sent?
 *
 * Not NUMERIC: the server sorts a Double by its binary value, PostgreSQL by
 * the decimal that it is read as.
 */
bool
mongo_ship_order(const SyTable *table, const SyOrder *order, int position)
{
	const SyColumn *column = order->column;

	if (position >= MAX_ORDERS || mongo_field_address(column) == NULL ||
		!sorts_by_bytes(column, order->collation) || is_collated(table, column))
		return false;
	return column->kind != SY_TYPE_NUMERIC && mongo_domain_checkable(column);
}
