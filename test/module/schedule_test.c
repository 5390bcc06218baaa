/*-------------------------------------------------------------------------
 *
 * schedule_test.c
 *	  SQL wrappers around src/worker/schedule.c.
 *
 * Sources and databases are given as arrays of their members; numbers count
 * from 1, as in SQL.
 *
 * IDENTIFICATION
 *	  test/module/schedule_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"

#include "worker/schedule.h"

PG_FUNCTION_INFO_V1(switchyard_test_schedule_due);
PG_FUNCTION_INFO_V1(switchyard_test_schedule_next);
PG_FUNCTION_INFO_V1(switchyard_test_schedule_is_suspect);
PG_FUNCTION_INFO_V1(switchyard_test_schedule_limit);
PG_FUNCTION_INFO_V1(switchyard_test_schedule_takes_turns);
PG_FUNCTION_INFO_V1(switchyard_test_schedule_database);
PG_FUNCTION_INFO_V1(switchyard_test_schedule_retry_ms);

/*
 * The elements of an array argument of type bigint[] or boolean[].  All
 * arguments of a call must have as many.
 */
static Datum *
elements(FunctionCallInfo fcinfo, int argument, Oid type, int *count)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);
	Datum	   *values;
	int			n;

	if (ARR_ELEMTYPE(array) != type || ARR_HASNULL(array))
		elog(ERROR, "argument %d is not as it must be", argument + 1);
	if (type == INT8OID)
		deconstruct_array(array, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, NULL, &n);
	else
		deconstruct_array(array, type, sizeof(bool), true, TYPALIGN_CHAR, &values, NULL, &n);
	if (*count >= 0 && n != *count)
		elog(ERROR, "argument %d has %d elements instead of %d", argument + 1, n, *count);
	*count = n;
	return values;
}

/* Sources from the arguments due, busy, blocking and suspect. */
static SyScheduleSource *
sources_of(FunctionCallInfo fcinfo, int *count)
{
	Datum	   *due;
	Datum	   *busy;
	Datum	   *blocking;
	Datum	   *suspect;
	SyScheduleSource *sources;

	*count = -1;
	due = elements(fcinfo, 0, INT8OID, count);
	busy = elements(fcinfo, 1, BOOLOID, count);
	blocking = elements(fcinfo, 2, BOOLOID, count);
	suspect = elements(fcinfo, 3, BOOLOID, count);
	sources = palloc0(sizeof(SyScheduleSource) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		sources[i].due_us = DatumGetInt64(due[i]);
		sources[i].busy = DatumGetBool(busy[i]);
		sources[i].blocking = DatumGetBool(blocking[i]);
		sources[i].suspect = DatumGetBool(suspect[i]);
	}
	return sources;
}

/*
 * schedule_due(due, busy, blocking, suspect, now): the numbers of those to
 * probe, in order.
 */
Datum
switchyard_test_schedule_due(PG_FUNCTION_ARGS)
{
	int			count;
	SyScheduleSource *sources = sources_of(fcinfo, &count);
	int		   *order = palloc(sizeof(int) * (count + 1));
	Datum	   *numbers = palloc(sizeof(Datum) * (count + 1));
	int			found = sy_schedule_due(sources, count, PG_GETARG_INT64(4), order);

	for (int i = 0; i < found; i++)
		numbers[i] = Int32GetDatum(order[i] + 1);
	PG_RETURN_ARRAYTYPE_P(construct_array(numbers, found, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/*
 * schedule_next(due, busy, blocking, suspect): when the next one is due.
 */
Datum
switchyard_test_schedule_next(PG_FUNCTION_ARGS)
{
	int			count;
	SyScheduleSource *sources = sources_of(fcinfo, &count);

	PG_RETURN_INT64(sy_schedule_next(sources, count));
}

Datum
switchyard_test_schedule_is_suspect(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sy_schedule_is_suspect(PG_GETARG_BOOL(0), PG_GETARG_INT64(1)));
}

Datum
switchyard_test_schedule_limit(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(sy_schedule_limit(PG_GETARG_INT32(0)));
}

Datum
switchyard_test_schedule_takes_turns(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sy_schedule_takes_turns(PG_GETARG_INT32(0), PG_GETARG_INT32(1), PG_GETARG_INT32(2)));
}

/*
 * schedule_database(running, withdrawn, due, started, limit, now): the number
 * of the one that gets a prober; NULL: none.
 */
Datum
switchyard_test_schedule_database(PG_FUNCTION_ARGS)
{
	int			count = -1;
	Datum	   *running = elements(fcinfo, 0, BOOLOID, &count);
	Datum	   *withdrawn = elements(fcinfo, 1, BOOLOID, &count);
	Datum	   *due = elements(fcinfo, 2, INT8OID, &count);
	Datum	   *started = elements(fcinfo, 3, INT8OID, &count);
	SyScheduleDatabase *databases = palloc0(sizeof(SyScheduleDatabase) * (count + 1));
	int			number;

	for (int i = 0; i < count; i++)
	{
		databases[i].running = DatumGetBool(running[i]);
		databases[i].withdrawn = DatumGetBool(withdrawn[i]);
		databases[i].due_us = DatumGetInt64(due[i]);
		databases[i].started_us = DatumGetInt64(started[i]);
	}
	number = sy_schedule_database(databases, count, PG_GETARG_INT32(4), PG_GETARG_INT64(5));
	if (number < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(number + 1);
}

Datum
switchyard_test_schedule_retry_ms(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(sy_schedule_retry_ms(PG_GETARG_INT32(0)));
}
