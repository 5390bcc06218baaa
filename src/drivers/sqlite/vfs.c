/*-------------------------------------------------------------------------
 *
 * vfs.c
 *	  SQLite's temporary files, where interrupts are heard.
 *
 * Within one instruction of its virtual machine SQLite may write many
 * megabytes: a sort that is complete but for merging what lies in temporary
 * files fills the buffers of all its mergers at once.  And the files of a
 * large sort take long to close, as the kernel then gives their pages back.
 * The progress handler is not asked meanwhile.
 *
 * So sessions use a VFS of our own, which is the default one but for
 * temporary files, for databases, see deferred.c, and for the rights of logs
 * that are made, see open_beside().  Temporary files are asked at each block
 * whether the work shall stop, which then ends like by the progress handler,
 * with SQLITE_INTERRUPT: that leaves the transaction of a reader alone, as an
 * I/O error would not.  What would be closed while the work shall stop is
 * kept, and closed by sqlite_vfs_close_kept() when the client has been told.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/vfs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "sqlite.h"

/* Flags of xOpen that name a file which only its connection uses. */
#define TEMPORARY	(SQLITE_OPEN_TEMP_DB | SQLITE_OPEN_TRANSIENT_DB | \
					 SQLITE_OPEN_TEMP_JOURNAL | SQLITE_OPEN_SUBJOURNAL)

/* As much of a file is given back to the kernel between two questions. */
#define PIECE		(INT64CONST(16) * 1024 * 1024)

/* A temporary file, in the room that SQLite has for its file object. */
typedef struct TemporaryFile
{
	sqlite3_file base;
	struct KeptFile *real;
} TemporaryFile;

/* The parent's file object, which lives until the file is closed. */
typedef struct KeptFile
{
	struct KeptFile *next;		/* of those that wait for their close */
	sqlite3_file file;			/* and what else the parent has in it */
} KeptFile;

static sqlite3_vfs *parent = NULL;
static KeptFile *kept = NULL;

/* The parent's object of a temporary file. */
static inline sqlite3_file *
real_file(sqlite3_file *file)
{
	return &((TemporaryFile *) file)->real->file;
}

/*
 * Temporary files
 */

static int
read_file(sqlite3_file *file, void *to, int length, sqlite3_int64 offset)
{
	sqlite3_file *real = real_file(file);

	return sqlite_session_stops() ? SQLITE_INTERRUPT :
		real->pMethods->xRead(real, to, length, offset);
}

static int
write_file(sqlite3_file *file, const void *from, int length, sqlite3_int64 offset)
{
	sqlite3_file *real = real_file(file);

	return sqlite_session_stops() ? SQLITE_INTERRUPT :
		real->pMethods->xWrite(real, from, length, offset);
}

static int
truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xTruncate(real, size);
}

static int
sync_file(sqlite3_file *file, int flags)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xSync(real, flags);
}

static int
file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xFileSize(real, size);
}

static int
lock_file(sqlite3_file *file, int level)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xLock(real, level);
}

static int
unlock_file(sqlite3_file *file, int level)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xUnlock(real, level);
}

static int
check_reserved_lock(sqlite3_file *file, int *result)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xCheckReservedLock(real, result);
}

static int
control_file(sqlite3_file *file, int operation, void *arg)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xFileControl(real, operation, arg);
}

static int
sector_size(sqlite3_file *file)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xSectorSize(real);
}

static int
characteristics(sqlite3_file *file)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods->xDeviceCharacteristics(real);
}

/*
 * Give the file's pages back from its end on.  False: asked to stop before
 * that was done.
 */
static bool
shrink(sqlite3_file *real)
{
	sqlite3_int64 size;

	if (real->pMethods->xFileSize(real, &size) != SQLITE_OK)
		return true;
	while (!sqlite_session_stops())
	{
		if (size <= PIECE)
			return true;
		size -= PIECE;
		if (real->pMethods->xTruncate(real, size) != SQLITE_OK)
			return true;		/* the close does it all the same */
	}
	return false;
}

/* Close the file now, or keep it for sqlite_vfs_close_kept(). */
static int
close_file(sqlite3_file *file)
{
	KeptFile   *real = ((TemporaryFile *) file)->real;
	int			rc;

	if (!shrink(&real->file))
	{
		real->next = kept;
		kept = real;
		return SQLITE_OK;
	}
	rc = real->file.pMethods->xClose(&real->file);
	sqlite3_free(real);
	return rc;
}

/* Version 1: no mapping into memory, whose pages would be read unasked. */
static const sqlite3_io_methods temporary_methods = {
	.iVersion = 1,
	.xClose = close_file,
	.xRead = read_file,
	.xWrite = write_file,
	.xTruncate = truncate_file,
	.xSync = sync_file,
	.xFileSize = file_size,
	.xLock = lock_file,
	.xUnlock = unlock_file,
	.xCheckReservedLock = check_reserved_lock,
	.xFileControl = control_file,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics
};

/*
 * Close what was kept.  To be called where the client need not wait for it.
 */
void
sqlite_vfs_close_kept(void)
{
	while (unlikely(kept != NULL))
	{
		KeptFile   *real = kept;

		kept = real->next;
		(void) real->file.pMethods->xClose(&real->file);
		sqlite3_free(real);
	}
}

/*
 * The VFS
 */

/*
 * Open a log or a journal, which becomes wholly the parent's.  SQLite gives a
 * log that it makes the rights of the database, but after the process's mask
 * has counted: nobody else could open it in between.
 */
static int
open_beside(const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	mode_t		mask = umask(0);
	int			rc = parent->xOpen(parent, name, file, flags, flags_out);

	(void) umask(mask);
	return rc;
}

/* Open a file. */
static int
open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	KeptFile   *real;
	int			rc;

	if (flags & SQLITE_OPEN_MAIN_DB)
		return sqlite_deferred_open(name, file, flags, flags_out);
	if (!(flags & TEMPORARY))
		return open_beside(name, file, flags, flags_out);
	file->pMethods = NULL;
	real = sqlite3_malloc64(offsetof(KeptFile, file) + parent->szOsFile);
	if (real == NULL)
		return SQLITE_NOMEM;
	memset(real, 0, offsetof(KeptFile, file) + parent->szOsFile);
	rc = parent->xOpen(parent, name, &real->file, flags, flags_out);
	if (rc != SQLITE_OK)
	{
		if (real->file.pMethods != NULL)
			(void) real->file.pMethods->xClose(&real->file);
		sqlite3_free(real);
		return rc;
	}
	((TemporaryFile *) file)->real = real;
	file->pMethods = &temporary_methods;
	return SQLITE_OK;
}

static int
delete_file(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
	return parent->xDelete(parent, name, sync_directory);
}

static int
access_file(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	return sqlite_deferred_access(name, flags, result);
}

static int
full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *result)
{
	return parent->xFullPathname(parent, name, size, result);
}

static int
randomness(sqlite3_vfs *vfs, int size, char *result)
{
	return parent->xRandomness(parent, size, result);
}

static int
sleep_us(sqlite3_vfs *vfs, int us)
{
	return parent->xSleep(parent, us);
}

static int
current_time(sqlite3_vfs *vfs, double *days)
{
	return parent->xCurrentTime(parent, days);
}

static int
current_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	return parent->xCurrentTimeInt64(parent, ms);
}

static int
last_error(sqlite3_vfs *vfs, int size, char *result)
{
	return parent->xGetLastError(parent, size, result);
}

/* Extensions are never loaded: there is nothing for their members. */
static sqlite3_vfs our_vfs = {
	.zName = SQLITE_VFS_NAME,
	.xOpen = open_file,
	.xDelete = delete_file,
	.xAccess = access_file,
	.xFullPathname = full_pathname,
	.xRandomness = randomness,
	.xSleep = sleep_us,
	.xCurrentTime = current_time,
	.xGetLastError = last_error,
	.xCurrentTimeInt64 = current_time_ms
};

/*
 * Make our VFS known to SQLite, not as the default one.  Once for a process,
 * when SQLite is initialised.  False: it could not be.
 */
bool
sqlite_vfs_register(void)
{
	parent = sqlite3_vfs_find(NULL);
	if (parent == NULL)
		return false;
	our_vfs.iVersion = Min(parent->iVersion, 2);
	our_vfs.szOsFile = Max(sqlite_deferred_size(parent), (int) sizeof(TemporaryFile));
	our_vfs.mxPathname = parent->mxPathname;
	return sqlite3_vfs_register(&our_vfs, 0) == SQLITE_OK;
}
