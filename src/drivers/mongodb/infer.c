/*-------------------------------------------------------------------------
 *
 * infer.c
 *	  Columns for a collection, from sampled documents or from a validator.
 *
 * A shape is a tree of fields with the types that were seen in each; the
 * columns are read off it at the end.  Everything lives in the memory context
 * that was current when the shape was made.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/infer.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include <math.h>

#include "access/htup_details.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/uuid.h"

/* Types of a field, as far as they lead to different columns; a mask. */
#define SEEN_BOOL		0x0001
#define SEEN_INTEGER	0x0002	/* exact as a double */
#define SEEN_BIG		0x0004	/* an integer that is not */
#define SEEN_DOUBLE		0x0008
#define SEEN_DECIMAL	0x0010
#define SEEN_STRING		0x0020
#define SEEN_OBJECTID	0x0040
#define SEEN_DATE		0x0080
#define SEEN_BINARY		0x0100
#define SEEN_UUID		0x0200
#define SEEN_LEGACY		0x0400	/* uuid of the old subtype */
#define SEEN_DOCUMENT	0x0800
#define SEEN_ARRAY		0x1000
#define SEEN_OTHER		0x2000	/* what only jsonb can show */

#define SEEN_NUMBERS	(SEEN_INTEGER | SEEN_BIG | SEEN_DOUBLE | SEEN_DECIMAL)

/* An embedded document with more keys than this may be a map. */
#define MAP_MIN_KEYS	50

/* With so many it is one; further keys are not even collected. */
#define MAP_SURE_KEYS	1000

/* Embedded documents below this depth become jsonb. */
#define MAX_DEPTH		16

/* A field; "_id" is just one of them. */
typedef struct ShapeField
{
	const char *name;			/* UTF-8; valid or not */
	int			types;			/* SEEN_… */
	int			element_types;	/* of the elements of its arrays */
	int			documents;		/* number of documents that had it */
	int			embedded;		/* number of those in which it was one */
	bool		too_many;		/* fields below were left out */
	List	   *fields;			/* of ShapeField *, in the order first seen */
	int			guess;			/* position of the field found last */
} ShapeField;

struct MongoShape
{
	MemoryContext cxt;
	ShapeField	root;
};

/* State of reading columns off a shape. */
typedef struct ShapeWalk
{
	MongoNested nested;
	List	   *columns;		/* of SyImportColumn * */
	List	   *notices;		/* of char * */
} ShapeWalk;

/* A shape without fields. */
MongoShape *
mongo_shape_create(void)
{
	MongoShape *shape = palloc0(sizeof(MongoShape));

	shape->cxt = CurrentMemoryContext;
	return shape;
}

/* The field of that name, added if it is not there; NULL: there are too many. */
static ShapeField *
shape_field(ShapeField *parent, const char *name)
{
	int			length = list_length(parent->fields);
	ShapeField *field;

	for (int i = 0; i < length; i++)
	{
		int			position = (parent->guess + 1 + i) % length;

		field = (ShapeField *) list_nth(parent->fields, position);
		if (strcmp(field->name, name) == 0)
		{
			parent->guess = position;
			return field;
		}
	}
	if (length >= MaxHeapAttributeNumber || (parent->name != NULL && length >= MAP_SURE_KEYS))
	{
		parent->too_many = true;
		return NULL;
	}
	field = palloc0(sizeof(ShapeField));
	field->name = pstrdup(name);
	parent->fields = lappend(parent->fields, field);
	parent->guess = length;
	return field;
}

/*
 * Documents
 */

/* What kind of binary it is. */
static int
binary_type(const bson_iter_t *iter)
{
	bson_subtype_t subtype;
	uint32_t	length;
	const uint8_t *bytes;

	bson_iter_binary(iter, &subtype, &length, &bytes);
	if (subtype == BSON_SUBTYPE_BINARY || subtype == BSON_SUBTYPE_BINARY_DEPRECATED)
		return SEEN_BINARY;
	if (subtype == BSON_SUBTYPE_UUID && length == UUID_LEN)
		return SEEN_UUID;
	if (subtype == BSON_SUBTYPE_UUID_DEPRECATED && length == UUID_LEN)
		return SEEN_LEGACY;
	return SEEN_OTHER;
}

/* Can a timestamptz show the Date? */
static bool
is_known_date(int64 ms)
{
	return ms >= ((int64) DATETIME_MIN_JULIAN - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000 &&
		ms < ((int64) TIMESTAMP_END_JULIAN - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
}

/* The mask of a stored value; 0 for null. */
static int
value_type(const bson_iter_t *iter)
{
	int64		integer;

	switch (bson_iter_type(iter))
	{
		case BSON_TYPE_NULL:
		case BSON_TYPE_UNDEFINED:
			return 0;
		case BSON_TYPE_BOOL:
			return SEEN_BOOL;
		case BSON_TYPE_INT32:
			return SEEN_INTEGER;
		case BSON_TYPE_INT64:
			integer = bson_iter_int64(iter);
			return integer >= -SY_VALUE_EXACT_DOUBLE && integer <= SY_VALUE_EXACT_DOUBLE ?
				SEEN_INTEGER : SEEN_BIG;
		case BSON_TYPE_DOUBLE:
			return SEEN_DOUBLE;
		case BSON_TYPE_DECIMAL128:
			return SEEN_DECIMAL;
		case BSON_TYPE_UTF8:
		case BSON_TYPE_SYMBOL:
			return SEEN_STRING;
		case BSON_TYPE_OID:
			return SEEN_OBJECTID;
		case BSON_TYPE_DATE_TIME:
			return is_known_date(bson_iter_date_time(iter)) ? SEEN_DATE : SEEN_OTHER;
		case BSON_TYPE_BINARY:
			return binary_type(iter);
		case BSON_TYPE_DOCUMENT:
			return SEEN_DOCUMENT;
		case BSON_TYPE_ARRAY:
			return SEEN_ARRAY;
		default:
			return SEEN_OTHER;
	}
}

/* Add the fields of the document that "iter" stands before. */
static void
add_fields(ShapeField *parent, bson_iter_t *iter, int depth, bool id_only)
{
	check_stack_depth();
	while (bson_iter_next(iter))
	{
		ShapeField *field;
		bson_iter_t child;
		int			type;

		if (id_only && strcmp(bson_iter_key(iter), "_id") != 0)
			continue;
		field = shape_field(parent, bson_iter_key(iter));
		if (field == NULL)
			continue;
		type = value_type(iter);
		field->types |= type;
		field->documents++;
		if (type == SEEN_DOCUMENT && depth < MAX_DEPTH && bson_iter_recurse(iter, &child))
		{
			field->embedded++;
			add_fields(field, &child, depth + 1, false);
		}
		else if (type == SEEN_ARRAY && bson_iter_recurse(iter, &child))
			while (bson_iter_next(&child))
				field->element_types |= value_type(&child);
	}
}

/* Add a document, or of it only its _id. */
void
mongo_shape_add_document(MongoShape *shape, const uint8_t *data, uint32 length, bool id_only)
{
	MemoryContext old = MemoryContextSwitchTo(shape->cxt);
	bson_t		document;
	bson_iter_t iter;

	shape->root.embedded++;
	if (bson_init_static(&document, data, length) && bson_iter_init(&iter, &document))
		add_fields(&shape->root, &iter, 0, id_only);
	MemoryContextSwitchTo(old);
}

/*
 * Schemas
 */

/* The mask for a type's name in $jsonSchema. */
static int
named_type(const char *name)
{
	static const struct
	{
		const char *name;
		int			types;
	}			names[] = {
		{"bool", SEEN_BOOL}, {"boolean", SEEN_BOOL},
		{"int", SEEN_INTEGER}, {"long", SEEN_INTEGER | SEEN_BIG},
		{"double", SEEN_DOUBLE}, {"decimal", SEEN_DECIMAL}, {"number", SEEN_NUMBERS},
		{"string", SEEN_STRING}, {"symbol", SEEN_STRING}, {"objectId", SEEN_OBJECTID},
		{"date", SEEN_DATE}, {"binData", SEEN_BINARY}, {"object", SEEN_DOCUMENT},
		{"array", SEEN_ARRAY}, {"null", 0}, {"undefined", 0},
	};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].types;
	return SEEN_OTHER;
}

/*
 * The mask that a schema's "bsonType" or "type" gives, a name or several.
 * "schema" stands at a field that holds the schema.
 */
static int
schema_types(const bson_iter_t *schema)
{
	bson_iter_t iter;
	bson_iter_t child;
	int			types = 0;

	if (!bson_iter_recurse(schema, &iter))
		return SEEN_OTHER;
	while (bson_iter_next(&iter))
	{
		if (strcmp(bson_iter_key(&iter), "bsonType") != 0 &&
			strcmp(bson_iter_key(&iter), "type") != 0)
			continue;
		if (BSON_ITER_HOLDS_UTF8(&iter))
			return named_type(bson_iter_utf8(&iter, NULL));
		if (BSON_ITER_HOLDS_ARRAY(&iter) && bson_iter_recurse(&iter, &child))
		{
			while (bson_iter_next(&child))
				types |= BSON_ITER_HOLDS_UTF8(&child) ?
					named_type(bson_iter_utf8(&child, NULL)) : SEEN_OTHER;
			return types;
		}
	}
	return SEEN_OTHER;
}

/* Find the member of a schema with that name, and that is a document. */
static bool
schema_member(const bson_iter_t *schema, const char *name, bson_iter_t *member)
{
	return bson_iter_recurse(schema, member) && bson_iter_find(member, name) &&
		BSON_ITER_HOLDS_DOCUMENT(member);
}

/* Add the properties of a schema; the iterator stands before the first. */
static void
add_properties(ShapeField *parent, bson_iter_t *properties, int depth)
{
	bson_iter_t iter = *properties;
	bson_iter_t inner;
	bson_iter_t items;

	check_stack_depth();
	while (bson_iter_next(&iter))
	{
		ShapeField *field = shape_field(parent, bson_iter_key(&iter));

		if (field == NULL)
			continue;
		field->types |= BSON_ITER_HOLDS_DOCUMENT(&iter) ? schema_types(&iter) : SEEN_OTHER;
		if (field->types == SEEN_DOCUMENT && depth < MAX_DEPTH &&
			schema_member(&iter, "properties", &items) && bson_iter_recurse(&items, &inner))
			add_properties(field, &inner, depth + 1);
		if (field->types == SEEN_ARRAY)
			field->element_types |= schema_member(&iter, "items", &items) ?
				schema_types(&items) : SEEN_OTHER;
	}
}

/* Add what a $jsonSchema says. */
void
mongo_shape_add_schema(MongoShape *shape, const uint8_t *data, uint32 length)
{
	MemoryContext old = MemoryContextSwitchTo(shape->cxt);
	bson_t		schema;
	bson_iter_t iter;
	bson_iter_t properties;

	if (bson_init_static(&schema, data, length) &&
		bson_iter_init_find(&iter, &schema, "properties") &&
		BSON_ITER_HOLDS_DOCUMENT(&iter) && bson_iter_recurse(&iter, &properties))
		add_properties(&shape->root, &properties, 0);
	MemoryContextSwitchTo(old);
}

/*
 * Columns
 */

/* The type for values of this mask, which is no document or array. */
static const char *
scalar_type(int types, const char **bson_type)
{
	*bson_type = NULL;
	if (types != 0 && (types & ~SEEN_NUMBERS) == 0)
	{
		if (types & SEEN_DECIMAL || (types & SEEN_BIG && types & SEEN_DOUBLE))
			return "numeric";
		return types & SEEN_DOUBLE ? "double precision" : "bigint";
	}
	switch (types)
	{
		case SEEN_BOOL:
			return "boolean";
		case SEEN_STRING:
			return "text";
		case SEEN_OBJECTID:
			*bson_type = "objectid";
			return "text";
		case SEEN_DATE:
			return "timestamp with time zone";
		case SEEN_BINARY:
			return "bytea";
		case SEEN_UUID:
			return "uuid";
		case SEEN_LEGACY:
			*bson_type = "uuid_legacy";
			return "uuid";
		default:
			return "jsonb";
	}
}

/* Are the keys of the embedded documents data rather than names? */
static bool
is_map(const ShapeField *field)
{
	int			keys = list_length(field->fields);
	int			rare = 0;
	ListCell   *cell;

	if (field->too_many)
		return true;
	if (keys <= MAP_MIN_KEYS)
		return false;
	foreach(cell, field->fields)
	{
		const ShapeField *key = (const ShapeField *) lfirst(cell);

		if (key->documents * 10 < field->embedded)
			rare++;
	}
	return rare * 2 > keys;
}

/* Can every field within be reached by a path? */
static bool
has_plain_names(const ShapeField *field)
{
	ListCell   *cell;

	foreach(cell, field->fields)
	{
		const char *name = ((const ShapeField *) lfirst(cell))->name;

		if (name[0] == '\0' || strchr(name, '.') != NULL ||
			!mongo_representable(name))
			return false;
	}
	return true;
}

/* Add a column; "path" is NULL at the top level. */
static void
add_column(ShapeWalk *walk, const char *name, const char *path, const char *type,
		   const char *bson_type)
{
	SyImportColumn *column = palloc0(sizeof(SyImportColumn));

	column->name = name;
	column->path = path;
	column->type = type;
	column->bson_type = bson_type;
	walk->columns = lappend(walk->columns, column);
}

static void add_columns(ShapeWalk *walk, const ShapeField *parent, const char *prefix);

/*
 * Add what becomes of a field that holds embedded documents only: columns of
 * its own for the fields within, or one jsonb column.
 */
static void
add_embedded(ShapeWalk *walk, const ShapeField *field, const char *name, const char *path,
			 const char *prefix)
{
	if (walk->nested == MONGO_NESTED_NONE)
		return;
	if (walk->nested == MONGO_NESTED_COLUMNS && field->fields != NIL)
	{
		if (is_map(field))
			walk->notices = lappend(walk->notices,
									psprintf("the keys of the documents in field \"%s\" look like data; it becomes one column of type jsonb",
											 name));
		else if (!has_plain_names(field) || (path == NULL && strchr(name, '.') != NULL))
			walk->notices = lappend(walk->notices,
									psprintf("no path leads to some fields within field \"%s\"; it becomes one column of type jsonb",
											 name));
		else
		{
			add_columns(walk, field, prefix);
			return;
		}
	}
	add_column(walk, name, path, "jsonb", NULL);
}

/* Add what becomes of one field, whose full name in UTF-8 is "full". */
static void
add_field(ShapeWalk *walk, const ShapeField *field, const char *full, bool is_top)
{
	const char *name = mongo_server_text(full);
	const char *path = is_top ? NULL : name;
	const char *bson_type = NULL;
	const char *type;
	bool		is_id = is_top && strcmp(full, "_id") == 0;

	if (field->types == SEEN_DOCUMENT && !is_id)
	{
		add_embedded(walk, field, name, path, full);
		return;
	}
	if (field->types == SEEN_ARRAY)
	{
		type = scalar_type(field->element_types, &bson_type);
		if (strcmp(type, "jsonb") != 0)
			type = psprintf("%s[]", type);
		add_column(walk, name, path, type, bson_type);
		return;
	}
	type = scalar_type(field->types, &bson_type);
	add_column(walk, name, path, type, bson_type);
}

/* Add the columns for all fields within "parent". */
static void
add_columns(ShapeWalk *walk, const ShapeField *parent, const char *prefix)
{
	ListCell   *cell;

	foreach(cell, parent->fields)
	{
		const ShapeField *field = (const ShapeField *) lfirst(cell);
		int			length = strlen(field->name);

		if (prefix != NULL)
			add_field(walk, field, psprintf("%s.%s", prefix, field->name), false);
		else if (length == 0)
			walk->notices = lappend(walk->notices,
									pstrdup("a field with an empty name is left out"));
		else if (pg_encoding_verifymbstr(PG_UTF8, field->name, length) != length)
			walk->notices = lappend(walk->notices,
									pstrdup("a field whose name is not valid UTF-8 is left out"));
		else if (!mongo_representable(field->name))
			walk->notices = lappend(walk->notices,
									pstrdup("a field whose name the database's encoding cannot represent is left out"));
		else
			add_field(walk, field, field->name, true);
	}
}

/* Put the _id first, adding one of unknown type if there is none. */
static void
move_id_first(MongoShape *shape)
{
	ShapeField *id = shape_field(&shape->root, "_id");

	if (id == NULL)
		return;
	shape->root.fields = lcons(id, list_delete_ptr(shape->root.fields, id));
}

/*
 * The columns of a shape, a List of SyImportColumn *, _id first; what the
 * user should know is added to "notices".
 */
List *
mongo_shape_columns(MongoShape *shape, MongoNested nested, List **notices)
{
	ShapeWalk	walk = {nested, NIL, NIL};

	move_id_first(shape);
	add_columns(&walk, &shape->root, NULL);
	if (list_length(walk.columns) > MaxHeapAttributeNumber && nested == MONGO_NESTED_COLUMNS)
	{
		ShapeWalk	again = {MONGO_NESTED_JSONB, NIL, NIL};

		add_columns(&again, &shape->root, NULL);
		walk = again;
		walk.notices = lappend(walk.notices,
							   pstrdup("there are too many fields for one table; embedded documents become columns of type jsonb"));
	}
	if (shape->root.too_many)
		walk.notices = lappend(walk.notices,
							   psprintf("fields beyond the first %d are left out", MaxHeapAttributeNumber));
	*notices = list_concat(*notices, walk.notices);
	return walk.columns;
}
