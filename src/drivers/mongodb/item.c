/*-------------------------------------------------------------------------
 *
 * item.c
 *	  Trees of documents, arrays and values in PostgreSQL's memory.
 *
 * All functions allocate in CurrentMemoryContext and share the items that
 * they are given; an item must not become part of two documents, as its key
 * is stored in it.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/item.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include "compat.h"

/* A new, empty item. */
static MongoItem *
new_item(MongoItemKind kind)
{
	MongoItem  *item = palloc0(sizeof(MongoItem));

	item->kind = kind;
	return item;
}

/* A value; the bytes that it points to are shared. */
MongoItem *
mongo_item_value(const bson_value_t *value)
{
	MongoItem  *item = new_item(MONGO_ITEM_VALUE);

	item->value = *value;
	return item;
}

/* An integer, as Int32 where it fits: the server compares them alike. */
MongoItem *
mongo_item_int(int64 value)
{
	MongoItem  *item = new_item(MONGO_ITEM_VALUE);

	if (value >= PG_INT32_MIN && value <= PG_INT32_MAX)
	{
		item->value.value_type = BSON_TYPE_INT32;
		item->value.value.v_int32 = (int32) value;
	}
	else
	{
		item->value.value_type = BSON_TYPE_INT64;
		item->value.value.v_int64 = value;
	}
	return item;
}

MongoItem *
mongo_item_bool(bool value)
{
	MongoItem  *item = new_item(MONGO_ITEM_VALUE);

	item->value.value_type = BSON_TYPE_BOOL;
	item->value.value.v_bool = value;
	return item;
}

MongoItem *
mongo_item_double(double value)
{
	MongoItem  *item = new_item(MONGO_ITEM_VALUE);

	item->value.value_type = BSON_TYPE_DOUBLE;
	item->value.value.v_double = value;
	return item;
}

/* A string, which is shared. */
MongoItem *
mongo_item_text(const char *utf8)
{
	MongoItem  *item = new_item(MONGO_ITEM_VALUE);

	item->value.value_type = BSON_TYPE_UTF8;
	item->value.value.v_utf8.str = unconstify(char *, utf8);
	item->value.value.v_utf8.len = strlen(utf8);
	return item;
}

MongoItem *
mongo_item_null(void)
{
	MongoItem  *item = new_item(MONGO_ITEM_VALUE);

	item->value.value_type = BSON_TYPE_NULL;
	return item;
}

/* The filter that lets every document pass. */
MongoItem *
mongo_item_true(void)
{
	return new_item(MONGO_ITEM_TRUE);
}

/* The filter that lets no document pass. */
MongoItem *
mongo_item_false(void)
{
	return new_item(MONGO_ITEM_FALSE);
}

/* An array of a List of MongoItem *. */
MongoItem *
mongo_item_array(List *members)
{
	MongoItem  *item = new_item(MONGO_ITEM_ARRAY);

	item->members = members;
	return item;
}

/* An array of the arguments; the last one is NULL. */
MongoItem *
mongo_item_list(MongoItem *first,...)
{
	List	   *members = NIL;
	va_list		args;

	va_start(args, first);
	for (MongoItem *item = first; item != NULL; item = va_arg(args, MongoItem *))
		members = lappend(members, item);
	va_end(args);
	return mongo_item_array(members);
}

/* A document of one member, or an empty one if "key" is NULL. */
MongoItem *
mongo_item_document(const char *key, MongoItem *value)
{
	MongoItem  *item = new_item(MONGO_ITEM_DOCUMENT);

	return key == NULL ? item : mongo_item_add(item, key, value);
}

/* Add a member to a document, which is returned. */
MongoItem *
mongo_item_add(MongoItem *document, const char *key, MongoItem *value)
{
	value->key = key;
	document->members = lappend(document->members, value);
	return document;
}

/* The members of a filter that is nothing but this operator; NIL: it is not. */
static List *
operator_members(const MongoItem *filter, const char *op)
{
	const MongoItem *member;

	if (filter->kind != MONGO_ITEM_DOCUMENT || list_length(filter->members) != 1)
		return NIL;
	member = (const MongoItem *) linitial(filter->members);
	return strcmp(member->key, op) == 0 ? member->members : NIL;
}

/*
 * Join filters by AND ("absorbing" FALSE, "neutral" TRUE) or by OR.  Constant
 * members are folded, members of the same kind flattened, and one filter
 * alone stays as it is.
 */
static MongoItem *
join_filters(List *filters, const char *op, MongoItemKind absorbing, MongoItemKind neutral)
{
	List	   *kept = NIL;
	ListCell   *cell;

	foreach(cell, filters)
	{
		MongoItem  *filter = (MongoItem *) lfirst(cell);
		List	   *inner;

		if (filter->kind == absorbing)
			return new_item(absorbing);
		if (filter->kind == neutral)
			continue;
		inner = operator_members(filter, op);
		kept = inner != NIL ? list_concat(kept, inner) : lappend(kept, filter);
	}
	if (kept == NIL)
		return new_item(neutral);
	if (list_length(kept) == 1)
		return (MongoItem *) linitial(kept);
	return mongo_item_document(op, mongo_item_array(kept));
}

/* All of a List of filters. */
MongoItem *
mongo_item_and(List *filters)
{
	return join_filters(filters, "$and", MONGO_ITEM_FALSE, MONGO_ITEM_TRUE);
}

/* Any of a List of filters. */
MongoItem *
mongo_item_or(List *filters)
{
	return join_filters(filters, "$or", MONGO_ITEM_TRUE, MONGO_ITEM_FALSE);
}

/*
 * The document that stands for a filter: a constant becomes {} or a
 * condition that the server knows to be false without reading anything.
 */
MongoItem *
mongo_item_filter(MongoItem *filter)
{
	if (filter->kind == MONGO_ITEM_TRUE)
		return mongo_item_document(NULL, NULL);
	if (filter->kind == MONGO_ITEM_FALSE)
		return mongo_item_document("_id", mongo_item_document("$in", mongo_item_array(NIL)));
	return filter;
}

/*
 * Append the members of a document or an array to "out".  Does not throw.
 * False: there is no room.
 */
bool
mongo_item_write(const MongoItem *document, bson_t *out)
{
	bool		is_array = (document->kind == MONGO_ITEM_ARRAY);
	uint32		position = 0;
	bool		ok = true;
	ListCell   *cell;

	foreach(cell, document->members)
	{
		MongoItem  *item = (MongoItem *) lfirst(cell);
		const char *key = item->key;
		char		digits[16];
		bson_t		child;

		if (is_array)
			(void) bson_uint32_to_string(position++, &key, digits, sizeof(digits));
		switch (item->kind)
		{
			case MONGO_ITEM_VALUE:
				ok = bson_append_value(out, key, -1, &item->value);
				break;
			case MONGO_ITEM_ARRAY:
				ok = mongo_array_begin(out, key, &child) &&
					mongo_item_write(item, &child);
				ok = ok && bson_append_array_end(out, &child);
				break;
			default:
				Assert(item->kind == MONGO_ITEM_DOCUMENT);
				ok = bson_append_document_begin(out, key, -1, &child) &&
					mongo_item_write(item, &child);
				ok = ok && bson_append_document_end(out, &child);
				break;
		}
		if (!ok)
			return false;
	}
	return true;
}
