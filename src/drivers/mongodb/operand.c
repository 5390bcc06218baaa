/*-------------------------------------------------------------------------
 *
 * operand.c
 *	  Constants of a query as the BSON values that fields are compared with.
 *
 * A constant often has no equal among the values that a field can hold: a
 * timestamp with microseconds, a decimal of 50 digits, a text that is no
 * ObjectId.  Then the nearest value that can be stored stands for it, with
 * the side on which it lies, and filter.c chooses the operator accordingly.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/operand.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* What Decimal128 can hold: digits, and the power of ten of the last one. */
#define DECIMAL_MAX_DIGITS		34
#define DECIMAL_MIN_EXPONENT	(-6176)
#define DECIMAL_MAX_EXPONENT	6111

#define OBJECTID_DIGITS			24

/*
 * Enough to tell a double that equals some Decimal128 from all others, and as
 * many as PostgreSQL's snprintf() can.
 */
#define EXACT_DOUBLE_DIGITS		340

/* A binary value over bytes that are shared. */
bson_value_t
mongo_operand_binary(bson_subtype_t subtype, const void *data, uint32 length)
{
	bson_value_t value;

	memset(&value, 0, sizeof(value));
	value.value_type = BSON_TYPE_BINARY;
	value.value.v_binary.subtype = subtype;
	value.value.v_binary.data = unconstify(uint8_t *, (const uint8_t *) data);
	value.value.v_binary.data_len = length;
	return value;
}

/*
 * A TEXT or BPCHAR constant in UTF-8, palloc'd; without the trailing spaces
 * that mean nothing in a BPCHAR.
 */
char *
mongo_operand_text(const SyValue *value)
{
	char	   *string = TextDatumGetCString(value->datum);
	const char *utf8;

	if (value->kind == SY_TYPE_BPCHAR)
	{
		int			length = strlen(string);

		while (length > 0 && string[length - 1] == ' ')
			length--;
		string[length] = '\0';
	}
	utf8 = mongo_utf8(string);
	return utf8 == string ? string : pstrdup(utf8);
}

/* The lowest hexadecimal digit above "c"; 0: none. */
static char
hex_above(char c)
{
	if ((unsigned char) c < '0')
		return '0';
	if ((unsigned char) c < '9')
		return c + 1;
	if ((unsigned char) c < 'a')
		return 'a';
	return (unsigned char) c < 'f' ? c + 1 : 0;
}

/*
 * A text as ObjectId: the text's own if it is 24 lower-case hexadecimal
 * digits, else a neighbour of it in byte order.
 */
static void
objectid_operand(const char *text, MongoOperand *operand)
{
	char		hex[OBJECTID_DIGITS + 1];
	int			i = 0;

	while (i < OBJECTID_DIGITS &&
		   ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
	{
		hex[i] = text[i];
		i++;
	}
	if (i == OBJECTID_DIGITS)
		operand->side = (text[i] == '\0') ? 0 : -1;
	else
	{
		char		above = (text[i] == '\0') ? '0' : hex_above(text[i]);

		/* What follows the common prefix is all above the text, or all below. */
		operand->side = (above != 0) ? 1 : -1;
		memset(hex + i, above != 0 ? '0' : 'f', OBJECTID_DIGITS - i);
		if (above != 0)
			hex[i] = above;
	}
	hex[OBJECTID_DIGITS] = '\0';
	operand->value.value_type = BSON_TYPE_OID;
	bson_oid_init_from_string(&operand->value.value.v_oid, hex);
}

/* A timestamp as Date, cut at the millisecond below. */
static void
timestamp_operand(Timestamp timestamp, MongoOperand *operand)
{
	int64		ms = timestamp / 1000;

	if (TIMESTAMP_NOT_FINITE(timestamp))
	{
		operand->beyond = TIMESTAMP_IS_NOBEGIN(timestamp) ? -1 : 1;
		return;
	}
	if (timestamp % 1000 < 0)
		ms--;
	operand->side = (timestamp % 1000 == 0) ? 0 : -1;
	operand->value.value_type = BSON_TYPE_DATE_TIME;
	operand->value.value.v_datetime = ms +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
}

/* A date as Date: its midnight in UTC. */
static void
date_operand(DateADT date, MongoOperand *operand)
{
	if (DATE_NOT_FINITE(date))
	{
		operand->beyond = DATE_IS_NOBEGIN(date) ? -1 : 1;
		return;
	}
	operand->value.value_type = BSON_TYPE_DATE_TIME;
	operand->value.value.v_datetime = ((int64) date + POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
		SECS_PER_DAY * 1000;
}

/*
 * The constant of a column that is neither NUMERIC nor BPCHAR as operand.
 * BYTEA becomes binary subtype 0.  May throw, from conversions to UTF-8.
 */
void
mongo_operand(const SyColumn *column, const SyValue *value, MongoOperand *operand)
{
	memset(operand, 0, sizeof(*operand));
	if (mongo_field_is_objectid(column))
	{
		objectid_operand(mongo_operand_text(value), operand);
		return;
	}
	switch (value->kind)
	{
		case SY_TYPE_BOOL:
			operand->value.value_type = BSON_TYPE_BOOL;
			operand->value.value.v_bool = DatumGetBool(value->datum);
			break;
		case SY_TYPE_INT8:
			operand->value = mongo_item_int(DatumGetInt64(value->datum))->value;
			break;
		case SY_TYPE_FLOAT8:
			operand->value = mongo_item_double(DatumGetFloat8(value->datum))->value;
			break;
		case SY_TYPE_TEXT:
			operand->value = mongo_item_text(mongo_operand_text(value))->value;
			break;
		case SY_TYPE_BYTEA:
			{
				bytea	   *bytes = DatumGetByteaPP(value->datum);

				operand->value = mongo_operand_binary(BSON_SUBTYPE_BINARY, VARDATA_ANY(bytes),
													  VARSIZE_ANY_EXHDR(bytes));
				break;
			}
		case SY_TYPE_UUID:
			operand->value = mongo_operand_binary(mongo_field_is_legacy_uuid(column) ?
												  BSON_SUBTYPE_UUID_DEPRECATED : BSON_SUBTYPE_UUID,
												  DatumGetUUIDP(value->datum)->data, UUID_LEN);
			break;
		case SY_TYPE_DATE:
			date_operand(DatumGetDateADT(value->datum), operand);
			break;
		case SY_TYPE_TIMESTAMP:
		case SY_TYPE_TIMESTAMPTZ:
			timestamp_operand(DatumGetTimestamp(value->datum), operand);
			break;
		default:
			elog(ERROR, "unexpected type %d of a remote filter's constant", (int) value->kind);
	}
}

/* Set an operand to a decimal text that Decimal128 holds without rounding. */
static void
set_decimal(MongoOperand *operand, const char *text)
{
	operand->value.value_type = BSON_TYPE_DECIMAL128;
	if (!bson_decimal128_from_string(text, &operand->value.value.v_decimal128))
		elog(ERROR, "could not make a Decimal128 of \"%s\"", text);
}

/*
 * A finite numeric, as numeric_out() prints it, as Decimal128: itself, or cut
 * towards zero at what can be stored.
 */
static void
decimal_operand(const char *text, MongoOperand *operand)
{
	bool		negative = (*text == '-');
	const char *point;
	char		digits[DECIMAL_MAX_DIGITS + 1];
	int			ndigits = 0;
	int			exponent;		/* power of ten of the last digit kept */
	bool		cut = false;

	if (negative)
		text++;
	point = strchr(text, '.');
	if (point == NULL)
		point = text + strlen(text);
	exponent = point - text;
	for (const char *p = text; *p != '\0'; p++)
	{
		if (p == point)
			continue;
		if (ndigits == 0 && *p == '0')
			exponent--;
		else if (ndigits < DECIMAL_MAX_DIGITS && exponent > DECIMAL_MIN_EXPONENT)
		{
			digits[ndigits++] = *p;
			exponent--;
		}
		else if (*p != '0')
			cut = true;
	}
	while (ndigits > 0 && digits[ndigits - 1] == '0')
	{
		ndigits--;
		exponent++;
	}
	digits[ndigits] = '\0';

	if (ndigits == 0)
		set_decimal(operand, "0");
	else if (exponent + ndigits > DECIMAL_MAX_EXPONENT + DECIMAL_MAX_DIGITS)
	{
		/* Between the largest finite value and infinity. */
		set_decimal(operand, negative ? "-Infinity" : "Infinity");
		operand->side = negative ? -1 : 1;
		return;
	}
	else
	{
		/* Some zeros are spelt out, as exponents end before digits do. */
		int			zeros = Max(0, exponent - DECIMAL_MAX_EXPONENT);

		set_decimal(operand, psprintf("%s%s%.*sE%d", negative ? "-" : "", digits, zeros,
									  "0000000000000000000000000000000000", exponent - zeros));
	}
	if (cut)
		operand->side = negative ? 1 : -1;
}

/* A double's text as numeric. */
static Datum
numeric_of(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/*
 * A numeric constant as operands.
 *
 * A stored Double is the number that its shortest text shows, so it compares
 * with the constant as the nearest double does, and equals it only if that
 * one's shortest text is the constant.
 */
void
mongo_operand_numeric(const SyValue *value, MongoNumericOperand *operand)
{
	const char *text;
	char		shortest[DOUBLE_SHORTEST_DECIMAL_LEN];
	double		nearest;

	memset(operand, 0, sizeof(*operand));
	operand->isnan = numeric_is_nan(DatumGetNumeric(value->datum));
	if (operand->isnan)
		return;
	text = DatumGetCString(DirectFunctionCall1(numeric_out, value->datum));
	nearest = strtod(text, NULL);
	operand->binary.value = mongo_item_double(nearest)->value;
	if (numeric_is_inf(DatumGetNumeric(value->datum)))
	{
		set_decimal(&operand->decimal, text);
		operand->same = true;
		return;
	}
	decimal_operand(text, &operand->decimal);

	double_to_shortest_decimal_buf(nearest, shortest);
	operand->binary.side = DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric_of(shortest),
															 value->datum));
	if (operand->binary.side == 0 && operand->decimal.side == 0)
	{
		char		exact[EXACT_DOUBLE_DIGITS + 32];

		snprintf(exact, sizeof(exact), "%.*g", EXACT_DOUBLE_DIGITS, nearest);
		operand->same = DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric_of(exact),
														  value->datum)) == 0;
	}
}
