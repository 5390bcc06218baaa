/*-------------------------------------------------------------------------
 *
 * health_test.c
 *	  What asking and telling a closed breaker costs.
 *
 * IDENTIFICATION
 *	  test/module/health_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"

#include "base/wait.h"
#include "health/health.h"

PG_FUNCTION_INFO_V1(switchyard_test_health_ns);

#define CALLS	1000
#define NAME	"switchyard_test health_ns"

/*
 * health_ns(rounds): nanoseconds of an admission and of a success, as an
 * array, over a thousand calls each round.
 */
Datum
switchyard_test_health_ns(PG_FUNCTION_ARGS)
{
	int32		rounds = PG_GETARG_INT32(0);
	SyLimits	limits = {.breaker = true, .failure_threshold = 5, .failure_rate = 0.5,
		.recovery_timeout_ms = 300000, .half_open_calls = 3, .pool_size = 5,
		.connect_timeout_ms = 10000};
	SySlot	   *slot = sy_slot_get(1, NAME);
	SyCall	   *calls = palloc0((CALLS + 1) * sizeof(SyCall));
	int64		admission_us = 0;
	int64		success_us = 0;
	Datum		results[2];

	/* the first success proves the source */
	sy_admit_call(slot, NAME, &limits, false, &calls[CALLS]);
	sy_admit_success(&calls[CALLS], NAME, &limits);

	for (int32 round = 0; round < rounds; round++)
	{
		int64		began_us;

		memset(calls, 0, CALLS * sizeof(SyCall));
		began_us = sy_now_us();
		for (int i = 0; i < CALLS; i++)
			sy_admit_call(slot, NAME, &limits, false, &calls[i]);
		admission_us += sy_now_us() - began_us;

		began_us = sy_now_us();
		for (int i = 0; i < CALLS; i++)
			sy_admit_success(&calls[i], NAME, &limits);
		success_us += sy_now_us() - began_us;
	}
	sy_slot_free(1, NAME);

	results[0] = Float8GetDatum((double) admission_us / rounds * 1000 / CALLS);
	results[1] = Float8GetDatum((double) success_us / rounds * 1000 / CALLS);
	PG_RETURN_ARRAYTYPE_P(construct_array(results, 2, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}
