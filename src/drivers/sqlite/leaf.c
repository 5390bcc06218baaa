/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  From the leaves of a filter to SQL.
 *
 * A comparison with a value first becomes a SqliteTerm, see term.c.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/leaf.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"

#include "sqlite.h"

static const char *const operators[] = {
	[SY_OP_EQ] = " = ",
	[SY_OP_NE] = " <> ",
	[SY_OP_LT] = " < ",
	[SY_OP_LE] = " <= ",
	[SY_OP_GT] = " > ",
	[SY_OP_GE] = " >= "
};

/*
 * Parameters
 */

/* Append a value for the next parameter. */
static void
add_bind(SqliteText *text, const SqliteBind *bind)
{
	if (text->nbinds >= text->maxbinds)
	{
		text->maxbinds = Max(16, text->maxbinds * 2);
		text->binds = text->binds ?
			repalloc(text->binds, text->maxbinds * sizeof(SqliteBind)) :
			palloc(text->maxbinds * sizeof(SqliteBind));
	}
	text->binds[text->nbinds++] = *bind;
}

/* An integer for the parameter that the caller has written. */
void
sqlite_bind_int(SqliteText *text, int64 value)
{
	SqliteBind	bind;

	sqlite_set_int(&bind, value);
	add_bind(text, &bind);
}

/* Write a parameter with its value. */
static void
append_bind(SqliteText *text, const SqliteBind *bind)
{
	appendStringInfoChar(&text->sql, '?');
	add_bind(text, bind);
}

/*
 * Text
 */

/* The column as it is. */
void
sqlite_compile_column(SqliteText *text, const SyColumn *column)
{
	appendStringInfoCharMacro(&text->sql, 't');
	appendStringInfoCharMacro(&text->sql, '.');
	sqlite_append_name(&text->sql, sqlite_to_utf8(column->remote_name));
}

/* Is it text in a column that turns what looks like a number into one? */
static bool
has_numeric_affinity(const SqliteText *text, const SyColumn *column)
{
	const char *name;
	ListCell   *lc;

	if (text->table == NULL || text->table->numeric == NIL ||
		(column->kind != SY_TYPE_TEXT && column->kind != SY_TYPE_VARCHAR &&
		 column->kind != SY_TYPE_BPCHAR))
		return false;
	name = sqlite_to_utf8(column->remote_name);
	foreach(lc, text->table->numeric)
		if (pg_strcasecmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/*
 * The column as an operand.  A plus takes its affinity away, which would
 * turn the text '05' that it is compared with into the number 5.
 */
static void
append_operand(SqliteText *text, const SyColumn *column)
{
	if (has_numeric_affinity(text, column))
		appendStringInfoChar(&text->sql, '+');
	sqlite_compile_column(text, column);
}

/*
 * The collation to name behind an operand, with a leading blank; "" if the
 * column does not hold text.
 */
const char *
sqlite_compile_collation(const SqliteText *text, const SyColumn *column, bool ordered)
{
	switch (column->kind)
	{
		case SY_TYPE_BPCHAR:
			return " COLLATE RTRIM";
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
			return ordered && text->utf16 ? " COLLATE " SQLITE_UTF8_COLLATION : " COLLATE BINARY";
		case SY_TYPE_UUID:
			return sqlite_storage(column) == SQLITE_STORAGE_TEXT ? " COLLATE BINARY" : "";
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return sqlite_storage(column) == SQLITE_STORAGE_ISO ? " COLLATE BINARY" : "";
		default:
			return "";
	}
}

/*
 * A condition that only values inside the column's domain, and NULL, meet.
 * With "equality" the column is known to equal a value of the domain.
 */
void
sqlite_compile_guard(SqliteText *text, const SyColumn *column, bool equality)
{
	const char *usual = NULL;	/* SQLite types that need no closer look */

	switch (column->kind)
	{
		case SY_TYPE_INT8:
			usual = "= 'integer'";
			break;
		case SY_TYPE_FLOAT8:
			usual = "= 'real'";
			break;
		case SY_TYPE_NUMERIC:
			if (column->typmod < (int32) VARHDRSZ && column->storage == NULL)
				usual = "IN ('integer', 'real')";
			break;
		case SY_TYPE_TEXT:
			if (equality)
				usual = "= 'text'";
			break;
		case SY_TYPE_BYTEA:
			usual = "= 'blob'";
			break;
		default:
			break;
	}
	appendStringInfoChar(&text->sql, '(');
	if (usual != NULL)
	{
		appendStringInfoString(&text->sql, "typeof(");
		sqlite_compile_column(text, column);
		appendStringInfo(&text->sql, ") %s OR ", usual);
	}
	appendStringInfoString(&text->sql, SQLITE_FITS_FUNCTION "(");
	sqlite_compile_column(text, column);
	appendStringInfo(&text->sql, ", %d))", column->attnum);
}

/*
 * Does the text hold U+FFFE or U+FFFF?  In a UTF-16 file SQLite would make
 * U+FFFD of them when it converts a parameter, though they can be stored.
 */
static bool
is_beyond_utf16(const SqliteText *text, const SqliteBind *bind)
{
	if (!text->utf16 || bind->kind != SQLITE_BIND_TEXT)
		return false;
	for (int i = 0; i + 2 < bind->length; i++)
		if (memcmp(bind->value.bytes + i, "\xef\xbf", 2) == 0 &&
			((unsigned char) bind->value.bytes[i + 2] & 0xfe) == 0xbe)
			return true;
	return false;
}

/* "column op ?" */
static void
append_compare(SqliteText *text, const SyColumn *column, const char *operator,
			   const SqliteBind *bind, bool ordered)
{
	if (is_beyond_utf16(text, bind))
	{
		/* Only as bytes it stays what it is; char(n) is without its blanks. */
		SqliteBind	bytes = *bind;

		bytes.kind = SQLITE_BIND_BLOB;
		appendStringInfoString(&text->sql, column->kind == SY_TYPE_BPCHAR ?
							   SQLITE_BYTES_FUNCTION "(rtrim(" : SQLITE_BYTES_FUNCTION "((");
		sqlite_compile_column(text, column);
		appendStringInfo(&text->sql, "))%s", operator);
		append_bind(text, &bytes);
		return;
	}
	append_operand(text, column);
	appendStringInfoString(&text->sql, operator);
	append_bind(text, bind);
	appendStringInfoString(&text->sql, sqlite_compile_collation(text, column, ordered));
}

/* A comparison of integers and reals apart; NULL for anything else. */
static void
append_split(SqliteText *text, const SyColumn *column, const SqliteTerm *term)
{
	SqliteBind	real;

	appendStringInfoString(&text->sql, "CASE typeof(");
	sqlite_compile_column(text, column);
	appendStringInfoString(&text->sql, ") WHEN 'integer' THEN ");
	if (term->integer == SQLITE_TERM_COMPARE)
		append_compare(text, column, operators[term->op], &term->bind, false);
	else
		appendStringInfoChar(&text->sql, term->integer == SQLITE_TERM_FALSE ? '0' : '1');
	appendStringInfoString(&text->sql, " WHEN 'real' THEN ");
	if (isnan(term->real))
		appendStringInfoChar(&text->sql, term->real_op == SY_OP_EQ ? '0' : '1');
	else
	{
		sqlite_set_double(&real, term->real);
		append_compare(text, column, operators[term->real_op], &real, false);
	}
	appendStringInfoString(&text->sql, " END");
}

/* A term that is true exactly when the comparison is (RANGE: or weaker). */
static void
append_term(SqliteText *text, const SyColumn *column, const SqliteTerm *term)
{
	switch (term->kind)
	{
		case SQLITE_TERM_FALSE:
			appendStringInfoChar(&text->sql, '0');
			break;
		case SQLITE_TERM_NOT_NULL:
			append_operand(text, column);
			appendStringInfoString(&text->sql, " IS NOT NULL");
			break;
		case SQLITE_TERM_COMPARE:
			append_compare(text, column, operators[term->op], &term->bind,
						   term->op != SY_OP_EQ && term->op != SY_OP_NE);
			break;
		case SQLITE_TERM_RANGE:
			if (term->has_low)
				append_compare(text, column, " >= ", &term->bind, true);
			if (term->has_low && term->has_high)
				appendStringInfoString(&text->sql, " AND ");
			if (term->has_high)
				append_compare(text, column, " < ", &term->high, true);
			break;
		case SQLITE_TERM_SPLIT:
			append_split(text, column, term);
			break;
	}
}

/* IS [NOT] DISTINCT FROM. */
static void
append_distinct(SqliteText *text, const SyNode *leaf)
{
	SqliteTerm		term;

	sqlite_term_reduce(&term, leaf->column, SY_OP_EQ, &leaf->values[0]);
	switch (term.kind)
	{
		case SQLITE_TERM_COMPARE:
			append_compare(text, leaf->column, leaf->negated ? " IS " : " IS NOT ",
						   &term.bind, false);
			break;
		case SQLITE_TERM_SPLIT:
			appendStringInfoString(&text->sql, "(");
			append_split(text, leaf->column, &term);
			appendStringInfoString(&text->sql, leaf->negated ? ") IS 1" : ") IS NOT 1");
			break;
		default:				/* equal to no value */
			appendStringInfoChar(&text->sql, leaf->negated ? '0' : '1');
			break;
	}
}

/* IN over times stored as text: from the first day to the last. */
static void
append_in_range(SqliteText *text, const SyNode *leaf)
{
	Timestamp	least = PG_INT64_MAX;
	Timestamp	greatest = PG_INT64_MIN;
	SqliteTerm		low;
	SqliteTerm		high;

	sqlite_term_reduce(&low, leaf->column, SY_OP_GE, &leaf->values[0]);
	sqlite_term_reduce(&high, leaf->column, SY_OP_LE, &leaf->values[0]);
	if (leaf->values[0].known)
	{
		for (int i = 0; i < leaf->nvalues; i++)
		{
			Timestamp	value = DatumGetTimestamp(leaf->values[i].datum);

			least = Min(least, value);
			greatest = Max(greatest, value);
		}
		sqlite_term_range(&low, SY_OP_GE, leaf->column->kind, least);
		sqlite_term_range(&high, SY_OP_LE, leaf->column->kind, greatest);
	}
	append_term(text, leaf->column, &low);
	appendStringInfoString(&text->sql, " AND ");
	append_term(text, leaf->column, &high);
}

/* Does this value of an IN need a comparison of its own? */
static bool
is_apart(const SqliteText *text, const SqliteTerm *term)
{
	return term->kind == SQLITE_TERM_SPLIT ||
		(term->kind == SQLITE_TERM_COMPARE && is_beyond_utf16(text, &term->bind));
}

/*
 * The values of IN that can be equal at all, as parameters.  Arrays that
 * vary fill up to a power of two, so that few texts differ.  Returns how many
 * there are; those that must be compared apart are left out and counted in
 * *nsplit.
 */
static int
append_in_values(SqliteText *text, const SyNode *leaf, int *nsplit)
{
	int			n = 0;
	SqliteTerm		term;
	SqliteTerm		last;

	*nsplit = 0;
	for (int i = 0; i < leaf->nvalues; i++)
	{
		sqlite_term_reduce(&term, leaf->column, SY_OP_EQ, &leaf->values[i]);
		if (is_apart(text, &term))
			(*nsplit)++;
		if (is_apart(text, &term) || term.kind != SQLITE_TERM_COMPARE)
			continue;
		if (n++ > 0)
			appendStringInfoString(&text->sql, ", ");
		append_bind(text, &term.bind);
		last = term;
	}
	if (n > 1 && leaf->values[0].param != 0)
		for (int i = n; (i & (i - 1)) != 0; i++)
		{
			appendStringInfoString(&text->sql, ", ");
			append_bind(text, &last.bind);
		}
	return n;
}

/* Throw: the query's lists, each of them short, are together too long. */
static void
refuse_values(const SqliteText *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("query for foreign table \"%s\" compares with too many values",
					text->query->table->name),
			 errdetail("SQLite takes up to %d values in one query.", text->max_variables),
			 errhint("Instead of comparing a column with long lists, join with unnest() of one.")));
}

/* [NOT] IN. */
static void
append_in(SqliteText *text, const SyNode *leaf)
{
	int			start = text->sql.len;
	int			nsplit;
	SqliteTerm		term;

	if ((int64) text->nbinds + 2 * (int64) leaf->nvalues > text->max_variables)
	{
		/* Too many: nothing is filtered by it, unless ship() promised to. */
		if (leaf->values[0].param == 0 &&
			sqlite_ship(text->query->table, leaf) == SY_SHIP_EXACT)
			refuse_values(text);
		appendStringInfoChar(&text->sql, '1');
		return;
	}
	if (leaf->column->kind != SY_TYPE_DATE && sqlite_storage(leaf->column) == SQLITE_STORAGE_ISO)
	{
		append_in_range(text, leaf);
		return;
	}

	append_operand(text, leaf->column);
	appendStringInfoString(&text->sql, sqlite_compile_collation(text, leaf->column, false));
	appendStringInfoString(&text->sql, leaf->negated ? " NOT IN (" : " IN (");
	if (append_in_values(text, leaf, &nsplit) == 0)
	{
		/* Equal to none of them. */
		text->sql.len = start;
		text->sql.data[start] = '\0';
		if (leaf->negated)
		{
			append_operand(text, leaf->column);
			appendStringInfoString(&text->sql, " IS NOT NULL");
		}
		else
			appendStringInfoChar(&text->sql, '0');
	}
	else
		appendStringInfoChar(&text->sql, ')');
	for (int i = 0; nsplit > 0 && i < leaf->nvalues; i++)
	{
		sqlite_term_reduce(&term, leaf->column, leaf->negated ? SY_OP_NE : SY_OP_EQ, &leaf->values[i]);
		if (!is_apart(text, &term))
			continue;
		appendStringInfoString(&text->sql, leaf->negated ? " AND " : " OR ");
		append_term(text, leaf->column, &term);
	}
}

/* [NOT] LIKE, as GLOB. */
static void
append_like(SqliteText *text, const SyNode *leaf)
{
	SqliteBind	bind;
	char	   *glob = NULL;
	int			length = 0;

	if (leaf->values[0].known && !sqlite_pattern(&leaf->values[0], &glob, &length))
	{
		appendStringInfoChar(&text->sql, '1');
		return;
	}
	sqlite_set_bytes(&bind, true, glob, length);
	if (is_beyond_utf16(text, &bind))
	{
		bind.kind = SQLITE_BIND_BLOB;
		appendStringInfoString(&text->sql, leaf->negated ? "NOT " SQLITE_GLOB_FUNCTION "(" :
							   SQLITE_GLOB_FUNCTION "(");
		append_bind(text, &bind);
		appendStringInfoString(&text->sql, ", ");
		sqlite_compile_column(text, leaf->column);
		appendStringInfoChar(&text->sql, ')');
		return;
	}
	append_operand(text, leaf->column);
	appendStringInfoString(&text->sql, leaf->negated ? " NOT GLOB " : " GLOB ");
	append_bind(text, &bind);
}

/* The condition of a leaf, without guard. */
static void
append_condition(SqliteText *text, const SyNode *leaf)
{
	SqliteTerm		term;

	switch (leaf->kind)
	{
		case SY_NODE_NULLTEST:
			append_operand(text, leaf->column);
			appendStringInfoString(&text->sql, leaf->negated ? " IS NOT NULL" : " IS NULL");
			break;
		case SY_NODE_COMPARE:
			sqlite_term_reduce(&term, leaf->column, leaf->op, &leaf->values[0]);
			append_term(text, leaf->column, &term);
			break;
		case SY_NODE_DISTINCT:
			append_distinct(text, leaf);
			break;
		case SY_NODE_IN:
			append_in(text, leaf);
			break;
		case SY_NODE_LIKE:
			append_like(text, leaf);
			break;
		default:
			elog(ERROR, "unexpected kind of leaf: %d", (int) leaf->kind);
	}
}

/* Is a value for which the leaf is true equal to one of its operands? */
static bool
is_equality(const SyNode *leaf)
{
	return (leaf->kind == SY_NODE_COMPARE && leaf->op == SY_OP_EQ) ||
		(leaf->kind == SY_NODE_IN && !leaf->negated) ||
		(leaf->kind == SY_NODE_DISTINCT && leaf->negated);
}

/* Append a leaf as one term. */
void
sqlite_compile_leaf(SqliteText *text, const SyNode *leaf)
{
	if (leaf->kind == SY_NODE_TRUE || leaf->kind == SY_NODE_FALSE)
	{
		appendStringInfoChar(&text->sql, leaf->kind == SY_NODE_TRUE ? '1' : '0');
		return;
	}
	if (leaf->kind == SY_NODE_NULLTEST && !leaf->negated)
	{
		append_condition(text, leaf);
		return;
	}
	if (!text->query->guard)
	{
		bool		compound = leaf->kind == SY_NODE_IN || leaf->kind == SY_NODE_COMPARE;
		bool		parens = compound && (text->utf16 || leaf->column->kind == SY_TYPE_NUMERIC ||
										  sqlite_storage(leaf->column) == SQLITE_STORAGE_ISO);

		if (parens)
			appendStringInfoChar(&text->sql, '(');
		append_condition(text, leaf);
		if (parens)
			appendStringInfoChar(&text->sql, ')');
		return;
	}
	appendStringInfoString(&text->sql, "((");
	append_condition(text, leaf);
	appendStringInfoString(&text->sql, ") AND ");
	sqlite_compile_guard(text, leaf->column, is_equality(leaf));
	appendStringInfoChar(&text->sql, ')');
}
