/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  What a session learns of a table before it reads it.
 *
 * Planning knows the foreign table only.  What is asked here changes the form
 * of what is sent: how a row is identified, and which columns turn text into
 * numbers.  It is asked once per table and forgotten when the file's schema
 * changes.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/catalog.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "sqlite.h"

/*
 * Not pragma_table_list: it compiles all views of the file.  A virtual table
 * has no root page; the primary key of a WITHOUT ROWID table is an index that
 * the schema does not list.
 */
static const char table_query[] =
"SELECT type, rootpage = 0, EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk' "
"AND name NOT IN (SELECT name FROM main.sqlite_schema WHERE type = 'index')) "
"FROM main.sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE "
"UNION ALL SELECT 'table', 0, 0 WHERE lower(?1) IN ('sqlite_schema', 'sqlite_master')";

static const char columns_query[] =
"SELECT name, type, pk FROM pragma_table_xinfo(?1, 'main') ORDER BY pk, cid";

/* "text" in UTF-8; itself, if no conversion is needed. */
char *
sqlite_to_utf8(const char *text)
{
	return GetDatabaseEncoding() == PG_UTF8 ? unconstify(char *, text) :
		pg_server_to_any(text, strlen(text), PG_UTF8);
}

/* UTF-8 in the server's encoding; itself, if no conversion is needed. */
char *
sqlite_from_utf8(const char *text)
{
	return pg_any_to_server(text, strlen(text), PG_UTF8);
}

/* Does SQLite turn text in a column of this declared type into numbers? */
bool
sqlite_catalog_affinity_is_numeric(const char *type)
{
	static const char *const textual[] = {"CHAR", "CLOB", "TEXT", "BLOB", NULL};
	char	   *upper;

	if (type == NULL || type[0] == '\0')
		return false;
	upper = pstrdup(type);
	for (char *p = upper; *p; p++)
		*p = pg_ascii_toupper((unsigned char) *p);
	if (strstr(upper, "INT") != NULL)
		return true;
	for (int i = 0; textual[i]; i++)
		if (strstr(upper, textual[i]) != NULL)
			return false;
	return true;
}

/* A statement of this file with the table's name as parameter; NULL: failed. */
static SqliteStatement *
ask(SqliteSession *session, const char *sql, const char *name, SyError *err)
{
	SqliteStatement *statement = sqlite_statement_get(session, sql, strlen(sql), err);

	if (statement != NULL &&
		sqlite3_bind_text(statement->stmt, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
	{
		sqlite_error_set(session, err);
		sqlite_statement_release(session, statement);
		return NULL;
	}
	return statement;
}

/* Learn what kind of table it is.  False: failed, or there is none. */
static bool
learn_kind(SqliteSession *session, SqliteTable *table, SyError *err)
{
	SqliteStatement *statement = ask(session, table_query, table->name, err);
	int			rc;

	if (statement == NULL)
		return false;
	rc = sqlite_statement_step(session, statement->stmt);
	if (rc == SQLITE_ROW)
	{
		const char *type = (const char *) sqlite3_column_text(statement->stmt, 0);

		if ((type != NULL && strcmp(type, "view") == 0) ||
			sqlite3_column_int(statement->stmt, 1) != 0)
			table->identity = SQLITE_IDENTITY_NONE;
		else if (sqlite3_column_int(statement->stmt, 2) != 0)
			table->identity = SQLITE_IDENTITY_KEY;
		else
			table->identity = SQLITE_IDENTITY_ROWID;
	}
	else if (rc == SQLITE_DONE)
		sqlite_error_missing_table(session, table->name, err);
	else
		sqlite_error_set(session, err);
	sqlite_statement_release(session, statement);
	return rc == SQLITE_ROW;
}

/* Note one column. */
static void
learn_column(SqliteTable *table, const char *name, const char *type, int pk, bool *hidden)
{
	static const char *const aliases[] = {"rowid", "_rowid_", "oid"};

	for (int i = 0; i < (int) lengthof(aliases); i++)
		if (pg_strcasecmp(name, aliases[i]) == 0)
			hidden[i] = true;
	if (pk > 0 && table->identity == SQLITE_IDENTITY_KEY)
		table->keys = lappend(table->keys, pstrdup(name));
	if (sqlite_catalog_affinity_is_numeric(type))
		table->numeric = lappend(table->numeric, pstrdup(name));
	table->rowid = !hidden[0] ? "rowid" : !hidden[1] ? "_rowid_" : !hidden[2] ? "oid" : NULL;
}

/* Learn the columns.  False: failed. */
static bool
learn_columns(SqliteSession *session, SqliteTable *table, SyError *err)
{
	SqliteStatement *statement = ask(session, columns_query, table->name, err);
	bool		hidden[3] = {false, false, false};
	int			rc;

	if (statement == NULL)
		return false;
	while ((rc = sqlite_statement_step(session, statement->stmt)) == SQLITE_ROW)
	{
		const char *name = (const char *) sqlite3_column_text(statement->stmt, 0);
		const char *type = (const char *) sqlite3_column_text(statement->stmt, 1);

		if (name != NULL)
			learn_column(table, name, type, sqlite3_column_int(statement->stmt, 2), hidden);
	}
	if (rc != SQLITE_DONE)
		sqlite_error_set(session, err);
	sqlite_statement_release(session, statement);
	return rc == SQLITE_DONE;
}

/*
 * What is known of the table "name" (UTF-8); asked if need be.  Valid until
 * the next snapshot.  NULL: failed, or there is no such table.
 */
const SqliteTable *
sqlite_catalog_table(SqliteSession *session, const char *name, SyError *err)
{
	MemoryContext old;
	SqliteTable *table;
	bool		ok;

	for (table = session->tables; table != NULL; table = table->next)
		if (strcmp(table->name, name) == 0)
			return table;

	old = MemoryContextSwitchTo(session->tables_cxt);
	table = palloc0(sizeof(*table));
	table->name = pstrdup(name);
	ok = learn_kind(session, table, err) && learn_columns(session, table, err);
	MemoryContextSwitchTo(old);
	if (!ok)
		return NULL;
	table->next = session->tables;
	session->tables = table;
	return table;
}
