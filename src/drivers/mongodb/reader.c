/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Documents as rows.
 *
 * The fields that a query wants form a tree of names, one level for each step
 * of a path.  Documents of a collection mostly have their fields in one order,
 * so that the field after the one just found is the first guess; reading
 * stops as soon as all wanted fields were seen.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/reader.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/float.h"

#define ROW_ID_MAX_BYTES	64
#define MS_PER_DAY			INT64CONST(86400000)

/* What becomes of a field's value. */
typedef struct ReaderTarget
{
	MongoColumn info;			/* info.column is NULL: the row's identity */
	int			slot;
} ReaderTarget;

/* A field that is wanted for itself or for fields within it. */
typedef struct ReaderField
{
	const char *name;
	uint32		length;
	bool		seen;			/* in the document that is being read */
	int			next;			/* what followed it last time */
	int			ntargets;
	ReaderTarget *targets;
	struct ReaderLevel *below;	/* NULL: nothing within is wanted */
} ReaderField;

/* The fields wanted of one document, embedded or not. */
typedef struct ReaderLevel
{
	int			nfields;
	ReaderField *fields;
	int			first;			/* what came first last time */
	const SyColumn *column;		/* one that lies within, for messages */
} ReaderLevel;

struct MongoReader
{
	const SyQuery *query;
	ReaderLevel *top;
	int			nwhole;
	ReaderTarget *whole;		/* targets that show the whole document */
};

/* A document that is being read. */
typedef struct ReaderRow
{
	MongoReader *reader;
	const uint8_t *data;
	uint32		length;
	Datum	   *values;
	bool	   *nulls;
	SyError    *err;
} ReaderRow;

/*
 * Building the tree
 */

/* The field of that name, added if it is not there. */
static ReaderField *
level_field(ReaderLevel *level, const char *name)
{
	ReaderField *field;

	for (int i = 0; i < level->nfields; i++)
		if (strcmp(level->fields[i].name, name) == 0)
			return &level->fields[i];
	if (level->fields == NULL)
		level->fields = palloc(sizeof(ReaderField));
	else
		level->fields = repalloc(level->fields, (level->nfields + 1) * sizeof(ReaderField));
	field = &level->fields[level->nfields++];
	memset(field, 0, sizeof(*field));
	field->name = name;
	field->length = strlen(name);
	return field;
}

/* Add a target to a list of them. */
static void
add_target(ReaderTarget **targets, int *ntargets, const SyTarget *target)
{
	ReaderTarget *added;

	if (*targets == NULL)
		*targets = palloc(sizeof(ReaderTarget));
	else
		*targets = repalloc(*targets, (*ntargets + 1) * sizeof(ReaderTarget));
	added = &(*targets)[(*ntargets)++];
	memset(added, 0, sizeof(*added));
	added->slot = target->slot;
	if (target->column != NULL)
		mongo_column_init(&added->info, target->column);
}

/* Enter a target into the tree. */
static void
enter_target(MongoReader *reader, const SyTarget *target)
{
	ReaderLevel *level = reader->top;
	ReaderField *field = NULL;
	List	   *steps;
	ListCell   *cell;

	if (target->column == NULL)
		steps = list_make1("_id");
	else
		steps = mongo_field_steps(target->column);
	if (steps == NIL)
	{
		add_target(&reader->whole, &reader->nwhole, target);
		return;
	}
	foreach(cell, steps)
	{
		field = level_field(level, (const char *) lfirst(cell));
		if (lnext(steps, cell) == NULL)
			break;
		if (field->below == NULL)
		{
			field->below = palloc0(sizeof(ReaderLevel));
			field->below->column = target->column;
		}
		level = field->below;
	}
	add_target(&field->targets, &field->ntargets, target);
}

/* See mongodb.h; the reader lives in "cxt". */
MongoReader *
mongo_reader_create(const SyQuery *query, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	MongoReader *reader = palloc0(sizeof(MongoReader));

	reader->query = query;
	reader->top = palloc0(sizeof(ReaderLevel));
	for (int i = 0; i < query->ntargets; i++)
		enter_target(reader, &query->targets[i]);
	MemoryContextSwitchTo(old);
	return reader;
}

/*
 * Errors
 */

/* A Date as text, in UTC. */
static void
write_date(int64 ms, StringInfo out)
{
	int64		day = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0 ? 1 : 0);
	int			rest = (int) (ms - day * MS_PER_DAY);
	int			year;
	int			month;
	int			mday;

	if (day < DATETIME_MIN_JULIAN - UNIX_EPOCH_JDATE || day >= DATE_END_JULIAN - UNIX_EPOCH_JDATE)
	{
		appendStringInfo(out, INT64_FORMAT " ms since 1970", ms);
		return;
	}
	j2date((int) (day + UNIX_EPOCH_JDATE), &year, &month, &mday);
	appendStringInfo(out, "%04d-%02d-%02d %02d:%02d:%02d.%03d%s", year > 0 ? year : 1 - year,
					 month, mday, rest / 3600000, rest / 60000 % 60, rest / 1000 % 60,
					 rest % 1000, year > 0 ? "" : " BC");
}

/* A binary as text: its subtype and its first bytes. */
static void
write_binary(const bson_iter_t *iter, StringInfo out)
{
	bson_subtype_t subtype;
	uint32_t	length;
	const uint8_t *bytes;

	bson_iter_binary(iter, &subtype, &length, &bytes);
	appendStringInfo(out, "subtype %d, %u bytes: ", (int) subtype, (unsigned) length);
	for (uint32_t i = 0; i < Min(length, ROW_ID_MAX_BYTES); i++)
		appendStringInfo(out, "%02x", bytes[i]);
}

/*
 * A value as a text for messages, palloc'd; strings and ObjectIds without
 * ornament.
 */
static StringInfo
value_text(const bson_iter_t *iter)
{
	StringInfo	text = makeStringInfo();
	uint32_t	length;
	const char *string;
	char		decimal[BSON_DECIMAL128_STRING];
	char		hex[25];

	switch (bson_iter_type(iter))
	{
		case BSON_TYPE_UTF8:
			string = bson_iter_utf8(iter, &length);
			appendBinaryStringInfo(text, string, length);
			break;
		case BSON_TYPE_SYMBOL:
			string = bson_iter_symbol(iter, &length);
			appendBinaryStringInfo(text, string, length);
			break;
		case BSON_TYPE_OID:
			bson_oid_to_string(bson_iter_oid(iter), hex);
			appendStringInfoString(text, hex);
			break;
		case BSON_TYPE_DOUBLE:
			appendStringInfoString(text, float8out_internal(bson_iter_double(iter)));
			break;
		case BSON_TYPE_DATE_TIME:
			write_date(bson_iter_date_time(iter), text);
			break;
		case BSON_TYPE_BINARY:
			write_binary(iter, text);
			break;
		case BSON_TYPE_DECIMAL128:
			mongo_decimal_text(iter, decimal);
			appendStringInfoString(text, decimal);
			break;
		default:
			(void) mongo_json(iter, text);
			break;
	}
	return text;
}

/* "document _id <id>", palloc'd, in UTF-8 and at most so long. */
static const char *
row_phrase(const uint8_t *data, uint32 length)
{
	bson_t		document;
	bson_iter_t iter;
	StringInfo	id;
	int			cut;

	if (!bson_init_static(&document, data, length) ||
		!bson_iter_init_find(&iter, &document, "_id"))
		return "a document without _id";
	id = value_text(&iter);
	cut = id->len;
	if (cut > ROW_ID_MAX_BYTES)
		cut = pg_encoding_mbcliplen(PG_UTF8, id->data, id->len, ROW_ID_MAX_BYTES);
	for (int i = 0; i < cut; i++)
		if ((unsigned char) id->data[i] < ' ')
			id->data[i] = '?';
	if (pg_encoding_verifymbstr(PG_UTF8, id->data, cut) != cut)
		return "a document whose _id is not valid UTF-8";
	return psprintf("document _id %.*s", cut, id->data);
}

/* Fill "err" for a value that the column cannot show; returns false. */
static bool
fail_value(const SyColumn *column, const bson_iter_t *iter, const SyProblem *problem,
		   const uint8_t *data, uint32 length, SyError *err)
{
	StringInfo	excerpt = value_text(iter);

	sy_value_error(err, column, problem, mongo_type_name(bson_iter_type(iter)),
				   excerpt->data, excerpt->len, row_phrase(data, length));
	return false;
}

/* Fill "err" for bytes that are no document; returns false. */
static bool
fail_damaged(const MongoReader *reader, SyError *err)
{
	sy_error_set(err, SY_ERROR_SOURCE, ERRCODE_FDW_ERROR,
				 "received a damaged document of collection \"%s\"",
				 reader->query->table->remote_name);
	return false;
}

/*
 * Fill "err" for a document that libbson cannot walk through; returns false.
 * The server stores such: binaries of subtype 2 with a wrong inner length.
 */
static bool
fail_unreadable(const ReaderRow *row)
{
	sy_error_set(row->err, SY_ERROR_REQUEST, ERRCODE_FDW_INVALID_DATA_TYPE,
				 "cannot read a document of collection \"%s\"",
				 row->reader->query->table->remote_name);
	sy_error_detail(row->err, "A field is damaged in %s.", row_phrase(row->data, row->length));
	return false;
}

/*
 * Reading
 */

/* Free what guards a bson_t. */
static void
release_bson(void *object)
{
	bson_destroy((bson_t *) object);
}

/* The row's identity: the document {_id: value}, as bytea. */
static Datum
identity_datum(const bson_iter_t *iter)
{
	SyGuard    *guard = sy_guard_reserve(CurrentMemoryContext, release_bson);
	bson_t	   *document = bson_new();
	bytea	   *result;

	guard->object = document;
	(void) bson_append_iter(document, "_id", 3, iter);
	result = palloc(VARHDRSZ + document->len);
	SET_VARSIZE(result, VARHDRSZ + document->len);
	memcpy(VARDATA(result), bson_get_data(document), document->len);
	sy_guard_release(guard);
	return PointerGetDatum(result);
}

/* The wanted field of that name, or NULL.  "*last" is the one found before. */
static ReaderField *
find_field(ReaderLevel *level, const char *key, uint32 length, int *last)
{
	int		   *guess = *last < 0 ? &level->first : &level->fields[*last].next;
	ReaderField *field = &level->fields[*guess];

	if (field->length == length && memcmp(field->name, key, length) == 0)
	{
		*last = *guess;
		return field;
	}
	for (int i = 0; i < level->nfields; i++)
	{
		field = &level->fields[i];
		if (field->length == length && memcmp(field->name, key, length) == 0)
		{
			*last = *guess = i;
			return field;
		}
	}
	return NULL;
}

/* Store the value at "iter", which is not null, for one target. */
static bool
read_target(ReaderRow *row, const ReaderTarget *target, const bson_iter_t *iter)
{
	SyProblem	problem;

	if (target->info.column == NULL)
		row->values[target->slot] = identity_datum(iter);
	else if (!mongo_datum(&target->info, iter, &row->values[target->slot], &problem))
		return fail_value(target->info.column, iter, &problem, row->data, row->length, row->err);
	row->nulls[target->slot] = false;
	return true;
}

/* Read the wanted fields of the document that "iter" stands at the start of. */
static bool
read_level(ReaderRow *row, ReaderLevel *level, bson_iter_t *iter)
{
	int			remaining = level->nfields;
	int			last = -1;

	for (int i = 0; i < level->nfields; i++)
		level->fields[i].seen = false;
	while (remaining > 0 && bson_iter_next(iter))
	{
		ReaderField *field = find_field(level, bson_iter_key(iter),
										bson_iter_key_len(iter), &last);
		bson_type_t type;

		/* Of fields of the same name the first one counts. */
		if (field == NULL || field->seen)
			continue;
		field->seen = true;
		remaining--;
		type = bson_iter_type(iter);
		for (int i = 0; i < field->ntargets; i++)
		{
			/* The identity of a row whose _id is null is {_id: null}. */
			if (mongo_type_is_null(type) && field->targets[i].info.column != NULL)
				continue;
			if (!read_target(row, &field->targets[i], iter))
				return false;
		}
		if (field->below != NULL && type == BSON_TYPE_DOCUMENT)
		{
			bson_iter_t child;

			if (!bson_iter_recurse(iter, &child))
				return fail_unreadable(row);
			if (!read_level(row, field->below, &child))
				return false;
		}
		else if (field->below != NULL && type == BSON_TYPE_ARRAY)
		{
			SyProblem	problem = {ERRCODE_FDW_INVALID_DATA_TYPE, "the path leads through an array"};

			return fail_value(field->below->column, iter, &problem,
							  row->data, row->length, row->err);
		}
	}
	if (remaining > 0 && iter->err_off != 0)
		return fail_unreadable(row);
	return true;
}

/* Store the whole document for one target. */
static bool
read_whole(ReaderRow *row, const ReaderTarget *target)
{
	const SyColumn *column = target->info.column;
	SyProblem	problem = {ERRCODE_FDW_INVALID_DATA_TYPE, "it cannot be shown as JSON"};
	StringInfoData text;

	initStringInfo(&text);
	if (!mongo_json_document(row->data, row->length, &text) ||
		!sy_value_from_json(column, column->kind, text.data, text.len,
							&row->values[target->slot], &problem))
	{
		sy_value_error(row->err, column, &problem, mongo_type_name(BSON_TYPE_DOCUMENT),
					   NULL, 0, row_phrase(row->data, row->length));
		return false;
	}
	row->nulls[target->slot] = false;
	return true;
}

/* The answer to a query that counts. */
static bool
read_count(MongoReader *reader, bson_t *document, Datum *values, bool *nulls, SyError *err)
{
	bson_iter_t iter;

	if (!bson_iter_init_find(&iter, document, "n") || !BSON_ITER_HOLDS_INT(&iter))
		return fail_damaged(reader, err);
	values[0] = Int64GetDatum(bson_iter_as_int64(&iter));
	nulls[0] = false;
	return true;
}

/* See mongodb.h. */
bool
mongo_reader_row(MongoReader *reader, const uint8_t *data, uint32 length,
				 Datum *values, bool *nulls, SyError *err)
{
	const SyQuery *query = reader->query;
	ReaderRow	row = {reader, data, length, values, nulls, err};
	bson_t		document;
	bson_iter_t iter;

	if (!bson_init_static(&document, data, length) || !bson_iter_init(&iter, &document))
		return fail_damaged(reader, err);
	if (query->count)
		return read_count(reader, &document, values, nulls, err);
	for (int i = 0; i < query->ntargets; i++)
		nulls[query->targets[i].slot] = true;
	for (int i = 0; i < reader->nwhole; i++)
		if (!read_whole(&row, &reader->whole[i]))
			return false;
	return read_level(&row, reader->top, &iter);
}
