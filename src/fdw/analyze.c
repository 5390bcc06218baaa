/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  ANALYZE of a foreign table.
 *
 * A driver with SY_CAP_SAMPLE draws the sample at the source; else all rows
 * are read and a reservoir keeps a random part of them.
 *
 * IDENTIFICATION
 *	  src/fdw/analyze.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"

#include "base/compat.h"
#include "fdw/fdw.h"

/* Rows kept so far. */
typedef struct Sample
{
	HeapTuple  *rows;
	int			target;			/* rows wanted */
	int			nrows;
	double		seen;
	double		to_skip;		/* -1: not decided */
	ReservoirStateData reservoir;
} Sample;

/*
 * What the source told last, and of which table: core asks for the size first
 * and for the sample at once.
 */
static SyEstimate last_estimate;
static Oid	last_relid = InvalidOid;

/* Keep the row, or not: each row seen so far is kept with one probability. */
static void
consider(Sample *sample, TupleDesc desc, Datum *values, bool *nulls, MemoryContext cxt)
{
	int			place = -1;

	sample->seen += 1;
	if (sample->nrows < sample->target)
		place = sample->nrows++;
	else
	{
		if (sample->to_skip < 0)
			sample->to_skip = reservoir_get_next_S(&sample->reservoir, sample->seen - 1,
												   sample->target);
		if (sample->to_skip <= 0)
		{
			place = (int) (sample->target *
						   sampler_random_fract(&sample->reservoir.randstate));
			heap_freetuple(sample->rows[place]);
		}
		sample->to_skip -= 1;
	}
	if (place >= 0)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		sample->rows[place] = heap_form_tuple(desc, values, nulls);
		MemoryContextSwitchTo(old);
	}
}

/* The query that reads all columns. */
static SyQuery
whole_table(const SyTable *table)
{
	SyQuery		query;

	memset(&query, 0, sizeof(query));
	query.table = table;
	query.targets = palloc0((table->natts + 1) * sizeof(SyTarget));
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] != NULL)
		{
			SyTarget   *target = &query.targets[query.ntargets++];

			target->column = table->columns[i];
			target->slot = i;
		}
	return query;
}

/* Read rows of the query into the sample. */
static void
read_rows(const SyQuery *query, TupleDesc desc, Sample *sample)
{
	MemoryContext keep = CurrentMemoryContext;
	MemoryContext cxt = AllocSetContextCreate(keep, "switchyard analyze",
											  ALLOCSET_DEFAULT_SIZES);
	Datum	   *values = palloc0((desc->natts + 1) * sizeof(Datum));
	bool	   *nulls = palloc((desc->natts + 1) * sizeof(bool));
	SyCursor   *cursor = sy_cursor_open(query, sample, false, keep, NULL, NULL);

	memset(nulls, true, (desc->natts + 1) * sizeof(bool));
	sy_cursor_start(cursor);
	MemoryContextSwitchTo(cxt);
	while (sy_cursor_next(cursor, values, nulls))
	{
		sy_vacuum_delay_point();
		consider(sample, desc, values, nulls, keep);
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(keep);
	sy_cursor_close(cursor);
	MemoryContextDelete(cxt);
}

/* The number of rows and bytes that the source tells. */
static SyEstimate
ask_estimate(const SyTable *table)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "switchyard estimate",
											  ALLOCSET_SMALL_SIZES);
	SySession  *session = sy_conn_acquire(table->source, cxt);
	SyEstimate	estimate;
	SyError		err;

	memset(&estimate, 0, sizeof(estimate));
	sy_error_clear(&err);
	(void) table->source->driver->estimate(session, table, &estimate, &err);
	sy_conn_done(session, &err);
	MemoryContextDelete(cxt);
	return estimate;
}

/* AcquireSampleRowsFunc */
static int
acquire_sample(Relation relation, int elevel, HeapTuple *rows, int targrows,
			   double *totalrows, double *totaldeadrows)
{
	const SyTable *table = sy_table_get(RelationGetRelid(relation),
										relation->rd_rel->relowner);
	SyQuery		query = whole_table(table);
	Sample		sample;

	memset(&sample, 0, sizeof(sample));
	sample.rows = rows;
	sample.target = targrows;
	sample.to_skip = -1;
	reservoir_init_selection_state(&sample.reservoir, targrows);
	if (table->source->driver->caps & SY_CAP_SAMPLE)
		query.sample_rows = targrows;
	read_rows(&query, RelationGetDescr(relation), &sample);

	*totalrows = sample.seen;
	*totaldeadrows = 0;
	if (query.sample_rows > 0 && last_relid != table->relid)
		last_estimate = ask_estimate(table);
	if (query.sample_rows > 0)
		*totalrows = Max(last_estimate.rows, sample.seen);
	last_relid = InvalidOid;
	ereport(elevel,
			(errmsg("\"%s\": source \"%s\" holds %.0f rows; %d rows in sample",
					RelationGetRelationName(relation), table->source->name, *totalrows,
					sample.nrows)));
	return sample.nrows;
}

/* Can the table be analyzed?  Yes, and it takes so many pages. */
bool
syAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *func, BlockNumber *totalpages)
{
	const SyTable *table = sy_table_get(RelationGetRelid(relation),
										relation->rd_rel->relowner);
	double		pages;

	last_estimate = ask_estimate(table);
	last_relid = table->relid;
	pages = ceil(last_estimate.bytes / BLCKSZ);
	*func = acquire_sample;
	/* 0 pages and 0 rows would look as if the table was never analyzed */
	*totalpages = (BlockNumber) Min(Max(pages, 1), MaxBlockNumber);
	return true;
}
