/*-------------------------------------------------------------------------
 *
 * sqlfn.h
 *	  What the SQL-callable functions share: servers, and who may see them.
 *
 * IDENTIFICATION
 *	  src/sqlfn/sqlfn.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_SQLFN_H
#define SY_SQLFN_H

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "health/health.h"
#include "source/source.h"

/* A server of ours, as the present role sees it.  Lives in the caller's
 * memory context, "source" until the end of the top-level transaction. */
typedef struct SyServer
{
	Oid			serverid;
	char	   *name;
	char	   *driver_name;
	const SySource *source;		/* NULL: its driver's library is not installed */
	const SyError *missing;		/* then why, else NULL */
	bool		owned;			/* by the present role, or it is a superuser */
	bool		visible;		/* may it see endpoint and error texts? */
} SyServer;

/* server.c */
extern List *sy_server_list(void);
extern SyServer *sy_server_find(const char *name);
extern SyServer *sy_server_control(const char *name);
extern bool sy_server_is_monitor(void);
extern bool sy_server_is_role(Oid roleid);
extern void sy_server_status(const SyServer *server, SyStatus *status);

/* One row of a set-returning function, filled from left to right. */
#define SY_ROW_MAX_COLUMNS	32

typedef struct SyRow
{
	int			count;
	Datum		values[SY_ROW_MAX_COLUMNS];
	bool		nulls[SY_ROW_MAX_COLUMNS];
} SyRow;

/* row.c */
extern void sy_row_add(SyRow *row, Datum value);
extern void sy_row_add_null(SyRow *row);
extern void sy_row_add_text(SyRow *row, const char *text);
extern void sy_row_add_name(SyRow *row, const char *name);
extern void sy_row_add_role(SyRow *row, Oid roleid);
extern void sy_row_add_time(SyRow *row, TimestampTz time);
extern void sy_row_add_count(SyRow *row, int64 count);
extern void sy_row_add_int(SyRow *row, int number);
extern void sy_row_add_real(SyRow *row, double number);
extern void sy_row_add_ms(SyRow *row, double ms);
extern void sy_row_add_sqlstate(SyRow *row, int sqlstate);
extern void sy_row_put(SyRow *row, FunctionCallInfo fcinfo);

#endif							/* SY_SQLFN_H */
