/*-------------------------------------------------------------------------
 *
 * driver.c
 *	  The MongoDB driver's table of functions, and the loading of the library.
 *
 * This is a library of its own, loaded when a backend first needs it, because
 * libmongoc may initialise itself as soon as it is loaded and must not do so
 * in the postmaster.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/driver.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "fmgr.h"
#include "storage/ipc.h"

#include "base/compat.h"
#include "base/version.h"
#include "session.h"

SY_MODULE_MAGIC("switchyard_mongodb");

extern PGDLLEXPORT const SyDriver *sy_driver(const SyHost *host);

const SyHost *mongo_host = NULL;

/* The member library_version: see source/driver.h. */
static const char *
mongo_library_version(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "libmongoc %s", mongoc_get_version());
	return text;
}

static const SyDriver mongo_driver = {
	.abi = SY_DRIVER_ABI,
	.name = "mongodb",
	.caps = SY_CAP_NETWORK | SY_CAP_SAMPLE,
	.options = mongo_options,
	.query_label = "Remote Query",
	.table_option = "collection",
	.library_version = mongo_library_version,
	.check_options = mongo_check_options,
	.endpoint = mongo_endpoint,
	.check_column = mongo_check_column,
	.ship = mongo_ship,
	.ship_order = mongo_ship_order,
	.order_by_index = mongo_order_by_index,
	.describe = mongo_describe,
	.session_key = mongo_session_key,
	.session_create = mongo_session_create,
	.session_close = mongo_session_close,
	.session_usable = mongo_session_usable,
	.session_silent = mongo_session_silent,
	.ping = mongo_ping,
	.sample = mongo_sample,
	.step = mongo_step,
	.wait = mongo_wait,
	.abandon = mongo_abandon,
	.begin = mongo_begin,
	.end = mongo_end,
	.settle = mongo_settle,
	.scan_create = mongo_scan_create,
	.scan_start = mongo_scan_start,
	.scan_start_more = mongo_scan_start_more,
	.scan_next = mongo_scan_next,
	.scan_close = mongo_scan_close,
	.import = mongo_import,
	.estimate = mongo_estimate
};

/*
 * Before anything else of this library or of libmongoc runs: the Makefile
 * links it so that its constructors come first.
 *
 * RES_OPTIONS bounds the look-up of names, which nothing can interrupt; the
 * other keeps libmongoc from leaving a file in /dev/shm for each process.
 */
static void __attribute__((constructor))
mongo_before_library(void)
{
	(void) setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
	(void) setenv("MONGOC_DISABLE_SHM", "1", 0);
}

/* At the end of the backend; all sessions are closed by then. */
static void
mongo_at_exit(int code, Datum arg)
{
	mongoc_cleanup();
}

/*
 * Each reply is read into fresh memory of its size and freed; without this
 * glibc maps, zeroes and unmaps a megabyte for every batch.
 */
static void
mongo_tune_malloc(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
	(void) mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024);
#endif
}

/*
 * The entry point: called once per process, in a backend, before anything
 * else of the driver.
 */
const SyDriver *
sy_driver(const SyHost *host)
{
	if (host->abi != SY_DRIVER_ABI)
		return NULL;
	if (mongo_host != NULL)
		return &mongo_driver;
	mongo_host = host;
	mongo_tune_malloc();
	mongoc_log_set_handler(mongo_log_handler, NULL);
	mongoc_init();
	on_proc_exit(mongo_at_exit, (Datum) 0);
	return &mongo_driver;
}
