/*-------------------------------------------------------------------------
 *
 * term.c
 *	  What a comparison with a value means for values as SQLite stores them.
 *
 * "x < 6.5 seconds" over whole seconds is "x <= 6", "x = 0.1000000000000001"
 * over doubles may never be true, NaN is greater than all that is stored.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/term.c
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

#define UNIX_EPOCH_DAYS		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/* Every value of the column is less than the operand; or greater. */
static void
reduce_extreme(SqliteTerm *term, SyOp op, bool all_less)
{
	bool		holds = op == SY_OP_NE ||
	(all_less ? (op == SY_OP_LT || op == SY_OP_LE) : (op == SY_OP_GT || op == SY_OP_GE));

	term->kind = holds ? SQLITE_TERM_NOT_NULL : SQLITE_TERM_FALSE;
}

/*
 * The operand lies at "whole", or with a remainder above it and below the
 * next whole number.  Returns how whole numbers compare.
 */
static SqliteTermKind
reduce_whole(SyOp op, int64 whole, bool remainder, SyOp *result_op, SqliteBind *bind)
{
	sqlite_set_int(bind, whole);
	*result_op = op;
	if (!remainder)
		return SQLITE_TERM_COMPARE;
	switch (op)
	{
		case SY_OP_EQ:
			return SQLITE_TERM_FALSE;
		case SY_OP_NE:
			return SQLITE_TERM_NOT_NULL;
		case SY_OP_LT:
		case SY_OP_LE:
			*result_op = SY_OP_LE;
			return SQLITE_TERM_COMPARE;
		default:
			*result_op = SY_OP_GT;
			return SQLITE_TERM_COMPARE;
	}
}

/* Booleans are 0 and 1; "is not true" asks for 0, so that no 2 passes. */
static void
reduce_bool(SqliteTerm *term, SyOp op, bool value)
{
	term->op = op;
	if (op == SY_OP_NE)
	{
		term->op = SY_OP_EQ;
		value = !value;
	}
	sqlite_set_int(&term->bind, value ? 1 : 0);
}

/* Doubles: no NaN is stored, and PostgreSQL's is greater than all else. */
static void
reduce_double(SqliteTerm *term, SyOp op, double value)
{
	if (isnan(value))
		reduce_extreme(term, op, true);
	sqlite_set_double(&term->bind, value);
}

/* The integers' half of a numeric comparison. */
static void
reduce_numeric_integer(SqliteTerm *term, SyOp op, Datum literal)
{
	Datum		least = NumericGetDatum(int64_to_numeric(PG_INT64_MIN));
	Datum		greatest = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));
	Datum		floor_value;
	SqliteTerm		extreme;

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
reduce_numeric(SqliteTerm *term, SyOp op, Datum literal)
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
		sqlite_set_double(&term->bind, nearest);
		if (order != 0 && (op == SY_OP_EQ || op == SY_OP_NE))
			term->kind = op == SY_OP_EQ ? SQLITE_TERM_FALSE : SQLITE_TERM_NOT_NULL;
		return;
	}

	term->kind = SQLITE_TERM_SPLIT;
	if (order != 0 && (op == SY_OP_EQ || op == SY_OP_NE))
		term->real = get_float8_nan();	/* bound as NULL: equal to none */
	reduce_numeric_integer(term, op, literal);
}

/* Text as UTF-8; char(n) without its blanks, which RTRIM ignores anyway. */
static void
reduce_text(SqliteTerm *term, const SyColumn *column, Datum value)
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
	sqlite_set_bytes(&term->bind, true, bytes, length);
}

/* UUIDs, as their canonical text or as 16 bytes. */
static void
reduce_uuid(SqliteTerm *term, SqliteStorage storage, Datum value)
{
	if (storage == SQLITE_STORAGE_TEXT)
	{
		char	   *text = DatumGetCString(DirectFunctionCall1(uuid_out, value));

		sqlite_set_bytes(&term->bind, true, text, strlen(text));
	}
	else
		sqlite_set_bytes(&term->bind, false, (char *) DatumGetUUIDP(value)->data, UUID_LEN);
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
	sqlite_set_bytes(bind, true, text, strlen(text));
	return true;
}

/*
 * A time stored as text: its day decides, on the safe side.  With a zone the
 * text's day may be the one before or after.
 */
void
sqlite_term_range(SqliteTerm *term, SyOp op, SyTypeKind kind, Timestamp value)
{
	int64		day = value / USECS_PER_DAY - (value % USECS_PER_DAY < 0 ? 1 : 0);
	int			slack = kind == SY_TYPE_TIMESTAMPTZ ? 1 : 0;

	term->kind = SQLITE_TERM_NOT_NULL;
	if (TIMESTAMP_NOT_FINITE(value))
		return;
	if (op != SY_OP_LT && op != SY_OP_LE)
		term->has_low = set_day(&term->bind, day - slack);
	if (op != SY_OP_GT && op != SY_OP_GE)
		term->has_high = set_day(&term->high, day + 1 + slack);
	if (term->has_low || term->has_high)
		term->kind = SQLITE_TERM_RANGE;
}

/* A date, stored as text of one form or as a number. */
static void
reduce_date(SqliteTerm *term, SyOp op, SqliteStorage storage, DateADT value)
{
	if (DATE_NOT_FINITE(value))
		reduce_extreme(term, op, !DATE_IS_NOBEGIN(value));
	else if (storage == SQLITE_STORAGE_ISO)
	{
		if (!set_day(&term->bind, value))
			reduce_extreme(term, op, value > 0);
	}
	else
		sqlite_set_int(&term->bind, ((int64) value + UNIX_EPOCH_DAYS) * SECS_PER_DAY *
				(storage == SQLITE_STORAGE_UNIX_MS ? 1000 : 1));
}

/* A time, stored as text or as seconds or milliseconds. */
static void
reduce_time(SqliteTerm *term, SyOp op, const SyColumn *column, SqliteStorage storage, Timestamp value)
{
	int64		unit = storage == SQLITE_STORAGE_UNIX_MS ? 1000 : USECS_PER_SEC;
	int64		rest = value % unit;
	int64		whole = value / unit - (rest < 0 ? 1 : 0);

	if (storage == SQLITE_STORAGE_ISO)
		sqlite_term_range(term, op, column->kind, value);
	else if (TIMESTAMP_NOT_FINITE(value))
		reduce_extreme(term, op, !TIMESTAMP_IS_NOBEGIN(value));
	else
		term->kind = reduce_whole(op, whole + (int64) UNIX_EPOCH_DAYS * SECS_PER_DAY *
								  (USECS_PER_SEC / unit), rest != 0, &term->op, &term->bind);
}

/* What "column op value" means for stored values. */
void
sqlite_term_reduce(SqliteTerm *term, const SyColumn *column, SyOp op, const SyValue *value)
{
	SqliteStorage storage = sqlite_storage(column);

	memset(term, 0, sizeof(*term));
	term->kind = SQLITE_TERM_COMPARE;
	term->op = op;
	if (!value->known)
	{
		/* The general form. */
		sqlite_set_int(&term->bind, 0);
		term->high = term->bind;
		if (storage == SQLITE_STORAGE_ISO && column->kind != SY_TYPE_DATE)
		{
			term->kind = SQLITE_TERM_RANGE;
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
			sqlite_set_int(&term->bind, DatumGetInt64(value->datum));
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

				sqlite_set_bytes(&term->bind, false, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
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
