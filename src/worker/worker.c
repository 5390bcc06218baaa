/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  Registration of the launcher, and what all our workers begin with.
 *
 * IDENTIFICATION
 *	  src/worker/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "worker/worker.h"

#define RESTART_SECONDS		5

/* Register the launcher and the hook; see worker.h. */
void
sy_worker_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	sy_hook_init();

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "switchyard", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "sy_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "switchyard launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "switchyard launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * Handlers of signals.  Nobody cancels a worker's work: SIGINT does nothing.
 */
void
sy_worker_signals(void)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, SIG_IGN);
	BackgroundWorkerUnblockSignals();
}

/*
 * Settings that a database or a role may have and that would harm us: no
 * wait for standbys, no time-outs, no isolation that a standby refuses.  And
 * the name by which people find us.
 */
void
sy_worker_settings(void)
{
	static const char *const settings[][2] = {
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		{"synchronous_commit", "local"},
		{"search_path", ""}
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type, PGC_SUSET, PGC_S_OVERRIDE);
}
