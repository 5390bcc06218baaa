/*-------------------------------------------------------------------------
 *
 * visit.c
 *	  One probe of one source: a ping, then perhaps a sample of its size.
 *
 * That the source answers at all is what counts.  An answer like "not you"
 * is an answer; a size that cannot be had leaves the source degraded.
 *
 * IDENTIFICATION
 *	  src/conn/visit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "conn/visit.h"

StaticAssertDecl(SY_HEALTH_HOSTS_SIZE == SY_HOSTS_SIZE, "hosts do not fit");

/* Begin a visit; see visit.h. */
void
sy_visit_begin(SyVisit *visit, bool wants_sample)
{
	const SyLimits *limits = &visit->source->limits;

	Assert(visit->stage == SY_VISIT_IDLE);
	visit->wants_sample = wants_sample && visit->source->driver->sample != NULL;
	visit->began_us = sy_now_us();
	visit->until = visit->began_us + (int64) limits->probe_timeout_ms * 1000;
	visit->ok = false;
	visit->sampled = false;
	visit->login_failed = false;
	sy_error_clear(&visit->err);
	memset(&visit->ping, 0, sizeof(visit->ping));
	sy_probe_begin(visit->slot, visit->source->name, limits, &visit->call);
	visit->call.warm = visit->session != NULL;
	visit->stage = SY_VISIT_PING;
}

/* Tell the breaker and the views how it ended. */
static void
conclude(SyVisit *visit)
{
	const SySource *source = visit->source;
	SyProbe		probe;

	if (visit->sampled)
	{
		SySample	sample;

		sample.tables = visit->size.tables;
		sample.rows = visit->size.rows;
		sample.bytes = visit->size.bytes;
		sy_probe_sample(visit->slot, &sample);
	}
	if (!visit->ok)
		sy_admit_judge(visit->slot, &source->limits, &visit->err);
	memset(&probe, 0, sizeof(probe));
	probe.err = visit->ok ? NULL : &visit->err;
	probe.round_trip_ms = visit->round_trip_ms;
	probe.server_version = visit->ping.server_version;
	probe.database = visit->ping.database;
	probe.read_only = visit->ping.read_only;
	probe.hosts = visit->ping.hosts;
	probe.degraded = visit->degraded[0] != '\0' ? visit->degraded : NULL;
	visit->stage = SY_VISIT_IDLE;
	sy_probe_done(&visit->call, source->name, &source->limits, &probe);
}

/* The source could not even be asked; see visit.h. */
void
sy_visit_fail(SyVisit *visit)
{
	if (visit->stage == SY_VISIT_PING)
		visit->round_trip_ms = (sy_now_us() - visit->began_us) / 1000.0;
	conclude(visit);
}

/* An error or an interrupt ended it; see visit.h. */
void
sy_visit_forget(SyVisit *visit)
{
	if (visit->stage == SY_VISIT_IDLE)
		return;
	visit->stage = SY_VISIT_IDLE;
	if (visit->session != NULL)
		visit->session->driver->abandon(visit->session);
	sy_probe_forget(&visit->call);
}

/*
 * The ping has ended.  A user that a network source knows but does not let in
 * has got an answer from it.
 */
static void
end_ping(SyVisit *visit, SyProgress progress)
{
	visit->round_trip_ms = (sy_now_us() - visit->began_us) / 1000.0;
	visit->ok = progress == SY_DONE;
	if (!visit->ok && visit->err.cls == SY_ERROR_AUTH &&
		(visit->source->driver->caps & SY_CAP_NETWORK) != 0)
	{
		visit->ok = true;
		visit->login_failed = true;
		sy_error_excerpt(visit->degraded, sizeof(visit->degraded), visit->err.message);
	}
}

/*
 * The sample has ended.  A connection that was lost meanwhile is a failure
 * of the source, everything else leaves it degraded.
 */
static void
end_sample(SyVisit *visit, SyProgress progress)
{
	visit->sampled = true;
	if (progress == SY_DONE)
		strlcpy(visit->degraded, visit->size.degraded, sizeof(visit->degraded));
	else
	{
		visit->size.tables = -1;
		visit->size.rows = -1;
		visit->size.bytes = -1;
		if (visit->err.cls == SY_ERROR_SOURCE)
			visit->ok = false;
		else
			sy_error_excerpt(visit->degraded, sizeof(visit->degraded), visit->err.message);
	}
}

/*
 * probe_timeout is over.  A file that somebody else keeps locked is no
 * failure of the source, nor is one that answered and then took its time for
 * the size.
 */
static SyProgress
time_out(SyVisit *visit)
{
	const SySource *source = visit->source;
	bool		network = (source->driver->caps & SY_CAP_NETWORK) != 0;

	visit->session->driver->abandon(visit->session);
	if (visit->stage == SY_VISIT_SAMPLE)
		sy_error_set(&visit->err, SY_ERROR_OVERLOAD, ERRCODE_QUERY_CANCELED,
					 "source \"%s\" did not tell its size within probe_timeout", source->name);
	else
	{
		sy_error_set(&visit->err, network ? SY_ERROR_SOURCE : SY_ERROR_OVERLOAD,
					 network ? ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION :
					 ERRCODE_LOCK_NOT_AVAILABLE,
					 network ? "source \"%s\" did not answer a probe" :
					 "source \"%s\" stayed locked during a probe", source->name);
		sy_error_detail(&visit->err, "The option \"probe_timeout\" is %d ms.",
						source->limits.probe_timeout_ms);
	}
	return SY_FAILED;
}

/* Make of the driver's answer what comes next. */
static SyProgress
proceed(SyVisit *visit, SyProgress progress)
{
	SySession  *session = visit->session;

	if (progress == SY_BLOCKED && sy_deadline_passed(visit->until))
		progress = time_out(visit);
	if (progress == SY_BLOCKED)
		return SY_BLOCKED;
	if (visit->stage == SY_VISIT_PING)
	{
		end_ping(visit, progress);
		if (visit->ok && !visit->login_failed && visit->wants_sample)
		{
			visit->stage = SY_VISIT_SAMPLE;
			sy_error_clear(&visit->err);
			return proceed(visit, session->driver->sample(session, &visit->size, &visit->err));
		}
	}
	else
		end_sample(visit, progress);
	conclude(visit);
	return SY_DONE;
}

/* Ask the first question; see visit.h. */
SyProgress
sy_visit_start(SyVisit *visit)
{
	SySession  *session = visit->session;

	return proceed(visit, session->driver->ping(session, &visit->ping, &visit->err));
}

/* Go on after a wait; see visit.h. */
SyProgress
sy_visit_step(SyVisit *visit)
{
	SySession  *session = visit->session;

	return proceed(visit, session->driver->step(session, &visit->err));
}

/* What SyPing.hosts said, to whichever process; see visit.h. */
bool
sy_visit_recall_hosts(const SySource *source, char *hosts)
{
	SySlot	   *slot = sy_slot_find(source->serverid, source->name);

	return slot != NULL && sy_probe_recall_hosts(slot, &source->limits, hosts);
}
