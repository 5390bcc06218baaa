/*-------------------------------------------------------------------------
 *
 * compile.c
 *	  Queries as find and aggregate commands.
 *
 * find is the cheaper command and is taken wherever it can express the query;
 * aggregate is needed to count, to sample, and to sort where PostgreSQL's
 * places for NULL and NaN are not the server's.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/compile.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include <math.h>

#include "access/xact.h"
#include "mb/pg_wchar.h"

/* Limit of a command where the server has not told its own. */
#define DEFAULT_MAX_BYTES	(16 * 1024 * 1024)

/* From this wire version on null does not match undefined: MongoDB 8.0. */
#define WIRE_VERSION_UNDEFINED_APART	25

/* {field: 1}, behind what is there. */
static void
add_one(MongoItem *document, const char *key)
{
	mongo_item_add(document, key, mongo_item_int(1));
}

/* LIMIT or OFFSET as item. */
static MongoItem *
bound_item(const MongoForm *form, const SyBound *bound)
{
	if (bound->known && !form->hide)
		return mongo_item_int(bound->value);
	return mongo_item_text(bound->param > 0 ? psprintf("$%d", bound->param) : "?");
}

/* Is the offset one that skips something? */
static bool
has_offset(const SyQuery *query)
{
	return query->offset.present && (!query->offset.known || query->offset.value > 0);
}

/* LIMIT 0, which both commands would take for something else. */
static bool
wants_nothing(const SyQuery *query)
{
	return query->limit.present && query->limit.known && query->limit.value == 0;
}

/*
 * Filter
 */

/* Is a leaf on this column among the conjuncts, so that it is guarded? */
static bool
is_conjunct(const SyNode *node, const SyColumn *column)
{
	if (node == NULL)
		return false;
	if (node->kind != SY_NODE_AND)
		return node->kind != SY_NODE_OR && node->column == column;
	for (int i = 0; i < node->nchildren; i++)
		if (is_conjunct(node->children[i], column))
			return true;
	return false;
}

/* The whole condition of a query; may be constant. */
static MongoItem *
query_filter(const SyQuery *query, const MongoForm *form)
{
	MongoItem  *filter = query->where != NULL ? mongo_filter(form, query->where) :
		mongo_item_true();

	if (wants_nothing(query))
		return mongo_item_false();
	for (int i = 0; query->guard && i < query->norders; i++)
		if (!is_conjunct(query->where, query->orders[i].column))
			filter = mongo_item_and(list_make2(filter,
											   mongo_domain_guard(query->orders[i].column,
																  MONGO_KNOWN_NOTHING)));
	return filter;
}

/* Are the column's values strings that a collation could order? */
static bool
is_string(const SyColumn *column)
{
	return (column->kind == SY_TYPE_TEXT || column->kind == SY_TYPE_VARCHAR) &&
		!mongo_field_is_objectid(column);
}

/* Does a tree compare strings (regular expressions know no collation)? */
static bool
compares_text(const SyNode *node)
{
	for (int i = 0; i < node->nchildren; i++)
		if (compares_text(node->children[i]))
			return true;
	return (node->kind == SY_NODE_COMPARE || node->kind == SY_NODE_IN ||
			node->kind == SY_NODE_DISTINCT) && is_string(node->column);
}

/* Would the collection's own collation change the result? */
static bool
needs_collation(const SyQuery *query)
{
	if (query->where != NULL && compares_text(query->where))
		return true;
	for (int i = 0; i < query->norders; i++)
		if (is_string(query->orders[i].column))
			return true;
	return false;
}

/*
 * Projection
 */

/* Is "field" the same as one of the fields, or within one of them? */
static bool
is_covered(const char *field, List *fields)
{
	ListCell   *cell;

	foreach(cell, fields)
	{
		const char *other = (const char *) lfirst(cell);
		Size		length = strlen(other);

		if (strncmp(field, other, length) == 0 &&
			(field[length] == '\0' || field[length] == '.'))
			return true;
	}
	return false;
}

/* Field names, shorter ones first, so that parents come before children. */
static int
compare_lengths(const ListCell *a, const ListCell *b)
{
	Size		length_a = strlen((const char *) lfirst(a));
	Size		length_b = strlen((const char *) lfirst(b));

	return length_a < length_b ? -1 : length_a > length_b ? 1 :
		strcmp((const char *) lfirst(a), (const char *) lfirst(b));
}

/*
 * The fields to send, or NULL for whole documents.  Choosing fields costs the
 * server more than it saves unless at most half of the columns are wanted.
 * _id always travels: errors name it.
 */
static MongoItem *
query_projection(const SyQuery *query)
{
	MongoItem  *projection = mongo_item_document(NULL, NULL);
	List	   *fields = NIL;
	List	   *kept = list_make1("_id");
	ListCell   *cell;

	for (int i = 0; i < query->ntargets; i++)
	{
		const SyColumn *column = query->targets[i].column;
		const char *field;

		if (column == NULL)
			continue;
		field = mongo_field_address(column);
		if (field == NULL)
			return NULL;
		fields = lappend(fields, unconstify(char *, field));
	}
	if (2 * list_length(fields) > query->table->ncolumns)
		return NULL;
	for (int i = 0; i < query->norders; i++)
		fields = lappend(fields, unconstify(char *, mongo_field_address(query->orders[i].column)));
	list_sort(fields, compare_lengths);
	add_one(projection, "_id");
	foreach(cell, fields)
	{
		char	   *field = (char *) lfirst(cell);

		if (is_covered(field, kept))
			continue;
		kept = lappend(kept, field);
		add_one(projection, field);
	}
	return projection;
}

/*
 * Order
 */

/* Do the filter's conjuncts exclude NULL from the column? */
static bool
excludes_null(const SyNode *node, const SyColumn *column)
{
	if (node == NULL)
		return false;
	if (node->kind == SY_NODE_AND)
	{
		for (int i = 0; i < node->nchildren; i++)
			if (excludes_null(node->children[i], column))
				return true;
		return false;
	}
	if (node->column != column)
		return false;
	switch (node->kind)
	{
		case SY_NODE_COMPARE:
		case SY_NODE_IN:
		case SY_NODE_LIKE:
			return true;
		case SY_NODE_NULLTEST:
		case SY_NODE_DISTINCT:
			return node->negated;
		default:
			return false;
	}
}

static bool
is_float(const SyColumn *column)
{
	return column->kind == SY_TYPE_FLOAT4 || column->kind == SY_TYPE_FLOAT8;
}

/*
 * Does the server sort this key as PostgreSQL does?  It puts null first, then
 * NaN, then numbers, and undefined before null, which matters where further
 * keys decide among NULLs.
 */
static bool
sorts_alike(const SyQuery *query, int position)
{
	const SyOrder *order = &query->orders[position];

	if (is_float(order->column))
		return false;
	if (order->column->not_null || excludes_null(query->where, order->column))
		return true;
	return order->nulls_first != order->descending && position == query->norders - 1;
}

/* Can a plain sort by fields serve all keys? */
static bool
sorts_by_fields(const SyQuery *query)
{
	for (int i = 0; i < query->norders; i++)
		if (!sorts_alike(query, i))
			return false;
	return true;
}

/*
 * Are the NULLs and NaNs of the only sort key to be fetched apart from the
 * rest?  Then an index serves each part, where a sort by computed keys reads
 * and ranks the whole collection.
 */
static bool
fetches_in_parts(const SyQuery *query)
{
	return query->norders == 1 && query->orders[0].column->is_key && !sorts_by_fields(query);
}

/*
 * SyDriver.order_by_index: a sort by the field itself, and no other key, which
 * would want a compound index.  Transactions cannot fetch in parts.
 */
bool
mongo_order_by_index(const SyQuery *query)
{
	return query->norders == 1 && query->orders[0].column->is_key &&
		(sorts_by_fields(query) || (fetches_in_parts(query) && !IsolationUsesXactSnapshot()));
}

/* Does an earlier key use the same field, so that this one decides nothing? */
static bool
is_repeated_key(const SyQuery *query, int position)
{
	const char *field = mongo_field_address(query->orders[position].column);

	for (int i = 0; i < position; i++)
		if (strcmp(mongo_field_address(query->orders[i].column), field) == 0)
			return true;
	return false;
}

/* A sort by the fields themselves. */
static MongoItem *
field_sort(const SyQuery *query)
{
	MongoItem  *sort = mongo_item_document(NULL, NULL);

	for (int i = 0; i < query->norders; i++)
		if (!is_repeated_key(query, i))
			mongo_item_add(sort, mongo_field_address(query->orders[i].column),
						   mongo_item_int(query->orders[i].descending ? -1 : 1));
	return sort;
}

/* {$cond: [test, yes, no]} */
static MongoItem *
cond(MongoItem *test, MongoItem *yes, MongoItem *no)
{
	return mongo_item_document("$cond", mongo_item_list(test, yes, no, NULL));
}

/*
 * The expression that ranks a value's kind in ascending order: numbers 1 or
 * 2, NaN the other of the two, NULL below or above both.
 */
static MongoItem *
rank_expression(const SyOrder *order, const char *reference)
{
	MongoItem  *not_null = mongo_item_document("$gt",
											   mongo_item_list(mongo_item_text(reference),
															   mongo_item_null(), NULL));
	MongoItem  *others = mongo_item_int(order->descending ? 2 : 1);

	if (is_float(order->column))
		others = cond(mongo_item_document("$eq",
										  mongo_item_list(mongo_item_text(reference),
														  mongo_item_double(NAN), NULL)),
					  mongo_item_int(order->descending ? 1 : 2), others);
	return cond(not_null, others, mongo_item_int(order->nulls_first ? 0 : 3));
}

/*
 * The stages that sort by computed keys: each document is wrapped with its
 * keys, so that none of its own fields can be in the way, and unwrapped by
 * unwrap_stage().
 */
static List *
computed_sort_stages(const SyQuery *query, List *stages)
{
	MongoItem  *wrapped = mongo_item_document("_id", mongo_item_int(0));
	MongoItem  *sort = mongo_item_document(NULL, NULL);

	mongo_item_add(wrapped, "document", mongo_item_text("$$ROOT"));
	for (int i = 0; i < query->norders; i++)
	{
		const SyOrder *order = &query->orders[i];
		const char *reference = psprintf("$%s", mongo_field_address(order->column));
		const char *rank = psprintf("rank%d", i + 1);
		const char *key = psprintf("key%d", i + 1);

		if (is_repeated_key(query, i))
			continue;
		if (!sorts_alike(query, i))
		{
			mongo_item_add(wrapped, rank, rank_expression(order, reference));
			add_one(sort, rank);
		}
		mongo_item_add(wrapped, key,
					   mongo_item_document("$ifNull",
										   mongo_item_list(mongo_item_text(reference),
														   mongo_item_null(), NULL)));
		mongo_item_add(sort, key, mongo_item_int(order->descending ? -1 : 1));
	}
	stages = lappend(stages, mongo_item_document("$project", wrapped));
	return lappend(stages, mongo_item_document("$sort", sort));
}

/* The stage that gives documents back what computed_sort_stages() wrapped. */
static MongoItem *
unwrap_stage(void)
{
	return mongo_item_document("$replaceRoot",
							   mongo_item_document("newRoot", mongo_item_text("$document")));
}

/*
 * Commands
 */

/* A collection's name, the first member of either command. */
static MongoItem *
new_command(const char *name, const SyQuery *query)
{
	return mongo_item_document(name, mongo_item_text(pstrdup(mongo_utf8(query->table->remote_name))));
}

/* {collation: {locale: "simple"}}, if the result depends on it. */
static void
add_collation(MongoItem *command, const SyQuery *query)
{
	if (needs_collation(query))
		mongo_item_add(command, "collation",
					   mongo_item_document("locale", mongo_item_text("simple")));
}

/* The query as find. */
static MongoItem *
find_command(const SyQuery *query, const MongoForm *form)
{
	MongoItem  *command = new_command("find", query);
	MongoItem  *filter = query_filter(query, form);
	MongoItem  *projection = query_projection(query);

	if (filter->kind != MONGO_ITEM_TRUE)
		mongo_item_add(command, "filter", mongo_item_filter(filter));
	if (projection != NULL)
		mongo_item_add(command, "projection", projection);
	if (query->norders > 0)
		mongo_item_add(command, "sort", field_sort(query));
	if (has_offset(query))
		mongo_item_add(command, "skip", bound_item(form, &query->offset));
	if (query->limit.present && !wants_nothing(query))
		mongo_item_add(command, "limit", bound_item(form, &query->limit));
	add_collation(command, query);
	if (query->norders > 0)
		mongo_item_add(command, "allowDiskUse", mongo_item_bool(true));
	return command;
}

/* Add the stages for OFFSET and LIMIT. */
static List *
add_bounds(const SyQuery *query, const MongoForm *form, List *stages)
{
	if (has_offset(query))
		stages = lappend(stages, mongo_item_document("$skip", bound_item(form, &query->offset)));
	if (query->limit.present && !wants_nothing(query))
		stages = lappend(stages, mongo_item_document("$limit", bound_item(form, &query->limit)));
	return stages;
}

/* Rows that a sort key's values tell apart. */
typedef enum Part
{
	PART_NULL,
	PART_NAN,
	PART_VALUE					/* all others: the server sorts them */
} Part;

/* The parts in which a key's rows are fetched, in order; returns how many. */
static int
list_parts(const SyQuery *query, Part *parts)
{
	const SyOrder *order = &query->orders[0];
	bool		has_null = !order->column->not_null && !excludes_null(query->where, order->column);
	bool		has_nan = is_float(order->column);
	int			nparts = 0;

	if (has_null && order->nulls_first)
		parts[nparts++] = PART_NULL;
	if (has_nan && order->descending)
		parts[nparts++] = PART_NAN;
	parts[nparts++] = PART_VALUE;
	if (has_nan && !order->descending)
		parts[nparts++] = PART_NAN;
	if (has_null && !order->nulls_first)
		parts[nparts++] = PART_NULL;
	return nparts;
}

/* The condition that the key of a row puts it into a part. */
static MongoItem *
part_filter(const MongoForm *form, const SyColumn *column, Part part)
{
	const char *field = mongo_field_address(column);
	MongoItem  *is_nan = mongo_item_document("$eq", mongo_item_double(NAN));
	MongoItem  *not_nan = mongo_item_document("$ne", mongo_item_double(NAN));

	if (part == PART_NULL)
		return mongo_filter_null(form, column, field);
	if (part == PART_NAN)
		return mongo_item_document(field, is_nan);
	if (!is_float(column))
		return mongo_filter_not_null(form, field);
	return mongo_item_and(list_make2(mongo_filter_not_null(form, field),
									 mongo_item_document(field, not_nan)));
}

/* The stages that deliver one part; no more of it than LIMIT wants of all. */
static List *
part_stages(const SyQuery *query, const MongoForm *form, Part part)
{
	List	   *filters = list_make2(query_filter(query, form),
									 part_filter(form, query->orders[0].column, part));
	List	   *stages = list_make1(mongo_item_document("$match",
														mongo_item_filter(mongo_item_and(filters))));

	if (part == PART_VALUE)
		stages = lappend(stages, mongo_item_document("$sort", field_sort(query)));
	return has_offset(query) ? stages : add_bounds(query, form, stages);
}

/* The stages of a query that is fetched in parts. */
static List *
union_stages(const SyQuery *query, const MongoForm *form)
{
	Part		parts[PART_VALUE + 1];
	int			nparts = list_parts(query, parts);
	List	   *stages = part_stages(query, form, parts[0]);
	MongoItem  *projection = query_projection(query);

	for (int i = 1; i < nparts; i++)
	{
		MongoItem  *other = new_command("coll", query);

		mongo_item_add(other, "pipeline", mongo_item_array(part_stages(query, form, parts[i])));
		stages = lappend(stages, mongo_item_document("$unionWith", other));
	}
	stages = add_bounds(query, form, stages);
	if (projection != NULL)
		stages = lappend(stages, mongo_item_document("$project", projection));
	return stages;
}

/* The stages of an aggregate command, a List of MongoItem *. */
static List *
query_stages(const SyQuery *query, const MongoForm *form)
{
	List	   *stages = NIL;
	MongoItem  *filter = query_filter(query, form);
	MongoItem  *projection = query->count ? NULL : query_projection(query);
	bool		is_computed = query->norders > 0 && !sorts_by_fields(query);

	if (fetches_in_parts(query) && !form->transaction)
		return union_stages(query, form);
	if (query->sample_rows > 0)
		stages = lappend(stages,
						 mongo_item_document("$sample",
											 mongo_item_document("size", mongo_item_int(query->sample_rows))));
	if (filter->kind != MONGO_ITEM_TRUE)
		stages = lappend(stages, mongo_item_document("$match", mongo_item_filter(filter)));
	if (projection != NULL)
		stages = lappend(stages, mongo_item_document("$project", projection));
	if (is_computed)
		stages = computed_sort_stages(query, stages);
	else if (query->norders > 0)
		stages = lappend(stages, mongo_item_document("$sort", field_sort(query)));
	stages = add_bounds(query, form, stages);
	if (is_computed)
		stages = lappend(stages, unwrap_stage());
	if (query->count)
		stages = lappend(stages, mongo_item_document("$count", mongo_item_text("n")));
	return stages;
}

/* The query as find or aggregate. */
static MongoItem *
query_command(const SyQuery *query, const MongoForm *form)
{
	MongoItem  *command;

	if (!query->count && query->sample_rows == 0 && sorts_by_fields(query))
		return find_command(query, form);
	command = new_command("aggregate", query);
	mongo_item_add(command, "pipeline", mongo_item_array(query_stages(query, form)));
	add_collation(command, query);
	if (query->norders > 0 || query->sample_rows > 0)
		mongo_item_add(command, "allowDiskUse", mongo_item_bool(true));
	return command;
}

/* How to spell a query's command for a server. */
static MongoForm
form_for(const SyQuery *query, const MongoServerFacts *facts, bool transaction, bool hide)
{
	MongoForm	form;

	form.guard = query->guard;
	form.hide = hide;
	form.transaction = transaction;

	/* Before the first contact the server may be of any version. */
	form.undefined_apart = facts != NULL &&
		(!facts->known || facts->max_wire_version >= WIRE_VERSION_UNDEFINED_APART);
	return form;
}

/* See mongodb.h. */
bool
mongo_compile(const SyQuery *query, const MongoServerFacts *facts, bool transaction,
			  bson_t *command, SyError *err)
{
	MongoForm	form = form_for(query, facts, transaction, false);
	MongoItem  *item = query_command(query, &form);
	uint32		limit = DEFAULT_MAX_BYTES;

	if (facts != NULL && facts->max_bson_bytes > 0)
		limit = facts->max_bson_bytes;
	if (!mongo_item_write(item, command) || command->len > limit)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					 "command for collection \"%s\" is too long", query->table->remote_name);
		sy_error_detail(err, "The server takes commands of up to %u bytes.", limit);
		sy_error_hint(err, "Instead of comparing a column with a long list, join with unnest() of the list.");
		return false;
	}
	return true;
}

/* Free what guards a bson_t. */
static void
release_bson(void *object)
{
	bson_destroy((bson_t *) object);
}

/* Free what guards a string of libbson. */
static void
release_string(void *object)
{
	bson_free(object);
}

/* The member of the driver table, see source/driver.h. */
char *
mongo_describe(const SyQuery *query, SySession *session, bool hide_constants)
{
	MongoForm	form = form_for(query, session != NULL ? mongo_session_facts(session) : NULL,
								session != NULL && mongo_session_in_transaction(session),
								hide_constants);
	MongoItem  *item = query_command(query, &form);
	SyGuard    *command_guard = sy_guard_reserve(CurrentMemoryContext, release_bson);
	SyGuard    *text_guard = sy_guard_reserve(CurrentMemoryContext, release_string);
	size_t		length;
	char	   *result;

	command_guard->object = bson_new();
	if (!mongo_item_write(item, (bson_t *) command_guard->object))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("command for collection \"%s\" is too long", query->table->remote_name)));
	text_guard->object = bson_as_relaxed_extended_json((bson_t *) command_guard->object, &length);
	if (text_guard->object == NULL)
		elog(ERROR, "could not print a command as JSON");
	result = pg_any_to_server((char *) text_guard->object, length, PG_UTF8);
	if (result == (char *) text_guard->object)
		result = pnstrdup(result, length);
	sy_guard_release(text_guard);
	sy_guard_release(command_guard);
	return result;
}
