/*-------------------------------------------------------------------------
 *
 * switchyard_test.c
 *	  SQL wrappers around C files that compute and touch nothing else.
 *
 * IDENTIFICATION
 *	  test/module/switchyard_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/error.h"
#include "source/value.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(switchyard_test_convert);
PG_FUNCTION_INFO_V1(switchyard_test_value_error);
PG_FUNCTION_INFO_V1(switchyard_test_redact);

/* Types and what the contract calls them. */
static const struct
{
	Oid			typid;
	SyTypeKind	kind;
}			kinds[] =
{
	{BOOLOID, SY_TYPE_BOOL},
	{INT2OID, SY_TYPE_INT2},
	{INT4OID, SY_TYPE_INT4},
	{INT8OID, SY_TYPE_INT8},
	{FLOAT4OID, SY_TYPE_FLOAT4},
	{FLOAT8OID, SY_TYPE_FLOAT8},
	{NUMERICOID, SY_TYPE_NUMERIC},
	{TEXTOID, SY_TYPE_TEXT},
	{VARCHAROID, SY_TYPE_VARCHAR},
	{BPCHAROID, SY_TYPE_BPCHAR},
	{BYTEAOID, SY_TYPE_BYTEA},
	{UUIDOID, SY_TYPE_UUID},
	{DATEOID, SY_TYPE_DATE},
	{TIMESTAMPOID, SY_TYPE_TIMESTAMP},
	{TIMESTAMPTZOID, SY_TYPE_TIMESTAMPTZ},
	{JSONOID, SY_TYPE_JSON},
	{JSONBOID, SY_TYPE_JSONB}
};

/*
 * A column of the type.
 */
static SyColumn
column_of(Oid typid, int32 typmod)
{
	SyColumn	column;

	memset(&column, 0, sizeof(column));
	column.attnum = 1;
	column.name = "c";
	column.remote_name = "c";
	column.typid = typid;
	column.typmod = typmod;
	column.type_name = format_type_with_typemod(typid, typmod);
	for (int i = 0; i < lengthof(kinds); i++)
		if (kinds[i].typid == typid)
			column.kind = kinds[i].kind;
	return column;
}

/*
 * Call the conversion that is named.
 */
static bool
convert(const char *how, const char *value, const SyColumn *column, Datum *result, SyProblem *problem)
{
	size_t		length = strlen(value);

	if (strcmp(how, "int64") == 0)
		return sy_value_from_int64(column, column->kind, strtoll(value, NULL, 10), result, problem);
	if (strcmp(how, "double") == 0)
		return sy_value_from_double(column, column->kind, strtod(value, NULL), result, problem);
	if (strcmp(how, "decimal") == 0)
		return sy_value_from_decimal(column, column->kind, value, result, problem);
	if (strcmp(how, "utf8") == 0 || strcmp(how, "json") == 0 || strcmp(how, "bytes") == 0)
	{
		/* The value is hexadecimal, so that any byte can be given. */
		char	   *bytes = palloc(length / 2 + 1);
		size_t		n = hex_decode(value, length, bytes);

		if (how[0] == 'u')
			return sy_value_from_utf8(column, column->kind, bytes, n, result, problem);
		if (how[0] == 'j')
			return sy_value_from_json(column, column->kind, bytes, n, result, problem);
		return sy_value_from_bytes(column, column->kind, bytes, n, result, problem);
	}
	if (strcmp(how, "unix_us") == 0)
		return sy_value_from_unix_us(column, column->kind, strtoll(value, NULL, 10), result, problem);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no conversion \"%s\"", how)));
}

/*
 * convert(how, value, target, typmod): the result as text, or the problem.
 */
Datum
switchyard_test_convert(PG_FUNCTION_ARGS)
{
	SyColumn	column = column_of(PG_GETARG_OID(2), PG_GETARG_INT32(3));
	SyProblem	problem = {0};
	Datum		result;
	Oid			output;
	bool		is_varlena;

	if (!convert(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
				 &column, &result, &problem))
		PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s: %s", unpack_sql_state(problem.sqlstate),
												  problem.reason ? problem.reason : "type mismatch")));
	getTypeOutputInfo(column.typid, &output, &is_varlena);
	PG_RETURN_TEXT_P(cstring_to_text(OidOutputFunctionCall(output, result)));
}

/*
 * value_error(reason, remote_type, excerpt, row): message and detail.
 */
Datum
switchyard_test_value_error(PG_FUNCTION_ARGS)
{
	SyColumn	column = column_of(INT4OID, -1);
	SyProblem	problem = {0};
	SyError		err;
	bytea	   *excerpt = PG_ARGISNULL(2) ? NULL : PG_GETARG_BYTEA_PP(2);

	problem.sqlstate = ERRCODE_DATATYPE_MISMATCH;
	problem.reason = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	sy_value_error(&err, &column, &problem, text_to_cstring(PG_GETARG_TEXT_PP(1)),
				   excerpt ? VARDATA_ANY(excerpt) : NULL, excerpt ? VARSIZE_ANY_EXHDR(excerpt) : 0,
				   text_to_cstring(PG_GETARG_TEXT_PP(3)));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s\n%s", err.message, err.detail)));
}

/*
 * redact(text): what logs and errors may show of it.
 */
Datum
switchyard_test_redact(PG_FUNCTION_ARGS)
{
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(0));

	sy_error_redact(value);
	PG_RETURN_TEXT_P(cstring_to_text(value));
}
