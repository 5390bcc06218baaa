/*-------------------------------------------------------------------------
 *
 * uri.c
 *	  Options of MongoDB sources, and the client's URI made of them.
 *
 * libmongoc parses the URI; we look at the text only for what must not be in
 * it.  No message repeats a URI or the library's words about one that it
 * could not parse: they may hold a password.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/uri.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <sys/socket.h>

#include "catalog/pg_authid.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "session.h"

static const char *const transactions_words[] = {"required", "off", NULL};
static const char *const bson_type_words[] = {"objectid", "uuid_legacy", NULL};
static const char *const nested_words[] = {"columns", "jsonb", "none", NULL};

const SyOption mongo_options[] = {
	{"uri", SY_LEVEL_SERVER, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Where the server is, mongodb://... or mongodb+srv://..., without user and password."},
	{"database", SY_LEVEL_WRAPPER | SY_LEVEL_SERVER, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"The database; default: the one that the URI names."},
	{"transactions", SY_LEVEL_WRAPPER | SY_LEVEL_SERVER, SY_OPTION_ENUM, "required",
	transactions_words, 0, 0,
	"Whether what needs a transaction may do without one: required or off."},
	{"username", SY_LEVEL_MAPPING, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"User to log in as."},
	{"password", SY_LEVEL_MAPPING, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Password of that user."},
	{"tls_key_password", SY_LEVEL_MAPPING, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Password of the key file that the URI names as tlsCertificateKeyFile."},
	{"password_required", SY_LEVEL_MAPPING, SY_OPTION_BOOL, "true", NULL, 0, 0,
	"Whether a user who is not superuser needs a password; only a superuser may set false."},
	{"collection", SY_LEVEL_TABLE, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Name of the collection; default: the table's name."},
	{"path", SY_LEVEL_COLUMN, SY_OPTION_TEXT, NULL, NULL, 0, 0,
	"Dotted path to a nested field; . on a jsonb column is the whole document."},
	{"bson_type", SY_LEVEL_COLUMN, SY_OPTION_ENUM, NULL, bson_type_words, 0, 0,
	"How a text column or uuid column is stored: objectid or uuid_legacy."},
	{"sample", SY_LEVEL_IMPORT, SY_OPTION_INT, "1000", NULL, 1, 1000000,
	"Documents to look at in each collection that has no validator."},
	{"nested", SY_LEVEL_IMPORT, SY_OPTION_ENUM, "columns", nested_words, 0, 0,
	"What nested documents become: columns, jsonb or none."},
	{NULL}
};

/* Options of URIs that may hold a secret, as we spell them in messages. */
static const char *const secret_options[] = {
	"authMechanismProperties", "tlsCertificateKeyFilePassword",
	"sslClientCertificateKeyPassword", NULL
};

/* Options of URIs that name files of the database server. */
static const char *const file_options[] = {
	"tlsCAFile", "tlsCertificateKeyFile", "tlsCRLFile",
	"sslCertificateAuthorityFile", "sslClientCertificateKeyFile", NULL
};

/* Options of URIs that options of ours replace. */
static const struct
{
	const char *theirs;
	const char *ours;
}			replaced_options[] = {
	{"connectTimeoutMS", "connect_timeout"},
	{"serverSelectionTimeoutMS", "connect_timeout"},
	{"serverSelectionTryOnce", "connect_timeout"},
	{"socketTimeoutMS", "query_timeout"},
	{"timeoutMS", "query_timeout"},
	{NULL, NULL}
};

/* Like what the names of secret options look like in general. */
static const char *const secret_words[] = {"password", "passwd", "pwd", "secret", "token", NULL};

/*
 * The same text in UTF-8, as everything that libmongoc gets: palloc'd, or
 * "text" itself.
 */
char *
mongo_to_utf8(const char *text)
{
	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

/* Where the options begin in a URI: after the first "?"; or its end. */
static const char *
mongo_uri_options(const char *uri)
{
	const char *question = strchr(uri, '?');

	return question ? question + 1 : uri + strlen(uri);
}

/*
 * The next "name=value" of a URI's options: its name, lower case, palloc'd.
 * *position moves on; NULL at the end.
 */
static char *
mongo_uri_next_option(const char **position)
{
	size_t		length;
	size_t		name_length;
	char	   *name;

	while (**position == '&' || **position == ';')
		(*position)++;
	if (**position == '\0')
		return NULL;
	length = strcspn(*position, "&;");
	name_length = strcspn(*position, "=&;");
	name = pnstrdup(*position, Min(length, name_length));
	for (char *c = name; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	*position += length;
	return name;
}

/* The entry of a list of names that equals "name" but for case, or NULL. */
static const char *
mongo_find_name(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (pg_strcasecmp(*names, name) == 0)
			return *names;
	return NULL;
}

static bool
mongo_looks_secret(const char *name)
{
	for (const char *const *word = secret_words; *word != NULL; word++)
		if (strstr(name, *word) != NULL)
			return true;
	return false;
}

/* Refuse what belongs into a user mapping, without repeating any of it. */
static void
mongo_check_uri_secrets(const char *uri)
{
	const char *position = mongo_uri_options(uri);
	char	   *name;

	if (strchr(uri, '@') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"uri\" must not contain a user name or password"),
				 errhint("Give them to CREATE USER MAPPING as options \"username\" and \"password\". An @ that means something else is written %%40.")));

	while ((name = mongo_uri_next_option(&position)) != NULL)
	{
		const char *known = mongo_find_name(secret_options, name);

		if (known == NULL && !mongo_looks_secret(name))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 known ?
				 errmsg("option \"uri\" must not contain \"%s\"", known) :
				 errmsg("option \"uri\" must not contain a secret"),
				 errhint("Secrets belong into CREATE USER MAPPING: options \"username\", \"password\" and \"tls_key_password\".")));
	}
}

/* Percent-encode for the user part of a URI; palloc'd. */
static char *
mongo_percent_encode(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const unsigned char *c = (const unsigned char *) text; *c; c++)
	{
		if (isascii(*c) && (isalnum(*c) || strchr("-._~", *c) != NULL))
			appendStringInfoChar(&buf, *c);
		else
			appendStringInfo(&buf, "%%%02X", *c);
	}
	return buf.data;
}

/*
 * Parse a URI, as that user unless "user" is NULL: some mechanisms cannot be
 * parsed without one, and by a newer libmongoc not without a password.  If it
 * has to be, with "has_password", there is one that means nothing: the caller
 * sets the right one, or does not log in.  All is in UTF-8.  NULL if the URI
 * is not valid.  To be destroyed by the caller.
 */
static mongoc_uri_t *
mongo_uri_parse(const char *uri, const char *user, bool has_password)
{
	const char *hosts = strstr(uri, "://");
	bson_error_t error;
	char	   *as;
	mongoc_uri_t *parsed;

	if (hosts == NULL || user == NULL)
		return mongoc_uri_new_with_error(uri, &error);
	hosts += strlen("://");
	as = psprintf("%.*s%s", (int) (hosts - uri), uri, mongo_percent_encode(user));
	parsed = mongoc_uri_new_with_error(psprintf("%s@%s", as, hosts), &error);
	if (parsed == NULL && has_password)
	{
		mongo_log_clear();
		parsed = mongoc_uri_new_with_error(psprintf("%s:password@%s", as, hosts), &error);
	}
	return parsed;
}

/*
 * Parse a URI, in the database's encoding, only to look at it: whatever login
 * it needs.  NULL if it is not valid.  To be destroyed by the caller.
 */
static mongoc_uri_t *
mongo_uri_look(const char *uri)
{
	char	   *text = mongo_to_utf8(uri);
	mongoc_uri_t *parsed = mongo_uri_parse(text, NULL, false);

	if (parsed != NULL)
		return parsed;
	mongo_log_clear();
	return mongo_uri_parse(text, "user", true);
}

/* May this user make the server open files? */
static void
mongo_check_files(const char *what)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to name files in option \"uri\""),
				 errdetail("%s names a file of the database server, which only roles with privileges of role \"%s\" may do.",
						   what, "pg_read_server_files")));
}

/* Options of a URI that name files, or that options of ours replace. */
static void
mongo_check_uri_options(const char *uri)
{
	const char *position = mongo_uri_options(uri);
	char	   *name;

	while ((name = mongo_uri_next_option(&position)) != NULL)
	{
		for (int i = 0; replaced_options[i].theirs != NULL; i++)
			if (pg_strcasecmp(replaced_options[i].theirs, name) == 0)
				ereport(NOTICE,
						(errmsg("\"%s\" in option \"uri\" has no effect",
								replaced_options[i].theirs),
						 errhint("Use option \"%s\".", replaced_options[i].ours)));
		if (mongo_find_name(file_options, name) != NULL)
			mongo_check_files(psprintf("\"%s\"", mongo_find_name(file_options, name)));
	}
}

/* The option "uri", at DDL: throws for what cannot or must not be. */
static void
mongo_check_uri(const char *uri)
{
	mongoc_uri_t *parsed;
	bool		unix_socket = false;
	char		warning[512];

	mongo_check_uri_secrets(uri);
	mongoc_log_set_handler(mongo_log_handler, NULL);
	mongo_log_clear();
	parsed = mongo_uri_look(uri);
	if (parsed == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid MongoDB URI in option \"uri\""),
				 errhint("The forms are mongodb://host:port,host:port/?option=value&option=value and mongodb+srv://name/?option=value.")));
	for (const mongoc_host_list_t *host = mongoc_uri_get_hosts(parsed); host; host = host->next)
		unix_socket = unix_socket || host->family == AF_UNIX;
	mongoc_uri_destroy(parsed);

	if (unix_socket)
		mongo_check_files("A unix-domain socket");
	mongo_check_uri_options(uri);
	strlcpy(warning, mongo_log_last(), sizeof(warning));
	if (warning[0] != '\0')
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("a part of option \"uri\" has no effect"),
				 errdetail("The client library says: %s.", warning)));
}

/* A dotted path: no empty part, so no dot at either end; "." alone is one. */
static void
mongo_check_path(const char *path)
{
	size_t		length = strlen(path);

	if (strcmp(path, ".") == 0)
		return;
	if (length == 0 || path[0] == '.' || path[length - 1] == '.' || strstr(path, "..") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"path\": \"%s\"", path),
				 errdetail("A path is a list of field names with dots between them.")));
}

/* An option that must not be the empty string, if it is there. */
static void
mongo_check_not_empty(const SyOptions *options, const char *name)
{
	const char *value = sy_options_get(options, name);

	if (value != NULL && value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" must not be empty", name)));
}

/* The option "database": what the server accepts as a name. */
static void
mongo_check_database(const SyOptions *options)
{
	const char *name = sy_options_get(options, "database");
	char	   *shown;

	mongo_check_not_empty(options, "database");
	if (name == NULL || (strpbrk(name, "/\\. \"$") == NULL && strlen(name) <= 63))
		return;
	shown = pstrdup(name);
	mongo_host->redact(shown);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"database\": \"%s\"", shown),
			 errdetail("Names of MongoDB databases have at most 63 bytes and contain none of /\\. \"$.")));
}

/* A user mapping: who may do without a password. */
static void
mongo_check_mapping(const SyOptions *options)
{
	const char *required = sy_options_get(options, "password_required");
	bool		value;

	mongo_check_not_empty(options, "username");
	if (sy_options_get(options, "password") != NULL &&
		sy_options_get(options, "username") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"password\" needs option \"username\"")));
	if (required != NULL && parse_bool(required, &value) && !value && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may set option \"password_required\" to false")));
}

/* The driver's member: see source/driver.h. */
void
mongo_check_options(SyLevel level, const SyOptions *options)
{
	const char *path = sy_options_get(options, "path");
	const char *uri = sy_options_get(options, "uri");

	if (level == SY_LEVEL_SERVER && uri == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"uri\" is required"),
				 errhint("Write OPTIONS (uri 'mongodb://host:27017', database 'name').")));
	if (uri != NULL)
		mongo_check_uri(uri);
	if (level == SY_LEVEL_SERVER || level == SY_LEVEL_WRAPPER)
		mongo_check_database(options);
	if (level == SY_LEVEL_MAPPING)
		mongo_check_mapping(options);
	if (level == SY_LEVEL_TABLE)
		mongo_check_not_empty(options, "collection");
	if (level == SY_LEVEL_COLUMN && path != NULL)
		mongo_check_path(path);
}

/*
 * Does this mechanism prove who the user is by the mapping's password?  All
 * others take an identity that belongs to the operating system's user.
 */
static bool
mongo_mechanism_uses_password(const char *mechanism)
{
	return mechanism == NULL ||
		pg_strncasecmp(mechanism, "SCRAM-SHA-", 10) == 0 ||
		pg_strcasecmp(mechanism, "PLAIN") == 0 ||
		pg_strcasecmp(mechanism, "MONGODB-AWS") == 0;
}

/* May everyone use this mapping without a password of its own? */
static bool
mongo_password_not_required(const SySource *source)
{
	const char *required = sy_options_get(&source->mapping, "password_required");
	bool		value;

	return source->superuser || (required && parse_bool(required, &value) && !value);
}

/*
 * Is it in order for this user to use this source as the mapping says?
 * Only superusers may connect with no password of the mapping's own.
 */
bool
mongo_check_login(const SySource *source, SyError *err)
{
	const char *uri = sy_options_get(&source->options, "uri");
	const char *user = sy_options_get(&source->mapping, "username");
	const char *password = sy_options_get(&source->mapping, "password");
	mongoc_uri_t *parsed;
	bool		proves;

	if (mongo_password_not_required(source))
		return true;
	parsed = uri ? mongo_uri_look(uri) : NULL;
	proves = parsed && mongo_mechanism_uses_password(mongoc_uri_get_auth_mechanism(parsed));
	if (parsed)
		mongoc_uri_destroy(parsed);
	if (proves && user && password && password[0])
		return true;

	sy_error_set(err, SY_ERROR_AUTH, ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED,
				 "password is required to connect to source \"%s\"", source->name);
	sy_error_detail(err, "Users who are not superuser must log in with a password of their user mapping.");
	sy_error_hint(err, "Create a user mapping with options \"username\" and \"password\", or let a superuser set \"password_required\" to false in it.");
	return false;
}

/* The hosts of a URI, or the name whose records tell them; palloc'd. */
static char *
mongo_uri_address(const mongoc_uri_t *uri)
{
	const char *srv = mongoc_uri_get_srv_hostname(uri);
	StringInfoData buf;

	if (srv != NULL)
		return pstrdup(srv);
	initStringInfo(&buf);
	for (const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri); host; host = host->next)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", host->host_and_port);
	return buf.data;
}

/* The driver's member: see source/driver.h. */
void
mongo_endpoint(const SySource *source, SyEndpoint *result)
{
	const char *option = sy_options_get(&source->options, "uri");
	const char *database = sy_options_get(&source->options, "database");
	mongoc_uri_t *uri = NULL;

	if (option != NULL)
		uri = mongo_uri_look(option);
	if (database == NULL && uri != NULL)
		database = mongoc_uri_get_database(uri);
	result->database = database != NULL ? pstrdup(database) : NULL;
	result->address = uri != NULL ? mongo_uri_address(uri) : NULL;
	if (uri != NULL)
		mongoc_uri_destroy(uri);
}

/*
 * Set what our deadlines and our own retry need.  Time-outs of the library's
 * are all above ours, so that ours strike.
 */
static void
mongo_uri_take_over(const SySource *source, mongoc_uri_t *uri)
{
	int64		limit = Min((int64) source->connect_timeout_ms + 5000, INT_MAX - 1);
	mongoc_read_concern_t *concern = mongoc_read_concern_new();

	(void) mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, (int32_t) limit);
	(void) mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, (int32_t) limit);
	(void) mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, INT_MAX - 1);
	(void) mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
	(void) mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
	mongoc_uri_set_read_concern(uri, concern);	/* commands carry their own */
	mongoc_read_concern_destroy(concern);
}

/* Put the mapping's secrets in; false: one of them was not accepted. */
static bool
mongo_uri_add_secrets(const SySource *source, mongoc_uri_t *uri)
{
	const char *password = sy_options_get(&source->mapping, "password");
	const char *key_password = sy_options_get(&source->mapping, "tls_key_password");

	if (password && !mongoc_uri_set_password(uri, mongo_to_utf8(password)))
		return false;
	return key_password == NULL ||
		mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD,
									  mongo_to_utf8(key_password));
}

/*
 * Is there a user name without the password that the login needs?  The
 * library must not be given that: it takes a password for granted.
 */
static bool
mongo_lacks_password(const SySource *source, const char *text)
{
	mongoc_uri_t *uri;
	bool		lacks;

	if (sy_options_get(&source->mapping, "username") == NULL ||
		sy_options_get(&source->mapping, "password") != NULL)
		return false;
	uri = mongo_uri_look(text);
	lacks = uri != NULL && mongo_mechanism_uses_password(mongoc_uri_get_auth_mechanism(uri));
	if (uri != NULL)
		mongoc_uri_destroy(uri);
	return lacks;
}

/* The mapping's login is not to be used, and why. */
static mongoc_uri_t *
mongo_refuse_mapping(const SySource *source, const char *detail, SyError *err)
{
	sy_error_set(err, SY_ERROR_AUTH, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
				 "the user mapping of source \"%s\" cannot be used", source->name);
	sy_error_detail(err, "%s", detail);
	return NULL;
}

/*
 * The URI for a client of this source, with credentials; to be destroyed by
 * the caller.  NULL: "err" is set.
 */
mongoc_uri_t *
mongo_uri_build(const SySource *source, SyError *err)
{
	const char *text = sy_options_get(&source->options, "uri");
	const char *user = sy_options_get(&source->mapping, "username");
	mongoc_uri_t *uri;

	if (text == NULL)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
					 "source \"%s\" has no option \"uri\"", source->name);
		return NULL;
	}
	if (mongo_lacks_password(source, text))
		return mongo_refuse_mapping(source, "It has a user name, and not the password that goes with it.", err);
	uri = mongo_uri_parse(mongo_to_utf8(text), user ? mongo_to_utf8(user) : NULL,
						  sy_options_get(&source->mapping, "password") != NULL);
	if (uri == NULL)
	{
		sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
					 "the URI of source \"%s\" cannot be used", source->name);
		sy_error_hint(err, "If it names an authMechanism, the user mapping needs option \"username\".");
		return NULL;
	}
	mongo_uri_take_over(source, uri);
	if (mongo_uri_add_secrets(source, uri))
		return uri;
	mongoc_uri_destroy(uri);
	return mongo_refuse_mapping(source, "The client library does not accept its password.", err);
}

/* What stands behind the hosts in the option "uri"; in UTF-8, in "cxt". */
char *
mongo_uri_rest(const SySource *source, MemoryContext cxt)
{
	const char *hosts = strstr(sy_options_get(&source->options, "uri"), "://") + 3;

	return MemoryContextStrdup(cxt, mongo_to_utf8(hosts + strcspn(hosts, "/?")));
}

/*
 * The URI "from" with these hosts in place of a name that DNS records explain;
 * "rest" is what stands behind that name, in UTF-8.  To be destroyed by the
 * caller.  NULL: it would not be valid.  Needs no transaction.
 */
mongoc_uri_t *
mongo_uri_direct(const SySource *source, const mongoc_uri_t *from, const char *hosts,
				 const char *rest)
{
	const char *user = mongoc_uri_get_username(from);
	const char *password = mongoc_uri_get_password(from);
	const char *key_password = mongoc_uri_get_option_as_utf8(from, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD,
															 NULL);
	mongoc_uri_t *uri;

	uri = mongo_uri_parse(psprintf("mongodb://%s%s%s", hosts, rest[0] == '/' ? "" : "/", rest),
						  user, password != NULL);
	if (uri == NULL)
	{
		mongo_log_clear();		/* what it does not like is in order with a name */
		return NULL;
	}
	mongo_uri_take_over(source, uri);
	(void) mongoc_uri_set_option_as_bool(uri, MONGOC_URI_TLS, mongoc_uri_get_tls(from));
	if ((password == NULL || mongoc_uri_set_password(uri, password)) &&
		(key_password == NULL ||
		 mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, key_password)))
		return uri;
	mongoc_uri_destroy(uri);
	return NULL;
}

/* A string option of the URI, copied to "cxt"; NULL if it is not there. */
static const char *
mongo_uri_string(const mongoc_uri_t *uri, const char *name, MemoryContext cxt)
{
	const char *value = mongoc_uri_get_option_as_utf8(uri, name, NULL);

	return value ? MemoryContextStrdup(cxt, value) : NULL;
}

/*
 * What the streams need to know of TLS.  Strings live in "cxt".  The options
 * stay in the URI, too: X.509 logins read them there.
 */
void
mongo_uri_tls(const SySource *source, const mongoc_uri_t *uri, MongoWire *wire,
			  MemoryContext cxt)
{
	mongoc_ssl_opt_t *tls = &wire->tls;
	bool		insecure = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSINSECURE, false);

	wire->use_tls = mongoc_uri_get_tls(uri);
	if (!wire->use_tls)
		return;
	*tls = *mongoc_ssl_opt_get_default();
	tls->pem_file = mongo_uri_string(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, cxt);
	tls->pem_pwd = mongo_uri_string(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, cxt);
	tls->ca_file = mongo_uri_string(uri, MONGOC_URI_TLSCAFILE, cxt);
	tls->weak_cert_validation = insecure ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, false);
	tls->allow_invalid_hostname = insecure ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, false);
	wire->tls_internal.disable_revocation_check = insecure ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSDISABLECERTIFICATEREVOCATIONCHECK, false);
	wire->tls_internal.disable_ocsp_endpoint_check = insecure ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSDISABLEOCSPENDPOINTCHECK, false);
	tls->internal = &wire->tls_internal;
}
