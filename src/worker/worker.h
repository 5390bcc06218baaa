/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Background workers: a launcher for the cluster, probers for databases.
 *
 * IDENTIFICATION
 *	  src/worker/worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_WORKER_H
#define SY_WORKER_H

#include "postmaster/bgworker.h"

/*
 * Called from _PG_init: registers the launcher and the hook that keeps
 * probers out of the way of commands on databases.  Does nothing unless the
 * library is preloaded, nor during pg_upgrade.
 */
extern void sy_worker_init(void);

/* hook.c */
extern void sy_hook_init(void);

/* What a prober is started with, in BackgroundWorker.bgw_extra. */
typedef struct SyProberOrder
{
	bool		one_round;		/* other databases wait for their turn */
} SyProberOrder;

StaticAssertDecl(sizeof(SyProberOrder) <= BGW_EXTRALEN, "a prober's order is too long");

/* Entry points; a prober's argument is the database's OID. */
extern PGDLLEXPORT void sy_launcher_main(Datum arg);
extern PGDLLEXPORT void sy_prober_main(Datum arg);

/* What launcher and probers have in common at their start: signals, settings. */
extern void sy_worker_signals(void);
extern void sy_worker_settings(void);

/* notify.c: tell listeners what is new, up to the event that it returns. */
extern uint64 sy_notify_events(uint64 since);

#endif							/* SY_WORKER_H */
