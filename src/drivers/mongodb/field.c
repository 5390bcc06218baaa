/*-------------------------------------------------------------------------
 *
 * field.c
 *	  Which field of a document a column is.
 *
 * Option path is a dotted path through embedded documents, and "." the whole
 * document.  Option column_name, and a column's own name, is one literal name
 * at the top level, whatever characters it has.  The server's language takes
 * a dot for a step and a leading "$" for an operator, so fields with such
 * names can be read but not be named in a command.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/field.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include "mb/pg_wchar.h"

/* A text of the server encoding in UTF-8; shared or palloc'd. */
const char *
mongo_utf8(const char *text)
{
	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

/* A text in UTF-8 in the server encoding; shared or palloc'd.  May throw. */
const char *
mongo_server_text(const char *utf8)
{
	return pg_any_to_server(utf8, strlen(utf8), PG_UTF8);
}

/* Does mongo_server_text() take this text, whose validity is not known? */
bool
mongo_representable(const char *utf8)
{
	Datum		text;
	SyProblem	problem;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return pg_encoding_verifymbstr(PG_UTF8, utf8, strlen(utf8)) == (int) strlen(utf8);
	return sy_value_from_utf8(NULL, SY_TYPE_TEXT, utf8, strlen(utf8), &text, &problem);
}

/* Is the column the whole document? */
bool
mongo_field_is_whole(const SyColumn *column)
{
	return column->path != NULL && strcmp(column->path, ".") == 0;
}

/*
 * The names that lead to the column's field, outermost first: a List of
 * palloc'd char *, in UTF-8.  NIL for the whole document.
 */
List *
mongo_field_steps(const SyColumn *column)
{
	List	   *steps = NIL;
	const char *rest;

	if (mongo_field_is_whole(column))
		return NIL;
	if (column->path == NULL)
		return list_make1(pstrdup(mongo_utf8(column->remote_name)));
	rest = mongo_utf8(column->path);
	for (;;)
	{
		const char *dot = strchr(rest, '.');

		if (dot == NULL)
			return lappend(steps, pstrdup(rest));
		steps = lappend(steps, pnstrdup(rest, dot - rest));
		rest = dot + 1;
	}
}

/*
 * The column's field as a command names it, in UTF-8; NULL if no command
 * can.
 */
const char *
mongo_field_address(const SyColumn *column)
{
	ListCell   *cell;

	if (mongo_field_is_whole(column))
		return NULL;
	if (column->path == NULL)
	{
		const char *name = column->remote_name;

		if (name[0] == '\0' || name[0] == '$' || strchr(name, '.') != NULL)
			return NULL;
		return mongo_utf8(name);
	}
	foreach(cell, mongo_field_steps(column))
	{
		const char *step = (const char *) lfirst(cell);

		if (step[0] == '\0' || step[0] == '$')
			return NULL;
	}
	return mongo_utf8(column->path);
}

/* Does the column show ObjectIds as text? */
bool
mongo_field_is_objectid(const SyColumn *column)
{
	return column->bson_type != NULL && strcmp(column->bson_type, "objectid") == 0;
}

/* Does the column show UUIDs of the old binary subtype? */
bool
mongo_field_is_legacy_uuid(const SyColumn *column)
{
	return column->bson_type != NULL && strcmp(column->bson_type, "uuid_legacy") == 0;
}
