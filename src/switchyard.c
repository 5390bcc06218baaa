/*-------------------------------------------------------------------------
 *
 * switchyard.c
 *	  Wiring: what happens when the library is loaded.
 *
 * The library may be preloaded, so nothing here touches a catalog or a
 * client library.
 *
 * IDENTIFICATION
 *	  src/switchyard.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "base/error.h"
#include "base/guc.h"
#include "base/version.h"
#include "base/wait.h"
#include "conn/conn.h"
#include "conn/visit.h"
#include "health/health.h"
#include "source/source.h"
#include "worker/worker.h"

SY_MODULE_MAGIC("switchyard");

extern PGDLLEXPORT void _PG_init(void);

/* What drivers may call, whichever library they live in. */
static const SyHost host = {
	.abi = SY_DRIVER_ABI,
	.wait = sy_conn_wait,
	.wait_quietly = sy_wait_quietly,
	.redact = sy_error_redact,
	.recall_hosts = sy_visit_recall_hosts,
};

/*
 * Called when the library is loaded into the postmaster or a backend.
 */
void
_PG_init(void)
{
	sy_guc_define();
	sy_shmem_init();
	sy_registry_init(&host);
	sy_worker_init();
}
