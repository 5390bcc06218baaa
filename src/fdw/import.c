/*-------------------------------------------------------------------------
 *
 * import.c
 *	  IMPORT FOREIGN SCHEMA: from what a driver found to CREATE FOREIGN TABLE.
 *
 * Names that PostgreSQL would cut are cut here, at a character's end, and
 * numbered where two become the same or where PostgreSQL has a column of that
 * name itself (ctid and the like); the remote name is then an option.
 *
 * IDENTIFICATION
 *	  src/fdw/import.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/heap.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "fdw/fdw.h"

/* Is the name in the list?  Case counts. */
static bool
contains_name(const List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/*
 * A name for "remote" that fits into an identifier and is not in "used", to
 * which it is added.  "suffix" keeps room for numbers.
 */
static char *
local_name(const char *remote, List **used)
{
	int			length = pg_mbcliplen(remote, strlen(remote), NAMEDATALEN - 1);
	char	   *name = pnstrdup(remote, length);

	for (int n = 1; contains_name(*used, name); n++)
	{
		char		number[16];
		int			room;

		snprintf(number, sizeof(number), "_%d", n);
		room = NAMEDATALEN - 1 - (int) strlen(number);
		length = pg_mbcliplen(remote, strlen(remote), room);
		name = psprintf("%.*s%s", length, remote, number);
	}
	*used = lappend(*used, name);
	return name;
}

/* Append one option, a comma before it if it is not the first. */
static void
append_option(StringInfo sql, bool *first, const char *name, const char *value)
{
	appendStringInfo(sql, "%s%s %s", *first ? " OPTIONS (" : ", ",
					 quote_identifier(name), quote_literal_cstr(value));
	*first = false;
}

/* Append one column. */
static void
append_column(StringInfo sql, const SyImportColumn *column, List **used)
{
	char	   *name = local_name(column->name, used);
	bool		first = true;

	appendStringInfo(sql, "\n  %s %s", quote_identifier(name), column->type);
	if (column->path != NULL)
		append_option(sql, &first, "path", column->path);
	else if (strcmp(name, column->name) != 0)
		append_option(sql, &first, "column_name", column->name);
	if (column->storage != NULL)
		append_option(sql, &first, "storage", column->storage);
	if (column->bson_type != NULL)
		append_option(sql, &first, "bson_type", column->bson_type);
	if (column->is_key)
		append_option(sql, &first, "key", "true");
	if (!first)
		appendStringInfoChar(sql, ')');
	if (column->not_null)
		appendStringInfoString(sql, " NOT NULL");
}

/* Names that no column can have. */
static List *
system_column_names(void)
{
	List	   *names = NIL;

	for (AttrNumber attnum = FirstLowInvalidHeapAttributeNumber + 1; attnum < 0; attnum++)
		names = lappend(names,
						pstrdup(NameStr(SystemAttributeDefinition(attnum)->attname)));
	return names;
}

/* The statement that creates one table. */
static char *
create_statement(const SyDriver *driver, const SyImportTable *table, const char *server,
				 const char *schema, List **used)
{
	char	   *name = local_name(table->name, used);
	List	   *columns = system_column_names();
	bool		first = true;
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE FOREIGN TABLE %s.%s (", quote_identifier(schema),
					 quote_identifier(name));
	foreach(lc, table->columns)
	{
		if (lc != list_head(table->columns))
			appendStringInfoChar(&sql, ',');
		append_column(&sql, (SyImportColumn *) lfirst(lc), &columns);
	}
	appendStringInfo(&sql, "\n) SERVER %s", quote_identifier(server));
	if (strcmp(name, table->name) != 0)
		append_option(&sql, &first, driver->table_option, table->name);
	if (table->read_only)
		append_option(&sql, &first, "read_only", "true");
	if (!first)
		appendStringInfoChar(&sql, ')');
	appendStringInfoChar(&sql, ';');
	return sql.data;
}

/* What the statement asks for, in the driver's terms. */
static SyImport
import_request(const SyDriver *driver, const ImportForeignSchemaStmt *stmt)
{
	SyImport	request;
	ListCell   *lc;

	memset(&request, 0, sizeof(request));
	request.remote_schema = stmt->remote_schema;
	request.limit_to = stmt->list_type == FDW_IMPORT_SCHEMA_LIMIT_TO;
	request.except = stmt->list_type == FDW_IMPORT_SCHEMA_EXCEPT;
	foreach(lc, stmt->table_list)
		request.tables = lappend(request.tables, lfirst_node(RangeVar, lc)->relname);
	request.options = sy_option_import(driver, stmt->options);
	return request;
}

/* The statements that IMPORT FOREIGN SCHEMA runs. */
List *
syImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid serverid)
{
	const SySource *source = sy_source_get(serverid, GetUserId());
	SyImport	request = import_request(source->driver, stmt);
	SySession  *session = sy_conn_acquire(source, CurrentMemoryContext);
	List	   *statements = NIL;
	List	   *used = NIL;
	List	   *tables;
	SyError		err;
	ListCell   *lc;

	sy_error_clear(&err);
	tables = source->driver->import(session, &request, &err);
	sy_conn_done(session, &err);

	foreach(lc, tables)
	{
		const SyImportTable *table = (const SyImportTable *) lfirst(lc);
		ListCell   *notice;

		foreach(notice, table->notices)
			ereport(NOTICE, (errmsg("%s", (char *) lfirst(notice))));
		statements = lappend(statements,
							 create_statement(source->driver, table, stmt->server_name,
											  stmt->local_schema, &used));
	}
	return statements;
}
