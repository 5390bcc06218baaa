/*-------------------------------------------------------------------------
 *
 * value.h
 *	  Strict conversion of remote values to Datums, shared by all drivers.
 *
 * These accept a value only if it fits the column without change; otherwise
 * they return false and say in "problem" why, for sy_value_error().  They
 * allocate in CurrentMemoryContext and throw for want of memory only.
 *
 * Compiled into each driver's library (value.c).
 *
 * IDENTIFICATION
 *	  src/source/value.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_VALUE_H
#define SY_VALUE_H

#include "source/driver.h"

/* Why a value does not fit: an SQLSTATE and a phrase for the detail. */
typedef struct SyProblem
{
	int			sqlstate;
	const char *reason;			/* static: "the value is out of range"; NULL:
								 * the types just do not match */
} SyProblem;

/* Largest magnitude up to which every integer is a double. */
#define SY_VALUE_EXACT_DOUBLE	INT64CONST(9007199254740992)

/* What drivers call a built-in type; OTHER if they need not know it. */
extern SyTypeKind sy_value_kind(Oid typid);

/* To BOOL is never done here: each driver knows its own truth values. */

/* To INT2, INT4, INT8, FLOAT4, FLOAT8 (exact only), NUMERIC. */
extern bool sy_value_from_int64(const SyColumn *column, SyTypeKind kind, int64 value,
								Datum *result, SyProblem *problem);

/* To the same kinds; integers only from integral values in range, -0.0 is 0;
 * NUMERIC by the shortest text that reads back the same. */
extern bool sy_value_from_double(const SyColumn *column, SyTypeKind kind, double value,
								 Datum *result, SyProblem *problem);

/* To NUMERIC, checking numeric(p,s); to an integer if integral and in range;
 * to FLOAT4, FLOAT8 if exact.  "text" is a plain decimal, NaN or Infinity. */
extern bool sy_value_from_decimal(const SyColumn *column, SyTypeKind kind, const char *text,
								  Datum *result, SyProblem *problem);

/* To TEXT, VARCHAR, BPCHAR: from UTF-8 of unchecked validity. */
extern bool sy_value_from_utf8(const SyColumn *column, SyTypeKind kind,
							   const char *text, size_t length,
							   Datum *result, SyProblem *problem);

/* To JSON, JSONB: from UTF-8 of unchecked validity. */
extern bool sy_value_from_json(const SyColumn *column, SyTypeKind kind,
							   const char *text, size_t length,
							   Datum *result, SyProblem *problem);

/* To BYTEA, UUID (16 bytes). */
extern bool sy_value_from_bytes(const SyColumn *column, SyTypeKind kind,
								const void *bytes, size_t length,
								Datum *result, SyProblem *problem);

/* To DATE (midnight only), TIMESTAMP, TIMESTAMPTZ: from microseconds since
 * 1970-01-01 00:00 UTC; checks timestamp(p). */
extern bool sy_value_from_unix_us(const SyColumn *column, SyTypeKind kind, int64 us,
								  Datum *result, SyProblem *problem);

/*
 * Write an excerpt of a value, ended by NUL, into "out": printable characters
 * of UTF-8 as they are, anything else as \xNN, at most 64 bytes of the value.
 * Returns "out".
 */
#define SY_VALUE_EXCERPT_SIZE	(4 * 64 + 4)
extern const char *sy_value_excerpt(const char *value, size_t length,
									char out[SY_VALUE_EXCERPT_SIZE]);

/*
 * Fill "err" for a value that does not fit, in UTF-8.  "type" is the remote type's name
 * ("TEXT", "Double"); "excerpt" (length bytes, may be NULL) is shown escaped
 * and cut at 64 bytes; "row" says which row it is, a phrase such as
 * "document _id 5" or "row rowid=7 of table \"t\"", in UTF-8.
 */
extern void sy_value_error(SyError *err, const SyColumn *column, const SyProblem *problem,
						   const char *type, const char *excerpt, size_t length,
						   const char *row);

#endif							/* SY_VALUE_H */
