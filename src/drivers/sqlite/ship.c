/*-------------------------------------------------------------------------
 *
 * ship.c
 *	  Which columns can be served, and which filters and sort keys SQLite
 *	  evaluates exactly as PostgreSQL does.
 *
 * Columns are untrusted: SQLite keeps values of any type anywhere.  What is
 * said here holds for values inside a column's domain; others either are
 * fetched, which raises, or are kept out by SyQuery.guard.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/ship.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "sqlite.h"

/* Words of the option storage. */
static const struct
{
	const char *word;
	SqliteStorage storage;
}			storages[] = {
	{"text", SQLITE_STORAGE_TEXT},
	{"iso", SQLITE_STORAGE_ISO},
	{"julian", SQLITE_STORAGE_JULIAN},
	{"unix", SQLITE_STORAGE_UNIX},
	{"unix_ms", SQLITE_STORAGE_UNIX_MS},
	{"blob", SQLITE_STORAGE_BLOB}
};

/* How a column's values are stored. */
SqliteStorage
sqlite_storage(const SyColumn *column)
{
	if (column->storage != NULL)
		for (int i = 0; i < (int) lengthof(storages); i++)
			if (strcmp(column->storage, storages[i].word) == 0)
				return storages[i].storage;
	switch (column->kind)
	{
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return SQLITE_STORAGE_ISO;
		case SY_TYPE_UUID:
			return SQLITE_STORAGE_TEXT;
		default:
			return SQLITE_STORAGE_NATIVE;
	}
}

/* Does the storage form suit the column's type? */
static bool
storage_suits(SyTypeKind kind, SqliteStorage storage)
{
	switch (kind)
	{
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return storage != SQLITE_STORAGE_NATIVE && storage != SQLITE_STORAGE_TEXT &&
				storage != SQLITE_STORAGE_BLOB;
		case SY_TYPE_UUID:
			return storage == SQLITE_STORAGE_TEXT || storage == SQLITE_STORAGE_BLOB;
		case SY_TYPE_NUMERIC:
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
		case SY_TYPE_JSON:
		case SY_TYPE_JSONB:
			return storage == SQLITE_STORAGE_NATIVE || storage == SQLITE_STORAGE_TEXT;
		case SY_TYPE_BYTEA:
			return storage == SQLITE_STORAGE_NATIVE || storage == SQLITE_STORAGE_BLOB;
		default:
			return storage == SQLITE_STORAGE_NATIVE;
	}
}

/* NULL if the column can be served; else why it cannot. */
const char *
sqlite_check_column(const SyTable *table, const SyColumn *column)
{
	if (column->kind == SY_TYPE_ARRAY)
		return "SQLite has no arrays";
	if (column->kind == SY_TYPE_OTHER)
		return "SQLite tables cannot have columns of this type";
	if (!storage_suits(column->kind, sqlite_storage(column)))
		return "the column's option \"storage\" does not suit its type";
	if (GetDatabaseEncoding() == PG_SQL_ASCII &&
		(column->kind == SY_TYPE_TEXT || column->kind == SY_TYPE_VARCHAR ||
		 column->kind == SY_TYPE_BPCHAR || column->kind == SY_TYPE_JSON ||
		 column->kind == SY_TYPE_JSONB))
		return "text needs a database with another encoding than SQL_ASCII";
	return NULL;
}

/*
 * The GLOB pattern in UTF-8 for a known LIKE pattern.  False if there is
 * none: it ends with a lone backslash (an error that PostgreSQL must raise)
 * or would be longer than SQLite takes.  *glob is palloc'd.
 */
bool
sqlite_pattern(const SyValue *value, char **glob, int *length)
{
	text	   *pattern = DatumGetTextPP(value->datum);
	char	   *like = pg_server_to_any(text_to_cstring(pattern),
										VARSIZE_ANY_EXHDR(pattern), PG_UTF8);
	StringInfoData result;

	initStringInfo(&result);
	for (const char *p = like; *p; p++)
	{
		char		c = *p;

		if (c == '%')
			appendStringInfoChar(&result, '*');
		else if (c == '_')
			appendStringInfoChar(&result, '?');
		else
		{
			if (c == '\\' && (c = *++p) == '\0')
				return false;
			if (c == '*' || c == '?' || c == '[')
				appendStringInfo(&result, "[%c]", c);
			else
				appendStringInfoChar(&result, c);
		}
	}
	*glob = result.data;
	*length = result.len;
	return result.len <= SQLITE_MAX_PATTERN_BYTES;
}

/* May text be ordered by the bytes of UTF-8? */
static bool
orders_by_bytes(SyCollation collation)
{
	return collation == SY_COLLATION_C && GetDatabaseEncoding() == PG_UTF8;
}

/*
 * Is "equals any of the values" as good as a comparison with each?  Too many
 * values are found out at run time only; then nothing is sent for the leaf.
 */
static SyShip
ship_in(const SyNode *leaf, SyShip each)
{
	if (each == SY_SHIP_LOCAL)
		return SY_SHIP_LOCAL;
	if (!leaf->values[0].known || leaf->nvalues > SQLITE_MAX_EXACT_ARRAY)
		return SY_SHIP_SUPERSET;
	return each;
}

/* Text: equality of bytes is equality, order is not always. */
static SyShip
ship_text(const SyNode *leaf)
{
	char	   *glob;
	int			length;

	if (leaf->collation == SY_COLLATION_NONDETERMINISTIC)
		return SY_SHIP_LOCAL;
	switch (leaf->kind)
	{
		case SY_NODE_COMPARE:
			if (leaf->op == SY_OP_EQ || leaf->op == SY_OP_NE)
				return SY_SHIP_EXACT;
			return orders_by_bytes(leaf->collation) ? SY_SHIP_EXACT : SY_SHIP_LOCAL;
		case SY_NODE_LIKE:
			/* Blanks at the end count in LIKE, which the file does not keep. */
			if (leaf->column->kind == SY_TYPE_BPCHAR)
				return SY_SHIP_LOCAL;
			if (!leaf->values[0].known)
				return SY_SHIP_SUPERSET;
			return sqlite_pattern(&leaf->values[0], &glob, &length) ?
				SY_SHIP_EXACT : SY_SHIP_LOCAL;
		default:
			return SY_SHIP_EXACT;
	}
}

/* Dates and times: numbers compare exactly, text by its day. */
static SyShip
ship_time(const SyNode *leaf)
{
	switch (sqlite_storage(leaf->column))
	{
		case SQLITE_STORAGE_UNIX:
		case SQLITE_STORAGE_UNIX_MS:
			return SY_SHIP_EXACT;
		case SQLITE_STORAGE_ISO:
			if (leaf->column->kind == SY_TYPE_DATE)
				return SY_SHIP_EXACT;	/* one spelling: YYYY-MM-DD */
			if (leaf->kind == SY_NODE_COMPARE && leaf->op != SY_OP_NE)
				return SY_SHIP_SUPERSET;
			if (leaf->kind == SY_NODE_IN && !leaf->negated)
				return SY_SHIP_SUPERSET;	/* from the first day to the last */
			return SY_SHIP_LOCAL;
		default:
			return SY_SHIP_LOCAL;
	}
}

/* May this leaf of a filter be sent? */
SyShip
sqlite_ship(const SyTable *table, const SyNode *leaf)
{
	SyShip		ship = SY_SHIP_EXACT;

	if (leaf->kind == SY_NODE_TRUE || leaf->kind == SY_NODE_FALSE ||
		leaf->kind == SY_NODE_NULLTEST)
		return SY_SHIP_EXACT;
	switch (leaf->column->kind)
	{
		case SY_TYPE_BOOL:
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
		case SY_TYPE_BYTEA:
		case SY_TYPE_UUID:
			break;
		case SY_TYPE_NUMERIC:
			if (sqlite_storage(leaf->column) == SQLITE_STORAGE_TEXT)
				ship = SY_SHIP_LOCAL;
			break;
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
			ship = ship_text(leaf);
			break;
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			ship = ship_time(leaf);
			break;
		default:
			ship = SY_SHIP_LOCAL;
			break;
	}
	return leaf->kind == SY_NODE_IN ? ship_in(leaf, ship) : ship;
}

/*
 * May this sort key be sent?
 *
 * A numeric may mix integers and reals, which beyond 2^53 do not order by
 * what they are read as; a declared precision of at most 15 excludes that.
 */
bool
sqlite_ship_order(const SyTable *table, const SyOrder *order, int position)
{
	const SyColumn *column = order->column;
	SqliteStorage storage = sqlite_storage(column);

	switch (column->kind)
	{
		case SY_TYPE_BOOL:
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
		case SY_TYPE_BYTEA:
		case SY_TYPE_UUID:
			return true;
		case SY_TYPE_NUMERIC:
			return storage == SQLITE_STORAGE_NATIVE && column->typmod >= (int32) VARHDRSZ &&
				(((column->typmod - VARHDRSZ) >> 16) & 0xffff) <= 15;
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
			return orders_by_bytes(order->collation);
		case SY_TYPE_DATE:
			return storage != SQLITE_STORAGE_JULIAN;
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return storage == SQLITE_STORAGE_UNIX || storage == SQLITE_STORAGE_UNIX_MS;
		default:
			return false;
	}
}

/* SyDriver.order_by_index: an index serves either direction, and any NULLs. */
bool
sqlite_order_by_index(const SyQuery *query)
{
	return query->norders == 1 && query->orders[0].column->is_key;
}
