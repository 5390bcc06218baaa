/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Stored values as relaxed extended JSON, for json and jsonb columns.
 *
 * libbson prints a double with 20 digits, so that 0.1 would be read back as
 * another decimal number; documents are therefore walked here, doubles are
 * printed with the digits that identify them, and libbson prints the types
 * that JSON does not have.
 *
 * The text is UTF-8 of unchecked validity, as the strings in it are.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/json.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"

#define MS_PER_DAY		INT64CONST(86400000)
#define END_OF_9999_MS	INT64CONST(253402300800000)

static bool write_members(bson_iter_t *iter, bool is_array, StringInfo out);

/* A string of "length" bytes, any of which may be zero. */
static void
write_string(const char *text, uint32 length, StringInfo out)
{
	const char *end = text + length;

	/* A zero byte follows, as libbson has checked. */
	escape_json(out, text);
	for (text += strlen(text); text < end; text += strlen(text))
	{
		int			quote;

		/* Go on within the same quotes. */
		out->data[--out->len] = '\0';
		appendStringInfoString(out, "\\u0000");
		quote = out->len;
		escape_json(out, ++text);
		memmove(out->data + quote, out->data + quote + 1, out->len - quote);
		out->len--;
	}
}

/* A double: the shortest text that gives it back, with a point. */
static void
write_double(double value, StringInfo out)
{
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (isnan(value) || isinf(value))
	{
		appendStringInfo(out, "{\"$numberDouble\": \"%s\"}",
						 isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
		return;
	}
	double_to_shortest_decimal_buf(value, text);
	appendStringInfoString(out, text);
	if (strpbrk(text, ".e") == NULL)
		appendStringInfoString(out, ".0");
}

/* A Date: readable where extended JSON says so, from 1970 to 9999. */
static void
write_date(int64 ms, StringInfo out)
{
	int			day = (int) (ms / MS_PER_DAY);
	int			rest = (int) (ms % MS_PER_DAY);
	int			year;
	int			month;
	int			mday;

	if (ms < 0 || ms >= END_OF_9999_MS)
	{
		appendStringInfo(out, "{\"$date\": {\"$numberLong\": \"" INT64_FORMAT "\"}}", ms);
		return;
	}
	j2date(day + UNIX_EPOCH_JDATE, &year, &month, &mday);
	appendStringInfo(out, "{\"$date\": \"%04d-%02d-%02dT%02d:%02d:%02d", year, month, mday,
					 rest / 3600000, rest / 60000 % 60, rest / 1000 % 60);
	if (rest % 1000 != 0)
		appendStringInfo(out, ".%03d", rest % 1000);
	appendStringInfoString(out, "Z\"}");
}

/* Free what guards a bson_t. */
static void
release_bson(void *object)
{
	bson_destroy((bson_t *) object);
}

/* Free what guards a string of libbson. */
static void
release_string(void *object)
{
	bson_free(object);
}

/*
 * A value of a type that JSON does not have, printed by libbson.  False: it
 * cannot be printed.
 */
static bool
write_extended(const bson_iter_t *iter, StringInfo out)
{
	SyGuard    *document = sy_guard_reserve(CurrentMemoryContext, release_bson);
	SyGuard    *text = sy_guard_reserve(CurrentMemoryContext, release_string);
	size_t		length = 0;
	char	   *from = NULL;
	char	   *to = NULL;

	/* Wrapped as { "v" : value }, and unwrapped again. */
	document->object = bson_new();
	if (bson_append_iter((bson_t *) document->object, "v", 1, iter))
		text->object = bson_as_relaxed_extended_json((bson_t *) document->object, &length);
	if (text->object != NULL)
	{
		from = strchr((char *) text->object, ':');
		to = strrchr((char *) text->object, '}');
	}
	if (from != NULL && to > from + 2)
		appendBinaryStringInfo(out, from + 2, to - from - 3);
	sy_guard_release(text);
	sy_guard_release(document);
	return from != NULL;
}

/*
 * Append the value at "iter".  False: the bytes are damaged, or nothing can
 * print them.
 */
bool
mongo_json(const bson_iter_t *iter, StringInfo out)
{
	bson_iter_t child;
	const char *text;
	uint32_t	length;

	switch (bson_iter_type(iter))
	{
		case BSON_TYPE_UTF8:
			text = bson_iter_utf8(iter, &length);
			write_string(text, length, out);
			return true;
		case BSON_TYPE_INT32:
			appendStringInfo(out, "%d", bson_iter_int32(iter));
			return true;
		case BSON_TYPE_INT64:
			appendStringInfo(out, INT64_FORMAT, (int64) bson_iter_int64(iter));
			return true;
		case BSON_TYPE_DOUBLE:
			write_double(bson_iter_double(iter), out);
			return true;
		case BSON_TYPE_BOOL:
			appendStringInfoString(out, bson_iter_bool(iter) ? "true" : "false");
			return true;
		case BSON_TYPE_NULL:
			appendStringInfoString(out, "null");
			return true;
		case BSON_TYPE_OID:
			{
				char		hex[25];

				bson_oid_to_string(bson_iter_oid(iter), hex);
				appendStringInfo(out, "{\"$oid\": \"%s\"}", hex);
				return true;
			}
		case BSON_TYPE_DECIMAL128:
			{
				char		decimal[BSON_DECIMAL128_STRING];

				mongo_decimal_text(iter, decimal);
				appendStringInfo(out, "{\"$numberDecimal\": \"%s\"}", decimal);
				return true;
			}
		case BSON_TYPE_DATE_TIME:
			write_date(bson_iter_date_time(iter), out);
			return true;
		case BSON_TYPE_DOCUMENT:
		case BSON_TYPE_ARRAY:
			return bson_iter_recurse(iter, &child) &&
				write_members(&child, bson_iter_type(iter) == BSON_TYPE_ARRAY, out);
		default:
			return write_extended(iter, out);
	}
}

/* Append the members that "iter" stands before.  False: as mongo_json(). */
static bool
write_members(bson_iter_t *iter, bool is_array, StringInfo out)
{
	const char *separator = "";

	check_stack_depth();
	appendStringInfoChar(out, is_array ? '[' : '{');
	while (bson_iter_next(iter))
	{
		appendStringInfoString(out, separator);
		separator = ", ";
		if (!is_array)
		{
			escape_json(out, bson_iter_key(iter));
			appendStringInfoString(out, ": ");
		}
		if (!mongo_json(iter, out))
			return false;
	}
	appendStringInfoChar(out, is_array ? ']' : '}');
	return iter->err_off == 0;
}

/* Append a whole document.  False: as mongo_json(). */
bool
mongo_json_document(const uint8_t *data, uint32 length, StringInfo out)
{
	bson_t		document;
	bson_iter_t iter;

	return bson_init_static(&document, data, length) && bson_iter_init(&iter, &document) &&
		write_members(&iter, false, out);
}
