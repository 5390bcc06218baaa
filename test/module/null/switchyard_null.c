/*-------------------------------------------------------------------------
 *
 * switchyard_null.c
 *	  A source without a source: its tables hold the numbers 1 to "rows".
 *
 * It proves that a third kind of source is one folder and its declarations,
 * and does on command what a real source does rarely: it blocks before each
 * batch (option delay), and fails at a row (option fail_at).  Integer columns
 * are the row's number, text columns "row N".  Comparisons of bigint columns
 * with known values are evaluated here; nothing else is.
 *
 * IDENTIFICATION
 *	  test/module/null/switchyard_null.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "pushdown/query.h"
#include "source/driver.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT const SyDriver *sy_driver(const SyHost *host);

#define NULL_BATCH_ROWS	100

typedef struct NullSession
{
	SySession	base;
	int			delay_ms;		/* before each batch; 0: never blocks */
	SyDeadline	until;			/* what it is blocked on; 0: nothing */
} NullSession;

typedef struct NullScan
{
	SyScan		base;
	int64		rows;			/* of the table */
	int64		fail_at;		/* 0: never */
	int64		row;			/* last one looked at */
	int64		delivered;
	int64		ready;			/* rows up to this one have arrived */
} NullScan;

static const SyDriver null_driver;

static const SyOption null_options[] = {
	{"rows", SY_LEVEL_TABLE, SY_OPTION_INT, "3", NULL, 0, INT_MAX, "Rows of the table."},
	{"fail_at", SY_LEVEL_TABLE, SY_OPTION_INT, "0", NULL, 0, INT_MAX, "The row whose reading fails; 0: none."},
	{"delay", SY_LEVEL_SERVER, SY_OPTION_DURATION, "0", NULL, 0, INT_MAX, "Time that each batch takes to arrive."},
	{"remote", SY_LEVEL_TABLE, SY_OPTION_TEXT, NULL, NULL, 0, 0, "Name of the remote table."},
	{NULL}
};

/* The value of an integer option of a table. */
static int64
null_option_int(const SyOptions *options, const char *name, int64 otherwise)
{
	const char *value = sy_options_get(options, name);

	return value != NULL ? strtoll(value, NULL, 10) : otherwise;
}

static const char *
null_library_version(void)
{
	return "null 0.0";
}

static void
null_check_options(SyLevel level, const SyOptions *options)
{
}

static const char *
null_check_column(const SyTable *table, const SyColumn *column)
{
	if (column->kind == SY_TYPE_INT4 || column->kind == SY_TYPE_INT8 || column->kind == SY_TYPE_TEXT)
		return NULL;
	return "only integer, bigint and text columns have values here";
}

static SyShip
null_ship(const SyTable *table, const SyNode *leaf)
{
	return leaf->kind == SY_NODE_COMPARE && leaf->column->kind == SY_TYPE_INT8 ? SY_SHIP_EXACT : SY_SHIP_LOCAL;
}

/* Rows come in the order of their numbers. */
static bool
null_ship_order(const SyTable *table, const SyOrder *order, int position)
{
	return position == 0 && !order->descending && order->column->kind == SY_TYPE_INT8;
}

/*
 * Append a filter as text.
 */
static void
null_describe_node(StringInfo text, const SyNode *node, bool hide_constants)
{
	static const char *const operators[] = {"=", "<>", "<", "<=", ">", ">="};

	switch (node->kind)
	{
		case SY_NODE_TRUE:
		case SY_NODE_FALSE:
			appendStringInfoString(text, node->kind == SY_NODE_TRUE ? "true" : "false");
			break;
		case SY_NODE_AND:
		case SY_NODE_OR:
			for (int i = 0; i < node->nchildren; i++)
			{
				appendStringInfoString(text, i == 0 ? "(" : node->kind == SY_NODE_AND ? " and " : " or ");
				null_describe_node(text, node->children[i], hide_constants);
			}
			appendStringInfoChar(text, ')');
			break;
		case SY_NODE_COMPARE:
			appendStringInfo(text, "%s %s ", node->column->remote_name, operators[node->op]);
			if (!node->values[0].known)
				appendStringInfo(text, "$%d", node->values[0].param);
			else if (hide_constants)
				appendStringInfoChar(text, '?');
			else
				appendStringInfo(text, INT64_FORMAT, DatumGetInt64(node->values[0].datum));
			break;
		case SY_NODE_NULLTEST:
			appendStringInfo(text, "%s is%s null", node->column->remote_name, node->negated ? " not" : "");
			break;
		default:
			appendStringInfoString(text, "?");
			break;
	}
}

/*
 * The text that EXPLAIN shows; palloc'd.
 */
static char *
null_describe(const SyQuery *query, SySession *session, bool hide_constants)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s of %s", query->count ? "count" : "numbers", query->table->remote_name);
	if (query->where != NULL)
	{
		appendStringInfoString(&text, " where ");
		null_describe_node(&text, query->where, hide_constants);
	}
	if (query->norders > 0)
		appendStringInfoString(&text, " in order");
	if (query->limit.present)
	{
		if (query->limit.known)
			appendStringInfo(&text, " limit " INT64_FORMAT, query->limit.value);
		else
			appendStringInfo(&text, " limit $%d", query->limit.param);
	}
	return text.data;
}

static bool
null_session_key(const SySource *source, SySessionKey *key, SyError *err)
{
	memset(key, 0, sizeof(*key));
	key->a = source->serverid;
	key->b = source->userid;
	return true;
}

/*
 * A session in "cxt"; it holds nothing outside of it.
 */
static SySession *
null_session_create(const SySource *source, MemoryContext cxt, SyError *err)
{
	NullSession *session = MemoryContextAllocZero(cxt, sizeof(NullSession));
	const char *delay = sy_options_get(&source->options, "delay");

	session->base.driver = &null_driver;
	session->base.source = source;
	session->base.cxt = cxt;
	if (delay != NULL && !parse_int(delay, &session->delay_ms, GUC_UNIT_MS, NULL))
		session->delay_ms = 0;
	return &session->base;
}

static void
null_session_close(SySession *session)
{
}

static bool
null_session_usable(SySession *session)
{
	return true;
}

static SyProgress
null_ping(SySession *session, SyPing *result, SyError *err)
{
	memset(result, 0, sizeof(*result));
	strlcpy(result->server_version, "0.0", sizeof(result->server_version));
	result->read_only = true;
	return SY_DONE;
}

static SyProgress
null_step(SySession *session, SyError *err)
{
	return SY_DONE;
}

static void
null_wait(SySession *session, SyWaitSpec *spec)
{
	spec->nitems = 0;
	spec->items = NULL;
	spec->until = ((NullSession *) session)->until;
}

static void
null_abandon(SySession *session)
{
	((NullSession *) session)->until = 0;
}

static void
null_begin(SySession *session, SyIsolation isolation)
{
}

static void
null_end(SySession *session)
{
}

/*
 * A scan in "cxt".
 */
static SyScan *
null_scan_create(SySession *session, const SyQuery *query, MemoryContext cxt)
{
	NullScan   *scan = MemoryContextAllocZero(cxt, sizeof(NullScan));

	scan->base.session = session;
	scan->base.query = query;
	scan->base.cxt = cxt;
	scan->rows = null_option_int(&query->table->options, "rows", 3);
	scan->fail_at = null_option_int(&query->table->options, "fail_at", 0);
	return &scan->base;
}

static SyProgress
null_scan_start(SyScan *base, SyError *err)
{
	NullScan   *scan = (NullScan *) base;

	scan->row = 0;
	scan->delivered = 0;
	scan->ready = 0;
	return SY_DONE;
}

/*
 * Does row number "row" pass the filter?
 */
static bool
null_passes(const SyNode *node, int64 row)
{
	int64		value;

	switch (node->kind)
	{
		case SY_NODE_TRUE:
			return true;
		case SY_NODE_AND:
			for (int i = 0; i < node->nchildren; i++)
				if (!null_passes(node->children[i], row))
					return false;
			return true;
		case SY_NODE_OR:
			for (int i = 0; i < node->nchildren; i++)
				if (null_passes(node->children[i], row))
					return true;
			return false;
		case SY_NODE_NULLTEST:
			return node->negated;
		case SY_NODE_COMPARE:
			value = DatumGetInt64(node->values[0].datum);
			switch (node->op)
			{
				case SY_OP_EQ:
					return row == value;
				case SY_OP_NE:
					return row != value;
				case SY_OP_LT:
					return row < value;
				case SY_OP_LE:
					return row <= value;
				case SY_OP_GT:
					return row > value;
				case SY_OP_GE:
					return row >= value;
			}
			return false;
		default:
			return false;		/* FALSE; no other leaf is sent */
	}
}

/*
 * Go to the next row that passes.  SY_ROW, SY_DONE after the last one,
 * SY_BLOCKED while a batch is on its way.
 */
static SyProgress
null_advance(NullScan *scan, SyError *err)
{
	NullSession *session = (NullSession *) scan->base.session;
	const SyQuery *query = scan->base.query;

	for (;;)
	{
		if (scan->row >= scan->rows)
			return SY_DONE;
		if (session->delay_ms > 0 && scan->row >= scan->ready)
		{
			if (session->until == 0)
				session->until = sy_deadline_in(session->delay_ms);
			if (!sy_deadline_passed(session->until))
				return SY_BLOCKED;
			session->until = 0;
			scan->ready = scan->row + NULL_BATCH_ROWS;
			scan->base.stats.round_trips++;
		}
		scan->row++;
		if (scan->row == scan->fail_at)
		{
			sy_error_set(err, SY_ERROR_SOURCE, ERRCODE_CONNECTION_FAILURE,
						 "could not read row " INT64_FORMAT " of source \"%s\"",
						 scan->row, scan->base.session->source->name);
			return SY_FAILED;
		}
		if (query->where == NULL || null_passes(query->where, scan->row))
			return SY_ROW;
	}
}

/*
 * Set the values of the present row.
 */
static void
null_deliver(NullScan *scan, Datum *values, bool *nulls)
{
	const SyQuery *query = scan->base.query;

	for (int i = 0; i < query->ntargets; i++)
	{
		const SyTarget *target = &query->targets[i];

		nulls[target->slot] = false;
		if (target->column == NULL)
		{
			bytea	   *identity = palloc(VARHDRSZ + sizeof(int64));

			SET_VARSIZE(identity, VARHDRSZ + sizeof(int64));
			memcpy(VARDATA(identity), &scan->row, sizeof(int64));
			values[target->slot] = PointerGetDatum(identity);
		}
		else if (target->column->kind == SY_TYPE_TEXT)
			values[target->slot] = CStringGetTextDatum(psprintf("row " INT64_FORMAT, scan->row));
		else if (target->column->kind == SY_TYPE_INT4)
			values[target->slot] = Int32GetDatum((int32) scan->row);
		else
			values[target->slot] = Int64GetDatum(scan->row);
	}
}

/*
 * The next row of the scan; see driver.h.
 */
static SyProgress
null_scan_next(SyScan *base, Datum *values, bool *nulls, SyError *err)
{
	NullScan   *scan = (NullScan *) base;
	const SyQuery *query = base->query;
	int64		skip = query->offset.present ? query->offset.value : 0;
	SyProgress	progress;

	if (query->limit.present && scan->delivered >= skip + query->limit.value)
		return SY_DONE;
	while ((progress = null_advance(scan, err)) == SY_ROW)
	{
		scan->delivered++;
		if (query->count || scan->delivered <= skip)
			continue;
		null_deliver(scan, values, nulls);
		base->stats.rows++;
		return SY_ROW;
	}
	if (progress == SY_DONE && query->count && scan->ready >= 0)
	{
		scan->ready = -1;		/* the one row of a count has been delivered */
		values[0] = Int64GetDatum(scan->delivered);
		nulls[0] = false;
		base->stats.rows++;
		return SY_ROW;
	}
	return progress;
}

static void
null_scan_close(SyScan *scan)
{
}

/*
 * One table, "numbers", with both types of columns.
 */
static List *
null_import(SySession *session, const SyImport *request, SyError *err)
{
	SyImportTable *table = palloc0(sizeof(SyImportTable));
	SyImportColumn *number = palloc0(sizeof(SyImportColumn));
	SyImportColumn *name = palloc0(sizeof(SyImportColumn));

	number->name = "number";
	number->type = "bigint";
	number->not_null = true;
	name->name = "name";
	name->type = "text";
	table->name = "numbers";
	table->columns = list_make2(number, name);
	return list_make1(table);
}

static bool
null_estimate(SySession *session, const SyTable *table, SyEstimate *result, SyError *err)
{
	result->rows = null_option_int(&table->options, "rows", 3);
	result->bytes = result->rows * sizeof(int64);
	return true;
}

static const SyDriver null_driver = {
	.abi = SY_DRIVER_ABI,
	.name = "null",
	.caps = 0,
	.options = null_options,
	.query_label = "Null Query",
	.table_option = "remote",
	.library_version = null_library_version,
	.check_options = null_check_options,
	.check_column = null_check_column,
	.ship = null_ship,
	.ship_order = null_ship_order,
	.describe = null_describe,
	.session_key = null_session_key,
	.session_create = null_session_create,
	.session_close = null_session_close,
	.session_usable = null_session_usable,
	.ping = null_ping,
	.step = null_step,
	.wait = null_wait,
	.abandon = null_abandon,
	.begin = null_begin,
	.end = null_end,
	.scan_create = null_scan_create,
	.scan_start = null_scan_start,
	.scan_next = null_scan_next,
	.scan_close = null_scan_close,
	.import = null_import,
	.estimate = null_estimate,
};

const SyDriver *
sy_driver(const SyHost *host)
{
	return &null_driver;
}
