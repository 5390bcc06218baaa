/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Databases that have sources: what backends, launcher and probers tell
 *	  each other.
 *
 * IDENTIFICATION
 *	  src/health/database.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "health/shmem.h"

static Oid	attached = InvalidOid;	/* this process is its prober */
static bool is_launcher = false;

/* The entry of a database, or NULL.  The caller holds the lock. */
static SyDatabaseEntry *
search(Oid dboid)
{
	for (int i = 0; i < SY_DATABASE_MAX; i++)
		if (sy_shared->databases[i].info.dboid == dboid)
			return &sy_shared->databases[i];
	return NULL;
}

/* A new entry, or NULL if there is no room.  The caller holds the lock. */
static SyDatabaseEntry *
add(Oid dboid)
{
	SyDatabaseEntry *entry = search(InvalidOid);

	if (entry == NULL)
		return NULL;
	memset(entry, 0, sizeof(SyDatabaseEntry));
	entry->info.dboid = dboid;
	entry->info.told = pg_atomic_read_u64(&sy_shared->last_event);
	return entry;
}

/*
 * The entry of the database whose prober this process is, with the lock
 * taken; NULL without it: it is not.
 */
static SyDatabaseEntry *
lock_attached(void)
{
	SyDatabaseEntry *entry;

	if (sy_shared == NULL || !OidIsValid(attached))
		return NULL;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	entry = search(attached);
	if (entry != NULL && entry->info.prober_pid == MyProcPid)
		return entry;
	LWLockRelease(SY_LOCK_DIRECTORY);
	return NULL;
}

/* Set the launcher's latch.  The caller holds the lock. */
static void
wake_launcher(void)
{
	if (sy_shared->launcher != NULL)
		SetLatch(sy_shared->launcher);
}

/* This database has, or may have, sources; see health.h. */
void
sy_database_register(Oid dboid)
{
	SyDatabase	known;

	if (sy_shared == NULL || sy_database_find(dboid, &known))
		return;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	/* with more than a thousand databases, some are not probed */
	if (search(dboid) == NULL && add(dboid) != NULL)
		wake_launcher();
	LWLockRelease(SY_LOCK_DIRECTORY);
}

/* Databases that are registered, palloc'd. */
SyDatabase *
sy_database_list(int *count)
{
	SyDatabase *databases;

	*count = 0;
	if (sy_shared == NULL)
		return NULL;
	databases = palloc(SY_DATABASE_MAX * sizeof(SyDatabase));
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_SHARED);
	for (int i = 0; i < SY_DATABASE_MAX; i++)
		if (OidIsValid(sy_shared->databases[i].info.dboid))
			databases[(*count)++] = sy_shared->databases[i].info;
	LWLockRelease(SY_LOCK_DIRECTORY);
	return databases;
}

/* One of them; false: it is not registered. */
bool
sy_database_find(Oid dboid, SyDatabase *result)
{
	SyDatabaseEntry *entry;

	if (sy_shared == NULL)
		return false;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_SHARED);
	entry = search(dboid);
	if (entry != NULL)
		*result = entry->info;
	LWLockRelease(SY_LOCK_DIRECTORY);
	return entry != NULL;
}

/*
 * The launcher has seen that there is nothing to probe.  A database that is
 * withdrawn stays, so that nobody forgets that.
 */
void
sy_database_unregister(Oid dboid)
{
	SyDatabaseEntry *entry;

	if (sy_shared == NULL)
		return;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	entry = search(dboid);
	if (entry != NULL && entry->info.prober_pid == 0 &&
		entry->info.withdrawn_until_us <= sy_now_us())
		memset(entry, 0, sizeof(SyDatabaseEntry));
	LWLockRelease(SY_LOCK_DIRECTORY);
}

/* Exit callback of a prober, and of the launcher. */
static void
at_exit(int code, Datum arg)
{
	sy_database_detach();
	if (is_launcher)
		sy_database_set_launcher(NULL);
}

/* Have at_exit() called, once. */
static void
register_exit(void)
{
	static bool done = false;

	if (!done)
		before_shmem_exit(at_exit, (Datum) 0);
	done = true;
}

/* A prober says that it works here; see health.h. */
bool
sy_database_attach(Oid dboid, Latch *latch)
{
	SyDatabaseEntry *entry;
	bool		welcome;

	if (sy_shared == NULL)
		return false;
	register_exit();
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	entry = search(dboid);
	welcome = entry != NULL && entry->info.withdrawn_until_us <= sy_now_us() &&
		(entry->info.prober_pid == 0 || entry->info.prober_pid == MyProcPid);
	if (welcome)
	{
		entry->info.prober_pid = MyProcPid;
		entry->latch = latch;
		attached = dboid;
	}
	LWLockRelease(SY_LOCK_DIRECTORY);
	return welcome;
}

/* The prober leaves; the launcher hears of it. */
void
sy_database_detach(void)
{
	SyDatabaseEntry *entry = lock_attached();

	attached = InvalidOid;
	if (entry == NULL)
		return;
	entry->info.prober_pid = 0;
	entry->latch = NULL;
	wake_launcher();
	LWLockRelease(SY_LOCK_DIRECTORY);
}

/* Listeners were told, by this prober; see health.h. */
void
sy_database_set_told(uint64 id)
{
	SyDatabaseEntry *entry = lock_attached();

	if (entry == NULL)
		return;
	entry->info.told = id;
	LWLockRelease(SY_LOCK_DIRECTORY);
}

/* The prober makes way for others; see health.h. */
void
sy_database_set_due(int64 due_us)
{
	SyDatabaseEntry *entry = lock_attached();

	if (entry == NULL)
		return;
	entry->info.due_us = due_us;
	LWLockRelease(SY_LOCK_DIRECTORY);
}

/* No prober may be there for "ms"; see health.h. */
int
sy_database_withdraw(Oid dboid, int64 ms)
{
	SyDatabaseEntry *entry;
	int			pid = 0;

	if (sy_shared == NULL)
		return 0;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	entry = search(dboid);
	if (entry == NULL && ms > 0)
		entry = add(dboid);
	if (entry != NULL)
	{
		entry->info.withdrawn_until_us = ms > 0 ? sy_now_us() + ms * 1000 : 0;
		pid = entry->info.prober_pid;
		if (entry->latch != NULL)
			SetLatch(entry->latch);
		wake_launcher();
	}
	LWLockRelease(SY_LOCK_DIRECTORY);
	return pid;
}

/* Set the latch of a database's prober. */
void
sy_database_wake(Oid dboid)
{
	SyDatabaseEntry *entry;

	if (sy_shared == NULL)
		return;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_SHARED);
	entry = search(dboid);
	if (entry != NULL && entry->latch != NULL)
		SetLatch(entry->latch);
	LWLockRelease(SY_LOCK_DIRECTORY);
}

/* The launcher's latch; NULL when it ends. */
void
sy_database_set_launcher(Latch *latch)
{
	if (sy_shared == NULL)
		return;
	if (latch != NULL)
		register_exit();
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_EXCLUSIVE);
	sy_shared->launcher = latch;
	LWLockRelease(SY_LOCK_DIRECTORY);
	is_launcher = latch != NULL;
}

/* There is something for the launcher to do. */
void
sy_database_wake_launcher(void)
{
	if (sy_shared == NULL)
		return;
	LWLockAcquire(SY_LOCK_DIRECTORY, LW_SHARED);
	wake_launcher();
	LWLockRelease(SY_LOCK_DIRECTORY);
}
