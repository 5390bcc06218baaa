/*-------------------------------------------------------------------------
 *
 * datum.c
 *	  Stored values as Datums.
 *
 * A value is taken if the column can show it unchanged and refused otherwise;
 * domain.c says the same to the server and must agree with this file.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/datum.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include "common/int.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/*
 * A Decimal128 whose form bits are not all set has its coefficient in the
 * lower 113 bits; the greatest one is 10^34 - 1.
 */
#define DECIMAL_FORM_MASK	UINT64CONST(0x6000000000000000)
#define DECIMAL_HIGH_MASK	UINT64CONST(0x0001FFFFFFFFFFFF)
#define DECIMAL_MAX_HIGH	UINT64CONST(0x0001ED09BEAD87C0)
#define DECIMAL_MAX_LOW		UINT64CONST(0x378D8E63FFFFFFFF)
#define DECIMAL_SIGNALING	UINT64CONST(0x7E00000000000000)

#define MS_PER_DAY		INT64CONST(86400000)
#define EPOCH_DAYS		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/* An array that is being read. */
typedef struct ArrayWork
{
	const MongoColumn *info;
	int			ndims;			/* found so far */
	int			dims[MAXDIM];	/* 0: no array of this depth has ended yet */
	int			depth_of_values;	/* 0: no element yet */
	int			count;
	int			capacity;
	Datum	   *values;
	bool	   *nulls;
} ArrayWork;

/* Say why a value does not fit; returns false. */
static bool
refuse(SyProblem *problem, int sqlstate, const char *reason)
{
	problem->sqlstate = sqlstate;
	problem->reason = reason;
	return false;
}

/* The value's type has nothing to do with the column's; returns false. */
static bool
refuse_type(SyProblem *problem)
{
	return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, NULL);
}

/* Prepare to read values of a column. */
void
mongo_column_init(MongoColumn *info, const SyColumn *column)
{
	info->column = column;
	info->objectid = mongo_field_is_objectid(column);
	info->uuid_subtype = mongo_field_is_legacy_uuid(column) ?
		BSON_SUBTYPE_UUID_DEPRECATED : BSON_SUBTYPE_UUID;
	if (column->kind == SY_TYPE_ARRAY)
		get_typlenbyvalalign(column->elemtypid, &info->elemlen, &info->elembyval,
							 &info->elemalign);
}

/* Does the type count as NULL? */
bool
mongo_type_is_null(bson_type_t type)
{
	return type == BSON_TYPE_NULL || type == BSON_TYPE_UNDEFINED;
}

/* A type's name for messages. */
const char *
mongo_type_name(bson_type_t type)
{
	switch (type)
	{
		case BSON_TYPE_DOUBLE:
			return "Double";
		case BSON_TYPE_UTF8:
			return "String";
		case BSON_TYPE_DOCUMENT:
			return "Document";
		case BSON_TYPE_ARRAY:
			return "Array";
		case BSON_TYPE_BINARY:
			return "Binary";
		case BSON_TYPE_UNDEFINED:
			return "Undefined";
		case BSON_TYPE_OID:
			return "ObjectId";
		case BSON_TYPE_BOOL:
			return "Boolean";
		case BSON_TYPE_DATE_TIME:
			return "Date";
		case BSON_TYPE_NULL:
			return "Null";
		case BSON_TYPE_REGEX:
			return "Regular Expression";
		case BSON_TYPE_DBPOINTER:
			return "DBPointer";
		case BSON_TYPE_CODE:
			return "JavaScript";
		case BSON_TYPE_SYMBOL:
			return "Symbol";
		case BSON_TYPE_CODEWSCOPE:
			return "JavaScript with Scope";
		case BSON_TYPE_INT32:
			return "Int32";
		case BSON_TYPE_TIMESTAMP:
			return "Timestamp";
		case BSON_TYPE_INT64:
			return "Int64";
		case BSON_TYPE_DECIMAL128:
			return "Decimal128";
		case BSON_TYPE_MINKEY:
			return "MinKey";
		case BSON_TYPE_MAXKEY:
			return "MaxKey";
		default:
			return "unknown";
	}
}

/*
 * The Decimal128 at "iter" as text.  A coefficient of more than 34 digits means
 * zero, as IEEE 754 and the server have it; libbson prints some of those.
 */
void
mongo_decimal_text(const bson_iter_t *iter, char text[BSON_DECIMAL128_STRING])
{
	bson_decimal128_t decimal = {0, 0};
	uint64		high;

	(void) bson_iter_decimal128(iter, &decimal);
	high = decimal.high & DECIMAL_HIGH_MASK;
	if ((decimal.high & DECIMAL_FORM_MASK) != DECIMAL_FORM_MASK &&
		(high > DECIMAL_MAX_HIGH || (high == DECIMAL_MAX_HIGH && decimal.low > DECIMAL_MAX_LOW)))
	{
		decimal.high &= ~DECIMAL_HIGH_MASK;
		decimal.low = 0;
	}
	bson_decimal128_to_string(&decimal, text);
}

/*
 * Is the Decimal128 at "iter" a signaling NaN?  The server converts none to
 * double, so that a count with a guard leaves it out.
 */
static bool
is_signaling(const bson_iter_t *iter)
{
	bson_decimal128_t decimal = {0, 0};

	(void) bson_iter_decimal128(iter, &decimal);
	return (decimal.high & DECIMAL_SIGNALING) == DECIMAL_SIGNALING;
}

/* To an integer, float or numeric. */
static bool
number_datum(const SyColumn *column, SyTypeKind kind, const bson_iter_t *iter,
			 Datum *result, SyProblem *problem)
{
	char		text[BSON_DECIMAL128_STRING];

	switch (bson_iter_type(iter))
	{
		case BSON_TYPE_INT32:
			return sy_value_from_int64(column, kind, bson_iter_int32(iter), result, problem);
		case BSON_TYPE_INT64:
			return sy_value_from_int64(column, kind, bson_iter_int64(iter), result, problem);
		case BSON_TYPE_DOUBLE:
			return sy_value_from_double(column, kind, bson_iter_double(iter), result, problem);
		case BSON_TYPE_DECIMAL128:
			if ((kind == SY_TYPE_FLOAT4 || kind == SY_TYPE_FLOAT8) && is_signaling(iter))
				return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
							  "the value is a signaling NaN");
			mongo_decimal_text(iter, text);
			return sy_value_from_decimal(column, kind, text, result, problem);
		default:
			return refuse_type(problem);
	}
}

/* To text, varchar(n) or char(n). */
static bool
text_datum(const MongoColumn *info, SyTypeKind kind, const bson_iter_t *iter,
		   Datum *result, SyProblem *problem)
{
	bson_type_t type = bson_iter_type(iter);
	const char *text;
	uint32_t	length;
	char		hex[25];

	if (info->objectid)
	{
		if (type != BSON_TYPE_OID)
			return refuse_type(problem);
		bson_oid_to_string(bson_iter_oid(iter), hex);
		return sy_value_from_utf8(info->column, kind, hex, 24, result, problem);
	}
	if (type == BSON_TYPE_UTF8)
		text = bson_iter_utf8(iter, &length);
	else if (type == BSON_TYPE_SYMBOL)
		text = bson_iter_symbol(iter, &length);
	else
		return refuse_type(problem);
	return sy_value_from_utf8(info->column, kind, text, length, result, problem);
}

/* To bytea or uuid: one subtype each, and the old one of plain binaries. */
static bool
binary_datum(const MongoColumn *info, SyTypeKind kind, const bson_iter_t *iter,
			 Datum *result, SyProblem *problem)
{
	bson_subtype_t subtype;
	uint32_t	length;
	const uint8_t *bytes;

	if (bson_iter_type(iter) != BSON_TYPE_BINARY)
		return refuse_type(problem);
	bson_iter_binary(iter, &subtype, &length, &bytes);
	if (kind == SY_TYPE_UUID)
	{
		if (subtype != info->uuid_subtype)
			return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE,
						  "the value has another binary subtype");
		if (length != UUID_LEN)
			return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, "a uuid has 16 bytes");
	}
	else if (subtype != BSON_SUBTYPE_BINARY && subtype != BSON_SUBTYPE_BINARY_DEPRECATED)
		return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE,
					  "the value has another binary subtype");
	return sy_value_from_bytes(info->column, kind, bytes, length, result, problem);
}

/*
 * The values of a date or time column, or of its elements of that kind, lie on
 * a grid of so many milliseconds; 1 if every Date is good.
 */
int64
mongo_datum_grid(const SyColumn *column, SyTypeKind kind)
{
	static const int64 grids[] = {1000, 100, 10};

	if (kind == SY_TYPE_DATE)
		return MS_PER_DAY;
	if (column->typmod >= 0 && column->typmod < (int32) lengthof(grids))
		return grids[column->typmod];
	return 1;
}

/* A Date beyond the range of microseconds since 1970. */
static bool
distant_datum(const SyColumn *column, SyTypeKind kind, int64 ms,
			  Datum *result, SyProblem *problem)
{
	int64		us;

	if (kind == SY_TYPE_DATE)
	{
		int64		days = ms / MS_PER_DAY - EPOCH_DAYS;

		if (days >= DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE &&
			days < DATE_END_JULIAN - POSTGRES_EPOCH_JDATE)
		{
			if (ms % MS_PER_DAY != 0)
				return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
							  "the value has a time of day");
			*result = DateADTGetDatum((DateADT) days);
			return true;
		}
	}
	else if (!pg_mul_s64_overflow(ms - EPOCH_DAYS * MS_PER_DAY, 1000, &us) &&
			 IS_VALID_TIMESTAMP(us))
	{
		if (ms % mongo_datum_grid(column, kind) != 0)
			return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
						  "the value would have to be rounded");
		*result = TimestampGetDatum(us);
		return true;
	}
	return refuse(problem, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "the value is out of range");
}

/* To date or timestamp. */
static bool
date_datum(const SyColumn *column, SyTypeKind kind, const bson_iter_t *iter,
		   Datum *result, SyProblem *problem)
{
	int64		ms;
	int64		us;

	if (bson_iter_type(iter) != BSON_TYPE_DATE_TIME)
		return refuse_type(problem);
	ms = bson_iter_date_time(iter);
	if (pg_mul_s64_overflow(ms, 1000, &us))
		return distant_datum(column, kind, ms, result, problem);
	return sy_value_from_unix_us(column, kind, us, result, problem);
}

/* To json or jsonb. */
static bool
json_datum(const SyColumn *column, SyTypeKind kind, const bson_iter_t *iter,
		   Datum *result, SyProblem *problem)
{
	StringInfoData text;

	initStringInfo(&text);
	if (!mongo_json(iter, &text))
		return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, "it cannot be shown as JSON");
	return sy_value_from_json(column, kind, text.data, text.len, result, problem);
}

/* The value at "iter", which is not null, as a Datum of a scalar kind. */
static bool
scalar_datum(const MongoColumn *info, SyTypeKind kind, const bson_iter_t *iter,
			 Datum *result, SyProblem *problem)
{
	switch (kind)
	{
		case SY_TYPE_BOOL:
			if (bson_iter_type(iter) != BSON_TYPE_BOOL)
				return refuse_type(problem);
			*result = BoolGetDatum(bson_iter_bool(iter));
			return true;
		case SY_TYPE_INT2:
		case SY_TYPE_INT4:
		case SY_TYPE_INT8:
		case SY_TYPE_FLOAT4:
		case SY_TYPE_FLOAT8:
		case SY_TYPE_NUMERIC:
			return number_datum(info->column, kind, iter, result, problem);
		case SY_TYPE_TEXT:
		case SY_TYPE_VARCHAR:
		case SY_TYPE_BPCHAR:
			return text_datum(info, kind, iter, result, problem);
		case SY_TYPE_BYTEA:
		case SY_TYPE_UUID:
			return binary_datum(info, kind, iter, result, problem);
		case SY_TYPE_DATE:
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			return date_datum(info->column, kind, iter, result, problem);
		case SY_TYPE_JSON:
		case SY_TYPE_JSONB:
			return json_datum(info->column, kind, iter, result, problem);
		default:
			return refuse_type(problem);
	}
}

/*
 * The value at "iter", which is not null, as the column's Datum.  False:
 * "problem" says why not.
 */
bool
mongo_datum(const MongoColumn *info, const bson_iter_t *iter, Datum *result, SyProblem *problem)
{
	if (info->column->kind == SY_TYPE_ARRAY)
		return mongo_datum_array(info, iter, result, problem);
	return scalar_datum(info, info->column->kind, iter, result, problem);
}

/* Make room for one more element. */
static void
grow(ArrayWork *work)
{
	if (work->count < work->capacity)
		return;
	if (work->capacity == 0)
	{
		work->capacity = 16;
		work->values = palloc(work->capacity * sizeof(Datum));
		work->nulls = palloc(work->capacity * sizeof(bool));
		return;
	}
	work->capacity *= 2;
	work->values = repalloc(work->values, work->capacity * sizeof(Datum));
	work->nulls = repalloc(work->nulls, work->capacity * sizeof(bool));
}

/*
 * Read the elements of the array at "iter", which is the depth-th from the
 * outside, into "work".  All arrays of one depth must be of one length, and
 * all elements of one depth.
 */
static bool
read_elements(ArrayWork *work, const bson_iter_t *iter, int depth, SyProblem *problem)
{
	static const char *const ragged = "the nested arrays differ in length or depth";
	bson_iter_t child;
	int			length = 0;

	check_stack_depth();
	if (depth > MAXDIM)
		return refuse(problem, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "it has too many dimensions");
	if (!bson_iter_recurse(iter, &child))
		return refuse_type(problem);
	for (; bson_iter_next(&child); length++)
	{
		bson_type_t type = bson_iter_type(&child);

		if (type == BSON_TYPE_ARRAY)
		{
			if (work->depth_of_values == depth)
				return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, ragged);
			if (!read_elements(work, &child, depth + 1, problem))
				return false;
			continue;
		}
		if (work->depth_of_values != 0 && work->depth_of_values != depth)
			return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, ragged);
		work->depth_of_values = depth;
		grow(work);
		work->values[work->count] = (Datum) 0;
		work->nulls[work->count] = mongo_type_is_null(type);
		if (!mongo_type_is_null(type) &&
			!scalar_datum(work->info, work->info->column->element, &child,
						  &work->values[work->count], problem))
			return false;
		work->count++;
	}
	if (child.err_off != 0)
		return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, "the document is damaged");
	if (length == 0 && depth > 1)
		return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, "it contains an empty array");
	if (work->ndims < depth)
		work->ndims = depth;
	if (work->dims[depth - 1] != 0 && work->dims[depth - 1] != length)
		return refuse(problem, ERRCODE_FDW_INVALID_DATA_TYPE, ragged);
	work->dims[depth - 1] = length;
	return true;
}

/* The array at "iter" as the column's Datum. */
bool
mongo_datum_array(const MongoColumn *info, const bson_iter_t *iter,
				  Datum *result, SyProblem *problem)
{
	ArrayWork	work;
	int			lower[MAXDIM];

	if (bson_iter_type(iter) != BSON_TYPE_ARRAY)
		return refuse_type(problem);
	memset(&work, 0, sizeof(work));
	work.info = info;
	if (!read_elements(&work, iter, 1, problem))
		return false;
	if (work.count == 0)
	{
		*result = PointerGetDatum(construct_empty_array(info->column->elemtypid));
		return true;
	}
	for (int i = 0; i < MAXDIM; i++)
		lower[i] = 1;
	*result = PointerGetDatum(construct_md_array(work.values, work.nulls, work.ndims, work.dims,
												 lower, info->column->elemtypid, info->elemlen,
												 info->elembyval, info->elemalign));
	return true;
}
