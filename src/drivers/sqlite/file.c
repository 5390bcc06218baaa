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

/* Is the file that the session has open still the one at its path? */
bool
sqlite_file_same(const SqliteSession *session)
{
	struct stat st;

	return stat(session->file.path, &st) == 0 &&
		st.st_dev == session->file.device && st.st_ino == session->file.inode;
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
 * Would the file's owner be able to write files that we create beside it?
 * They get the mode of the database file, our user, and the group of the
 * directory if that is setgid, else ours.
 */
static bool
owner_could_write(const SqliteFile *file, const struct stat *directory)
{
	gid_t		gid = (directory->st_mode & S_ISGID) ? directory->st_gid : getegid();

	if (file->mode & S_IWOTH)
		return true;
	return (file->mode & S_IWGRP) != 0 && is_member(file->owner, gid);
}

/*
 * May SQLite touch the file now?
 *
 * A reader of a WAL database creates -wal and -shm if they are not there.  If
 * the file belongs to another OS user they would be ours, and the owner's own
 * programs could never write again; so that is refused before it happens.
 */
bool
sqlite_file_readable(SqliteSession *session, SyError *err)
{
	const SqliteFile *file = &session->file;
	char		name[MAXPGPATH + 8];
	char		directory[MAXPGPATH];
	struct stat st;
	unsigned char versions[2];

	if (!session->foreign || session->immutable ||
		!read_header(session, versions, sizeof(versions), HEADER_VERSIONS) ||
		(versions[0] != 2 && versions[1] != 2))
		return true;
	snprintf(name, sizeof(name), "%s-shm", file->path);
	if (stat(name, &st) == 0)
	{
		snprintf(name, sizeof(name), "%s-wal", file->path);
		if (stat(name, &st) == 0)
			return true;
	}
	strlcpy(directory, file->path, sizeof(directory));
	*strrchr(directory, '/') = '\0';
	if (stat(directory[0] ? directory : "/", &st) == 0 &&
		faccessat(AT_FDCWD, directory[0] ? directory : "/", W_OK, AT_EACCESS) == 0 &&
		owner_could_write(file, &st))
		return true;

	sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 "cannot read file \"%s\" of source \"%s\" in WAL mode",
				 file->path, session->base.source->name);
	sy_error_detail(err, "The file belongs to another operating system user, and reading it would leave files beside it that this user could not write.");
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
	if (!session->changed &&
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
