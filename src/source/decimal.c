/*-------------------------------------------------------------------------
 *
 * decimal.c
 *	  Strict conversion of decimals, written as text, to numeric types.
 *
 * What a numeric(p,s), an integer or a double can hold unchanged is seen from
 * the digits; PostgreSQL's own input function then makes the numeric.
 *
 * IDENTIFICATION
 *	  src/source/decimal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

#include "source/value.h"

/* What a numeric can hold at all. */
#define NUMERIC_MAX_INTEGER_DIGITS	131072
#define NUMERIC_MAX_FRACTION_DIGITS 16383

/* A plain decimal taken apart; zero has no digits. */
typedef struct Decimal
{
	bool		negative;
	int			ndigits;		/* between the first and last nonzero digit */
	const char *digits;			/* the first nonzero one; a point may be
								 * among those that follow */
	int64		high;			/* power of ten of the first digit */
	int64		low;			/* power of ten of the last one */
	int64		scale;			/* digits after the point as written, >= 0 */
} Decimal;

/* Say why a value does not fit; returns false, for the caller to return. */
static bool
refuse(SyProblem *problem, int sqlstate, const char *reason)
{
	problem->sqlstate = sqlstate;
	problem->reason = reason;
	return false;
}

static bool
refuse_range(SyProblem *problem)
{
	return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "the value is out of range");
}

static bool
refuse_rounding(SyProblem *problem)
{
	return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
				  "the value would have to be rounded");
}

/* It is no decimal at all. */
static bool
refuse_form(SyProblem *problem)
{
	return refuse(problem, ERRCODE_INVALID_TEXT_REPRESENTATION, "it is not a decimal number");
}

/* Precision and scale of a numeric's type modifier, which is not -1. */
static inline int
typmod_precision(int32 typmod)
{
	return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}

static inline int
typmod_scale(int32 typmod)
{
	return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

/* Is the character a decimal digit, in every locale? */
static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Read the exponent that may follow a decimal's digits, "E+5".  False: there
 * is something else, or it is out of all proportion.
 */
static bool
parse_exponent(const char *p, int64 *exponent)
{
	bool		negative = false;

	*exponent = 0;
	if (*p == '\0')
		return true;
	if (*p != 'e' && *p != 'E')
		return false;
	p++;
	if (*p == '+' || *p == '-')
		negative = (*p++ == '-');
	if (!is_digit(*p))
		return false;
	for (; is_digit(*p); p++)
	{
		*exponent = *exponent * 10 + (*p - '0');
		if (*exponent > 100000000)
			return false;
	}
	if (negative)
		*exponent = -*exponent;
	return *p == '\0';
}

/* Take a plain decimal apart.  False: it is none (no spaces, no hex). */
static bool
parse_decimal(const char *text, Decimal *decimal)
{
	const char *p = text;
	const char *point = NULL;
	const char *first = NULL;	/* nonzero digits */
	const char *last = NULL;
	int64		exponent;
	int			seen = 0;

	memset(decimal, 0, sizeof(*decimal));
	if (*p == '+' || *p == '-')
		decimal->negative = (*p++ == '-');
	for (; is_digit(*p) || (*p == '.' && point == NULL); p++)
	{
		if (*p == '.')
		{
			point = p;
			continue;
		}
		seen++;
		if (*p != '0')
		{
			first = first ? first : p;
			last = p;
		}
	}
	if (seen == 0 || !parse_exponent(p, &exponent))
		return false;
	if (point == NULL)
		point = p;
	decimal->scale = Max(0, (p - point) - (*point == '.' ? 1 : 0) - exponent);
	if (first == NULL)
		return true;

	/* A digit before the point counts from it, one behind it skips it. */
	decimal->digits = first;
	decimal->high = (first < point ? point - first - 1 : point - first) + exponent;
	decimal->low = (last < point ? point - last - 1 : point - last) + exponent;
	decimal->ndigits = (int) (decimal->high - decimal->low + 1);
	return true;
}

/* Can numeric_in() read it, and the column's numeric(p,s) hold it unchanged? */
static bool
decimal_fits_numeric(const Decimal *decimal, int32 typmod, SyProblem *problem)
{
	if (decimal->scale > NUMERIC_MAX_FRACTION_DIGITS ||
		(decimal->ndigits > 0 && decimal->high >= NUMERIC_MAX_INTEGER_DIGITS))
		return refuse_range(problem);
	if (typmod < (int32) VARHDRSZ || decimal->ndigits == 0)
		return true;
	if (decimal->low < -typmod_scale(typmod))
		return refuse_rounding(problem);
	if (decimal->high >= typmod_precision(typmod) - typmod_scale(typmod))
		return refuse_range(problem);
	return true;
}

/* The digits of a decimal as one integer, times 10^low; false if over 38. */
static bool
decimal_digits(const Decimal *decimal, unsigned __int128 *value)
{
	const char *p = decimal->digits;

	*value = 0;
	if (decimal->ndigits > 38)
		return false;
	for (int i = 0; i < decimal->ndigits; p++)
	{
		if (*p == '.')
			continue;
		*value = *value * 10 + (unsigned) (*p - '0');
		i++;
	}
	return true;
}

/* To an integer, if it is one and fits in 64 bits. */
static bool
decimal_to_int64(const Decimal *decimal, int64 *value, SyProblem *problem)
{
	unsigned __int128 whole;
	unsigned __int128 limit = (unsigned __int128) PG_INT64_MAX + (decimal->negative ? 1 : 0);

	*value = 0;
	if (decimal->ndigits == 0)
		return true;
	if (decimal->low < 0)
		return refuse_rounding(problem);
	if (decimal->high > 18 || !decimal_digits(decimal, &whole))
		return refuse_range(problem);
	for (int64 i = 0; i < decimal->low; i++)
		whole *= 10;
	if (whole > limit)
		return refuse_range(problem);
	*value = (int64) (decimal->negative ? -(uint64) whole : (uint64) whole);
	return true;
}

/*
 * To a double, if one has exactly this value.
 *
 * D * 10^q is D * 5^q * 2^q: what remains of D * 5^q without its factors of
 * two must fit in 53 bits, and for negative q five must divide D.
 */
static bool
decimal_to_double(const Decimal *decimal, double *value)
{
	const unsigned __int128 limit = (unsigned __int128) 1 << 53;
	unsigned __int128 odd;
	int64		exponent = decimal->low;

	*value = decimal->negative ? -0.0 : 0.0;
	if (decimal->ndigits == 0)
		return true;
	if (decimal->low > 400 || decimal->low < -400 || !decimal_digits(decimal, &odd))
		return false;
	for (int64 i = decimal->low; i < 0; i++)
	{
		if (odd % 5 != 0)
			return false;
		odd /= 5;
	}
	for (; odd % 2 == 0; odd /= 2)
		exponent++;
	for (int64 i = 0; i < decimal->low && odd < limit; i++)
		odd *= 5;
	if (odd >= limit)
		return false;
	*value = ldexp((double) (uint64) odd, (int) exponent);
	if (isinf(*value) || ldexp(*value, (int) -exponent) != (double) (uint64) odd)
		return false;
	if (decimal->negative)
		*value = -*value;
	return true;
}

/* To NUMERIC, by PostgreSQL's own input function. */
static bool
numeric_from_text(const SyColumn *column, const char *text, Datum *result, SyProblem *problem)
{
	Decimal		decimal;

	if (!parse_decimal(text, &decimal))
		return refuse_form(problem);
	if (!decimal_fits_numeric(&decimal, column->typmod, problem))
		return false;
	*result = DirectFunctionCall3(numeric_in, CStringGetDatum(text),
								  ObjectIdGetDatum(InvalidOid),
								  Int32GetDatum(column->typmod));
	return true;
}

/* NaN and the infinities, which a decimal's text may also say. */
static bool
special_from_text(const SyColumn *column, SyTypeKind kind, const char *text,
				  Datum *result, SyProblem *problem)
{
	bool		nan = pg_strcasecmp(text, "NaN") == 0;

	switch (kind)
	{
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
			return sy_value_from_double(column, kind, nan ? get_float8_nan() :
										text[0] == '-' ? -get_float8_infinity() :
										get_float8_infinity(), result, problem);
		case SY_TYPE_NUMERIC:
			if (!nan && column->typmod >= (int32) VARHDRSZ)
				return refuse_range(problem);
			*result = DirectFunctionCall3(numeric_in, CStringGetDatum(text),
										  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
			return true;
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
			return refuse_range(problem);
		default:
			return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, NULL);
	}
}

/* To NUMERIC, an integer (integral and in range), FLOAT4 or FLOAT8 (exact). */
bool
sy_value_from_decimal(const SyColumn *column, SyTypeKind kind, const char *text,
					  Datum *result, SyProblem *problem)
{
	Decimal		decimal;
	int64		whole;
	double		number;

	if (pg_strcasecmp(text, "NaN") == 0 || pg_strcasecmp(text, "Infinity") == 0 ||
		pg_strcasecmp(text, "-Infinity") == 0)
		return special_from_text(column, kind, text, result, problem);
	if (kind == SY_TYPE_NUMERIC)
		return numeric_from_text(column, text, result, problem);
	if (!parse_decimal(text, &decimal))
		return refuse_form(problem);
	switch (kind)
	{
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
			if (!decimal_to_double(&decimal, &number))
				return refuse_rounding(problem);
			return sy_value_from_double(column, kind, number, result, problem);
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
			return decimal_to_int64(&decimal, &whole, problem) &&
				sy_value_from_int64(column, kind, whole, result, problem);
		default:
			return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, NULL);
	}
}
