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

extern void sy_guc_define(void);

#endif							/* SY_GUC_H */
