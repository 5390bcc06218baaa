/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  From the leaves of a filter to SQL.
 *
 * A comparison with a value first becomes a Term: what it means for values
 * as SQLite stores them.  "x < 6.5 seconds" over whole seconds is "x <= 6",
 * "x = 0.1000000000000000001" over doubles is never true, and so on.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/leaf.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "sqlite.h"

/* What is left of "column op value". */
typedef enum TermKind
{
	TERM_FALSE,					/* never true */
	TERM_NOT_NULL,				/* true of every value */
	TERM_COMPARE,				/* column op bind */
	TERM_RANGE,					/* low <= column < high, weaker than it */
	TERM_SPLIT					/* op bind for integers, real_op real for reals */
} TermKind;

typedef struct Term
{
	TermKind	kind;
	SyOp		op;
	SqliteBind	bind;			/* RANGE: low; SPLIT: for integers */
	bool		has_low;
	bool		has_high;
	SqliteBind	high;
	SyOp		real_op;
	double		real;
	TermKind	integer;		/* SPLIT: FALSE, NOT_NULL or COMPARE */
} Term;

static const char *const operators[] = {
	[SY_OP_EQ] = " = ",
	[SY_OP_NE] = " <> ",
	[SY_OP_LT] = " < ",
	[SY_OP_LE] = " <= ",
	[SY_OP_GT] = " > ",
	[SY_OP_GE] = " >= "
};

#define UNIX_EPOCH_DAYS		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

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

	bind.kind = SQLITE_BIND_INT;
	bind.length = 0;
	bind.value.integer = value;
	add_bind(text, &bind);
}

/* Write a parameter with its value. */
static void
append_bind(SqliteText *text, const SqliteBind *bind)
{
	appendStringInfoChar(&text->sql, '?');
	add_bind(text, bind);
}

static void
set_int(SqliteBind *bind, int64 value)
{
	bind->kind = SQLITE_BIND_INT;
	bind->length = 0;
	bind->value.integer = value;
}

static void
set_double(SqliteBind *bind, double value)
{
	bind->kind = SQLITE_BIND_DOUBLE;
	bind->length = 0;
	bind->value.number = value;
}

static void
set_bytes(SqliteBind *bind, bool is_text, const char *bytes, int length)
{
	bind->kind = is_text ? SQLITE_BIND_TEXT : SQLITE_BIND_BLOB;
	bind->length = length;
	bind->value.bytes = bytes;
}

/*
 * Terms
 */

/* Every value of the column is less than the operand; or greater. */
static void
reduce_extreme(Term *term, SyOp op, bool all_less)
{
	bool		holds = op == SY_OP_NE ||
	(all_less ? (op == SY_OP_LT || op == SY_OP_LE) : (op == SY_OP_GT || op == SY_OP_GE));

	term->kind = holds ? TERM_NOT_NULL : TERM_FALSE;
}

/*
 * The operand lies at "whole", or with a remainder above it and below the
 * next whole number.  Returns how whole numbers compare.
 */
static TermKind
reduce_whole(SyOp op, int64 whole, bool remainder, SyOp *result_op, SqliteBind *bind)
{
	set_int(bind, whole);
	*result_op = op;
	if (!remainder)
		return TERM_COMPARE;
	switch (op)
	{
		case SY_OP_EQ:
			return TERM_FALSE;
		case SY_OP_NE:
			return TERM_NOT_NULL;
		case SY_OP_LT:
		case SY_OP_LE:
			*result_op = SY_OP_LE;
			return TERM_COMPARE;
		default:
			*result_op = SY_OP_GT;
			return TERM_COMPARE;
	}
}

/* Booleans are 0 and 1; "is not true" asks for 0, so that no 2 passes. */
static void
reduce_bool(Term *term, SyOp op, bool value)
{
	term->op = op;
	if (op == SY_OP_NE)
	{
		term->op = SY_OP_EQ;
		value = !value;
	}
	set_int(&term->bind, value ? 1 : 0);
}

/* Doubles: no NaN is stored, and PostgreSQL's is greater than all else. */
static void
reduce_double(Term *term, SyOp op, double value)
{
	if (isnan(value))
		reduce_extreme(term, op, true);
	set_double(&term->bind, value);
}

/* The integers' half of a numeric comparison. */
static void
reduce_numeric_integer(Term *term, SyOp op, Datum literal)
{
	Datum		least = NumericGetDatum(int64_to_numeric(PG_INT64_MIN));
	Datum		greatest = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));
	Datum		floor_value;
	Term		extreme;

	if (DatumGetInt32(DirectFunctionCall2(numeric_cmp, literal, least)) < 0 ||
		DatumGetInt32(DirectFunctionCall2(numeric_cmp, literal, greatest)) > 0)
	{
		reduce_extreme(&extreme, op,
					   DatumGetInt32(DirectFunctionCall2(numeric_cmp, literal, greatest)) > 0);
		term->integer = extreme.kind;
		return;
	}
	floor_value = DirectFunctionCall1(numeric_floor, literal);
	term->integer =
		reduce_whole(op, DatumGetInt64(DirectFunctionCall1(numeric_int8, floor_value)),
					 DatumGetInt32(DirectFunctionCall2(numeric_cmp, literal, floor_value)) != 0,
					 &term->op, &term->bind);
}

/*
 * Numerics stored as integers and doubles.  A double stands for the shortest
 * decimal that reads back as it.  The literal's nearest double decides all
 * but itself; whether that one is below or above the literal is seen by
 * comparing its shortest decimal.  Beyond 2^53 integers are finer than
 * doubles, so the two are compared apart.
 */
static void
reduce_numeric(Term *term, SyOp op, Datum literal)
{
	SyColumn	plain;
	SyProblem	problem;
	Datum		shortest;
	double		nearest;
	int			order;

	nearest = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, literal));
	if (isnan(nearest))
	{
		reduce_extreme(term, op, true);
		return;
	}
	memset(&plain, 0, sizeof(plain));
	plain.kind = SY_TYPE_NUMERIC;
	plain.typmod = -1;
	if (!sy_value_from_double(&plain, SY_TYPE_NUMERIC, nearest, &shortest, &problem))
		elog(ERROR, "a double has no numeric");
	order = DatumGetInt32(DirectFunctionCall2(numeric_cmp, literal, shortest));

	term->real = nearest;
	term->real_op = op;
	if (order != 0 && (op == SY_OP_LT || op == SY_OP_LE))
		term->real_op = order < 0 ? SY_OP_LT : SY_OP_LE;
	if (order != 0 && (op == SY_OP_GT || op == SY_OP_GE))
		term->real_op = order < 0 ? SY_OP_GE : SY_OP_GT;
	if (isinf(nearest) || fabs(nearest) < (double) SY_VALUE_EXACT_DOUBLE)
	{
		term->op = term->real_op;
		set_double(&term->bind, nearest);
		if (order != 0 && (op == SY_OP_EQ || op == SY_OP_NE))
			term->kind = op == SY_OP_EQ ? TERM_FALSE : TERM_NOT_NULL;
		return;
	}

	term->kind = TERM_SPLIT;
	if (order != 0 && (op == SY_OP_EQ || op == SY_OP_NE))
		term->real = get_float8_nan();	/* bound as NULL: equal to none */
	reduce_numeric_integer(term, op, literal);
}

/* Text as UTF-8; char(n) without its blanks, which RTRIM ignores anyway. */
static void
reduce_text(Term *term, const SyColumn *column, Datum value)
{
	text	   *detoasted = DatumGetTextPP(value);
	char	   *bytes = VARDATA_ANY(detoasted);
	int			length = VARSIZE_ANY_EXHDR(detoasted);

	if (column->kind == SY_TYPE_BPCHAR)
		while (length > 0 && bytes[length - 1] == ' ')
			length--;
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		char	   *converted = pg_server_to_any(bytes, length, PG_UTF8);

		if (converted != bytes)
		{
			bytes = converted;
			length = strlen(converted);
		}
	}
	set_bytes(&term->bind, true, bytes, length);
}

/* UUIDs, as their canonical text or as 16 bytes. */
static void
reduce_uuid(Term *term, SqliteStorage storage, Datum value)
{
	if (storage == SQLITE_STORAGE_TEXT)
	{
		char	   *text = DatumGetCString(DirectFunctionCall1(uuid_out, value));

		set_bytes(&term->bind, true, text, strlen(text));
	}
	else
		set_bytes(&term->bind, false, (char *) DatumGetUUIDP(value)->data, UUID_LEN);
}

/* A day as YYYY-MM-DD; false if its year is not in 1 to 9999. */
static bool
set_day(SqliteBind *bind, int64 date)
{
	char	   *text;
	int			year;
	int			month;
	int			day;

	if (date < -730119 || date > 2921939)	/* 0001-01-01, 9999-12-31 */
		return false;
	j2date((int) date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	text = psprintf("%04d-%02d-%02d", year, month, day);
	set_bytes(bind, true, text, strlen(text));
	return true;
}

/*
 * A time stored as text: its day decides, on the safe side.  With a zone the
 * text's day may be the one before or after.
 */
static void
reduce_iso_time(Term *term, SyOp op, SyTypeKind kind, Timestamp value)
{
	int64		day = value / USECS_PER_DAY - (value % USECS_PER_DAY < 0 ? 1 : 0);
	int			slack = kind == SY_TYPE_TIMESTAMPTZ ? 1 : 0;

	term->kind = TERM_NOT_NULL;
	if (TIMESTAMP_NOT_FINITE(value))
		return;
	if (op != SY_OP_LT && op != SY_OP_LE)
		term->has_low = set_day(&term->bind, day - slack);
	if (op != SY_OP_GT && op != SY_OP_GE)
		term->has_high = set_day(&term->high, day + 1 + slack);
	if (term->has_low || term->has_high)
		term->kind = TERM_RANGE;
}

/* A date, stored as text of one form or as a number. */
static void
reduce_date(Term *term, SyOp op, SqliteStorage storage, DateADT value)
{
	if (DATE_NOT_FINITE(value))
		reduce_extreme(term, op, !DATE_IS_NOBEGIN(value));
	else if (storage == SQLITE_STORAGE_ISO)
	{
		if (!set_day(&term->bind, value))
			reduce_extreme(term, op, value > 0);
	}
	else
		set_int(&term->bind, ((int64) value + UNIX_EPOCH_DAYS) * SECS_PER_DAY *
				(storage == SQLITE_STORAGE_UNIX_MS ? 1000 : 1));
}

/* A time, stored as text or as seconds or milliseconds. */
static void
reduce_time(Term *term, SyOp op, const SyColumn *column, SqliteStorage storage, Timestamp value)
{
	int64		unit = storage == SQLITE_STORAGE_UNIX_MS ? 1000 : USECS_PER_SEC;
	int64		rest = value % unit;
	int64		whole = value / unit - (rest < 0 ? 1 : 0);

	if (storage == SQLITE_STORAGE_ISO)
		reduce_iso_time(term, op, column->kind, value);
	else if (TIMESTAMP_NOT_FINITE(value))
		reduce_extreme(term, op, !TIMESTAMP_IS_NOBEGIN(value));
	else
		term->kind = reduce_whole(op, whole + (int64) UNIX_EPOCH_DAYS * SECS_PER_DAY *
								  (USECS_PER_SEC / unit), rest != 0, &term->op, &term->bind);
}

/* What "column op value" means for stored values. */
static void
reduce(Term *term, const SyColumn *column, SyOp op, const SyValue *value)
{
	SqliteStorage storage = sqlite_storage(column);

	memset(term, 0, sizeof(*term));
	term->kind = TERM_COMPARE;
	term->op = op;
	if (!value->known)
	{
		/* The general form. */
		set_int(&term->bind, 0);
		term->high = term->bind;
		if (storage == SQLITE_STORAGE_ISO && column->kind != SY_TYPE_DATE)
		{
			term->kind = TERM_RANGE;
			term->has_low = op != SY_OP_LT && op != SY_OP_LE;
			term->has_high = op != SY_OP_GT && op != SY_OP_GE;
		}
		return;
	}
	switch (column->kind)
	{
		case SY_TYPE_BOOL:
			reduce_bool(term, op, DatumGetBool(value->datum));
			break;
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
			set_int(&term->bind, DatumGetInt64(value->datum));
			break;
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
			reduce_double(term, op, DatumGetFloat8(value->datum));
			break;
		case SY_TYPE_NUMERIC:
			reduce_numeric(term, op, value->datum);
			break;
		case SY_TYPE_BYTEA:
			{
				bytea	   *bytes = DatumGetByteaPP(value->datum);

				set_bytes(&term->bind, false, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
				break;
			}
		case SY_TYPE_UUID:
			reduce_uuid(term, storage, value->datum);
			break;
		case SY_TYPE_DATE:
			reduce_date(term, op, storage, DatumGetDateADT(value->datum));
			break;
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			reduce_time(term, op, column, storage, DatumGetTimestamp(value->datum));
			break;
		default:
			reduce_text(term, column, value->datum);
			break;
	}
}

/*
 * Text
 */

/* The column as it is. */
void
sqlite_compile_column(SqliteText *text, const SyColumn *column)
{
	appendStringInfoString(&text->sql, "t.");
	sqlite_append_name(&text->sql, sqlite_to_utf8(column->remote_name));
}

/* Is it text in a column that turns what looks like a number into one? */
static bool
has_numeric_affinity(const SqliteText *text, const SyColumn *column)
{
	const char *name;

	if (text->table == NULL || text->table->nnumeric == 0 ||
		(column->kind != SY_TYPE_TEXT && column->kind != SY_TYPE_VARCHAR &&
		 column->kind != SY_TYPE_BPCHAR))
		return false;
	name = sqlite_to_utf8(column->remote_name);
	for (int i = 0; i < text->table->nnumeric; i++)
		if (pg_strcasecmp(text->table->numeric[i], name) == 0)
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

/* "column op ?" */
static void
append_compare(SqliteText *text, const SyColumn *column, const char *operator,
			   const SqliteBind *bind, bool ordered)
{
	append_operand(text, column);
	appendStringInfoString(&text->sql, operator);
	append_bind(text, bind);
	appendStringInfoString(&text->sql, sqlite_compile_collation(text, column, ordered));
}

/* A comparison of integers and reals apart; NULL for anything else. */
static void
append_split(SqliteText *text, const SyColumn *column, const Term *term)
{
	SqliteBind	real;

	appendStringInfoString(&text->sql, "CASE typeof(");
	sqlite_compile_column(text, column);
	appendStringInfoString(&text->sql, ") WHEN 'integer' THEN ");
	if (term->integer == TERM_COMPARE)
		append_compare(text, column, operators[term->op], &term->bind, false);
	else
		appendStringInfoChar(&text->sql, term->integer == TERM_FALSE ? '0' : '1');
	appendStringInfoString(&text->sql, " WHEN 'real' THEN ");
	if (isnan(term->real))
		appendStringInfoChar(&text->sql, term->real_op == SY_OP_EQ ? '0' : '1');
	else
	{
		set_double(&real, term->real);
		append_compare(text, column, operators[term->real_op], &real, false);
	}
	appendStringInfoString(&text->sql, " END");
}

/* A term that is true exactly when the comparison is (RANGE: or weaker). */
static void
append_term(SqliteText *text, const SyColumn *column, const Term *term)
{
	switch (term->kind)
	{
		case TERM_FALSE:
			appendStringInfoChar(&text->sql, '0');
			break;
		case TERM_NOT_NULL:
			append_operand(text, column);
			appendStringInfoString(&text->sql, " IS NOT NULL");
			break;
		case TERM_COMPARE:
			append_compare(text, column, operators[term->op], &term->bind,
						   term->op != SY_OP_EQ && term->op != SY_OP_NE);
			break;
		case TERM_RANGE:
			if (term->has_low)
				append_compare(text, column, " >= ", &term->bind, true);
			if (term->has_low && term->has_high)
				appendStringInfoString(&text->sql, " AND ");
			if (term->has_high)
				append_compare(text, column, " < ", &term->high, true);
			break;
		case TERM_SPLIT:
			append_split(text, column, term);
			break;
	}
}

/* IS [NOT] DISTINCT FROM. */
static void
append_distinct(SqliteText *text, const SyNode *leaf)
{
	Term		term;

	reduce(&term, leaf->column, SY_OP_EQ, &leaf->values[0]);
	switch (term.kind)
	{
		case TERM_COMPARE:
			append_compare(text, leaf->column, leaf->negated ? " IS " : " IS NOT ",
						   &term.bind, false);
			break;
		case TERM_SPLIT:
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
	Term		low;
	Term		high;

	reduce(&low, leaf->column, SY_OP_GE, &leaf->values[0]);
	reduce(&high, leaf->column, SY_OP_LE, &leaf->values[0]);
	if (leaf->values[0].known)
	{
		for (int i = 0; i < leaf->nvalues; i++)
		{
			Timestamp	value = DatumGetTimestamp(leaf->values[i].datum);

			least = Min(least, value);
			greatest = Max(greatest, value);
		}
		reduce_iso_time(&low, SY_OP_GE, leaf->column->kind, least);
		reduce_iso_time(&high, SY_OP_LE, leaf->column->kind, greatest);
	}
	append_term(text, leaf->column, &low);
	appendStringInfoString(&text->sql, " AND ");
	append_term(text, leaf->column, &high);
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
	Term		term;
	Term		last;

	*nsplit = 0;
	for (int i = 0; i < leaf->nvalues; i++)
	{
		reduce(&term, leaf->column, SY_OP_EQ, &leaf->values[i]);
		if (term.kind == TERM_SPLIT)
			(*nsplit)++;
		if (term.kind != TERM_COMPARE)
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

/* [NOT] IN. */
static void
append_in(SqliteText *text, const SyNode *leaf)
{
	int			start = text->sql.len;
	int			nsplit;
	Term		term;

	if ((int64) text->nbinds + 2 * (int64) leaf->nvalues > text->max_variables)
	{
		/* Too many: nothing is filtered by it, which ship() has said. */
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
		reduce(&term, leaf->column, leaf->negated ? SY_OP_NE : SY_OP_EQ, &leaf->values[i]);
		if (term.kind != TERM_SPLIT)
			continue;
		appendStringInfoString(&text->sql, leaf->negated ? " AND " : " OR ");
		append_split(text, leaf->column, &term);
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
	set_bytes(&bind, true, glob, length);
	append_operand(text, leaf->column);
	appendStringInfoString(&text->sql, leaf->negated ? " NOT GLOB " : " GLOB ");
	append_bind(text, &bind);
}

/* The condition of a leaf, without guard. */
static void
append_condition(SqliteText *text, const SyNode *leaf)
{
	Term		term;

	switch (leaf->kind)
	{
		case SY_NODE_NULLTEST:
			append_operand(text, leaf->column);
			appendStringInfoString(&text->sql, leaf->negated ? " IS NOT NULL" : " IS NULL");
			break;
		case SY_NODE_COMPARE:
			reduce(&term, leaf->column, leaf->op, &leaf->values[0]);
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
		bool		parens = compound && (leaf->column->kind == SY_TYPE_NUMERIC ||
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
