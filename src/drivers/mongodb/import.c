/*-------------------------------------------------------------------------
 *
 * import.c
 *	  IMPORT FOREIGN SCHEMA, the collections of a database as tables; and the
 *	  size of one of them.
 *
 * Columns come from the collection's validator if it has a $jsonSchema, else
 * from a sample.  Replies are copied or read before the next command is sent.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/import.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#define DEFAULT_SAMPLE	1000

/* A collection, a view or a time series. */
typedef struct Found
{
	const char *name;			/* UTF-8 */
	bool		is_collection;	/* neither of the other two */
	bool		is_view;
	MongoDocument schema;		/* $jsonSchema; no data: none */
} Found;

/* A command of items as libbson's, to be taken over by the connection half. */
static bson_t *
command_of(const MongoItem *item)
{
	bson_t	   *command = bson_new();

	(void) mongo_item_write(item, command);
	return command;
}

/* The member of a document with that key. */
static bool
find_member(const MongoDocument *document, const char *key, bson_iter_t *iter)
{
	bson_t		bson;

	return bson_init_static(&bson, document->data, document->length) &&
		bson_iter_init_find(iter, &bson, key);
}

/* Does a reply have this member, and is it true, 1 or the like? */
static bool
is_set(const MongoDocument *document, const char *key)
{
	bson_iter_t iter;

	return find_member(document, key, &iter) && bson_iter_as_bool(&iter);
}

/*
 * Collections
 */

/* One answer of listCollections, copied; NULL if it is none to import. */
static Found *
read_collection(const MongoDocument *document)
{
	Found	   *found;
	bson_iter_t iter;
	bson_iter_t schema;
	const char *type = "collection";
	const uint8_t *data;
	uint32_t	length;
	bson_t		bson;

	if (!find_member(document, "name", &iter) || !BSON_ITER_HOLDS_UTF8(&iter) ||
		strncmp(bson_iter_utf8(&iter, NULL), "system.", 7) == 0)
		return NULL;
	found = palloc0(sizeof(Found));
	found->name = pstrdup(bson_iter_utf8(&iter, NULL));
	if (find_member(document, "type", &iter) && BSON_ITER_HOLDS_UTF8(&iter))
		type = bson_iter_utf8(&iter, NULL);
	found->is_collection = (strcmp(type, "collection") == 0);
	found->is_view = (strcmp(type, "view") == 0);
	if (bson_init_static(&bson, document->data, document->length) &&
		bson_iter_init(&iter, &bson) &&
		bson_iter_find_descendant(&iter, "options.validator.$jsonSchema", &schema) &&
		BSON_ITER_HOLDS_DOCUMENT(&schema))
	{
		uint8_t    *copy;

		bson_iter_document(&schema, &length, &data);
		copy = palloc(length);
		memcpy(copy, data, length);
		found->schema.data = copy;
		found->schema.length = length;
	}
	return found;
}

/* Names in byte order, so that imports are alike. */
static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(((const Found *) lfirst(a))->name, ((const Found *) lfirst(b))->name);
}

/* All that could be imported, a List of Found *; err set: failed. */
static List *
list_collections(SySession *session, SyError *err)
{
	MongoItem  *command = mongo_item_document("listCollections", mongo_item_int(1));
	MongoCursor *cursor = mongo_cursor_open(session, command_of(command), err);
	MongoDocument document;
	List	   *result = NIL;

	if (cursor == NULL)
		return NIL;
	while (mongo_cursor_next(cursor, &document, err))
	{
		Found	   *found = read_collection(&document);

		if (found != NULL)
			result = lappend(result, found);
	}
	mongo_cursor_close(cursor);
	list_sort(result, compare_names);
	return result;
}

/* Does the user want this one? */
static bool
is_wanted(const SyImport *request, const char *name)
{
	bool		is_listed = false;
	ListCell   *cell;

	foreach(cell, request->tables)
	{
		const char *listed = (const char *) lfirst(cell);
		Size		length = strlen(listed);

		/* The parser has cut what the user wrote. */
		if (strcmp(listed, name) == 0 ||
			(length >= NAMEDATALEN - 4 && strlen(name) >= NAMEDATALEN &&
			 strncmp(listed, name, length) == 0))
			is_listed = true;
	}
	if (request->limit_to)
		return is_listed;
	return !(request->except && is_listed);
}

/*
 * Columns
 */

/* Add a sample of the documents to a shape; false: failed. */
static bool
add_sample(SySession *session, const Found *found, int size, bool id_only,
		   MongoShape *shape, SyError *err)
{
	List	   *stages = NIL;
	MongoItem  *command = mongo_item_document("aggregate", mongo_item_text(found->name));
	MongoCursor *cursor;
	MongoDocument document;

	/* The order makes small collections give the same columns each time. */
	stages = lappend(stages, mongo_item_document("$sample",
												 mongo_item_document("size", mongo_item_int(size))));
	stages = lappend(stages, mongo_item_document("$sort",
												 mongo_item_document("_id", mongo_item_int(1))));
	if (id_only)
		stages = lappend(stages, mongo_item_document("$project",
													 mongo_item_document("_id", mongo_item_int(1))));
	mongo_item_add(command, "pipeline", mongo_item_array(stages));
	mongo_item_add(command, "allowDiskUse", mongo_item_bool(true));
	cursor = mongo_cursor_open(session, command_of(command), err);
	if (cursor == NULL)
		return false;
	while (mongo_cursor_next(cursor, &document, err))
		mongo_shape_add_document(shape, document.data, document.length, id_only);
	mongo_cursor_close(cursor);
	return err->cls == SY_ERROR_NONE;
}

/* Does a schema say what the _id is? */
static bool
schema_has_id(const MongoDocument *schema)
{
	bson_t		bson;
	bson_iter_t iter;
	bson_iter_t id;

	return bson_init_static(&bson, schema->data, schema->length) &&
		bson_iter_init(&iter, &bson) &&
		bson_iter_find_descendant(&iter, "properties._id", &id);
}

/* Does a schema list fields at all? */
static bool
schema_has_fields(const MongoDocument *schema)
{
	bson_iter_t iter;

	return schema->data != NULL && find_member(schema, "properties", &iter) &&
		BSON_ITER_HOLDS_DOCUMENT(&iter);
}

/* The shape of a collection; NULL: failed. */
static MongoShape *
find_shape(SySession *session, const Found *found, int sample, SyError *err)
{
	MongoShape *shape = mongo_shape_create();

	if (schema_has_fields(&found->schema))
	{
		mongo_shape_add_schema(shape, found->schema.data, found->schema.length);
		if (schema_has_id(&found->schema))
			return shape;
		return add_sample(session, found, sample, true, shape, err) ? shape : NULL;
	}
	return add_sample(session, found, sample, false, shape, err) ? shape : NULL;
}

/*
 * Indexes
 */

/*
 * The field whose values an index finds all documents by; NULL: there is
 * none, because it covers some documents only, or orders values otherwise.
 */
static const char *
leading_field(const MongoDocument *index)
{
	bson_iter_t iter;
	bson_iter_t key;
	const char *name = NULL;

	if (is_set(index, "sparse") || is_set(index, "hidden") ||
		find_member(index, "partialFilterExpression", &iter) ||
		find_member(index, "collation", &iter))
		return NULL;
	if (!find_member(index, "key", &iter) || !BSON_ITER_HOLDS_DOCUMENT(&iter) ||
		!bson_iter_recurse(&iter, &key))
		return NULL;
	while (bson_iter_next(&key))
	{
		/* Text, hashed and geographic keys have names instead of directions. */
		if (!BSON_ITER_HOLDS_NUMBER(&key) || strstr(bson_iter_key(&key), "$**") != NULL)
			return NULL;
		if (name == NULL)
			name = pstrdup(bson_iter_key(&key));
	}
	return name;
}

/* The field of an imported column, as an index names it. */
static const char *
column_field(const SyImportColumn *column)
{
	if (column->path != NULL)
		return mongo_utf8(column->path);
	return strchr(column->name, '.') == NULL ? mongo_utf8(column->name) : "";
}

/* Mark the columns that an index finds rows by; false: failed. */
static bool
mark_keys(SySession *session, const Found *found, List *columns, SyError *err)
{
	MongoItem  *command = mongo_item_document("listIndexes", mongo_item_text(found->name));
	MongoCursor *cursor = mongo_cursor_open(session, command_of(command), err);
	MongoDocument index;

	if (cursor == NULL)
		return false;
	while (mongo_cursor_next(cursor, &index, err))
	{
		const char *field = leading_field(&index);
		ListCell   *cell;

		if (field == NULL)
			continue;
		foreach(cell, columns)
		{
			SyImportColumn *column = (SyImportColumn *) lfirst(cell);
			bool		is_scalar = (strcmp(column->type, "jsonb") != 0 &&
									 strchr(column->type, '[') == NULL);

			if (is_scalar && strcmp(column_field(column), field) == 0)
				column->is_key = true;
		}
	}
	mongo_cursor_close(cursor);
	return err->cls == SY_ERROR_NONE;
}

/*
 * The request
 */

/* How many documents to look at. */
static int
sample_size(const SyImport *request)
{
	const char *value = sy_options_get(&request->options, "sample");

	return value != NULL ? (int) strtol(value, NULL, 10) : DEFAULT_SAMPLE;
}

/* What to do with embedded documents. */
static MongoNested
nested_mode(const SyImport *request)
{
	const char *value = sy_options_get(&request->options, "nested");

	if (value != NULL && strcmp(value, "jsonb") == 0)
		return MONGO_NESTED_JSONB;
	if (value != NULL && strcmp(value, "none") == 0)
		return MONGO_NESTED_NONE;
	return MONGO_NESTED_COLUMNS;
}

/* One collection as a table; NULL: failed. */
static SyImportTable *
import_collection(SySession *session, const SyImport *request, const Found *found, SyError *err)
{
	SyImportTable *table = palloc0(sizeof(SyImportTable));
	MongoShape *shape = find_shape(session, found, sample_size(request), err);
	ListCell   *cell;

	if (shape == NULL)
		return NULL;
	table->name = mongo_server_text(found->name);
	table->read_only = found->is_view;
	table->columns = mongo_shape_columns(shape, nested_mode(request), &table->notices);
	foreach(cell, table->notices)
		lfirst(cell) = psprintf("collection \"%s\": %s", table->name, (char *) lfirst(cell));
	if (found->is_collection && !mark_keys(session, found, table->columns, err))
		return NULL;
	return table;
}

/* Say that some collections have names that no table can have here. */
static void
report_left_out(const SySource *source, int count)
{
	if (count > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg_plural("%d collection of source \"%s\" is left out",
							   "%d collections of source \"%s\" are left out",
							   count, count, source->name),
				 errdetail("The database's encoding cannot represent the name.")));
}

/* The member of the driver table, see source/driver.h. */
List *
mongo_import(SySession *session, const SyImport *request, SyError *err)
{
	List	   *tables = NIL;
	List	   *collections = list_collections(session, err);
	const char *database;
	int			left_out = 0;
	ListCell   *cell;

	if (err->cls != SY_ERROR_NONE)
		return NIL;
	database = mongo_session_database(session);
	if (strcmp(mongo_utf8(request->remote_schema), database) != 0)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_SCHEMA_NOT_FOUND,
					 "remote schema \"%s\" is not the database of server \"%s\"",
					 request->remote_schema, session->source->name);
		if (mongo_representable(database))
			sy_error_hint(err, "The remote schema is the database's name, \"%s\".",
						  mongo_server_text(database));
		return NIL;
	}
	foreach(cell, collections)
	{
		const Found *found = (const Found *) lfirst(cell);
		SyImportTable *table;

		if (!mongo_representable(found->name))
		{
			left_out += request->limit_to ? 0 : 1;
			continue;
		}
		if (!is_wanted(request, mongo_server_text(found->name)))
			continue;
		table = import_collection(session, request, found, err);
		if (table == NULL)
			return NIL;
		tables = lappend(tables, table);
	}
	report_left_out(session->source, left_out);
	return tables;
}

/*
 * Size of a table
 */

/* What the server calls the table; NULL: nothing, or failed if err is set. */
static Found *
find_collection(SySession *session, const char *name, SyError *err)
{
	MongoItem  *command = mongo_item_document("listCollections", mongo_item_int(1));
	MongoCursor *cursor;
	MongoDocument document;
	Found	   *found = NULL;

	mongo_item_add(command, "filter",
				   mongo_item_document("name", mongo_item_document("$eq", mongo_item_text(name))));
	cursor = mongo_cursor_open(session, command_of(command), err);
	if (cursor == NULL)
		return NULL;
	while (mongo_cursor_next(cursor, &document, err))
		if (found == NULL)
			found = read_collection(&document);
	mongo_cursor_close(cursor);
	return err->cls == SY_ERROR_NONE ? found : NULL;
}

/* A number within a document, by a dotted path; 0 if it is not there. */
static double
number_at(const MongoDocument *document, const char *path)
{
	bson_t		bson;
	bson_iter_t iter;
	bson_iter_t found;

	if (!bson_init_static(&bson, document->data, document->length) ||
		!bson_iter_init(&iter, &bson) || !bson_iter_find_descendant(&iter, path, &found))
		return 0;
	return BSON_ITER_HOLDS_NUMBER(&found) ? bson_iter_as_double(&found) : 0;
}

/*
 * Run an aggregate of one stage over the table and add up a count and a size
 * of its answers: a sharded collection gives one for each shard.
 */
static bool
add_up(SySession *session, const char *name, MongoItem *stage, const char *rows_path,
	   const char *bytes_path, SyEstimate *result, SyError *err)
{
	MongoItem  *command = mongo_item_document("aggregate", mongo_item_text(name));
	MongoCursor *cursor;
	MongoDocument document;

	mongo_item_add(command, "pipeline", mongo_item_list(stage, NULL));
	cursor = mongo_cursor_open(session, command_of(command), err);
	if (cursor == NULL)
		return false;
	while (mongo_cursor_next(cursor, &document, err))
	{
		result->rows += number_at(&document, rows_path);
		result->bytes += number_at(&document, bytes_path);
	}
	mongo_cursor_close(cursor);
	return err->cls == SY_ERROR_NONE;
}

/* The member of the driver table, see source/driver.h. */
bool
mongo_estimate(SySession *session, const SyTable *table, SyEstimate *result, SyError *err)
{
	const char *name = pstrdup(mongo_utf8(table->remote_name));
	Found	   *found = find_collection(session, name, err);
	MongoItem  *nothing = mongo_item_document(NULL, NULL);

	result->rows = 0;
	result->bytes = 0;
	if (err->cls != SY_ERROR_NONE)
		return false;
	if (found == NULL)
	{
		ereport(WARNING,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("collection \"%s\" does not exist in source \"%s\"",
						table->remote_name, table->source->name),
				 errdetail("It counts as empty.")));
		return true;
	}
	if (found->is_collection)
		return add_up(session, name,
					  mongo_item_document("$collStats", mongo_item_document("storageStats", nothing)),
					  "storageStats.count", "storageStats.size", result, err);

	/* Nothing is stored under this name; counting is the only way. */
	return add_up(session, name, mongo_item_document("$count", mongo_item_text("rows")),
				  "rows", "bytes", result, err);
}
