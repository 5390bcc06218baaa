/*-------------------------------------------------------------------------
 *
 * error.h
 *	  Error records: what a source did wrong, as data instead of a longjmp.
 *
 * A driver fills a record and returns; only sy_error_throw() turns it into a
 * PostgreSQL error.  Filling a record neither allocates nor throws, so it is
 * allowed inside a client library's callbacks and on a coroutine's stack.
 *
 * IDENTIFICATION
 *	  src/base/error.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_ERROR_H
#define SY_ERROR_H

#include <stdarg.h>

#include "base/compat.h"

/* Who is to blame; later decides what counts against a source's breaker. */
typedef enum SyErrorClass
{
	SY_ERROR_NONE = 0,			/* the record is empty */
	SY_ERROR_SOURCE,			/* unreachable, lost, damaged: the source is ill */
	SY_ERROR_REQUEST,			/* what we asked for, or a stored value, is wrong */
	SY_ERROR_OVERLOAD,			/* reachable, but refuses work for now */
	SY_ERROR_CANCELED,			/* ended by an interrupt or by our own deadline */
	SY_ERROR_AUTH,				/* this user may not, or could not prove who it is */
	SY_ERROR_CAPACITY			/* a quota or a disk is full */
} SyErrorClass;

#define SY_ERROR_MESSAGE_SIZE	512
#define SY_ERROR_DETAIL_SIZE	1024
#define SY_ERROR_HINT_SIZE		384
#define SY_ERROR_SUMMARY_SIZE	(SY_ERROR_MESSAGE_SIZE + SY_ERROR_DETAIL_SIZE + 2)

/*
 * Texts are in the server encoding, or in UTF-8 when they come from a source:
 * sy_error_throw() converts.  They never contain a password.
 */
typedef struct SyError
{
	SyErrorClass cls;
	bool		dismissed;		/* SY_ERROR_SOURCE: it accepts connections and
								 * closes them without a word */
	int			sqlstate;		/* as MAKE_SQLSTATE() packs it */
	char		message[SY_ERROR_MESSAGE_SIZE]; /* primary message */
	char		detail[SY_ERROR_DETAIL_SIZE];	/* "" if none */
	char		hint[SY_ERROR_HINT_SIZE];	/* "" if none */
} SyError;

/* Empty a record before it is handed to a driver. */
static inline void
sy_error_clear(SyError *err)
{
	err->cls = SY_ERROR_NONE;
	err->dismissed = false;
	err->sqlstate = 0;
	err->message[0] = '\0';
	err->detail[0] = '\0';
	err->hint[0] = '\0';
}

/* Set class, SQLSTATE and primary message; detail and hint become empty. */
static inline void sy_error_set(SyError *err, SyErrorClass cls, int sqlstate,
								const char *fmt,...) pg_attribute_printf(4, 5);
static inline void
sy_error_set(SyError *err, SyErrorClass cls, int sqlstate, const char *fmt,...)
{
	va_list		args;

	sy_error_clear(err);
	err->cls = cls;
	err->sqlstate = sqlstate;
	va_start(args, fmt);
	(void) vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
}

/* Set the detail of a record that sy_error_set() filled: full sentences. */
static inline void sy_error_detail(SyError *err, const char *fmt,...) pg_attribute_printf(2, 3);
static inline void
sy_error_detail(SyError *err, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	(void) vsnprintf(err->detail, sizeof(err->detail), fmt, args);
	va_end(args);
}

/* Set the hint of a record that sy_error_set() filled: advice only. */
static inline void sy_error_hint(SyError *err, const char *fmt,...) pg_attribute_printf(2, 3);
static inline void
sy_error_hint(SyError *err, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	(void) vsnprintf(err->hint, sizeof(err->hint), fmt, args);
	va_end(args);
}

pg_noreturn extern void sy_error_throw(const SyError *err);
extern void sy_error_redact(char *text);
extern void sy_error_excerpt(char *to, size_t size, const char *text);
extern void sy_error_summary(char *to, const SyError *err);

#endif							/* SY_ERROR_H */
