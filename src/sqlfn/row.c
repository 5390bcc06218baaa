/*-------------------------------------------------------------------------
 *
 * row.c
 *	  Rows of set-returning functions, filled from left to right.
 *
 * What is not known, each type in its own way, becomes NULL here.
 *
 * IDENTIFICATION
 *	  src/sqlfn/row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/elog.h"

#include "sqlfn/sqlfn.h"

/* The next column has this value, or is NULL. */
static void
add(SyRow *row, Datum value, bool isnull)
{
	Assert(row->count < SY_ROW_MAX_COLUMNS);
	row->values[row->count] = isnull ? (Datum) 0 : value;
	row->nulls[row->count] = isnull;
	row->count++;
}

/* The next column has this value. */
void
sy_row_add(SyRow *row, Datum value)
{
	add(row, value, false);
}

/* The next column is NULL. */
void
sy_row_add_null(SyRow *row)
{
	add(row, (Datum) 0, true);
}

/* The next column is text; NULL or "": not known. */
void
sy_row_add_text(SyRow *row, const char *text)
{
	if (text == NULL || text[0] == '\0')
		sy_row_add_null(row);
	else
		sy_row_add(row, CStringGetTextDatum(text));
}

/* The next column is a name; NULL or "": not known. */
void
sy_row_add_name(SyRow *row, const char *name)
{
	if (name == NULL || name[0] == '\0')
		sy_row_add_null(row);
	else
		sy_row_add(row, DirectFunctionCall1(namein, CStringGetDatum(name)));
}

/* The next column is the name of a role; NULL if there is none, or no more. */
void
sy_row_add_role(SyRow *row, Oid roleid)
{
	sy_row_add_name(row, OidIsValid(roleid) ? GetUserNameFromId(roleid, true) : NULL);
}

/* The next column is a time; 0: never. */
void
sy_row_add_time(SyRow *row, TimestampTz time)
{
	add(row, TimestampTzGetDatum(time), time == 0);
}

/* The next column is a bigint; below 0: not known. */
void
sy_row_add_count(SyRow *row, int64 count)
{
	add(row, Int64GetDatum(count), count < 0);
}

/* The next column is an integer; below 0: not known. */
void
sy_row_add_int(SyRow *row, int number)
{
	add(row, Int32GetDatum(number), number < 0);
}

/* The next column is a double; below 0: not known. */
void
sy_row_add_real(SyRow *row, double number)
{
	add(row, Float8GetDatum(number), number < 0);
}

/* The next column is a time in ms, a double of three decimals; below 0: not known. */
void
sy_row_add_ms(SyRow *row, double ms)
{
	sy_row_add_real(row, rint(ms * 1000.0) / 1000.0);
}

/* The next column is an SQLSTATE as text; 0: none. */
void
sy_row_add_sqlstate(SyRow *row, int sqlstate)
{
	sy_row_add_text(row, sqlstate != 0 ? unpack_sql_state(sqlstate) : NULL);
}

/* The row is complete: give it to the caller of the function, and begin anew. */
void
sy_row_put(SyRow *row, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	Assert(row->count == result->setDesc->natts);
	tuplestore_putvalues(result->setResult, result->setDesc, row->values, row->nulls);
	row->count = 0;
}
