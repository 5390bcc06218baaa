/*-------------------------------------------------------------------------
 *
 * deferred.c
 *	  The database file of a session, whose lock can be put off.
 *
 * A read transaction of SQLite in rollback mode costs eight system calls
 * besides reading pages: three to take the reader's lock, one to give it
 * back, one to read the part of the file's header that each commit changes,
 * two to see that neither a journal nor a write-ahead log lies beside the
 * file, and one for the file's size.  Where one row is looked up, which the
 * page cache has, these take three quarters of the time.
 *
 * So a lock can be put off until a page is read, if the session allows it:
 * SQLite is told that it has the lock, and only the header is read.  If that
 * is as it was when last read under a lock, the page cache holds pages of the
 * present state: in rollback mode a writer changes the header before its
 * commit is complete, and whoever finds it unchanged reads the state before
 * that commit.  (The format: sqlite.org/fileformat.html, 1.3.6 and 1.3.7; in
 * exclusive locking mode only the first commit counts, but nobody else reads
 * between the first one and the last.)  No page may come from the file
 * then: before the first one is read the lock is taken after all, and the
 * header, the journal and the log are looked at again.  If they are not as
 * SQLite was told, it gets SQLITE_BUSY_SNAPSHOT, and the caller has to begin
 * again, with a lock.
 *
 * Never where that proof does not hold: beside a journal that stays, in WAL
 * mode, on file systems whose writers may be other machines.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/deferred.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "sqlite.h"

/* The part of the header that each commit in rollback mode changes. */
#define STATE_OFFSET	24
#define STATE_SIZE		16

/* So many locks in a row are not put off where that was in vain again and again. */
#define MOST_TAKEN		15

typedef struct DatabaseFile
{
	sqlite3_file base;
	const char *journal;		/* names beside it; SQLite's, as long as it is open */
	const char *wal;
	bool		local;			/* on a file system that only this machine writes */
	int			level;			/* SQLITE_LOCK_... that is really held */
	bool		allowed;		/* may the next lock of a reader be put off? */
	bool		deferred;		/* SQLite believes that it has that lock */
	bool		told;			/* and was told that "state" is the header's */
	bool		lost;			/* taking it after all has failed: nothing is read */
	int			in_vain;		/* locks that were put off, but taken after all */
	int			take;			/* so many are not put off now */

	/* What was seen since a reader's lock was last really taken. */
	bool		clean;			/* no journal and no log */
	bool		state_seen;
	bool		size_seen;
	unsigned char state[STATE_SIZE];
	sqlite3_int64 size;			/* of the file, in bytes */

	sqlite3_file real;			/* and what else the parent has in it */
} DatabaseFile;

static sqlite3_vfs *parent = NULL;
static DatabaseFile *locking = NULL;	/* whose lock was taken or put off last */

/* Is there a file of this name? */
static bool
exists(const char *name)
{
	int			found = 0;

	return parent->xAccess(parent, name, SQLITE_ACCESS_EXISTS, &found) != SQLITE_OK || found;
}

/* Take the lock that was put off, and see whether what SQLite was told holds. */
static int
take_lock(DatabaseFile *db)
{
	unsigned char state[STATE_SIZE];
	int			rc = db->real.pMethods->xLock(&db->real, SQLITE_LOCK_SHARED);

	if (rc != SQLITE_OK)
		return rc;
	db->level = SQLITE_LOCK_SHARED;
	db->deferred = false;
	db->in_vain++;
	db->take = Min((1 << Min(db->in_vain - 1, 30)) - 1, MOST_TAKEN);

	rc = db->real.pMethods->xRead(&db->real, state, STATE_SIZE, STATE_OFFSET);
	if (rc != SQLITE_OK)
		return rc;
	if ((db->told && memcmp(state, db->state, STATE_SIZE) != 0) ||
		exists(db->journal) || exists(db->wal))
		return SQLITE_BUSY_SNAPSHOT;
	return SQLITE_OK;
}

/*
 * The same, so that it fails for good: SQLite does not mind some errors, and
 * would mix pages of two states.
 */
static int
settle(DatabaseFile *db)
{
	int			rc = db->lost ? SQLITE_BUSY_SNAPSHOT : take_lock(db);

	db->lost = rc != SQLITE_OK;
	return rc;
}

/*
 * Tell SQLite what the header is while the lock is put off: the truth, and
 * with the lock if it is not what SQLite's pages were read with.
 */
static int
read_state(DatabaseFile *db, void *to)
{
	int			rc = db->real.pMethods->xRead(&db->real, to, STATE_SIZE, STATE_OFFSET);

	if (rc == SQLITE_OK && memcmp(to, db->state, STATE_SIZE) == 0)
	{
		db->told = true;
		return SQLITE_OK;
	}
	rc = settle(db);
	return rc != SQLITE_OK ? rc :
		db->real.pMethods->xRead(&db->real, to, STATE_SIZE, STATE_OFFSET);
}

/* xRead: without a lock only the header's state; notice that under a lock. */
static int
read_database(sqlite3_file *file, void *to, int length, sqlite3_int64 offset)
{
	DatabaseFile *db = (DatabaseFile *) file;
	int			rc;

	if (unlikely(db->lost))
		return SQLITE_BUSY_SNAPSHOT;
	if (db->deferred && offset == STATE_OFFSET && length == STATE_SIZE)
		rc = read_state(db, to);
	else if (db->deferred && (rc = settle(db)) != SQLITE_OK)
		return rc;
	else
		rc = db->real.pMethods->xRead(&db->real, to, length, offset);

	if (rc == SQLITE_OK && db->level == SQLITE_LOCK_SHARED &&
		offset <= STATE_OFFSET && offset + length >= STATE_OFFSET + STATE_SIZE)
	{
		memcpy(db->state, (unsigned char *) to + (STATE_OFFSET - offset), STATE_SIZE);
		db->state_seen = true;
	}
	return rc;
}

static int
write_database(sqlite3_file *file, const void *from, int length, sqlite3_int64 offset)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xWrite(real, from, length, offset);
}

static int
truncate_database(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xTruncate(real, size);
}

static int
sync_database(sqlite3_file *file, int flags)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xSync(real, flags);
}

/* xFileSize: without a lock what it was when the header was as it is now. */
static int
size_of_database(sqlite3_file *file, sqlite3_int64 *size)
{
	DatabaseFile *db = (DatabaseFile *) file;
	int			rc;

	if (db->deferred && db->told)
	{
		*size = db->size;
		return SQLITE_OK;
	}
	if (db->deferred && (rc = settle(db)) != SQLITE_OK)
		return rc;
	rc = db->real.pMethods->xFileSize(&db->real, size);
	if (rc == SQLITE_OK && db->level == SQLITE_LOCK_SHARED)
	{
		db->size = *size;
		db->size_seen = true;
	}
	return rc;
}

/* May this lock be put off? */
static bool
may_defer(DatabaseFile *db)
{
	if (!db->allowed || !db->clean || !db->state_seen || !db->size_seen ||
		(locking != NULL && locking->deferred))
		return false;
	if (db->take == 0)
		return true;
	db->take--;
	return false;
}

/* xLock: put a reader's off if that may be. */
static int
lock_database(sqlite3_file *file, int level)
{
	DatabaseFile *db = (DatabaseFile *) file;
	int			rc;

	if (db->deferred)
	{
		rc = settle(db);
		if (rc != SQLITE_OK || level <= SQLITE_LOCK_SHARED)
			return rc;
	}
	else if (db->level == SQLITE_LOCK_NONE && level == SQLITE_LOCK_SHARED)
	{
		db->lost = false;
		if (may_defer(db))
		{
			db->deferred = true;
			db->told = false;
			locking = db;
			return SQLITE_OK;
		}
		db->clean = db->local;
		db->state_seen = db->size_seen = false;
		locking = db;
	}
	rc = db->real.pMethods->xLock(&db->real, level);
	if (rc == SQLITE_OK)
		db->level = level;
	return rc;
}

/* xUnlock: nothing to do for one that was put off to the end. */
static int
unlock_database(sqlite3_file *file, int level)
{
	DatabaseFile *db = (DatabaseFile *) file;
	int			rc;

	if (level < SQLITE_LOCK_SHARED)
		db->lost = false;
	if (db->deferred)
	{
		if (level < SQLITE_LOCK_SHARED)
		{
			db->deferred = false;
			db->in_vain = 0;
		}
		return SQLITE_OK;
	}
	rc = db->real.pMethods->xUnlock(&db->real, level);
	if (rc == SQLITE_OK)
		db->level = Min(db->level, level);
	return rc;
}

static int
check_reserved_lock_of_database(sqlite3_file *file, int *result)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xCheckReservedLock(real, result);
}

static int
control_database(sqlite3_file *file, int operation, void *arg)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xFileControl(real, operation, arg);
}

static int
sector_size_of_database(sqlite3_file *file)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xSectorSize(real);
}

static int
characteristics_of_database(sqlite3_file *file)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xDeviceCharacteristics(real);
}

/* xShmMap: the log's index, if it is made here, is for others from the start. */
static int
map_shared_memory(sqlite3_file *file, int page, int size, int extend, void volatile **to)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;
	mode_t		mask = umask(0);
	int			rc = real->pMethods->xShmMap(real, page, size, extend, to);

	(void) umask(mask);
	return rc;
}

static int
lock_shared_memory(sqlite3_file *file, int offset, int n, int flags)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xShmLock(real, offset, n, flags);
}

static void
barrier(sqlite3_file *file)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	real->pMethods->xShmBarrier(real);
}

static int
unmap_shared_memory(sqlite3_file *file, int remove)
{
	sqlite3_file *real = &((DatabaseFile *) file)->real;

	return real->pMethods->xShmUnmap(real, remove);
}

static int
close_database(sqlite3_file *file)
{
	DatabaseFile *db = (DatabaseFile *) file;

	if (locking == db)
		locking = NULL;
	return db->real.pMethods->xClose(&db->real);
}

/* Version 1: no write-ahead log.  In no version here mapping into memory. */
#define METHODS \
	.xClose = close_database, \
	.xRead = read_database, \
	.xWrite = write_database, \
	.xTruncate = truncate_database, \
	.xSync = sync_database, \
	.xFileSize = size_of_database, \
	.xLock = lock_database, \
	.xUnlock = unlock_database, \
	.xCheckReservedLock = check_reserved_lock_of_database, \
	.xFileControl = control_database, \
	.xSectorSize = sector_size_of_database, \
	.xDeviceCharacteristics = characteristics_of_database

static const sqlite3_io_methods database_methods = {
	.iVersion = 1,
	METHODS
};

static const sqlite3_io_methods database_methods_with_log = {
	.iVersion = 2,
	METHODS,
	.xShmMap = map_shared_memory,
	.xShmLock = lock_shared_memory,
	.xShmBarrier = barrier,
	.xShmUnmap = unmap_shared_memory
};

/*
 * Is the file on a file system whose pages this machine alone has in memory?
 * Under others a header could be read that is no longer true.
 */
static bool
is_local(const char *name)
{
#ifdef __linux__
	/* linux/magic.h, and those of bcachefs and ZFS, which are not in there */
	static const uint32 magic[] = {
		0xEF53 /* ext2, 3, 4 */ , 0x58465342 /* XFS */ , 0x9123683E /* Btrfs */ ,
		0xF2F52010 /* F2FS */ , 0x01021994 /* tmpfs */ , 0x794C7630 /* overlayfs */ ,
		0xCA451A4E /* bcachefs */ , 0x2FC12FC1 /* ZFS */
	};
	struct statfs st;

	if (statfs(name, &st) == 0)
		for (int i = 0; i < (int) lengthof(magic); i++)
			if ((uint32) st.f_type == magic[i])
				return true;
#endif
	return false;
}

/*
 * Functions of our VFS, see vfs.c
 */

/* How much room SQLite must have for a file object of ours. */
int
sqlite_deferred_size(sqlite3_vfs *vfs)
{
	parent = vfs;
	return offsetof(DatabaseFile, real) + parent->szOsFile;
}

/* xOpen for a database. */
int
sqlite_deferred_open(const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	DatabaseFile *db = (DatabaseFile *) file;
	const sqlite3_io_methods *methods;
	int			rc;

	memset(db, 0, offsetof(DatabaseFile, real) + parent->szOsFile);
	rc = parent->xOpen(parent, name, &db->real, flags, flags_out);
	methods = db->real.pMethods;
	if (rc != SQLITE_OK)
	{
		if (methods != NULL)
			(void) methods->xClose(&db->real);
		return rc;
	}
	db->journal = sqlite3_filename_journal(name);
	db->wal = sqlite3_filename_wal(name);
	db->local = db->journal != NULL && db->wal != NULL && is_local(name);
	file->pMethods = methods->iVersion >= 2 && methods->xShmMap != NULL ?
		&database_methods_with_log : &database_methods;
	return SQLITE_OK;
}

/*
 * xAccess: what lies beside the file whose lock was put off is not looked for,
 * and what is found beside one that was locked is noticed.
 */
int
sqlite_deferred_access(const char *name, int flags, int *result)
{
	DatabaseFile *db = locking;
	int			rc;

	if (db != NULL && (!db->local ||
					   (strcmp(name, db->journal) != 0 && strcmp(name, db->wal) != 0)))
		db = NULL;
	if (db != NULL && db->deferred)
	{
		*result = 0;
		return SQLITE_OK;
	}
	rc = parent->xAccess(parent, name, flags, result);
	if (db != NULL && (rc != SQLITE_OK || *result))
		db->clean = false;
	return rc;
}

/*
 * Functions for sessions
 */

/* The connection's database, for the functions below; NULL: has no such. */
struct DatabaseFile *
sqlite_deferred_database(sqlite3 *connection)
{
	sqlite3_file *file = NULL;

	(void) sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	return file != NULL && file->pMethods != NULL ? (DatabaseFile *) file : NULL;
}

/*
 * May the next lock be put off?  The caller must then be able to begin again
 * when SQLite fails, and deliver nothing until the statement is complete or
 * the lock is no longer put off.
 */
void
sqlite_deferred_allow(struct DatabaseFile *db, bool allow)
{
	if (db != NULL)
		db->allowed = allow;
}

/* Is the lock of the present transaction put off still? */
bool
sqlite_deferred_now(const struct DatabaseFile *db)
{
	return db != NULL && db->deferred;
}

/*
 * Was something asked for in the present transaction that could not be read,
 * since the lock could not be taken after all, or the file has changed?  Then
 * what SQLite says is not to be believed.
 */
bool
sqlite_deferred_lost(const struct DatabaseFile *db)
{
	return db != NULL && db->lost;
}
