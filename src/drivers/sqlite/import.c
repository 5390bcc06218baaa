/*-------------------------------------------------------------------------
 *
 * import.c
 *	  IMPORT FOREIGN SCHEMA and ANALYZE.
 *
 * SQLite's declared types bind nobody, so the first rows of each table are
 * looked at: a column gets the type that its declaration suggests only if
 * all values seen fit it.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/import.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "sqlite.h"

#define DEFAULT_SAMPLE_ROWS	1000

/* Numbers within these years are taken for times. */
#define FIRST_UNIX			INT64CONST(315532800)	/* 1980 */
#define LAST_UNIX			INT64CONST(4102444800)	/* 2100 */
#define FIRST_JULIAN		2444239.5
#define LAST_JULIAN			2488069.5

/* The types that a column may be imported as. */
typedef enum Candidate
{
	AS_BIGINT,
	AS_FLOAT8,
	AS_NUMERIC,
	AS_BOOLEAN,
	AS_TEXT,
	AS_BYTEA,
	AS_DATE,
	AS_TIMESTAMP,
	AS_TIMESTAMPTZ,
	AS_UNIX,
	AS_UNIX_MS,
	AS_JULIAN,
	AS_COUNT
} Candidate;

static const struct
{
	const char *type;
	SyTypeKind	kind;
	SqliteStorage storage;
	const char *option;			/* storage to write */
}			candidates[AS_COUNT] = {
	[AS_BIGINT] = {"bigint", SY_TYPE_INT8, SQLITE_STORAGE_NATIVE, NULL},
	[AS_FLOAT8] = {"double precision", SY_TYPE_FLOAT8, SQLITE_STORAGE_NATIVE, NULL},
	[AS_NUMERIC] = {"numeric", SY_TYPE_NUMERIC, SQLITE_STORAGE_NATIVE, NULL},
	[AS_BOOLEAN] = {"boolean", SY_TYPE_BOOL, SQLITE_STORAGE_NATIVE, NULL},
	[AS_TEXT] = {"text", SY_TYPE_TEXT, SQLITE_STORAGE_NATIVE, NULL},
	[AS_BYTEA] = {"bytea", SY_TYPE_BYTEA, SQLITE_STORAGE_NATIVE, NULL},
	[AS_DATE] = {"date", SY_TYPE_DATE, SQLITE_STORAGE_ISO, NULL},
	[AS_TIMESTAMP] = {"timestamp without time zone", SY_TYPE_TIMESTAMP, SQLITE_STORAGE_ISO, NULL},
	[AS_TIMESTAMPTZ] = {"timestamp with time zone", SY_TYPE_TIMESTAMPTZ, SQLITE_STORAGE_ISO, NULL},
	[AS_UNIX] = {"timestamp with time zone", SY_TYPE_TIMESTAMPTZ, SQLITE_STORAGE_UNIX, "unix"},
	[AS_UNIX_MS] = {"timestamp with time zone", SY_TYPE_TIMESTAMPTZ, SQLITE_STORAGE_UNIX_MS, "unix_ms"},
	[AS_JULIAN] = {"timestamp without time zone", SY_TYPE_TIMESTAMP, SQLITE_STORAGE_JULIAN, "julian"},
};

/* A column while its table is looked at. */
typedef struct Column
{
	SyImportColumn *import;
	const char *name;			/* UTF-8 */
	const char *declared;		/* UTF-8 */
	const Candidate *wanted;	/* by preference, ended by AS_COUNT */
	uint32		fits;			/* mask of candidates that all values fit */
	bool		seen;			/* a value that is not NULL */
	bool		is_time;
} Column;

/* The state of one import. */
typedef struct Import
{
	SqliteSession *session;
	const SyImport *request;
	SyError    *err;
	int			sample_rows;
	bool		not_null;
} Import;

static const char tables_query[] =
"SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' "
"AND type IN ('table', 'view', 'virtual') AND substr(lower(name), 1, 7) <> 'sqlite_' "
"ORDER BY name";

static const char columns_query[] =
"SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";

/* Names of columns that lead a complete index in byte order. */
static const char keys_query[] =
"SELECT x.name, l.origin FROM pragma_index_list(?1, 'main') AS l, "
"pragma_index_xinfo(l.name, 'main') AS x "
"WHERE x.seqno = 0 AND x.cid >= 0 AND x.coll = 'BINARY' AND NOT l.partial";

/*
 * Asking the file
 */

/* A statement, its parameter ?1 bound to "name" if there is one. */
static sqlite3_stmt *
prepare(Import *import, const char *sql, const char *name)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(import->session->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		(name == NULL ||
		 sqlite3_bind_text(stmt, 1, name, -1, SQLITE_TRANSIENT) == SQLITE_OK))
		return stmt;
	sqlite_error_set(import->session, import->err);
	(void) sqlite3_finalize(stmt);
	return NULL;
}

/* The next row?  At the end the statement is finalized; err set: failed. */
static bool
next_row(Import *import, sqlite3_stmt *stmt)
{
	int			rc;

	if (stmt == NULL)
		return false;
	rc = sqlite_statement_step(import->session, stmt);
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		sqlite_error_set(import->session, import->err);
	(void) sqlite3_finalize(stmt);
	return false;
}

/* A result column as text, copied; "" for NULL. */
static char *
copy_text(sqlite3_stmt *stmt, int i)
{
	const char *text = (const char *) sqlite3_column_text(stmt, i);

	return pstrdup(text ? text : "");
}

/*
 * Types
 */

/*
 * What a declared type suggests, by SQLite's own rules first.
 */
static const Candidate *
suggest(const char *declared, bool *is_time)
{
	static const Candidate as_bigint[] = {AS_BIGINT, AS_COUNT};
	static const Candidate as_text[] = {AS_TEXT, AS_COUNT};
	static const Candidate as_bytea[] = {AS_BYTEA, AS_COUNT};
	static const Candidate as_float8[] = {AS_FLOAT8, AS_COUNT};
	static const Candidate as_boolean[] = {AS_BOOLEAN, AS_COUNT};
	static const Candidate as_numeric[] = {AS_NUMERIC, AS_COUNT};
	static const Candidate as_time[] = {
		AS_DATE, AS_TIMESTAMP, AS_TIMESTAMPTZ, AS_UNIX, AS_UNIX_MS, AS_JULIAN, AS_TEXT, AS_COUNT
	};
	static const struct
	{
		const char *part;
		const Candidate *wanted;
	}			rules[] = {
		{"INT", as_bigint}, {"CHAR", as_text}, {"CLOB", as_text}, {"TEXT", as_text},
		{"BLOB", as_bytea}, {"REAL", as_float8}, {"FLOA", as_float8}, {"DOUB", as_float8},
		{"BOOL", as_boolean}, {"DEC", as_numeric}, {"NUM", as_numeric},
		{"DATE", as_time}, {"TIMESTAMP", as_time}
	};
	char	   *upper = pstrdup(declared);

	*is_time = false;
	if (declared[0] == '\0')
		return as_bytea;
	for (char *p = upper; *p; p++)
		*p = pg_ascii_toupper((unsigned char) *p);
	for (int i = 0; i < (int) lengthof(rules); i++)
		if (strstr(upper, rules[i].part) != NULL)
		{
			*is_time = rules[i].wanted == as_time;
			return rules[i].wanted;
		}
	return as_text;
}

/* Does a value fit a candidate, and can it be meant so? */
static bool
value_fits(Candidate candidate, sqlite3_value *value)
{
	SyColumn	column;
	SyProblem	problem;
	Datum		datum;
	int			class = sqlite3_value_type(value);
	const char *text;

	memset(&column, 0, sizeof(column));
	column.kind = candidates[candidate].kind;
	column.typmod = -1;
	if (!sqlite_value_read(&column, candidates[candidate].storage, value, class,
						   &datum, &problem))
		return false;
	switch (candidate)
	{
		case AS_UNIX:
			return sqlite3_value_int64(value) >= FIRST_UNIX &&
				sqlite3_value_int64(value) < LAST_UNIX;
		case AS_UNIX_MS:
			return sqlite3_value_int64(value) >= FIRST_UNIX * 1000 &&
				sqlite3_value_int64(value) < LAST_UNIX * 1000;
		case AS_JULIAN:
			return sqlite3_value_double(value) >= FIRST_JULIAN &&
				sqlite3_value_double(value) < LAST_JULIAN;
		case AS_TIMESTAMPTZ:
			/* Behind the date only a zone has a sign or a letter. */
			text = class == SQLITE_TEXT ? (const char *) sqlite3_value_text(value) : "";
			return strlen(text) > 10 && strpbrk(text + 11, "Zz+-") != NULL;
		default:
			return true;
	}
}

/* Look at one value of a column. */
static void
look_at(Import *import, Column *column, sqlite3_value *value)
{
	MemoryContext old;

	if (sqlite3_value_type(value) == SQLITE_NULL)
		return;
	column->seen = true;
	old = MemoryContextSwitchTo(import->session->scratch);
	for (int c = 0; c < AS_COUNT; c++)
		if ((column->fits & (1U << c)) && !value_fits(c, value))
			column->fits &= ~(1U << c);
	MemoryContextSwitchTo(old);
	MemoryContextReset(import->session->scratch);
}

/* Tell the user how a column is imported, and why. */
static void
add_notice(SyImportTable *table, const Column *column, const char *why)
{
	table->notices =
		lappend(table->notices,
				psprintf("importing column \"%s\" of table \"%s\" as %s: %s",
						 column->import->name, table->name, column->import->type, why));
}

/* Say so if a column's type is not the declared one; "refuted": by its values. */
static void
notice_type(SyImportTable *table, const Column *column, Candidate chosen, bool refuted)
{
	if (!(column->fits & (1U << chosen)))
		add_notice(table, column, "no type can hold all of its values");
	else if (refuted && column->declared[0] != '\0')
		add_notice(table, column, "not all values are of its declared type");
	else if (column->is_time && chosen == AS_TEXT)
		add_notice(table, column, column->seen ?
				   "its values are not all dates or times of one form" :
				   "no value shows how its dates or times are stored");
}

/* Choose a column's type. */
static void
choose_type(SyImportTable *table, Column *column)
{
	static const Candidate fallbacks[] = {
		AS_TEXT, AS_BIGINT, AS_FLOAT8, AS_NUMERIC, AS_BYTEA, AS_COUNT
	};
	Candidate	chosen = AS_COUNT;
	bool		refuted = false;

	if (!column->seen)
		chosen = column->is_time ? AS_TEXT : column->wanted[0];
	for (const Candidate *c = column->wanted; chosen == AS_COUNT && *c != AS_COUNT; c++)
		if (column->fits & (1U << *c))
			chosen = *c;
	for (const Candidate *c = fallbacks; chosen == AS_COUNT && *c != AS_COUNT; c++)
	{
		refuted = true;
		if (column->fits & (1U << *c))
			chosen = *c;
	}
	if (chosen == AS_COUNT)
		chosen = AS_TEXT;
	column->import->type = candidates[chosen].type;
	column->import->storage = candidates[chosen].option;
	notice_type(table, column, chosen, refuted);
}

/*
 * Tables
 */

/* Mark the columns that the table finds rows by. */
static void
find_keys(Import *import, const char *table, List *columns, Column *only_key)
{
	sqlite3_stmt *stmt = prepare(import, keys_query, table);
	bool		has_key_index = false;
	ListCell   *lc;

	while (next_row(import, stmt))
	{
		const char *name = (const char *) sqlite3_column_text(stmt, 0);
		const char *origin = (const char *) sqlite3_column_text(stmt, 1);

		if (origin != NULL && strcmp(origin, "pk") == 0)
			has_key_index = true;
		foreach(lc, columns)
		{
			Column	   *column = lfirst(lc);

			if (name != NULL && strcmp(column->name, name) == 0)
				column->import->is_key = true;
		}
	}

	/* A primary key without index of its own is the rowid. */
	if (only_key != NULL && !has_key_index && pg_strcasecmp(only_key->declared, "INTEGER") == 0)
	{
		only_key->import->is_key = true;
		only_key->import->not_null = import->not_null;
	}
}

/* The columns of a table, a List of Column *, in order.  err set: failed. */
static List *
list_columns(Import *import, const char *table, bool is_base, bool without_rowid)
{
	sqlite3_stmt *stmt = prepare(import, columns_query, table);
	List	   *columns = NIL;
	Column	   *key = NULL;
	int			nkeys = 0;

	while (next_row(import, stmt))
	{
		Column	   *column;
		int			pk = sqlite3_column_int(stmt, 3);

		/* Hidden ones are arguments of virtual tables; 2, 3: generated. */
		if (sqlite3_column_int(stmt, 4) == 1)
			continue;
		column = palloc0(sizeof(*column));
		column->import = palloc0(sizeof(SyImportColumn));
		column->name = copy_text(stmt, 0);
		column->declared = copy_text(stmt, 1);
		column->import->name = sqlite_from_utf8(column->name);
		column->import->not_null = import->not_null &&
			(sqlite3_column_int(stmt, 2) != 0 || (pk > 0 && without_rowid));
		column->wanted = suggest(column->declared, &column->is_time);
		column->fits = (1U << AS_COUNT) - 1;
		if (pk > 0)
		{
			nkeys++;
			key = column;
		}
		columns = lappend(columns, column);
	}
	if (import->err->cls == SY_ERROR_NONE && is_base)
		find_keys(import, table, columns, nkeys == 1 ? key : NULL);
	return columns;
}

/* Look at the first rows of a table. */
static void
sample_rows(Import *import, const char *table, List *columns)
{
	StringInfoData sql;
	sqlite3_stmt *stmt;
	ListCell   *lc;

	if (import->sample_rows == 0 || columns == NIL)
		return;
	initStringInfo(&sql);
	foreach(lc, columns)
	{
		appendStringInfoString(&sql, foreach_current_index(lc) == 0 ? "SELECT t." : ", t.");
		sqlite_append_name(&sql, ((Column *) lfirst(lc))->name);
	}
	appendStringInfoString(&sql, " FROM main.");
	sqlite_append_name(&sql, table);
	appendStringInfo(&sql, " AS t LIMIT %d", import->sample_rows);
	stmt = prepare(import, sql.data, NULL);
	while (next_row(import, stmt))
		foreach(lc, columns)
			look_at(import, lfirst(lc), sqlite3_column_value(stmt, foreach_current_index(lc)));
	pfree(sql.data);
}

/* Describe one table for core.  err set: failed. */
static SyImportTable *
import_table(Import *import, const char *name, const char *type, bool without_rowid)
{
	SyImportTable *table = palloc0(sizeof(*table));
	bool		is_base = strcmp(type, "table") == 0;
	List	   *columns;
	ListCell   *lc;

	table->name = sqlite_from_utf8(name);
	table->read_only = !is_base;
	columns = list_columns(import, name, is_base, without_rowid);
	if (import->err->cls == SY_ERROR_NONE)
		sample_rows(import, name, columns);
	foreach(lc, columns)
	{
		Column	   *column = lfirst(lc);

		choose_type(table, column);
		table->columns = lappend(table->columns, column->import);
	}
	return table;
}

/* Is the table among those that the user named?  Long names come cut. */
static bool
is_listed(const SyImport *request, const char *name)
{
	ListCell   *lc;
	int			cut = pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1);

	foreach(lc, request->tables)
	{
		const char *listed = lfirst(lc);

		if (strcmp(listed, name) == 0 ||
			((int) strlen(listed) == cut && strncmp(listed, name, cut) == 0))
			return true;
	}
	return false;
}

/* IMPORT's own options. */
static void
read_options(Import *import)
{
	const char *sample = sy_options_get(&import->request->options, "sample");

	import->sample_rows = sample ? pg_strtoint32(sample) : DEFAULT_SAMPLE_ROWS;
	import->not_null = sy_options_get(&import->request->options, "import_not_null") == NULL ||
		sqlite_option_bool(&import->request->options, "import_not_null");
}

/*
 * The tables to import, a List of SyImportTable *.  May wait; err set:
 * failed.
 */
List *
sqlite_import(SySession *base, const SyImport *request, SyError *err)
{
	Import		import = {(SqliteSession *) base, request, err, 0, false};
	List	   *result = NIL;
	sqlite3_stmt *stmt;

	if (strcmp(request->remote_schema, "main") != 0)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_SCHEMA_NOT_FOUND,
					 "schema \"%s\" does not exist in source \"%s\"",
					 request->remote_schema, base->source->name);
		sy_error_hint(err, "A SQLite file has one schema, \"main\".");
		return NIL;
	}
	if (!sqlite_session_wait_snapshot(import.session, err))
		return NIL;
	sy_error_clear(err);
	read_options(&import);
	stmt = prepare(&import, tables_query, NULL);
	while (next_row(&import, stmt))
	{
		char	   *name = copy_text(stmt, 0);
		char	   *type = copy_text(stmt, 1);
		bool		listed = is_listed(request, sqlite_from_utf8(name));

		if ((request->limit_to && !listed) || (request->except && listed))
			continue;
		result = lappend(result,
						 import_table(&import, name, type, sqlite3_column_int(stmt, 2) != 0));
		if (err->cls != SY_ERROR_NONE)
		{
			(void) sqlite3_finalize(stmt);
			return NIL;
		}
	}
	return err->cls == SY_ERROR_NONE ? result : NIL;
}

/* Run a query with one result; -1: there is none.  err set: failed. */
static double
ask_number(Import *import, const char *sql, const char *name)
{
	sqlite3_stmt *stmt = prepare(import, sql, name);
	double		result = -1;

	while (next_row(import, stmt))
		if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
			result = sqlite3_column_double(stmt, 0);
	return result;
}

/*
 * Rows of a table, and the bytes of its pages; of a view, as if its rows
 * were 100 bytes long.  May wait.  False: failed.
 */
bool
sqlite_estimate(SySession *base, const SyTable *table, SyEstimate *result, SyError *err)
{
	Import		import = {(SqliteSession *) base, NULL, err, 0, false};
	const char *name = sqlite_to_utf8(table->remote_name);
	SyError		ignored;
	StringInfoData sql;

	if (!sqlite_session_wait_snapshot(import.session, err))
		return false;
	sy_error_clear(err);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT count(*) FROM main.");
	sqlite_append_name(&sql, name);
	result->rows = ask_number(&import, sql.data, NULL);
	pfree(sql.data);
	if (err->cls != SY_ERROR_NONE)
		return false;

	/* Not every build of SQLite has this table; the pages are a nicety. */
	sy_error_clear(&ignored);
	import.err = &ignored;
	result->bytes = ask_number(&import, "SELECT sum(pgsize) FROM dbstat WHERE name = ?1 AND aggregate", name);
	if (ignored.cls == SY_ERROR_CANCELED)
	{
		*err = ignored;
		return false;
	}
	if (result->bytes < 0)
		result->bytes = result->rows * 100;
	return true;
}
