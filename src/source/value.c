/*-------------------------------------------------------------------------
 *
 * value.c
 *	  Strict conversion of remote values to Datums.
 *
 * A value is taken only if the column can hold it without any change: no
 * rounding, no truncation, no guess.  What does not fit is described by an
 * SyProblem; nothing here throws for what a source stored.
 *
 * The paths that a scan runs for every value (integers, doubles, text) are
 * written for speed.  Decimals are in decimal.c.
 *
 * IDENTIFICATION
 *	  src/source/value.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include <math.h>

#include "catalog/namespace.h"
#include "common/int.h"
#include "common/shortest_dec.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "source/value.h"

/* Every decimal of up to 15 digits survives the way to a double and back. */
#define MAX_EXACT_DECIMAL	INT64CONST(1000000000000000)

/* The on-disk header of a short numeric; see numeric.c of PostgreSQL. */
#define NUMERIC_HEADER_SHORT	0x8000
#define NUMERIC_HEADER_NEGATIVE	0x2000
#define NUMERIC_HEADER_DSCALE_SHIFT 7
#define NUMERIC_HEADER_MAX_DSCALE	63
#define NUMERIC_HEADER_WEIGHT_MASK	0x007F	/* two's complement, 7 bits */
#define NUMERIC_BASE			10000
#define NUMERIC_BASE_DIGITS		4

/* Microseconds from 1970-01-01 to 2000-01-01. */
#define UNIX_TO_POSTGRES_US \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

#define EXCERPT_MAX_BYTES	64

static const int64 powers_of_ten[] = {
	INT64CONST(1), INT64CONST(10), INT64CONST(100), INT64CONST(1000), INT64CONST(10000),
	INT64CONST(100000), INT64CONST(1000000), INT64CONST(10000000), INT64CONST(100000000),
	INT64CONST(1000000000), INT64CONST(10000000000), INT64CONST(100000000000),
	INT64CONST(1000000000000), INT64CONST(10000000000000), INT64CONST(100000000000000),
	INT64CONST(1000000000000000)
};

/* Say why a value does not fit; returns false, for the caller to return. */
static bool
refuse(SyProblem *problem, int sqlstate, const char *reason)
{
	problem->sqlstate = sqlstate;
	problem->reason = reason;
	return false;
}

/* The value's type has nothing to do with the column's. */
static bool
refuse_type(SyProblem *problem)
{
	return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, NULL);
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

/*
 * The numeric "value" * 10^-fraction, shown with "dscale" digits.
 *
 * Builds the short form by hand, because this runs for every value of a
 * numeric column.  The caller guarantees |value| < 10^15, fraction <= 15, and
 * fraction <= dscale <= 63.
 */
static Datum
build_numeric(int64 value, int fraction, int dscale)
{
	int16		groups[6];
	int			ngroups = 0;
	int			nfraction = (fraction + NUMERIC_BASE_DIGITS - 1) / NUMERIC_BASE_DIGITS;
	uint64		rest = (uint64) (value < 0 ? -value : value) *
	powers_of_ten[nfraction * NUMERIC_BASE_DIGITS - fraction];
	int			weight = -nfraction - 1;
	int			skip = 0;
	uint16		header;
	char	   *result;
	Size		size;

	/* Least significant group first. */
	for (; rest != 0; rest /= NUMERIC_BASE)
		groups[ngroups++] = (int16) (rest % NUMERIC_BASE);
	weight += ngroups;
	while (skip < ngroups && groups[skip] == 0)
		skip++;
	if (ngroups == 0)
		weight = 0;

	header = (uint16) (NUMERIC_HEADER_SHORT |
					   (value < 0 ? NUMERIC_HEADER_NEGATIVE : 0) |
					   (dscale << NUMERIC_HEADER_DSCALE_SHIFT) |
					   (weight & NUMERIC_HEADER_WEIGHT_MASK));
	size = VARHDRSZ + sizeof(uint16) * (1 + ngroups - skip);
	result = palloc(size);
	SET_VARSIZE(result, size);
	memcpy(result + VARHDRSZ, &header, sizeof(header));
	for (int i = ngroups - 1, at = VARHDRSZ + sizeof(uint16); i >= skip; i--, at += sizeof(int16))
		memcpy(result + at, &groups[i], sizeof(int16));
	return PointerGetDatum(result);
}

/*
 * Store "value" * 10^-fraction as the numeric of "column", if its type
 * modifier allows; "fraction" must be as small as possible.
 *
 * Returns false and leaves "done" false if the slow way must be taken.
 */
static bool
short_numeric(const SyColumn *column, int64 value, int fraction, bool *done,
			  Datum *result, SyProblem *problem)
{
	int			dscale = fraction;

	*done = false;
	if (value <= -MAX_EXACT_DECIMAL || value >= MAX_EXACT_DECIMAL)
		return false;
	if (column->typmod >= (int32) VARHDRSZ)
	{
		int			whole;

		dscale = typmod_scale(column->typmod);
		whole = typmod_precision(column->typmod) - dscale;
		if (dscale < 0 || dscale > NUMERIC_HEADER_MAX_DSCALE || whole < 0)
			return false;
		*done = true;
		if (fraction > dscale)
			return refuse_rounding(problem);
		if (whole + fraction < (int) lengthof(powers_of_ten) &&
			(value < 0 ? -value : value) >= powers_of_ten[whole + fraction])
			return refuse_range(problem);
	}
	*done = true;
	*result = build_numeric(value, fraction, dscale);
	return true;
}

/* To FLOAT4 or FLOAT8. */
static bool
float_from_double(SyTypeKind kind, double value, Datum *result, SyProblem *problem)
{
	if (kind == SY_TYPE_FLOAT8)
	{
		*result = Float8GetDatum(value);
		return true;
	}
	if (!isnan(value) && (double) (float) value != value)
		return refuse_rounding(problem);
	*result = Float4GetDatum((float) value);
	return true;
}

/* To an integer, FLOAT4, FLOAT8 (exact only) or NUMERIC. */
bool
sy_value_from_int64(const SyColumn *column, SyTypeKind kind, int64 value,
					Datum *result, SyProblem *problem)
{
	char		text[32];
	bool		done;

	switch (kind)
	{
		case SY_TYPE_INT8:
			*result = Int64GetDatum(value);
			return true;
		case SY_TYPE_INT4:
			if (value < PG_INT32_MIN || value > PG_INT32_MAX)
				return refuse_range(problem);
			*result = Int32GetDatum((int32) value);
			return true;
		case SY_TYPE_INT2:
			if (value < PG_INT16_MIN || value > PG_INT16_MAX)
				return refuse_range(problem);
			*result = Int16GetDatum((int16) value);
			return true;
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
			if ((value < -SY_VALUE_EXACT_DOUBLE || value > SY_VALUE_EXACT_DOUBLE) &&
				((double) value >= 9223372036854775808.0 || (int64) (double) value != value))
				return refuse_rounding(problem);
			return float_from_double(kind, (double) value, result, problem);
		case SY_TYPE_NUMERIC:
			if (short_numeric(column, value, 0, &done, result, problem))
				return true;
			if (done)
				return false;
			pg_lltoa(value, text);
			return sy_value_from_decimal(column, kind, text, result, problem);
		default:
			return refuse_type(problem);
	}
}

/*
 * To NUMERIC: the shortest decimal that reads back as the same double.
 *
 * If m / 10^k is the double for some m of at most 15 digits, then no other
 * decimal of so few digits is, and the smallest such k gives the shortest
 * text.  That avoids the text for nearly all stored values.
 */
static bool
numeric_from_double(const SyColumn *column, double value, Datum *result, SyProblem *problem)
{
	char		text[64];
	bool		done;

	for (int k = 0; k < (int) lengthof(powers_of_ten); k++)
	{
		double		scaled = value * (double) powers_of_ten[k];
		int64		nearest;

		if (!(fabs(scaled) < (double) (MAX_EXACT_DECIMAL - 1)))
			break;
		nearest = (int64) (scaled + (scaled < 0 ? -0.5 : 0.5));
		if ((double) nearest / (double) powers_of_ten[k] != value)
			continue;
		if (short_numeric(column, nearest, k, &done, result, problem))
			return true;
		if (done)
			return false;
		break;
	}

	if (isnan(value) || isinf(value))
		return sy_value_from_decimal(column, SY_TYPE_NUMERIC,
									 isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity",
									 result, problem);
	(void) double_to_shortest_decimal_buf(value, text);
	return sy_value_from_decimal(column, SY_TYPE_NUMERIC, text, result, problem);
}

/* To an integer (integral and in range), FLOAT4, FLOAT8 (exact) or NUMERIC. */
bool
sy_value_from_double(const SyColumn *column, SyTypeKind kind, double value,
					 Datum *result, SyProblem *problem)
{
	switch (kind)
	{
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
			return float_from_double(kind, value, result, problem);
		case SY_TYPE_NUMERIC:
			return numeric_from_double(column, value, result, problem);
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
			if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0))
				return refuse_range(problem);
			if ((double) (int64) value != value)
				return refuse_rounding(problem);
			return sy_value_from_int64(column, kind, (int64) value, result, problem);
		default:
			return refuse_type(problem);
	}
}

/*
 * Eight bytes, of which one that is NUL or not ASCII has its highest bit set:
 * by itself, or by a borrow from 0.
 */
static inline uint64
mark_unplain(const char *text)
{
	uint64		chunk;

	memcpy(&chunk, text, sizeof(chunk));
	return chunk | (chunk - UINT64CONST(0x0101010101010101));
}

/* Is it all ASCII without NUL?  Eight bytes at a time, the last ones twice. */
static inline bool
is_plain_ascii(const char *text, size_t length)
{
	const char *end = text + length;
	uint64		marks = 0;

	if (length < sizeof(uint64))
	{
		for (; text < end; text++)
			marks |= (uint8) (*text | (*text == '\0' ? 0x80 : 0));
		return (marks & 0x80) == 0;
	}
	for (; end - text >= 4 * (ptrdiff_t) sizeof(uint64); text += 4 * sizeof(uint64))
		marks |= mark_unplain(text) | mark_unplain(text + sizeof(uint64)) |
			mark_unplain(text + 2 * sizeof(uint64)) | mark_unplain(text + 3 * sizeof(uint64));
	for (; end - text >= (ptrdiff_t) sizeof(uint64); text += sizeof(uint64))
		marks |= mark_unplain(text);
	marks |= mark_unplain(end - sizeof(uint64));
	return (marks & UINT64CONST(0x8080808080808080)) == 0;
}

/*
 * Bring UTF-8 of unchecked validity into the server's encoding; for what is
 * not plain ASCII.
 *
 * On success *text and *length are replaced, by a palloc'd copy if a
 * conversion was needed.
 */
static pg_noinline bool
convert_encoding(const char **text, size_t *length, SyProblem *problem)
{
	int			encoding = GetDatabaseEncoding();
	Oid			proc;
	char	   *buffer;

	if (*length > MaxAllocSize / MAX_CONVERSION_GROWTH - 1)
		return refuse(problem, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the value is too long");
	if (memchr(*text, '\0', *length) != NULL)
		return refuse(problem, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "it contains a zero byte");
	if (pg_encoding_verifymbstr(PG_UTF8, *text, (int) *length) != (int) *length)
		return refuse(problem, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "it is not valid UTF-8");
	if (encoding == PG_UTF8)
		return true;

	proc = encoding == PG_SQL_ASCII ? InvalidOid :
		FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(proc))
		return refuse(problem, ERRCODE_UNTRANSLATABLE_CHARACTER,
					  "the database's encoding cannot represent it");
	buffer = palloc(*length * MAX_CONVERSION_GROWTH + 1);
	if (pg_do_encoding_conversion_buf(proc, PG_UTF8, encoding,
									  (unsigned char *) unconstify(char *, *text), (int) *length,
									  (unsigned char *) buffer,
									  (int) (*length * MAX_CONVERSION_GROWTH + 1),
									  true) != (int) *length)
		return refuse(problem, ERRCODE_UNTRANSLATABLE_CHARACTER,
					  "the database's encoding cannot represent it");
	*text = buffer;
	*length = strlen(buffer);
	return true;
}

/* The same for any text. */
static inline bool
to_server_encoding(const char **text, size_t *length, SyProblem *problem)
{
	return likely(is_plain_ascii(*text, *length)) || convert_encoding(text, length, problem);
}

/* A text Datum of "length" bytes, followed by "padding" spaces. */
static Datum
build_text(const char *text, size_t length, size_t padding)
{
	struct varlena *result = palloc(VARHDRSZ + length + padding);

	SET_VARSIZE(result, VARHDRSZ + length + padding);
	memcpy(VARDATA(result), text, length);
	if (padding > 0)
		memset(VARDATA(result) + length, ' ', padding);
	return PointerGetDatum(result);
}

/* To TEXT, VARCHAR or BPCHAR, from UTF-8 of unchecked validity. */
bool
sy_value_from_utf8(const SyColumn *column, SyTypeKind kind,
				   const char *text, size_t length,
				   Datum *result, SyProblem *problem)
{
	size_t		padding = 0;

	if (kind != SY_TYPE_TEXT && kind != SY_TYPE_VARCHAR && kind != SY_TYPE_BPCHAR)
		return refuse_type(problem);
	if (!to_server_encoding(&text, &length, problem))
		return false;
	if (length > MaxAllocSize - VARHDRSZ)
		return refuse(problem, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the value is too long");
	if (kind != SY_TYPE_TEXT && column->typmod >= (int32) VARHDRSZ)
	{
		size_t		limit = column->typmod - VARHDRSZ;
		size_t		count;

		/* Trailing spaces mean nothing in char(n). */
		if (kind == SY_TYPE_BPCHAR)
			while (length > 0 && text[length - 1] == ' ')
				length--;
		count = pg_mbstrlen_with_len(text, (int) length);
		if (count > limit)
			return refuse(problem, ERRCODE_STRING_DATA_RIGHT_TRUNCATION, "the value is too long");
		if (kind == SY_TYPE_BPCHAR)
			padding = limit - count;
	}
	*result = build_text(text, length, padding);
	return true;
}

/*
 * To JSON or JSONB, from UTF-8 of unchecked validity.
 *
 * Only the type's own input function knows all its limits.  It holds no
 * lock or other resource while it runs, so that its error can be caught
 * without a subtransaction; anything but a data error goes on.
 */
bool
sy_value_from_json(const SyColumn *column, SyTypeKind kind,
				   const char *text, size_t length,
				   Datum *result, SyProblem *problem)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool ok = true;
	char	   *copy;

	if (kind != SY_TYPE_JSON && kind != SY_TYPE_JSONB)
		return refuse_type(problem);
	if (!to_server_encoding(&text, &length, problem))
		return false;
	copy = pnstrdup(text, length);
	PG_TRY();
	{
		*result = DirectFunctionCall1(kind == SY_TYPE_JSON ? json_in : jsonb_in,
									  CStringGetDatum(copy));
	}
	PG_CATCH();
	{
		int			sqlstate = geterrcode();
		int			category = ERRCODE_TO_CATEGORY(sqlstate);

		if (category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		MemoryContextSwitchTo(cxt);
		FlushErrorState();
		ok = refuse(problem, sqlstate, "it is not valid JSON for this type");
	}
	PG_END_TRY();
	pfree(copy);
	return ok;
}

/* To BYTEA, or UUID from 16 bytes. */
bool
sy_value_from_bytes(const SyColumn *column, SyTypeKind kind,
					const void *bytes, size_t length,
					Datum *result, SyProblem *problem)
{
	pg_uuid_t  *uuid;

	switch (kind)
	{
		case SY_TYPE_BYTEA:
			if (length > MaxAllocSize - VARHDRSZ)
				return refuse(problem, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the value is too long");
			*result = build_text(bytes, length, 0);
			return true;
		case SY_TYPE_UUID:
			if (length != UUID_LEN)
				return refuse(problem, ERRCODE_INVALID_TEXT_REPRESENTATION,
							  "it is not 16 bytes long");
			uuid = palloc(sizeof(*uuid));
			memcpy(uuid->data, bytes, UUID_LEN);
			*result = UUIDPGetDatum(uuid);
			return true;
		default:
			return refuse_type(problem);
	}
}

/* To DATE from a whole number of days since 2000-01-01 in microseconds. */
static bool
date_from_us(int64 us, Datum *result, SyProblem *problem)
{
	int64		days = us / USECS_PER_DAY;

	if (us % USECS_PER_DAY != 0)
		return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "it has a time of day");
	if (!IS_VALID_DATE(days))
		return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "the value is out of range");
	*result = DateADTGetDatum((DateADT) days);
	return true;
}

/* To DATE, TIMESTAMP or TIMESTAMPTZ, from microseconds since 1970 in UTC. */
bool
sy_value_from_unix_us(const SyColumn *column, SyTypeKind kind, int64 us,
					  Datum *result, SyProblem *problem)
{
	if (kind != SY_TYPE_DATE && kind != SY_TYPE_TIMESTAMP && kind != SY_TYPE_TIMESTAMPTZ)
		return refuse_type(problem);
	if (pg_sub_s64_overflow(us, UNIX_TO_POSTGRES_US, &us))
		return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "the value is out of range");
	if (kind == SY_TYPE_DATE)
		return date_from_us(us, result, problem);
	if (!IS_VALID_TIMESTAMP(us))
		return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "the value is out of range");
	if (column->typmod >= 0 && column->typmod < MAX_TIMESTAMP_PRECISION &&
		us % powers_of_ten[MAX_TIMESTAMP_PRECISION - column->typmod] != 0)
		return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
					  "the value would have to be rounded");
	*result = TimestampGetDatum(us);
	return true;
}

/*
 * Write an excerpt of a value; see value.h.
 */
const char *
sy_value_excerpt(const char *value, size_t length, char out[SY_VALUE_EXCERPT_SIZE])
{
	size_t		limit = Min(length, EXCERPT_MAX_BYTES);
	char	   *to = out;

	for (size_t i = 0; i < limit;)
	{
		const unsigned char *from = (const unsigned char *) value + i;
		int			width = pg_utf_mblen(from);

		if (width > 1 && i + width <= limit && pg_utf8_islegal(from, width))
		{
			memcpy(to, from, width);
			to += width;
			i += width;
			continue;
		}
		if (*from >= 0x20 && *from < 0x7f && *from != '\\' && *from != '"')
			*to++ = (char) *from;
		else
			to += sprintf(to, "\\x%02x", *from);
		i++;
	}
	strcpy(to, length > limit ? "..." : "");
	return out;
}

/*
 * Fill "err" for a value that does not fit its column; see value.h.
 */
void
sy_value_error(SyError *err, const SyColumn *column, const SyProblem *problem,
			   const char *type, const char *excerpt, size_t length,
			   const char *row)
{
	char		text[SY_VALUE_EXCERPT_SIZE];
	const char *colon = problem->reason ? ": " : "";
	const char *reason = problem->reason ? problem->reason : "";

	sy_error_set(err, SY_ERROR_REQUEST, problem->sqlstate,
				 "cannot convert %s value to column \"%s\" of type %s",
				 type, pg_server_to_any(column->name, strlen(column->name), PG_UTF8),
				 column->type_name);
	if (excerpt != NULL)
		sy_error_detail(err, "Value \"%s\" in %s%s%s.",
						sy_value_excerpt(excerpt, length, text), row, colon, reason);
	else
		sy_error_detail(err, "In %s%s%s.", row, colon, reason);
}

/*
 * What drivers call a type; OTHER if they need not know it.  Only built-in
 * types count, by OID: a domain or another schema's type may do anything.
 */
SyTypeKind
sy_value_kind(Oid typid)
{
	switch (typid)
	{
		case BOOLOID:
			return SY_TYPE_BOOL;
		case INT2OID:
			return SY_TYPE_INT2;
		case INT4OID:
			return SY_TYPE_INT4;
		case INT8OID:
			return SY_TYPE_INT8;
		case FLOAT4OID:
			return SY_TYPE_FLOAT4;
		case FLOAT8OID:
			return SY_TYPE_FLOAT8;
		case NUMERICOID:
			return SY_TYPE_NUMERIC;
		case TEXTOID:
			return SY_TYPE_TEXT;
		case VARCHAROID:
			return SY_TYPE_VARCHAR;
		case BPCHAROID:
			return SY_TYPE_BPCHAR;
		case BYTEAOID:
			return SY_TYPE_BYTEA;
		case UUIDOID:
			return SY_TYPE_UUID;
		case DATEOID:
			return SY_TYPE_DATE;
		case TIMESTAMPOID:
			return SY_TYPE_TIMESTAMP;
		case TIMESTAMPTZOID:
			return SY_TYPE_TIMESTAMPTZ;
		case JSONOID:
			return SY_TYPE_JSON;
		case JSONBOID:
			return SY_TYPE_JSONB;
	}
	return SY_TYPE_OTHER;
}
