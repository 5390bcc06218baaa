/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Settings.
 *
 * IDENTIFICATION
 *	  src/base/guc.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_GUC_H
#define SY_GUC_H

extern bool sy_enable_pushdown;
extern char *sy_sqlite_directories;
extern bool sy_log_remote_queries;

/* Which access to sources is logged. */
typedef enum SyLogAccess
{
	SY_LOG_ACCESS_NONE,
	SY_LOG_ACCESS_WRITE,
	SY_LOG_ACCESS_ALL
} SyLogAccess;

extern int	sy_log_access;		/* a SyLogAccess */
extern bool sy_probe;
extern int	sy_max_sources;		/* of no meaning unless preloaded */

extern void sy_guc_define(void);

#endif							/* SY_GUC_H */
