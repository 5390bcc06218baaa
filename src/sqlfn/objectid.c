/*-------------------------------------------------------------------------
 *
 * objectid.c
 *	  SQL functions over MongoDB's ObjectId, which is text here.
 *
 * IDENTIFICATION
 *	  src/sqlfn/objectid.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define OBJECTID_DIGITS		24
#define TIMESTAMP_DIGITS	8

PG_FUNCTION_INFO_V1(switchyard_objectid_timestamp);

/*
 * objectid_timestamp(text): when the ObjectId was made, by its maker's clock.
 *
 * The first four bytes are seconds since 1970, unsigned.  Anything but 24
 * hexadecimal digits is 22P02.
 */
Datum
switchyard_objectid_timestamp(PG_FUNCTION_ARGS)
{
	char	   *id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char		seconds[TIMESTAMP_DIGITS + 1];

	if (strlen(id) != OBJECTID_DIGITS ||
		strspn(id, "0123456789abcdefABCDEF") != OBJECTID_DIGITS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for an ObjectId: \"%s\"", id),
				 errdetail("An ObjectId is written as 24 hexadecimal digits.")));

	strlcpy(seconds, id, sizeof(seconds));
	PG_RETURN_TIMESTAMPTZ(time_t_to_timestamptz((pg_time_t) strtoul(seconds, NULL, 16)));
}
