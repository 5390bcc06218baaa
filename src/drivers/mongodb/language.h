/*-------------------------------------------------------------------------
 *
 * language.h
 *	  What the files of the driver's language half share.
 *
 * Commands are first built as trees of MongoItem in PostgreSQL's memory, then
 * written to a bson_t in one go: building may throw (conversions, want of
 * memory), writing cannot, so that no malloc'd memory is ever left behind.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/language.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_MONGODB_LANGUAGE_H
#define SY_MONGODB_LANGUAGE_H

#include "mongodb.h"

#include "lib/stringinfo.h"

#include "base/compat.h"
#include "base/guard.h"
#include "source/value.h"

/*
 * item.c: pieces of a command
 */

typedef enum MongoItemKind
{
	MONGO_ITEM_VALUE,
	MONGO_ITEM_DOCUMENT,
	MONGO_ITEM_ARRAY,
	MONGO_ITEM_TRUE,			/* filters only: every document */
	MONGO_ITEM_FALSE			/* filters only: no document */
} MongoItemKind;

typedef struct MongoItem
{
	MongoItemKind kind;
	const char *key;			/* UTF-8; in a document only */
	bson_value_t value;			/* VALUE; its bytes are palloc'd */
	List	   *members;		/* DOCUMENT, ARRAY: of MongoItem * */
} MongoItem;

extern MongoItem *mongo_item_value(const bson_value_t *value);
extern MongoItem *mongo_item_int(int64 value);
extern MongoItem *mongo_item_bool(bool value);
extern MongoItem *mongo_item_double(double value);
extern MongoItem *mongo_item_text(const char *utf8);
extern MongoItem *mongo_item_null(void);
extern MongoItem *mongo_item_true(void);
extern MongoItem *mongo_item_false(void);
extern MongoItem *mongo_item_array(List *members);
extern MongoItem *mongo_item_list(MongoItem *first,...);
extern MongoItem *mongo_item_document(const char *key, MongoItem *value);
extern MongoItem *mongo_item_add(MongoItem *document, const char *key, MongoItem *value);
extern MongoItem *mongo_item_and(List *filters);
extern MongoItem *mongo_item_or(List *filters);
extern MongoItem *mongo_item_filter(MongoItem *filter);
extern bool mongo_item_write(const MongoItem *document, bson_t *out);

/*
 * field.c: which field of a document a column is
 */

extern const char *mongo_utf8(const char *text);
extern const char *mongo_server_text(const char *utf8);
extern bool mongo_representable(const char *utf8);
extern bool mongo_field_is_whole(const SyColumn *column);
extern List *mongo_field_steps(const SyColumn *column);
extern const char *mongo_field_address(const SyColumn *column);
extern bool mongo_field_is_objectid(const SyColumn *column);
extern bool mongo_field_is_legacy_uuid(const SyColumn *column);

/*
 * operand.c: constants as BSON values
 */

/*
 * A constant as the value that a field is compared with.  Where no stored
 * value can equal the constant, "value" is the nearest one that can be stored
 * and "side" says on which side of the constant it lies.
 */
typedef struct MongoOperand
{
	bson_value_t value;
	int			side;			/* sign of value - constant */
	int			beyond;			/* +1, -1: the constant is above, below all
								 * stored values; "value" is not set */
} MongoOperand;

/* A numeric constant: what Decimal128 and integers, and what Doubles see. */
typedef struct MongoNumericOperand
{
	bool		isnan;
	bool		same;			/* one comparison with "decimal" serves all */
	MongoOperand decimal;
	MongoOperand binary;
} MongoNumericOperand;

extern void mongo_operand(const SyColumn *column, const SyValue *value, MongoOperand *operand);
extern void mongo_operand_numeric(const SyValue *value, MongoNumericOperand *operand);
extern bson_value_t mongo_operand_binary(bson_subtype_t subtype, const void *data, uint32 length);
extern char *mongo_operand_text(const SyValue *value);

/*
 * like.c: LIKE as regular expressions
 */

typedef struct MongoPattern
{
	bool		valid;			/* false: cannot be sent */
	bool		any;			/* every string matches; no regex */
	bool		limited;		/* right for strings of up to
								 * MONGO_PATTERN_REACH characters only */
	const char *regex;			/* UTF-8, for $options "s" */
} MongoPattern;

/* Up to this length the server's step limit does not spoil a match. */
#define MONGO_PATTERN_REACH		190000

/* The longest regular expression that the server takes, in bytes. */
#define MONGO_PATTERN_MAX_BYTES	32764

extern void mongo_pattern(const SyValue *value, MongoPattern *pattern);
extern void mongo_pattern_quote(StringInfo out, const char *utf8, int length);

/*
 * filter.c, domain.c: conditions
 */

/* How a command is to be spelt. */
typedef struct MongoForm
{
	bool		hide;			/* constants as "?" */
	bool		undefined_apart;	/* null does not match undefined (8.0) */
	bool		transaction;	/* it will run in a remote transaction */
	bool		guard;			/* SyQuery.guard */
} MongoForm;

/* What a filter by itself ensures for a column; each includes the former. */
typedef enum MongoKnown
{
	MONGO_KNOWN_NOTHING,
	MONGO_KNOWN_TYPE,			/* its BSON type is good, or it is an array */
	MONGO_KNOWN_EQUAL			/* and it equals a value of the column's type */
} MongoKnown;

extern MongoItem *mongo_filter(const MongoForm *form, const SyNode *node);
extern MongoItem *mongo_filter_null(const MongoForm *form, const SyColumn *column,
									const char *field);
extern MongoItem *mongo_filter_not_null(const MongoForm *form, const char *field);
extern bool mongo_domain_checkable(const SyColumn *column);
extern MongoKnown mongo_domain_known(const SyNode *leaf);
extern MongoItem *mongo_domain_guard(const SyColumn *column, MongoKnown known);

/*
 * json.c, datum.c: stored values
 */

extern bool mongo_json(const bson_iter_t *iter, StringInfo out);
extern bool mongo_json_document(const uint8_t *data, uint32 length, StringInfo out);

/* What a column's values are read with, looked up once. */
typedef struct MongoColumn
{
	const SyColumn *column;
	bool		objectid;
	bson_subtype_t uuid_subtype;
	int16		elemlen;		/* ARRAY */
	bool		elembyval;
	char		elemalign;
} MongoColumn;

extern void mongo_column_init(MongoColumn *info, const SyColumn *column);
extern bool mongo_datum(const MongoColumn *info, const bson_iter_t *iter,
						Datum *result, SyProblem *problem);
extern bool mongo_datum_array(const MongoColumn *info, const bson_iter_t *iter,
							  Datum *result, SyProblem *problem);
extern const char *mongo_type_name(bson_type_t type);
extern void mongo_decimal_text(const bson_iter_t *iter, char text[BSON_DECIMAL128_STRING]);
extern int64 mongo_datum_grid(const SyColumn *column, SyTypeKind kind);
extern bool mongo_type_is_null(bson_type_t type);

/*
 * infer.c: columns from documents or a validator's schema
 */

typedef struct MongoShape MongoShape;

/* What becomes of embedded documents. */
typedef enum MongoNested
{
	MONGO_NESTED_COLUMNS,
	MONGO_NESTED_JSONB,
	MONGO_NESTED_NONE
} MongoNested;

extern MongoShape *mongo_shape_create(void);
extern void mongo_shape_add_document(MongoShape *shape, const uint8_t *data, uint32 length,
									 bool id_only);
extern void mongo_shape_add_schema(MongoShape *shape, const uint8_t *data, uint32 length);
extern List *mongo_shape_columns(MongoShape *shape, MongoNested nested, List **notices);

#endif							/* SY_MONGODB_LANGUAGE_H */
