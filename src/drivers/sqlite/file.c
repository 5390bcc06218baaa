/*-------------------------------------------------------------------------
 *
 * file.c
 *	  Which file is it, and may it be opened?
 *
 * Questions are answered by stat(), never by opening the file: closing any
 * descriptor of a file drops all locks that this process holds on it, also
 * those of SQLite.  What must be known of the contents is read through
 * SQLite's own file object.
 *
 * IDENTIFICATION
 *	  src/drivers/sqlite/file.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "base/guc.h"
#include "sqlite.h"

#define TABLESPACES_DIRECTORY "pg_tblspc"

/* Room for the name of a file beside the database. */
#define BESIDE_SIZE			(MAXPGPATH + 16)

/* Offsets in the header of a database file. */
#define HEADER_VERSIONS		18	/* two bytes: 2 is WAL */
#define HEADER_CHANGES		24	/* four bytes: the change counter */

/* A path that was looked at before, and the limits it was checked against. */
typedef struct KnownPath
{
	struct KnownPath *next;
	char	   *path;			/* as the option says */
	char	   *directories;	/* switchyard.sqlite_directories then */
	SqliteFile	file;
} KnownPath;

static KnownPath *known_paths = NULL;

/* The file cannot be opened; false for the caller to return. */
static bool
refuse(const SySource *source, const char *path, SyError *err, const char *detail, const char *hint)
{
	sy_error_set(err, SY_ERROR_SOURCE, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				 "could not open file \"%s\" of source \"%s\"", path, source->name);
	sy_error_detail(err, "%s", detail);
	if (hint)
		sy_error_hint(err, "%s", hint);
	return false;
}

/* Say why stat() or realpath() failed. */
static bool
refuse_errno(const SySource *source, const char *path, SyError *err)
{
	int			code = errno;
	char		detail[256];

	snprintf(detail, sizeof(detail), "%s.", strerror(code));
	return refuse(source, path, err, detail,
				  code == ENOENT || code == ENOTDIR ?
				  "Check the server's option \"path\"; the server's process may also see other directories than you do (PrivateTmp, ProtectHome, containers)." :
				  code == EACCES ?
				  "PostgreSQL's operating system user needs search permission on every directory of the path." :
				  NULL);
}

/* Is any directory above "path" one of the "count" given ones? */
static bool
lies_below(const char *path, const struct stat *directories, int count)
{
	char		parent[MAXPGPATH];
	struct stat st;
	char	   *slash;

	strlcpy(parent, path, sizeof(parent));
	while ((slash = strrchr(parent, '/')) != NULL)
	{
		slash[slash == parent ? 1 : 0] = '\0';
		if (stat(parent, &st) == 0)
			for (int i = 0; i < count; i++)
				if (st.st_dev == directories[i].st_dev && st.st_ino == directories[i].st_ino)
					return true;
		if (slash == parent)
			break;
	}
	return false;
}

/* Does the file lie in the data directory or in a tablespace? */
static bool
lies_in_cluster(const char *path)
{
	struct stat st;
	DIR		   *dir;
	struct dirent *entry;
	bool		found;

	found = stat(DataDir, &st) == 0 && lies_below(path, &st, 1);
	dir = found ? NULL : opendir(TABLESPACES_DIRECTORY);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL)
	{
		char		name[MAXPGPATH];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", TABLESPACES_DIRECTORY, entry->d_name);
		found = stat(name, &st) == 0 && lies_below(path, &st, 1);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* Does switchyard.sqlite_directories allow the file? */
static bool
is_allowed(const char *path)
{
	char	   *copy;
	List	   *names = NIL;
	ListCell   *lc;
	bool		allowed = false;

	if (sy_sqlite_directories == NULL || sy_sqlite_directories[0] == '\0')
		return true;
	copy = pstrdup(sy_sqlite_directories);
	if (SplitDirectoriesString(copy, ',', &names))
		foreach(lc, names)
		{
			struct stat st;

			if (stat(lfirst(lc), &st) == 0 && lies_below(path, &st, 1))
				allowed = true;
		}
	list_free_deep(names);
	pfree(copy);
	return allowed;
}

/* Remember a path whose checks passed, to spare them next time. */
static void
remember(const char *path, const SqliteFile *file)
{
	KnownPath  *known;

	for (known = known_paths; known != NULL; known = known->next)
		if (strcmp(known->path, path) == 0)
			break;
	if (known == NULL)
	{
		known = MemoryContextAllocZero(TopMemoryContext, sizeof(*known));
		known->path = MemoryContextStrdup(TopMemoryContext, path);
		known->next = known_paths;
		known_paths = known;
	}
	if (known->directories)
		pfree(known->directories);
	known->directories = MemoryContextStrdup(TopMemoryContext,
											 sy_sqlite_directories ? sy_sqlite_directories : "");
	known->file = *file;
}

/* Was this very file checked under this name and these settings before? */
static bool
recall(const char *path, const struct stat *st, SqliteFile *file)
{
	for (KnownPath *known = known_paths; known != NULL; known = known->next)
	{
		if (strcmp(known->path, path) != 0)
			continue;
		if (known->file.device != st->st_dev || known->file.inode != st->st_ino ||
			strcmp(known->directories, sy_sqlite_directories ? sy_sqlite_directories : "") != 0)
			return false;
		*file = known->file;
		return true;
	}
	return false;
}

/* Take over what stat() says. */
static void
take_stat(SqliteFile *file, const struct stat *st)
{
	file->device = st->st_dev;
	file->inode = st->st_ino;
	file->owner = st->st_uid;
	file->gid = st->st_gid;
	file->mode = st->st_mode;
	file->size = st->st_size;
	file->modified = st->st_mtim;
}

/* The checks of a file that was not seen before. */
static bool
check_place(const SySource *source, const char *path, SqliteFile *file, SyError *err)
{
	char		resolved[PATH_MAX];

	if (realpath(path, resolved) == NULL)
		return refuse_errno(source, path, err);
	if (strlcpy(file->path, resolved, sizeof(file->path)) >= sizeof(file->path))
		return refuse(source, path, err, "The path is too long.", NULL);
	if (lies_in_cluster(file->path))
		return refuse(source, path, err, "It lies within PostgreSQL's own files.",
					  "Keep database files outside of the data directory and of all tablespaces.");
	if (!is_allowed(file->path))
	{
		sy_error_set(err, SY_ERROR_AUTH, ERRCODE_INSUFFICIENT_PRIVILEGE,
					 "file \"%s\" of source \"%s\" is not in an allowed directory",
					 path, source->name);
		sy_error_hint(err, "Directories are listed in the setting switchyard.sqlite_directories.");
		return false;
	}
	return true;
}

/*
 * Find the file of a source and check that it may be opened.  False: "err"
 * says why not.
 */
bool
sqlite_file_locate(const SySource *source, SqliteFile *file, SyError *err)
{
	const char *path = sy_options_get(&source->options, "path");
	struct stat st;
	bool		seen;

	if (path == NULL)
		return refuse(source, "", err, "The server has no option \"path\".", NULL);
	if (stat(path, &st) != 0)
		return refuse_errno(source, path, err);
	if (!S_ISREG(st.st_mode))
		return refuse(source, path, err, "It is not a regular file.", NULL);
	if (st.st_size == 0)
		return refuse(source, path, err, "The file is empty: it is not a database.",
					  "Create the database with SQLite before it is used here.");
	seen = recall(path, &st, file);
	if (!seen && !check_place(source, path, file, err))
		return false;
	take_stat(file, &st);
	if (!seen)
		remember(path, file);
	return true;
}

/*
 * Is the file that the session has open still the one at its path, and as it
 * was then?  A program that does not write by SQLite, as cp, may leave all the
 * counters by which SQLite tells whether what it has in memory still holds, so
 * that rows of the old file would be read at places of the new one.
 */
bool
sqlite_file_same(const SqliteSession *session)
{
	const SqliteFile *file = &session->file;
	struct stat st;

	return stat(file->path, &st) == 0 &&
		st.st_dev == file->device && st.st_ino == file->inode && st.st_size == file->size &&
		st.st_mtim.tv_sec == file->modified.tv_sec &&
		st.st_mtim.tv_nsec == file->modified.tv_nsec;
}

/* Read bytes of the file's header through SQLite's own descriptor. */
static bool
read_header(SqliteSession *session, void *to, int length, int offset)
{
	sqlite3_file *handle = NULL;

	return sqlite3_file_control(session->db, "main", SQLITE_FCNTL_FILE_POINTER,
								&handle) == SQLITE_OK &&
		handle != NULL && handle->pMethods != NULL &&
		handle->pMethods->xRead(handle, to, length, offset) == SQLITE_OK;
}

/* Is "uid" a member of group "gid"? */
static bool
is_member(uid_t uid, gid_t gid)
{
	struct passwd *user = getpwuid(uid);
	struct group *group;

	if (user == NULL)
		return false;
	if (user->pw_gid == gid)
		return true;
	group = getgrgid(gid);
	for (char **member = group ? group->gr_mem : NULL; member && *member; member++)
		if (strcmp(*member, user->pw_name) == 0)
			return true;
	return false;
}

/*
 * Will others miss files that we create beside this one?  Those get our user,
 * the mode of the database file, and the group of the directory if that is
 * setgid, else ours.  So its owner must be one of that group, and its group
 * must be that one, if it may write.
 */
static bool
others_could_write(const SqliteFile *file, const struct stat *directory)
{
	gid_t		gid = (directory->st_mode & S_ISGID) ? directory->st_gid : getegid();
	bool		by_group = (file->mode & S_IWGRP) != 0;

	if (file->mode & S_IWOTH)
		return true;
	if (file->owner != geteuid() && !(by_group && is_member(file->owner, gid)))
		return false;
	return !by_group || file->gid == gid;
}

/* Do users other than ours write the file? */
bool
sqlite_file_is_foreign(const SqliteFile *file)
{
	return file->owner != geteuid() ||
		((file->mode & S_IWGRP) && !(file->mode & S_IWOTH) && file->gid != getegid());
}

/* The name of a file beside the database. */
static void
name_beside(const SqliteFile *file, const char *suffix, char name[BESIDE_SIZE])
{
	snprintf(name, BESIDE_SIZE, "%s%s", file->path, suffix);
}

/*
 * Are the files beside the database regular ones, if they are there at all?
 * To open a FIFO would wait for its writer, where no interrupt is served.
 */
static bool
is_regular_beside(const SqliteFile *file, const char *source, SyError *err)
{
	static const char *const suffixes[] = {"-journal", "-wal", "-shm"};
	char		name[BESIDE_SIZE];
	struct stat st;

	for (int i = 0; i < (int) lengthof(suffixes); i++)
	{
		name_beside(file, suffixes[i], name);
		if (lstat(name, &st) != 0 || S_ISREG(st.st_mode))
			continue;
		sy_error_set(err, SY_ERROR_SOURCE, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					 "could not open file \"%s\" of source \"%s\"", file->path, source);
		sy_error_detail(err, "\"%s\" is not a regular file.", name);
		return false;
	}
	return true;
}

/*
 * Are there changes that reading the file alone would miss: a write-ahead log,
 * or a rollback journal whose program died?
 */
static bool
is_complete(const SqliteFile *file)
{
	char		name[BESIDE_SIZE];
	struct stat st;
	char		first = 0;
	int			fd;

	name_beside(file, "-wal", name);
	if (stat(name, &st) == 0 && st.st_size > 0)
		return false;
	name_beside(file, "-journal", name);
	if (stat(name, &st) != 0 || st.st_size == 0)
		return true;

	/* A journal that is over begins with zeros.  It is locked by nobody. */
	fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &first, 1) != 1)
		first = 0;
	(void) close(fd);
	return first == 0;
}

/*
 * What must hold of the files beside a database before it is opened.  False:
 * "err" says what is wrong.
 */
bool
sqlite_file_beside(const SqliteSession *session, SyError *err)
{
	const SqliteFile *file = &session->file;
	const char *source = session->base.source->name;

	if (!is_regular_beside(file, source, err))
		return false;
	if (!session->immutable || is_complete(file))
		return true;
	sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "cannot read file \"%s\" of source \"%s\" as immutable", file->path, source);
	sy_error_detail(err, "Its write-ahead log or rollback journal has changes that are not in the file yet.");
	sy_error_hint(err, "Open the file once with a program that may write it, so that they are taken over, or drop the option \"immutable\".");
	return false;
}

/*
 * Hold the lock of a reader, so that no other program removes -wal and -shm as
 * the last one that closes the file; they may be looked at then.  *taken: it
 * was not held before.  False: somebody writes.
 */
static bool
hold_shared(SqliteSession *session, bool *taken)
{
	sqlite3_file *handle = NULL;
	int			state = SQLITE_LOCK_NONE;

	*taken = false;
	if (sqlite3_file_control(session->db, "main", SQLITE_FCNTL_FILE_POINTER, &handle) != SQLITE_OK ||
		handle == NULL || handle->pMethods == NULL)
		return true;
	(void) handle->pMethods->xFileControl(handle, SQLITE_FCNTL_LOCKSTATE, &state);
	if (state != SQLITE_LOCK_NONE)
		return true;
	*taken = handle->pMethods->xLock(handle, SQLITE_LOCK_SHARED) == SQLITE_OK;
	return *taken;
}

/* Give up the lock that hold_shared() took. */
static void
release_shared(SqliteSession *session)
{
	sqlite3_file *handle = NULL;

	if (sqlite3_file_control(session->db, "main", SQLITE_FCNTL_FILE_POINTER, &handle) == SQLITE_OK &&
		handle != NULL && handle->pMethods != NULL)
		(void) handle->pMethods->xUnlock(handle, SQLITE_LOCK_NONE);
}

/* Would a reader in WAL mode leave nothing that others could not write? */
static bool
leaves_nothing(const SqliteFile *file)
{
	char		name[BESIDE_SIZE];
	char		directory[MAXPGPATH];
	struct stat st;

	name_beside(file, "-shm", name);
	if (stat(name, &st) == 0)
	{
		name_beside(file, "-wal", name);
		if (stat(name, &st) == 0)
			return true;
	}
	strlcpy(directory, file->path, sizeof(directory));
	*strrchr(directory, '/') = '\0';
	return stat(directory[0] ? directory : "/", &st) == 0 &&
		faccessat(AT_FDCWD, directory[0] ? directory : "/", W_OK, AT_EACCESS) == 0 &&
		others_could_write(file, &st);
}

/*
 * May SQLite touch the file now?
 *
 * A reader of a WAL database creates -wal and -shm if they are not there.  If
 * other OS users write the file, these would be ours, and their programs could
 * never write again; so that is refused before it happens.  False: "err" says
 * why; 55P03 if another program holds a lock.
 */
bool
sqlite_file_readable(SqliteSession *session, SyError *err)
{
	const SqliteFile *file = &session->file;
	const char *source = session->base.source->name;
	unsigned char versions[2];
	bool		taken;

	if (!session->foreign || session->immutable)
		return true;
	if (!is_regular_beside(file, source, err))
		return false;
	if (!hold_shared(session, &taken))
	{
		sy_error_set(err, SY_ERROR_OVERLOAD, ERRCODE_LOCK_NOT_AVAILABLE,
					 "could not read from source \"%s\": the file is locked", source);
		return false;
	}
	if (!read_header(session, versions, sizeof(versions), HEADER_VERSIONS) ||
		(versions[0] != 2 && versions[1] != 2) || leaves_nothing(file))
		return true;			/* SQLite takes over the lock */
	if (taken)
		release_shared(session);

	sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "cannot read file \"%s\" of source \"%s\" in WAL mode", file->path, source);
	sy_error_detail(err, "Other operating system users write the file, and reading it would leave files beside it that they could not write.");
	sy_error_hint(err, "Share it by a group (directory setgid and writable, file mode 0660, both users members), or use read_only and immutable if nobody writes it, or set its journal_mode to DELETE.");
	return false;
}

/*
 * Is an immutable file as it was when it was opened?  False, and then the
 * session must not be used again: rows were read without any lock.
 */
bool
sqlite_file_unchanged(SqliteSession *session, SyError *err)
{
	struct stat st;
	unsigned char changes[sizeof(session->changes)];

	if (!session->immutable)
		return true;
	if (!session->changes_known)
	{
		session->changes_known = read_header(session, session->changes,
											 sizeof(changes), HEADER_CHANGES);
		memcpy(changes, session->changes, sizeof(changes));
	}
	else if (!read_header(session, changes, sizeof(changes), HEADER_CHANGES))
		session->changed = true;
	if (!session->changed && is_complete(&session->file) &&
		memcmp(changes, session->changes, sizeof(changes)) == 0 && stat(session->file.path, &st) == 0 &&
		st.st_dev == session->file.device && st.st_ino == session->file.inode &&
		st.st_size == session->file.size &&
		st.st_mtim.tv_sec == session->file.modified.tv_sec &&
		st.st_mtim.tv_nsec == session->file.modified.tv_nsec)
		return true;
	session->changed = true;
	if (err == NULL)
		return false;
	sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_T_R_SERIALIZATION_FAILURE,
				 "file \"%s\" of source \"%s\" changed while it was read",
				 session->file.path, session->base.source->name);
	sy_error_detail(err, "The server's option \"immutable\" promises that nobody writes the file.");
	sy_error_hint(err, "Run the query again; drop the option \"immutable\" if the file is written at all.");
	return false;
}
