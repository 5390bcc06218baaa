/*-------------------------------------------------------------------------
 *
 * breaker_test.c
 *	  The circuit breaker's state machine: one breaker to be led by SQL, a
 *	  comparison with a plain model at random, and the windows of stats.c.
 *
 * IDENTIFICATION
 *	  test/module/breaker_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "health/breaker.h"
#include "health/stats.h"

PG_FUNCTION_INFO_V1(switchyard_test_breaker_new);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_limits);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_clock);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_tick);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_admit);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_result);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_lease);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_give_back);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_command);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_show);
PG_FUNCTION_INFO_V1(switchyard_test_breaker_random);
PG_FUNCTION_INFO_V1(switchyard_test_stats_window);
PG_FUNCTION_INFO_V1(switchyard_test_stats_percentile);

static SyBreaker breaker;
static SyLimits limits;
static SyInstant instant;
static SyBreakerChanges changes;

/* The argument as a C string. */
static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* Which outcome is named. */
static SyOutcome
outcome_of(const char *name)
{
	if (strcmp(name, "success") == 0)
		return SY_OUTCOME_SUCCESS;
	if (strcmp(name, "failure") == 0)
		return SY_OUTCOME_FAILURE;
	if (strcmp(name, "neither") == 0)
		return SY_OUTCOME_NEITHER;
	elog(ERROR, "no outcome \"%s\"", name);
}

/* breaker_new(unproven): a new breaker at the present instant. */
Datum
switchyard_test_breaker_new(PG_FUNCTION_ARGS)
{
	sy_breaker_init(&breaker, PG_GETARG_BOOL(0), &instant);
	PG_RETURN_VOID();
}

/* breaker_limits(breaker, threshold, rate, recovery_ms, half_open_calls, connect_ms, query_ms) */
Datum
switchyard_test_breaker_limits(PG_FUNCTION_ARGS)
{
	limits.breaker = PG_GETARG_BOOL(0);
	limits.failure_threshold = PG_GETARG_INT32(1);
	limits.failure_rate = PG_GETARG_FLOAT8(2);
	limits.recovery_timeout_ms = PG_GETARG_INT32(3);
	limits.half_open_calls = PG_GETARG_INT32(4);
	limits.connect_timeout_ms = PG_GETARG_INT32(5);
	limits.query_timeout_ms = PG_GETARG_INT32(6);
	PG_RETURN_VOID();
}

/* breaker_clock(us, wall): the present instant. */
Datum
switchyard_test_breaker_clock(PG_FUNCTION_ARGS)
{
	instant.us = PG_GETARG_INT64(0);
	instant.wall = PG_GETARG_TIMESTAMPTZ(1);
	PG_RETURN_VOID();
}

/* "answer; closed -> open: too many consecutive failures" */
static Datum
answer(const char *first)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, first);
	for (int i = 0; i < changes.count; i++)
		appendStringInfo(&buf, "%s%s -> %s: %s", buf.len > 0 ? "; " : "",
						 sy_breaker_state_name(changes.items[i].from),
						 sy_breaker_state_name(changes.items[i].to), changes.items[i].reason);
	changes.count = 0;
	return PointerGetDatum(cstring_to_text(buf.data));
}

/* breaker_tick() */
Datum
switchyard_test_breaker_tick(PG_FUNCTION_ARGS)
{
	sy_breaker_tick(&breaker, &limits, &instant, &changes);
	return answer("");
}

/* breaker_admit(owner, in_transaction): "go", "trial 1", "wait", "refused" */
Datum
switchyard_test_breaker_admit(PG_FUNCTION_ARGS)
{
	uint32		lease;
	const char *text = NULL;

	switch (sy_breaker_admit(&breaker, &limits, &instant, PG_GETARG_INT32(0), PG_GETARG_BOOL(1),
							 &lease, &changes))
	{
		case SY_ADMISSION_GO:
			text = "go";
			break;
		case SY_ADMISSION_TRIAL:
			text = psprintf("trial %u", lease);
			break;
		case SY_ADMISSION_WAIT:
			text = "wait";
			break;
		case SY_ADMISSION_REFUSED:
			text = "refused";
			break;
	}
	return answer(text);
}

/* breaker_result(generation, lease, outcome, probe, calls, errors): "counted", "ignored" */
Datum
switchyard_test_breaker_result(PG_FUNCTION_ARGS)
{
	SyWindow	window = {PG_GETARG_INT64(4), PG_GETARG_INT64(5)};
	SyOutcome	outcome = outcome_of(text_arg(fcinfo, 2));
	SyVerdict	verdict;

	if (PG_GETARG_BOOL(3))
		verdict = sy_breaker_probed(&breaker, &limits, &instant, PG_GETARG_INT32(0), PG_GETARG_INT32(1),
									outcome, &window, &changes);
	else
		verdict = sy_breaker_result(&breaker, &limits, &instant, PG_GETARG_INT32(0), PG_GETARG_INT32(1),
									outcome, &window, &changes);
	return answer(verdict == SY_VERDICT_COUNTED ? "counted" : "ignored");
}

/* breaker_lease(owner): a probe's lease, or 0 */
Datum
switchyard_test_breaker_lease(PG_FUNCTION_ARGS)
{
	return answer(psprintf("%u", sy_breaker_lease(&breaker, &limits, &instant, PG_GETARG_INT32(0), &changes)));
}

/* breaker_give_back(lease) */
Datum
switchyard_test_breaker_give_back(PG_FUNCTION_ARGS)
{
	sy_breaker_give_back(&breaker, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

/* breaker_command(command, duration_ms) */
Datum
switchyard_test_breaker_command(PG_FUNCTION_ARGS)
{
	const char *name = text_arg(fcinfo, 0);

	sy_breaker_command(&breaker,
					   name[0] == 't' ? SY_BREAKER_EV_TRIP :
					   name[0] == 'd' ? SY_BREAKER_EV_DRAIN : SY_BREAKER_EV_RESET,
					   PG_GETARG_INT64(1), &instant, &changes);
	return answer("");
}

/* breaker_show(): state, generation, failures, passed, trials, unproven, since, until */
Datum
switchyard_test_breaker_show(PG_FUNCTION_ARGS)
{
	return answer(psprintf("%s g%u f%d p%d t%d%s%s", sy_breaker_state_name(breaker.state),
						   breaker.generation, breaker.failures, breaker.passed,
						   sy_breaker_trials(&breaker, &instant), breaker.unproven ? " unproven" : "",
						   breaker.until != 0 ? " until" : ""));
}

/*
 * The plain model.  It shares nothing with breaker.c but the words.
 */

typedef struct Model
{
	int			state;
	bool		unproven;
	uint32		generation;
	int			failed_calls;	/* since a call went well */
	int			failed_probes;	/* since either did */
	int			passed;
	int64		since;
	int64		until;
	uint32		ids;
	List	   *trials;			/* of Trial * */
} Model;

typedef struct Trial
{
	uint32		id;
	int			owner;
	int64		ends;
} Trial;

/* The model goes to a state. */
static void
model_go(Model *m, int state)
{
	m->state = state;
	m->generation++;
	m->since = instant.us;
	m->until = 0;
	m->passed = 0;
	if (state == SY_BREAKER_CLOSED || state == SY_BREAKER_OFF)
		m->failed_calls = m->failed_probes = 0;
	list_free_deep(m->trials);
	m->trials = NIL;
}

/* Time passes for the model. */
static void
model_time(Model *m)
{
	ListCell   *lc;

	if (m->state == SY_BREAKER_FORCED_OPEN && m->until > 0 && m->until <= instant.us)
		model_go(m, SY_BREAKER_HALF_OPEN);
	if (limits.breaker && m->state == SY_BREAKER_OFF)
		model_go(m, SY_BREAKER_CLOSED);
	if (!limits.breaker && (m->state == SY_BREAKER_CLOSED || m->state == SY_BREAKER_OPEN ||
							m->state == SY_BREAKER_HALF_OPEN))
		model_go(m, SY_BREAKER_OFF);
	if (m->state == SY_BREAKER_OPEN && m->since + limits.recovery_timeout_ms * INT64CONST(1000) <= instant.us)
		model_go(m, SY_BREAKER_HALF_OPEN);
	if (m->state == SY_BREAKER_HALF_OPEN && m->passed >= limits.half_open_calls)
		model_go(m, SY_BREAKER_CLOSED);

	foreach(lc, m->trials)
		if (((Trial *) lfirst(lc))->ends <= instant.us)
			m->trials = foreach_delete_current(m->trials, lc);
}

/* A trial of the model's, or 0. */
static uint32
model_trial(Model *m, int owner)
{
	int			room = 0;
	Trial	   *trial;
	int64		ms = 60000;

	if (m->state == SY_BREAKER_HALF_OPEN)
		room = limits.half_open_calls - m->passed - list_length(m->trials);
	else if (m->state == SY_BREAKER_CLOSED && m->unproven)
		room = 1 - list_length(m->trials);
	if (room <= 0)
		return 0;
	if (limits.query_timeout_ms > 0 && limits.query_timeout_ms + limits.connect_timeout_ms < ms)
		ms = limits.query_timeout_ms + limits.connect_timeout_ms;
	trial = palloc(sizeof(Trial));
	trial->id = ++m->ids;
	trial->owner = owner;
	trial->ends = instant.us + ms * 1000;
	m->trials = lappend(m->trials, trial);
	return trial->id;
}

/* May it go, says the model? */
static SyAdmission
model_admit(Model *m, int owner, bool in_transaction, uint32 *lease)
{
	ListCell   *lc;

	*lease = 0;
	model_time(m);
	if (m->state == SY_BREAKER_OFF || (m->state == SY_BREAKER_CLOSED && !m->unproven) ||
		(m->state == SY_BREAKER_DRAINED && in_transaction))
		return SY_ADMISSION_GO;
	if (m->state != SY_BREAKER_CLOSED && m->state != SY_BREAKER_HALF_OPEN)
		return SY_ADMISSION_REFUSED;
	foreach(lc, m->trials)
		if (((Trial *) lfirst(lc))->owner == owner)
			return SY_ADMISSION_GO;
	*lease = model_trial(m, owner);
	if (*lease > 0)
		return SY_ADMISSION_TRIAL;
	return m->state == SY_BREAKER_CLOSED ? SY_ADMISSION_WAIT : SY_ADMISSION_REFUSED;
}

/* A trial of the model's is over; false if it was before. */
static bool
model_end_trial(Model *m, uint32 lease)
{
	ListCell   *lc;

	foreach(lc, m->trials)
		if (((Trial *) lfirst(lc))->id == lease)
		{
			m->trials = foreach_delete_current(m->trials, lc);
			return true;
		}
	return false;
}

/* How it went, says the model. */
static SyVerdict
model_result(Model *m, uint32 generation, uint32 lease, SyOutcome outcome, bool probe,
			 const SyWindow *window)
{
	model_time(m);
	if (generation != m->generation)
		return SY_VERDICT_IGNORED;
	if (lease > 0 && !model_end_trial(m, lease))
		return SY_VERDICT_IGNORED;
	if (outcome == SY_OUTCOME_SUCCESS)
	{
		m->unproven = false;
		if (m->state == SY_BREAKER_CLOSED)
			m->failed_probes = 0;
		if (m->state == SY_BREAKER_CLOSED && !probe)
			m->failed_calls = 0;
		if (m->state == SY_BREAKER_OPEN && probe)
			model_go(m, SY_BREAKER_HALF_OPEN);
		else if (m->state == SY_BREAKER_HALF_OPEN && lease > 0 &&
				 ++m->passed >= limits.half_open_calls)
			model_go(m, SY_BREAKER_CLOSED);
	}
	else if (outcome == SY_OUTCOME_FAILURE)
	{
		if (m->state == SY_BREAKER_HALF_OPEN)
			model_go(m, SY_BREAKER_OPEN);
		else if (m->state == SY_BREAKER_CLOSED)
		{
			if (probe)
				m->failed_probes++;
			else
				m->failed_calls++;
			if (m->failed_calls + m->failed_probes >= limits.failure_threshold ||
				(window->calls >= 20 && limits.failure_rate > 0 &&
				 (double) window->errors >= limits.failure_rate * window->calls))
				model_go(m, SY_BREAKER_OPEN);
		}
	}
	return SY_VERDICT_COUNTED;
}

/* Let one event happen to both; false if they answer differently. */
static bool
random_event(pg_prng_state *prng, Model *m, uint32 *generations, uint32 *leases, int ncalls)
{
	int			call = pg_prng_uint64_range(prng, 0, ncalls - 1);
	int			owner = pg_prng_uint64_range(prng, 1, 6);
	SyOutcome	outcome = pg_prng_uint64_range(prng, 0, 2);
	int			errors = pg_prng_uint64_range(prng, 0, 40);
	SyWindow	window = {pg_prng_uint64_range(prng, errors, 60), errors};
	bool		flag = pg_prng_bool(prng);
	int			what = pg_prng_uint64_range(prng, 0, 999);
	SyBreakerEvent event;
	int64		ms;

	if (what < 400)
	{
		uint32		lease;
		SyAdmission said = model_admit(m, owner, flag, &lease);
		SyAdmission got = sy_breaker_admit(&breaker, &limits, &instant, owner, flag,
										   &leases[call], &changes);

		generations[call] = breaker.generation;
		return got == said && lease == leases[call];
	}
	if (what < 800)
	{
		SyVerdict	said = model_result(m, generations[call], leases[call], outcome, flag, &window);
		SyVerdict	got = flag ?
			sy_breaker_probed(&breaker, &limits, &instant, generations[call], leases[call], outcome, &window, &changes) :
			sy_breaker_result(&breaker, &limits, &instant, generations[call], leases[call], outcome, &window, &changes);

		return got == said;
	}
	if (what < 850)
	{
		model_time(m);
		generations[call] = m->generation;
		leases[call] = model_trial(m, owner);
		return sy_breaker_lease(&breaker, &limits, &instant, owner, &changes) == leases[call];
	}
	if (what < 900)
	{
		(void) model_end_trial(m, leases[call]);
		sy_breaker_give_back(&breaker, leases[call]);
		return true;
	}
	if (what < 980)
	{
		/* half of the time within a lease's length, else long jumps */
		instant.us += pg_prng_uint64_range(prng, 0, flag ? 100000 : 50000000);
		instant.wall += (int64) pg_prng_uint64_range(prng, 0, 2000000) - 1000000;
		return true;
	}
	if (what < 990)
	{
		limits.breaker = pg_prng_uint64_range(prng, 0, 9) > 0;
		limits.failure_threshold = pg_prng_uint64_range(prng, 1, 6);
		limits.half_open_calls = pg_prng_uint64_range(prng, 1, 5);
		limits.failure_rate = pg_prng_uint64_range(prng, 0, 4) * 0.25;
		limits.query_timeout_ms = flag ? 0 : pg_prng_uint64_range(prng, 0, 20000);
		return true;
	}
	event = what < 992 ? SY_BREAKER_EV_TRIP : what < 994 ? SY_BREAKER_EV_DRAIN : SY_BREAKER_EV_RESET;
	ms = flag ? 0 : pg_prng_uint64_range(prng, 1, 20000);
	sy_breaker_command(&breaker, event, ms, &instant, &changes);
	if (event == SY_BREAKER_EV_RESET && m->state == SY_BREAKER_OFF)
		model_go(m, SY_BREAKER_OFF);
	else
		model_go(m, event == SY_BREAKER_EV_TRIP ? SY_BREAKER_FORCED_OPEN :
				 event == SY_BREAKER_EV_DRAIN ? SY_BREAKER_DRAINED : SY_BREAKER_CLOSED);
	if (event == SY_BREAKER_EV_TRIP && ms > 0)
		m->until = instant.us + ms * 1000;
	return true;
}

/*
 * breaker_random(events, seed): which states were seen, how often; an error
 * as soon as breaker and model differ.
 */
Datum
switchyard_test_breaker_random(PG_FUNCTION_ARGS)
{
	int64		nevents = PG_GETARG_INT64(0);
	pg_prng_state prng;
	Model		model;
	uint32		generations[8] = {0};
	uint32		leases[8] = {0};
	int64		seen[6] = {0};
	StringInfoData buf;

	pg_prng_seed(&prng, PG_GETARG_INT64(1));
	limits.breaker = true;
	limits.failure_threshold = 3;
	limits.failure_rate = 0.5;
	limits.recovery_timeout_ms = 30000;
	limits.half_open_calls = 3;
	limits.connect_timeout_ms = 10000;
	limits.query_timeout_ms = 0;
	instant.us = 1;
	instant.wall = 0;
	sy_breaker_init(&breaker, true, &instant);
	memset(&model, 0, sizeof(model));
	model_go(&model, SY_BREAKER_CLOSED);
	model.unproven = true;

	for (int64 i = 0; i < nevents; i++)
	{
		bool		agree = random_event(&prng, &model, generations, leases, lengthof(leases));
		ListCell   *lc;
		int			ntrials = 0;

		foreach(lc, model.trials)
			if (((Trial *) lfirst(lc))->ends > instant.us)
				ntrials++;
		changes.count = 0;
		if (i % 1000 == 999)
		{
			model.unproven = true;	/* as often as servers start */
			breaker.unproven = true;
		}
		if (!agree || model.state != breaker.state || model.generation != breaker.generation ||
			model.failed_calls + model.failed_probes != breaker.failures || model.unproven != breaker.unproven ||
			model.passed != breaker.passed || ntrials != sy_breaker_trials(&breaker, &instant))
			elog(ERROR, "breaker and model differ after event %lld: %s g%u f%d p%d, model %s g%u f%d p%d%s",
				 (long long) i, sy_breaker_state_name(breaker.state), breaker.generation, breaker.failures,
				 breaker.passed, sy_breaker_state_name(model.state), model.generation,
				 model.failed_calls + model.failed_probes,
				 model.passed, agree ? "" : ", and their answers");
		seen[breaker.state]++;
	}

	initStringInfo(&buf);
	for (int i = 0; i < lengthof(seen); i++)
		if (seen[i] > nevents / 1000)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? " " : "", sy_breaker_state_name(i));
	PG_RETURN_TEXT_P(cstring_to_text(buf.data));
}

/*
 * stats_window(calls, now us, since us): "calls errors"
 */
Datum
switchyard_test_stats_window(PG_FUNCTION_ARGS)
{
	SyStats    *stats = palloc(sizeof(SyStats));
	const char *calls = text_arg(fcinfo, 0);
	SyWindow	window;
	long		at;
	char		how;
	int			length;

	sy_stats_init(stats);
	while (sscanf(calls, " %ld%c%n", &at, &how, &length) == 2)
	{
		sy_stats_count(stats, at, how == 'f');
		calls += length;
	}
	window = sy_stats_window(stats, PG_GETARG_INT64(1), PG_GETARG_INT64(2));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%lld %lld", (long long) window.calls,
											  (long long) window.errors)));
}

/*
 * stats_percentile(n, first minute's latency us, second's, now minute, p): ms
 */
Datum
switchyard_test_stats_percentile(PG_FUNCTION_ARGS)
{
	SyStats    *stats = palloc(sizeof(SyStats));
	int			n = PG_GETARG_INT32(0);
	double		p = PG_GETARG_FLOAT8(4);
	double		ms;

	sy_stats_init(stats);
	for (int i = 0; i < n; i++)
	{
		int64		first = 60000000 + i;
		int64		second = 120000000 + i;

		if (!sy_stats_measure(stats, first, PG_GETARG_INT64(1)))
		{
			sy_stats_rotate(stats, first);
			(void) sy_stats_measure(stats, first, PG_GETARG_INT64(1));
		}
		if (!sy_stats_measure(stats, second, PG_GETARG_INT64(2)))
		{
			sy_stats_rotate(stats, second);
			(void) sy_stats_measure(stats, second, PG_GETARG_INT64(2));
		}
	}
	sy_stats_percentiles(stats, PG_GETARG_INT32(3) * INT64CONST(60000000), &p, &ms, 1);
	PG_RETURN_FLOAT8(ms);
}
