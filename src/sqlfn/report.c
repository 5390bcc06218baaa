/*-------------------------------------------------------------------------
 *
 * report.c
 *	  SQL function that shows all sources as a tree, for people.
 *
 * It says what the views sources and breakers say, and hides the same.  Only
 * ASCII, so that it can be shown whatever the client's encoding.
 *
 * IDENTIFICATION
 *	  src/sqlfn/report.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/elog.h"

#include "base/version.h"
#include "sqlfn/sqlfn.h"

PG_FUNCTION_INFO_V1(switchyard_report);

/* What the summary lines tell of all sources together. */
typedef struct Totals
{
	int			ok;
	int			degraded;
	int			down;
	int			drained;
	int			unknown;
	int			private;		/* whose health is this session's own */
	int			sized;			/* whose size is known */
	int64		bytes;
	int64		calls;
	int64		errors;
	int64		rejected;
	int			sessions;
} Totals;

/* One source, and what is known of it. */
typedef struct Entry
{
	const SyServer *server;
	SyStatus	status;
} Entry;

/* One line of the report. */
static void
put_line(FunctionCallInfo fcinfo, const char *line)
{
	SyRow		row = {0};

	sy_row_add_text(&row, line);
	sy_row_put(&row, fcinfo);
}

/* A size as people write it, palloc'd. */
static char *
size_text(int64 bytes)
{
	return text_to_cstring(DatumGetTextPP(DirectFunctionCall1(pg_size_pretty,
															  Int64GetDatum(bytes))));
}

/* A length of time as people say it, palloc'd. */
static char *
time_text(int64 us)
{
	int64		seconds = Max(us, 0) / USECS_PER_SEC;

	if (seconds < 120)
		return psprintf("%d s", (int) seconds);
	if (seconds < 120 * 60)
		return psprintf("%d min", (int) (seconds / 60));
	if (seconds < 48 * 3600)
		return psprintf("%d h", (int) (seconds / 3600));
	return psprintf("%lld days", (long long) (seconds / 86400));
}

/* How long ago it was, palloc'd. */
static char *
age_text(TimestampTz time)
{
	return time_text(GetCurrentTimestamp() - time);
}

/* "archive (sqlite, old): ok for 3 min, read-only", palloc'd. */
static char *
title_line(const Entry *entry)
{
	const SySource *source = entry->server->source;
	const SyStatus *status = &entry->status;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s (%s", entry->server->name, entry->server->driver_name);
	if (source->role != NULL)
		appendStringInfo(&buf, ", %s", source->role);
	appendStringInfo(&buf, "): %s", status->status);
	if (status->status_since != 0)
		appendStringInfo(&buf, " for %s", age_text(status->status_since));
	if (source->read_only || status->source_read_only)
		appendStringInfoString(&buf, ", read-only");
	return buf.data;
}

/* Where it is and what it is, palloc'd; NULL: not to be told. */
static char *
place_line(const Entry *entry)
{
	const SySource *source = entry->server->source;
	SyEndpoint	endpoint = {NULL, NULL};
	char		address[SY_ERROR_DETAIL_SIZE];
	char		database[NAMEDATALEN];
	StringInfoData buf;

	if (!entry->server->visible || source->driver->endpoint == NULL)
		return NULL;
	source->driver->endpoint(source, &endpoint);
	if (endpoint.address == NULL)
		return NULL;
	sy_error_excerpt(address, sizeof(address), endpoint.address);
	initStringInfo(&buf);
	appendStringInfo(&buf, "at %s", address);
	if (endpoint.database != NULL)
	{
		sy_error_excerpt(database, sizeof(database), endpoint.database);
		appendStringInfo(&buf, ", database %s", database);
	}
	if (entry->status.server_version[0] != '\0')
		appendStringInfo(&buf, ", version %s", entry->status.server_version);
	return buf.data;
}

/* "size 12 MB of 450 MB (2.7 %), 3 tables, 4000 rows, sampled 12 s ago", palloc'd. */
static char *
size_line(const Entry *entry)
{
	const SySample *sample = &entry->status.sample;
	int64		limit = entry->server->source->size_limit;
	StringInfoData buf;

	if (entry->status.sampled_at == 0)
		return NULL;
	initStringInfo(&buf);
	if (sample->bytes < 0)
		appendStringInfoString(&buf, "size not known");
	else
		appendStringInfo(&buf, "size %s", size_text(sample->bytes));
	if (limit > 0)
		appendStringInfo(&buf, " of %s", size_text(limit));
	if (limit > 0 && sample->bytes >= 0)
		appendStringInfo(&buf, " (%.1f %%)", 100.0 * sample->bytes / limit);
	if (sample->tables >= 0)
		appendStringInfo(&buf, ", %d table%s", sample->tables, sample->tables == 1 ? "" : "s");
	if (sample->rows >= 0)
		appendStringInfo(&buf, ", %lld rows", (long long) sample->rows);
	appendStringInfo(&buf, ", sampled %s ago", age_text(entry->status.sampled_at));
	return buf.data;
}

/* "breaker open for 20 s: 5 consecutive failures, retry in 4 min", palloc'd. */
static char *
breaker_line(const Entry *entry)
{
	const SyStatus *status = &entry->status;
	const SyLimits *limits = &entry->server->source->limits;
	char	   *role = OidIsValid(status->set_by) ? GetUserNameFromId(status->set_by, true) : NULL;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "breaker %s", sy_breaker_state_name(status->state));
	if (status->since != 0)
		appendStringInfo(&buf, " for %s", age_text(status->since));
	if (role != NULL)
		appendStringInfo(&buf, ", set by %s", role);
	if (status->state != SY_BREAKER_CLOSED && status->reason[0] != '\0')
		appendStringInfo(&buf, ": %s", status->reason);
	if (status->state == SY_BREAKER_CLOSED)
		appendStringInfo(&buf, ", %d of %d failures", status->failures, limits->failure_threshold);
	if (status->state == SY_BREAKER_HALF_OPEN)
		appendStringInfo(&buf, ", %d of %d trial calls under way", status->trials,
						 limits->half_open_calls);
	if (status->retry_at != 0)
		appendStringInfo(&buf, ", retry in %s",
						 time_text(status->retry_at - GetCurrentTimestamp()));
	if (status->set_until != 0)
		appendStringInfo(&buf, ", ends in %s",
						 time_text(status->set_until - GetCurrentTimestamp()));
	return buf.data;
}

/* "calls 120, errors 5, rejected 40, opened 1; last minute 98 % good; p50 0.3 ms, ...", palloc'd. */
static char *
calls_line(const Entry *entry)
{
	const SyStatus *status = &entry->status;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "calls %lld, errors %lld, rejected %lld, opened %lld",
					 (long long) status->calls, (long long) status->errors,
					 (long long) status->rejected, (long long) status->opens);
	if (status->success_ratio >= 0)
		appendStringInfo(&buf, "; last minute %.0f %% good", 100 * status->success_ratio);
	if (status->p50_ms >= 0)
		appendStringInfo(&buf, "; p50 %.1f ms, p95 %.1f ms, p99 %.1f ms",
						 status->p50_ms, status->p95_ms, status->p99_ms);
	return buf.data;
}

/* "sessions 2 of 15, 1 waiting; probed 3 s ago in 0.4 ms", palloc'd. */
static char *
sessions_line(const Entry *entry)
{
	const SyStatus *status = &entry->status;
	const SyLimits *limits = &entry->server->source->limits;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "sessions %d of %d", status->sessions,
					 limits->pool_size + limits->max_overflow);
	if (status->waiting > 0)
		appendStringInfo(&buf, ", %d waiting", status->waiting);
	if (status->probed_at == 0)
		appendStringInfoString(&buf, "; never probed");
	else
		appendStringInfo(&buf, "; probed %s ago in %.1f ms%s", age_text(status->probed_at),
						 status->probe_ms, status->probe_ok ? "" : ", failed");
	if (entry->server->visible && status->degraded[0] != '\0')
		appendStringInfo(&buf, ": %s", status->degraded);
	return buf.data;
}

/* "last error 08001 (source) 2 min ago: could not ...", palloc'd; or NULL. */
static char *
error_line(const Entry *entry)
{
	const SyStatus *status = &entry->status;
	StringInfoData buf;

	if (status->last_failure_class == SY_ERROR_NONE)
		return NULL;
	initStringInfo(&buf);
	appendStringInfo(&buf, "last error %s (%s) %s ago", unpack_sql_state(status->last_sqlstate),
					 sy_event_class_name(status->last_failure_class),
					 age_text(status->last_error_at));
	if (entry->server->visible)
		appendStringInfo(&buf, ": %s", status->last_error);
	return buf.data;
}

/* A source's branch of the tree. */
static void
put_branch(FunctionCallInfo fcinfo, const Entry *entry)
{
	char	   *lines[] = {
		place_line(entry), size_line(entry), breaker_line(entry), calls_line(entry),
		sessions_line(entry), error_line(entry)
	};
	int			last = lengthof(lines) - 1;

	put_line(fcinfo, psprintf("|-- %s", title_line(entry)));
	while (lines[last] == NULL)
		last--;
	for (int i = 0; i <= last; i++)
		if (lines[i] != NULL)
			put_line(fcinfo, psprintf("|   %s %s", i == last ? "`--" : "|--", lines[i]));
}

/* Count a source for the summary. */
static void
add_to_totals(Totals *totals, const Entry *entry)
{
	const SyStatus *status = &entry->status;

	if (strcmp(status->status, "ok") == 0)
		totals->ok++;
	else if (strcmp(status->status, "degraded") == 0)
		totals->degraded++;
	else if (strcmp(status->status, "down") == 0)
		totals->down++;
	else if (strcmp(status->status, "drained") == 0)
		totals->drained++;
	else
		totals->unknown++;
	if (!status->shared)
		totals->private++;
	if (status->sample.bytes >= 0)
	{
		totals->sized++;
		totals->bytes += status->sample.bytes;
	}
	totals->calls += status->calls;
	totals->errors += status->errors;
	totals->rejected += status->rejected;
	totals->sessions += status->sessions;
}

/* Append ", N word" unless N is 0. */
static void
append_number(StringInfo buf, int number, const char *word)
{
	if (number > 0)
		appendStringInfo(buf, ", %d %s", number, word);
}

/* The first line: how many sources there are, and how they are. */
static void
put_head(FunctionCallInfo fcinfo, const Totals *totals, int nsources)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "switchyard %s: %d source%s", SY_VERSION, nsources,
					 nsources == 1 ? "" : "s");
	append_number(&buf, totals->ok, "ok");
	append_number(&buf, totals->degraded, "degraded");
	append_number(&buf, totals->down, "down");
	append_number(&buf, totals->drained, "drained");
	append_number(&buf, totals->unknown, "unknown");
	put_line(fcinfo, buf.data);
}

/* The last line: what there is of all sources together. */
static void
put_foot(FunctionCallInfo fcinfo, const Totals *totals)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "`-- together: calls %lld, errors %lld, rejected %lld, sessions %d",
					 (long long) totals->calls, (long long) totals->errors,
					 (long long) totals->rejected, totals->sessions);
	if (totals->sized > 0)
		appendStringInfo(&buf, ", size %s", size_text(totals->bytes));
	if (totals->private > 0)
		appendStringInfo(&buf, "; %s seen by this session alone",
						 sy_shmem_is_shared() ? "some of it" : "all of it");
	put_line(fcinfo, buf.data);
}

/* report(): all sources as a tree. */
Datum
switchyard_report(PG_FUNCTION_ARGS)
{
	List	   *servers = sy_server_list();
	Entry	   *entries = palloc0(Max(list_length(servers), 1) * sizeof(Entry));
	Totals		totals = {0};
	ListCell   *cell;
	int			count = 0;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(cell, servers)
	{
		const SyServer *server = (const SyServer *) lfirst(cell);
		Entry	   *entry = &entries[count];

		entry->server = server;
		if (server->source == NULL)
			totals.unknown++;
		else
		{
			sy_server_status(server, &entry->status);
			add_to_totals(&totals, entry);
		}
		count++;
	}

	put_head(fcinfo, &totals, count);
	for (int i = 0; i < count; i++)
	{
		if (entries[i].server->source != NULL)
			put_branch(fcinfo, &entries[i]);
		else
			put_line(fcinfo, psprintf("|-- %s (%s): unknown, its driver is not installed",
									  entries[i].server->name, entries[i].server->driver_name));
	}
	if (count > 0)
		put_foot(fcinfo, &totals);
	return (Datum) 0;
}
