/*-------------------------------------------------------------------------
 *
 * compile.c
 *	  From the neutral query to SQL text.
 *
 * Every value becomes a parameter, so that the text never holds a constant
 * and statements are found again by their text.  Columns are qualified by
 * the alias t: SQLite would take an unknown bare name for a string.
 *
 * Runs at every start of a scan.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/compile.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "sqlite.h"

/*
 * Append an identifier in double quotes; "name" is UTF-8 or ASCII.  Written for
 * speed: names are most of a statement, and look-ups compile one for each row.
 */
void
sqlite_append_name(StringInfo sql, const char *name)
{
	int			most = 2 * (int) strlen(name) + 2;
	char	   *to;

	if (sql->maxlen - sql->len <= most)
		enlargeStringInfo(sql, most);
	to = sql->data + sql->len;
	*to++ = '"';
	for (; *name; name++)
	{
		if (*name == '"')
			*to++ = '"';
		*to++ = *name;
	}
	*to++ = '"';
	*to = '\0';
	sql->len = to - sql->data;
}

/*
 * The name by which a row's rowid can be asked for, as far as is known; NULL
 * if the declared columns hide all of them.
 */
static const char *
rowid_alias(const SqliteText *text)
{
	static const char *const aliases[] = {"rowid", "_rowid_", "oid"};
	const SyTable *table = text->query->table;

	if (text->table != NULL)
		return text->table->rowid;
	for (int i = 0; i < (int) lengthof(aliases); i++)
	{
		bool		hidden = false;

		for (int att = 0; att < table->natts; att++)
			if (table->columns[att] != NULL &&
				pg_strcasecmp(table->columns[att]->remote_name, aliases[i]) == 0)
				hidden = true;
		if (!hidden)
			return aliases[i];
	}
	return NULL;
}

/* Append what identifies a row, after "separator"; false if nothing does. */
static bool
append_identity(SqliteText *text, const char *separator)
{
	const char *alias;
	ListCell   *lc;

	if (text->table != NULL && text->table->identity == SQLITE_IDENTITY_NONE)
		return false;
	if (text->table != NULL && text->table->identity == SQLITE_IDENTITY_KEY)
	{
		foreach(lc, text->table->keys)
		{
			appendStringInfoString(&text->sql,
								   foreach_current_index(lc) == 0 ? separator : ", ");
			appendStringInfoString(&text->sql, "t.");
			sqlite_append_name(&text->sql, lfirst(lc));
		}
		return text->table->keys != NIL;
	}
	alias = rowid_alias(text);
	if (alias == NULL)
		return false;
	appendStringInfo(&text->sql, "%st.%s", separator, alias);
	return true;
}

/* The result columns: what is wanted, then perhaps the row's identity. */
static void
append_targets(SqliteText *text)
{
	const SyQuery *query = text->query;
	const char *separator = "";
	bool		identify = text->identify;

	if (query->count)
	{
		appendStringInfoString(&text->sql, "count(*)");
		return;
	}
	for (int i = 0; i < query->ntargets; i++)
	{
		if (query->targets[i].column == NULL)
		{
			identify = true;
			continue;
		}
		appendStringInfoString(&text->sql, separator);
		sqlite_compile_column(text, query->targets[i].column);
		separator = ", ";
	}
	if (!(identify && append_identity(text, separator)) && separator[0] == '\0')
		appendStringInfoChar(&text->sql, '1');
}

static void append_filter(SqliteText *text, const SyNode *node);

/*
 * Append children from..to-1 of an AND or OR as a balanced tree: SQLite
 * limits the depth of expressions, and a plain chain is as deep as it is long.
 */
static void
append_children(SqliteText *text, const SyNode *node, int from, int to)
{
	int			middle = from + (to - from) / 2;
	bool		nested = to - from > SY_NODE_WIDTH;

	if (!nested)
	{
		for (int i = from; i < to; i++)
		{
			if (i > from)
				appendStringInfoString(&text->sql, node->kind == SY_NODE_AND ? " AND " : " OR ");
			append_filter(text, node->children[i]);
		}
		return;
	}
	appendStringInfoChar(&text->sql, '(');
	append_children(text, node, from, middle);
	appendStringInfoString(&text->sql, node->kind == SY_NODE_AND ? ") AND (" : ") OR (");
	append_children(text, node, middle, to);
	appendStringInfoChar(&text->sql, ')');
}

/* Append a filter; what is not a single term comes in parentheses. */
static void
append_filter(SqliteText *text, const SyNode *node)
{
	check_stack_depth();
	switch (node->kind)
	{
		case SY_NODE_AND:
		case SY_NODE_OR:
			appendStringInfoChar(&text->sql, '(');
			append_children(text, node, 0, node->nchildren);
			appendStringInfoChar(&text->sql, ')');
			break;
		default:
			sqlite_compile_leaf(text, node);
			break;
	}
}

/* WHERE, with the guards of sort keys. */
static void
append_where(SqliteText *text)
{
	const SyQuery *query = text->query;
	const SyNode *where = query->where;
	const char *word = " WHERE ";

	if (where != NULL && where->kind != SY_NODE_TRUE)
	{
		appendStringInfoString(&text->sql, word);
		if (where->kind == SY_NODE_AND)
			append_children(text, where, 0, where->nchildren);
		else
			append_filter(text, where);
		word = " AND ";
	}
	for (int i = 0; query->guard && i < query->norders; i++)
	{
		appendStringInfoString(&text->sql, word);
		sqlite_compile_guard(text, query->orders[i].column, false);
		word = " AND ";
	}
}

/* ORDER BY, the place of NULLs always written. */
static void
append_orders(SqliteText *text)
{
	const SyQuery *query = text->query;

	for (int i = 0; i < query->norders; i++)
	{
		const SyOrder *order = &query->orders[i];

		appendStringInfoString(&text->sql, i == 0 ? " ORDER BY " : ", ");
		sqlite_compile_column(text, order->column);
		appendStringInfoString(&text->sql, sqlite_compile_collation(text, order->column, true));
		appendStringInfoString(&text->sql, order->descending ? " DESC" : " ASC");
		appendStringInfoString(&text->sql, order->nulls_first ? " NULLS FIRST" : " NULLS LAST");
	}
}

/* LIMIT and OFFSET; there is no OFFSET without LIMIT. */
static void
append_bounds(SqliteText *text)
{
	const SyQuery *query = text->query;

	if (query->limit.present)
	{
		appendStringInfoString(&text->sql, " LIMIT ?");
		sqlite_bind_int(text, query->limit.value);
	}
	if (query->offset.present)
	{
		if (!query->limit.present)
			appendStringInfoString(&text->sql, " LIMIT -1");
		appendStringInfoString(&text->sql, " OFFSET ?");
		sqlite_bind_int(text, query->offset.value);
	}
}

/*
 * Compile text->query into text->sql and text->binds, which are overwritten.
 * Values that are not known yet become parameters in their general form.
 */
void
sqlite_compile(SqliteText *text)
{
	Assert(!text->query->count ||
		   (!text->query->limit.present && !text->query->offset.present));
	resetStringInfo(&text->sql);
	text->nbinds = 0;
	appendStringInfoString(&text->sql, "SELECT ");
	append_targets(text);
	appendStringInfoString(&text->sql, " FROM main.");
	sqlite_append_name(&text->sql, sqlite_to_utf8(text->query->table->remote_name));
	appendStringInfoString(&text->sql, " AS t");
	append_where(text);
	if (!text->query->count)
	{
		append_orders(text);
		append_bounds(text);
	}
}

/*
 * The text that EXPLAIN shows and execution sends, in the server's encoding.
 * Constants never show in it.
 */
char *
sqlite_describe(const SyQuery *query, SySession *base, bool hide_constants)
{
	SqliteSession *session = (SqliteSession *) base;
	SqliteText	text;

	memset(&text, 0, sizeof(text));
	text.query = query;
	text.max_variables = session ? session->max_variables : PG_INT32_MAX;
	if (session != NULL)
	{
		char	   *name = sqlite_to_utf8(query->table->remote_name);

		text.utf16 = session->utf16;
		for (const SqliteTable *table = session->tables; table; table = table->next)
			if (strcmp(table->name, name) == 0)
				text.table = table;
	}
	initStringInfo(&text.sql);
	sqlite_compile(&text);
	return sqlite_from_utf8(text.sql.data);
}
