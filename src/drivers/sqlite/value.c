/*-------------------------------------------------------------------------
 *
 * value.c
 *	  From SQLite's values to Datums.
 *
 * The type is always asked before anything else: asking a number for its
 * text or its length would make SQLite print it.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/value.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "sqlite.h"

#define MS_PER_DAY			INT64CONST(86400000)
#define UNIX_EPOCH_JULIAN_MS INT64CONST(210866760000000)	/* day 2440587.5 */
#define MAX_JULIAN_DAY		1.1e8	/* beyond any timestamp */

/* How far a julian day may lie from a whole millisecond: rounding noise. */
#define JULIAN_TOLERANCE_MS 0.1

/* A time taken apart. */
typedef struct Clock
{
	int			year;
	int			month;
	int			day;
	int64		us;				/* since midnight */
	bool		has_time;
	bool		has_zone;
	int			offset_seconds; /* east of UTC */
} Clock;

/* The value is not of the column's storage class. */
static bool
refuse_class(SyProblem *problem)
{
	problem->sqlstate = ERRCODE_FDW_INVALID_DATA_TYPE;
	problem->reason = NULL;
	return false;
}

/* Its text has the wrong form. */
static bool
refuse_form(SyProblem *problem, const char *reason)
{
	problem->sqlstate = ERRCODE_INVALID_TEXT_REPRESENTATION;
	problem->reason = reason;
	return false;
}

/* It is a date, but none that PostgreSQL has. */
static bool
refuse_date(SyProblem *problem, const char *reason)
{
	problem->sqlstate = ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
	problem->reason = reason;
	return false;
}

/*
 * A value's text in UTF-8 and its length.  NULL: there was no memory to turn
 * UTF-16 into it.
 */
static const char *
text_of(sqlite3_value *value, int *length, SyProblem *problem)
{
	const char *text = (const char *) sqlite3_value_text(value);

	*length = sqlite3_value_bytes(value);
	problem->sqlstate = ERRCODE_OUT_OF_MEMORY;
	problem->reason = "SQLite is out of memory";
	return text;
}

/* Read two digits; NULL if they are not there. */
static inline const char *
read_two(const char *p, const char *end, int *value)
{
	unsigned int tens;
	unsigned int ones;

	if (end - p < 2)
		return NULL;
	tens = (unsigned char) p[0] - (unsigned int) '0';
	ones = (unsigned char) p[1] - (unsigned int) '0';
	*value = (int) (tens * 10 + ones);
	return tens <= 9 && ones <= 9 ? p + 2 : NULL;
}

/*
 * Read the digits of a fraction of a second, in microseconds; what is finer
 * must be nothing.  NULL if there are none.
 */
static inline const char *
read_fraction(const char *p, const char *end, int *us)
{
	static const int units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	const char *first = p;
	const char *last = p + Min(end - p, (int) lengthof(units) - 1);
	int			value = 0;

	for (; p < last && *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (*p - '0');
	*us = value * units[p - first];
	while (p < end && *p == '0')
		p++;
	return p > first ? p : NULL;
}

/* Read HH:MM[:SS[.ffffff]]. */
static const char *
read_time(const char *p, const char *end, Clock *clock)
{
	int			hour;
	int			minute;
	int			second = 0;
	int			us = 0;

	if ((p = read_two(p, end, &hour)) == NULL || p >= end || *p++ != ':' ||
		(p = read_two(p, end, &minute)) == NULL)
		return NULL;
	if (p < end && *p == ':')
	{
		if ((p = read_two(p + 1, end, &second)) == NULL)
			return NULL;
		if (p < end && *p == '.' && (p = read_fraction(p + 1, end, &us)) == NULL)
			return NULL;
	}
	if (hour > 23 || minute > 59 || second > 59)
		return NULL;
	clock->us = ((hour * INT64CONST(60) + minute) * 60 + second) * USECS_PER_SEC + us;
	clock->has_time = true;
	return p;
}

/* Read Z, ±HH, ±HHMM or ±HH:MM. */
static const char *
read_zone(const char *p, const char *end, Clock *clock)
{
	int			hours;
	int			minutes = 0;
	int			sign;

	clock->has_zone = true;
	if (*p == 'Z' || *p == 'z')
		return p + 1;
	sign = *p == '+' ? 1 : *p == '-' ? -1 : 0;
	if (sign == 0 || (p = read_two(p + 1, end, &hours)) == NULL)
		return NULL;
	if (p < end && *p == ':')
		p++;
	else if (p == end)
		end = NULL;				/* no minutes */
	if (end != NULL && (p = read_two(p, end, &minutes)) == NULL)
		return NULL;
	if (hours > 15 || minutes > 59)
		return NULL;
	clock->offset_seconds = sign * (hours * 60 + minutes) * 60;
	return p;
}

/* Read an ISO date, perhaps with time and zone, and nothing else. */
static bool
read_clock(const char *p, const char *end, Clock *clock)
{
	int			century;

	memset(clock, 0, sizeof(*clock));
	if ((p = read_two(p, end, &century)) == NULL ||
		(p = read_two(p, end, &clock->year)) == NULL || p >= end || *p++ != '-' ||
		(p = read_two(p, end, &clock->month)) == NULL || p >= end || *p++ != '-' ||
		(p = read_two(p, end, &clock->day)) == NULL)
		return false;
	clock->year += century * 100;
	if (p < end)
	{
		if ((*p != ' ' && *p != 'T') || (p = read_time(p + 1, end, clock)) == NULL)
			return false;
		if (p < end && (p = read_zone(p, end, clock)) == NULL)
			return false;
	}
	return p == end && clock->year >= 1 && clock->month >= 1 && clock->month <= 12 &&
		clock->day >= 1 &&
		(clock->day <= 28 ||
		 clock->day <= day_tab[isleap(clock->year)][clock->month - 1]);
}

/*
 * Text to DATE, TIMESTAMP or TIMESTAMPTZ.  A date has one spelling, so that
 * it compares as text; a time without zone in a timestamptz column is UTC.
 */
static bool
read_iso(const SyColumn *column, const char *text, int length, Datum *result, SyProblem *problem)
{
	Clock		clock;
	int64		days;

	if (!read_clock(text, text + length, &clock))
		return refuse_form(problem, "it is not a date or time in ISO form");
	if (column->kind == SY_TYPE_DATE && clock.has_time)
		return refuse_form(problem, "it is not a date of the form YYYY-MM-DD");
	if (column->kind == SY_TYPE_TIMESTAMP && clock.has_zone)
		return refuse_form(problem, "it has a time zone, which the column's type has not");
	days = date2j(clock.year, clock.month, clock.day) - UNIX_EPOCH_JDATE;
	return sy_value_from_unix_us(column, column->kind,
								 days * USECS_PER_DAY + clock.us -
								 (int64) clock.offset_seconds * USECS_PER_SEC,
								 result, problem);
}

/*
 * A julian day to DATE, TIMESTAMP or TIMESTAMPTZ.  A double cannot hold more
 * than some 40 microseconds there, and SQLite's own functions know whole
 * milliseconds: what lies near one is that millisecond, the rest is refused.
 */
static bool
read_julian(const SyColumn *column, double day, Datum *result, SyProblem *problem)
{
	double		ms;
	double		whole;

	if (!(day > -MAX_JULIAN_DAY && day < MAX_JULIAN_DAY))
		return refuse_date(problem, "the value is out of range");
	ms = day * (double) MS_PER_DAY;
	whole = rint(ms);
	if (fabs(ms - whole) > JULIAN_TOLERANCE_MS)
		return refuse_date(problem, "it is not a whole millisecond");
	return sy_value_from_unix_us(column, column->kind,
								 ((int64) whole - UNIX_EPOCH_JULIAN_MS) * 1000,
								 result, problem);
}

/* Seconds or milliseconds since 1970. */
static bool
read_unix(const SyColumn *column, int64 value, int64 unit, Datum *result, SyProblem *problem)
{
	int64		us;

	if (pg_mul_s64_overflow(value, unit, &us))
		return refuse_date(problem, "the value is out of range");
	return sy_value_from_unix_us(column, column->kind, us, result, problem);
}

/* To DATE, TIMESTAMP or TIMESTAMPTZ. */
static pg_noinline bool
read_datetime(const SyColumn *column, SqliteStorage storage, sqlite3_value *value, int class,
			  Datum *result, SyProblem *problem)
{
	switch (storage)
	{
		case SQLITE_STORAGE_ISO:
			if (class == SQLITE_TEXT)
			{
				int			length;
				const char *text = text_of(value, &length, problem);

				return text != NULL && read_iso(column, text, length, result, problem);
			}
			break;
		case SQLITE_STORAGE_JULIAN:
			/* A column of numeric affinity makes an integer of noon. */
			if (class == SQLITE_FLOAT || class == SQLITE_INTEGER)
				return read_julian(column, sqlite3_value_double(value), result, problem);
			break;
		default:
			if (class == SQLITE_INTEGER)
				return read_unix(column, sqlite3_value_int64(value),
								 storage == SQLITE_STORAGE_UNIX_MS ? 1000 : USECS_PER_SEC,
								 result, problem);
			break;
	}
	return refuse_class(problem);
}

/* A UUID's canonical text; both other spellings and other cases are refused. */
static bool
read_uuid_text(const char *text, int length, Datum *result, SyProblem *problem)
{
	pg_uuid_t  *uuid;
	int			byte = 0;

	if (length != 36)
		return refuse_form(problem, "it is not a UUID in canonical form");
	uuid = palloc(sizeof(*uuid));
	for (int i = 0; i < length; byte++)
	{
		int			nibbles = 0;

		if (i == 8 || i == 13 || i == 18 || i == 23)
			if (text[i++] != '-')
				return refuse_form(problem, "it is not a UUID in canonical form");
		for (int last = i + 2; i < last; i++)
		{
			char		c = text[i];

			if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
				return refuse_form(problem, "it is not a UUID in canonical form");
			nibbles = nibbles * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
		}
		uuid->data[byte] = (unsigned char) nibbles;
	}
	*result = UUIDPGetDatum(uuid);
	return true;
}

/* To UUID. */
static pg_noinline bool
read_uuid(const SyColumn *column, SqliteStorage storage, sqlite3_value *value, int class,
		  Datum *result, SyProblem *problem)
{
	if (storage == SQLITE_STORAGE_TEXT && class == SQLITE_TEXT)
	{
		int			length;
		const char *text = text_of(value, &length, problem);

		return text != NULL && read_uuid_text(text, length, result, problem);
	}
	if (storage == SQLITE_STORAGE_BLOB && class == SQLITE_BLOB)
	{
		const void *bytes = sqlite3_value_blob(value);

		return sy_value_from_bytes(column, SY_TYPE_UUID, bytes, sqlite3_value_bytes(value),
								   result, problem);
	}
	return refuse_class(problem);
}

/* To a number, from a number. */
static pg_noinline bool
read_number(const SyColumn *column, sqlite3_value *value, int class,
			Datum *result, SyProblem *problem)
{
	double		number;

	if (class == SQLITE_INTEGER)
		return sy_value_from_int64(column, column->kind, sqlite3_value_int64(value),
								   result, problem);
	if (class != SQLITE_FLOAT)
		return refuse_class(problem);
	number = sqlite3_value_double(value);
	if (!sy_value_from_double(column, column->kind, number, result, problem))
		return false;
	if (fabs(number) > (double) SY_VALUE_EXACT_DOUBLE &&
		(column->kind == SY_TYPE_INT2 || column->kind == SY_TYPE_INT4 ||
		 column->kind == SY_TYPE_INT8))
	{
		problem->sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		problem->reason = "integers beyond 2^53 are not exact in a REAL";
		return false;
	}
	return true;
}

/* To NUMERIC, stored as decimal text. */
static pg_noinline bool
read_decimal(const SyColumn *column, sqlite3_value *value, int class,
			 Datum *result, SyProblem *problem)
{
	const char *text;
	int			length;

	if (class != SQLITE_TEXT)
		return refuse_class(problem);
	if ((text = text_of(value, &length, problem)) == NULL)
		return false;
	if (strlen(text) != (size_t) length)
		return refuse_form(problem, "it is not a decimal number");
	return sy_value_from_decimal(column, SY_TYPE_NUMERIC, text, result, problem);
}

/*
 * Read a value of storage class "class", not NULL, as "column" holds it,
 * strictly.  Allocates in CurrentMemoryContext.  False: "problem" says why it does not fit.
 */
bool
sqlite_value_read(const SyColumn *column, SqliteStorage storage,
				  sqlite3_value *value, int class, Datum *result, SyProblem *problem)
{
	const char *text;
	int			length;

	switch (column->kind)
	{
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
			return read_number(column, value, class, result, problem);
		case SY_TYPE_NUMERIC:
			if (storage == SQLITE_STORAGE_TEXT)
				return read_decimal(column, value, class, result, problem);
			return read_number(column, value, class, result, problem);
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
			if (class != SQLITE_TEXT)
				return refuse_class(problem);
			text = text_of(value, &length, problem);
			return text != NULL &&
				sy_value_from_utf8(column, column->kind, text, length, result, problem);
		case SY_TYPE_JSON:
		case SY_TYPE_JSONB:
			if (class != SQLITE_TEXT)
				return refuse_class(problem);
			text = text_of(value, &length, problem);
			return text != NULL &&
				sy_value_from_json(column, column->kind, text, length, result, problem);
		case SY_TYPE_BYTEA:
			if (class != SQLITE_BLOB)
				return refuse_class(problem);
			text = sqlite3_value_blob(value);
			return sy_value_from_bytes(column, SY_TYPE_BYTEA, text ? text : "",
									   sqlite3_value_bytes(value), result, problem);
		case SY_TYPE_BOOL:
			if (class != SQLITE_INTEGER)
				return refuse_class(problem);
			if ((uint64) sqlite3_value_int64(value) > 1)
			{
				problem->sqlstate = ERRCODE_FDW_INVALID_DATA_TYPE;
				problem->reason = "it is neither 0 nor 1";
				return false;
			}
			*result = BoolGetDatum(sqlite3_value_int64(value) == 1);
			return true;
		case SY_TYPE_UUID:
			return read_uuid(column, storage, value, class, result, problem);
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return read_datetime(column, storage, value, class, result, problem);
		default:
			return refuse_class(problem);
	}
}

/* SQLite's name of a value's storage class. */
const char *
sqlite_value_class(sqlite3_value *value)
{
	switch (sqlite3_value_type(value))
	{
		case SQLITE_INTEGER:
			return "INTEGER";
		case SQLITE_FLOAT:
			return "REAL";
		case SQLITE_TEXT:
			return "TEXT";
		case SQLITE_BLOB:
			return "BLOB";
		default:
			return "NULL";
	}
}

/* The bytes of a value for a message; palloc'd for numbers. */
char *
sqlite_value_excerpt(sqlite3_value *value, size_t *length)
{
	char	   *text;

	switch (sqlite3_value_type(value))
	{
		case SQLITE_INTEGER:
			text = psprintf(INT64_FORMAT, (int64) sqlite3_value_int64(value));
			break;
		case SQLITE_FLOAT:
			text = float8out_internal(sqlite3_value_double(value));
			break;
		case SQLITE_NULL:
			text = pstrdup("NULL");
			break;
		default:
			text = unconstify(char *, (const char *) sqlite3_value_blob(value));
			*length = sqlite3_value_bytes(value);
			return text != NULL ? text : pstrdup("");
	}
	*length = strlen(text);
	return text;
}
