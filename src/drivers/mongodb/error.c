/*-------------------------------------------------------------------------
 *
 * error.c
 *	  From what went wrong to class, SQLSTATE and words.
 *
 * What our own streams and deadlines saw comes first: libmongoc reports a
 * cancelled login as a wrong password, and most failures of a connection as
 * "socket error or timeout".
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/error.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "session.h"

/* A server's error code and what becomes of it. */
typedef struct MongoCode
{
	int			code;
	int			sqlstate;
	SyErrorClass cls;
} MongoCode;

static const MongoCode codes[] = {
	{11000, ERRCODE_UNIQUE_VIOLATION, SY_ERROR_REQUEST},
	{121, ERRCODE_CHECK_VIOLATION, SY_ERROR_REQUEST},	/* DocumentValidationFailure */
	{112, ERRCODE_T_R_SERIALIZATION_FAILURE, SY_ERROR_REQUEST}, /* WriteConflict */
	{225, ERRCODE_T_R_SERIALIZATION_FAILURE, SY_ERROR_REQUEST}, /* TransactionTooOld */
	{239, ERRCODE_T_R_SERIALIZATION_FAILURE, SY_ERROR_REQUEST}, /* SnapshotTooOld */
	{246, ERRCODE_T_R_SERIALIZATION_FAILURE, SY_ERROR_REQUEST}, /* SnapshotUnavailable */
	{251, ERRCODE_T_R_SERIALIZATION_FAILURE, SY_ERROR_REQUEST}, /* NoSuchTransaction */
	{290, ERRCODE_T_R_SERIALIZATION_FAILURE, SY_ERROR_REQUEST}, /* ExceededLifetimeLimit */
	{50, ERRCODE_QUERY_CANCELED, SY_ERROR_CANCELED},	/* MaxTimeMSExpired */
	{262, ERRCODE_QUERY_CANCELED, SY_ERROR_CANCELED},	/* ExceededTimeLimit */
	{11601, ERRCODE_QUERY_CANCELED, SY_ERROR_CANCELED}, /* Interrupted */
	{24, ERRCODE_LOCK_NOT_AVAILABLE, SY_ERROR_OVERLOAD},	/* LockTimeout */
	{13, ERRCODE_INSUFFICIENT_PRIVILEGE, SY_ERROR_AUTH},	/* Unauthorized */
	{18, ERRCODE_INVALID_PASSWORD, SY_ERROR_AUTH},	/* AuthenticationFailed */
	{391, ERRCODE_INVALID_PASSWORD, SY_ERROR_AUTH}, /* ReauthenticationRequired */
	{26, ERRCODE_UNDEFINED_TABLE, SY_ERROR_REQUEST},	/* NamespaceNotFound */
	{27, ERRCODE_UNDEFINED_OBJECT, SY_ERROR_REQUEST},	/* IndexNotFound */
	{48, ERRCODE_DUPLICATE_TABLE, SY_ERROR_REQUEST},	/* NamespaceExists */
	{85, ERRCODE_DUPLICATE_OBJECT, SY_ERROR_REQUEST},	/* IndexOptionsConflict */
	{86, ERRCODE_DUPLICATE_OBJECT, SY_ERROR_REQUEST},	/* IndexKeySpecsConflict */
	{66, ERRCODE_FEATURE_NOT_SUPPORTED, SY_ERROR_REQUEST},	/* ImmutableField */
	{166, ERRCODE_FEATURE_NOT_SUPPORTED, SY_ERROR_REQUEST}, /* CommandNotSupportedOnView */
	{167, ERRCODE_FEATURE_NOT_SUPPORTED, SY_ERROR_REQUEST}, /* OptionNotSupportedOnView */
	{263, ERRCODE_FEATURE_NOT_SUPPORTED, SY_ERROR_REQUEST}, /* NotSupportedInTransaction */
	{20, ERRCODE_FEATURE_NOT_SUPPORTED, SY_ERROR_REQUEST},	/* IllegalOperation */
	{16608, ERRCODE_DIVISION_BY_ZERO, SY_ERROR_REQUEST},
	{16610, ERRCODE_DIVISION_BY_ZERO, SY_ERROR_REQUEST},
	{28680, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, SY_ERROR_REQUEST},
	{15, ERRCODE_PROGRAM_LIMIT_EXCEEDED, SY_ERROR_REQUEST}, /* Overflow: of depth */
	{10334, ERRCODE_PROGRAM_LIMIT_EXCEEDED, SY_ERROR_REQUEST},	/* BSONObjectTooLarge */
	{16, ERRCODE_PROGRAM_LIMIT_EXCEEDED, SY_ERROR_REQUEST}, /* InvalidLength */
	{257, ERRCODE_PROGRAM_LIMIT_EXCEEDED, SY_ERROR_REQUEST},	/* TransactionTooLarge */
	{146, ERRCODE_OUT_OF_MEMORY, SY_ERROR_OVERLOAD},	/* ExceededMemoryLimit */
	{292, ERRCODE_OUT_OF_MEMORY, SY_ERROR_OVERLOAD},	/* NoDiskUseAllowed */
	{14031, ERRCODE_DISK_FULL, SY_ERROR_CAPACITY},	/* OutOfDiskSpace */
	{6, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* HostUnreachable */
	{7, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* HostNotFound */
	{89, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* NetworkTimeout */
	{91, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* ShutdownInProgress */
	{189, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE}, /* PrimarySteppedDown */
	{10107, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* NotWritablePrimary */
	{11600, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* InterruptedAtShutdown */
	{11602, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* InterruptedDueTo */
	{13435, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* NotPrimaryNoSecondaryOk */
	{13436, ERRCODE_CONNECTION_FAILURE, SY_ERROR_SOURCE},	/* NotPrimaryOrSecondary */
	/* it drops a cursor that nobody reads for long: the source is well */
	{43, ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION, SY_ERROR_REQUEST}, /* CursorNotFound */
	{237, ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION, SY_ERROR_REQUEST},	/* CursorKilled */
	{64, ERRCODE_SYSTEM_ERROR, SY_ERROR_SOURCE},	/* WriteConcernFailed */
	{100, ERRCODE_SYSTEM_ERROR, SY_ERROR_SOURCE}	/* UnsatisfiableWriteConcern */
};

/* Codes that mean several things: the first entry whose text fits counts. */
static const struct
{
	int			code;
	const char *text;
	int			sqlstate;
	SyErrorClass cls;
}			texts[] = {
	{2, "divide by zero", ERRCODE_DIVISION_BY_ZERO, SY_ERROR_REQUEST},
	{2, "$inc", ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, SY_ERROR_REQUEST},
	{2, "too large", ERRCODE_PROGRAM_LIMIT_EXCEEDED, SY_ERROR_REQUEST},
	{241, "overflow", ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, SY_ERROR_REQUEST},
	{241, "", ERRCODE_INVALID_TEXT_REPRESENTATION, SY_ERROR_REQUEST},	/* ConversionFailure */
	{8000, "space quota", ERRCODE_DISK_FULL, SY_ERROR_CAPACITY},
	{8000, "auth", ERRCODE_INVALID_PASSWORD, SY_ERROR_AUTH}
};

/*
 * Class and SQLSTATE of a server's error code; codes that no table names are
 * HV000.
 */
int
mongo_error_sqlstate(int code, const char *text, SyErrorClass *cls)
{
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		if (texts[i].code != code || strstr(text, texts[i].text) == NULL)
			continue;
		*cls = texts[i].cls;
		return texts[i].sqlstate;
	}
	for (int i = 0; i < (int) lengthof(codes); i++)
	{
		if (codes[i].code != code)
			continue;
		*cls = codes[i].cls;
		return codes[i].sqlstate;
	}
	*cls = SY_ERROR_REQUEST;
	return ERRCODE_FDW_ERROR;
}

/* Does the code say that a set's member is not, or no longer, the primary? */
bool
mongo_error_is_election(int code)
{
	switch (code)
	{
		case 91:
		case 189:
		case 10107:
		case 11600:
		case 11602:
		case 13435:
		case 13436:
			return true;
		default:
			return false;
	}
}

/* What the library's error means, given where we were. */
static MongoFault
mongo_fault_of(const bson_error_t *error, MongoFault otherwise)
{
	switch (error->domain)
	{
		case MONGOC_ERROR_SERVER:
			return MONGO_FAULT_SERVER;
		case MONGOC_ERROR_CLIENT:
			if (error->code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
				return MONGO_FAULT_LOGIN;
			return otherwise == MONGO_FAULT_CONNECT ? otherwise : MONGO_FAULT_CLIENT;
		case MONGOC_ERROR_SASL:
		case MONGOC_ERROR_SCRAM:
			return MONGO_FAULT_LOGIN;
		case MONGOC_ERROR_SERVER_SELECTION:
			return MONGO_FAULT_CONNECT;
		case MONGOC_ERROR_STREAM:
		case MONGOC_ERROR_PROTOCOL:
			return otherwise;
		default:
			return otherwise == MONGO_FAULT_LOST ? MONGO_FAULT_CLIENT : otherwise;
	}
}

/*
 * On the coroutine: record a failure in the job.  "error" is the library's,
 * NULL if we decided; "fault" then, or where the library's error does not
 * tell.
 */
void
mongo_failure_note(MongoSession *session, MongoFault fault, const bson_error_t *error)
{
	MongoJob   *job = &session->job;
	MongoFailure *failure = &job->failure;
	bson_iter_t iter;

	memset(failure, 0, sizeof(*failure));
	failure->connecting = !job->sent;
	failure->refusal = session->wire.refusal;
	failure->trouble = session->wire.trouble;
	failure->in_transaction = job->mode == MONGO_READ_TRANSACTION &&
		job->transaction->in_transaction;
	failure->fault = fault;
	strlcpy(failure->log, mongo_log_last(), sizeof(failure->log));
	if (session->client != NULL)
		strlcpy(failure->auth_source,
				mongoc_uri_get_auth_source(mongoc_client_get_uri(session->client)),
				sizeof(failure->auth_source));
	if (error != NULL)
	{
		failure->error = *error;
		failure->fault = mongo_fault_of(error, fault);
	}
	if (failure->refusal != MONGO_ACCEPTED)
		failure->fault = MONGO_FAULT_REFUSED;
	if (failure->fault == MONGO_FAULT_SERVER && job->batch && job->batch->filled &&
		bson_iter_init_find(&iter, &job->batch->reply, "codeName") &&
		BSON_ITER_HOLDS_UTF8(&iter))
		strlcpy(failure->code_name, bson_iter_utf8(&iter, NULL), sizeof(failure->code_name));
}

/* A text without the period that our sentence ends with; palloc'd. */
static char *
mongo_unpointed(const char *text)
{
	char	   *copy = pstrdup(text);
	size_t		length = strlen(copy);

	while (length > 0 && (copy[length - 1] == '.' || copy[length - 1] == ' '))
		copy[--length] = '\0';
	return copy;
}

/* The detail for a connection that failed: our own record, else the library's. */
static void
mongo_detail_network(const MongoFailure *failure, SyError *err)
{
	const MongoTrouble *trouble = &failure->trouble;

	if (trouble->noted)
		sy_error_detail(err, "%s %s failed: %s.", trouble->what, trouble->host,
						trouble->error ? strerror(trouble->error) : mongo_unpointed(trouble->text));
	else if (failure->error.message[0] != '\0')
		sy_error_detail(err, "The client library says: %s.", mongo_unpointed(failure->error.message));
	else if (failure->log[0] != '\0')
		sy_error_detail(err, "The client library says: %s.", mongo_unpointed(failure->log));
}

/* The server answered, but is not of the set that the URI asks for. */
static void
mongo_detail_set(const MongoFailure *failure, SyError *err)
{
	const char *found = failure->set_found;

	sy_error_detail(err, found[0] ?
					"The URI asks for replica set \"%s\", but the server that answered is of replica set \"%s\"." :
					"The URI asks for replica set \"%s\", but the server that answered is of none.",
					failure->set_wanted, found);
	sy_error_hint(err, "Correct replicaSet in the server's option \"uri\".");
}

/* A refused login: where to look. */
static void
mongo_hint_login(const MongoFailure *failure, SyError *err)
{
	if (failure->auth_source[0] == '\0' || strcmp(failure->auth_source, "$external") == 0)
		sy_error_hint(err, "Check the user mapping, and authMechanism in the server's option \"uri\".");
	else
		sy_error_hint(err, "Check username and password of the user mapping.  The user is looked for in database \"%s\"; if it was created in another one, name that as authSource in the server's option \"uri\".",
					  failure->auth_source);
}

/* A deadline of ours struck, or an interrupt. */
static void
mongo_fill_refused(const MongoSession *session, const MongoFailure *failure, SyError *err)
{
	const SySource *source = session->base.source;

	switch (failure->refusal)
	{
		case MONGO_CONNECT_TIMEOUT:
			sy_error_set(err, SY_ERROR_SOURCE, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
						 "could not connect to source \"%s\"", source->name);
			sy_error_detail(err, "The server did not answer within %d ms.",
							source->connect_timeout_ms);
			break;
		case MONGO_QUERY_TIMEOUT:
			sy_error_set(err, SY_ERROR_CANCELED, ERRCODE_QUERY_CANCELED,
						 "could not read from source \"%s\"", source->name);
			sy_error_detail(err, "The server did not answer within %d ms.",
							source->query_timeout_ms);
			sy_error_hint(err, "The limit is option \"query_timeout\".");
			break;
		case MONGO_INTERRUPTED:
			sy_error_set(err, SY_ERROR_CANCELED, ERRCODE_QUERY_CANCELED,
						 "could not read from source \"%s\"", source->name);
			sy_error_detail(err, "The operation was given up.");
			break;
		default:
			sy_error_set(err, SY_ERROR_CANCELED, ERRCODE_CONNECTION_FAILURE,
						 "could not read from source \"%s\"", source->name);
			sy_error_detail(err, "More rows were on their way when another statement was canceled.");
			break;
	}
}

/* The server answered with an error. */
static void
mongo_fill_server(const MongoSession *session, const MongoFailure *failure, SyError *err)
{
	const SySource *source = session->base.source;
	SyErrorClass cls;
	int			code = (int) failure->error.code;
	int			sqlstate = mongo_error_sqlstate(code, failure->error.message, &cls);

	sy_error_set(err, cls, sqlstate,
				 failure->connecting ? "could not connect to source \"%s\"" :
				 "could not read from source \"%s\"", source->name);
	sy_error_detail(err, "The server says: %s (code %d%s%s).", mongo_unpointed(failure->error.message), code,
					failure->code_name[0] ? ", " : "", failure->code_name);
	if (sqlstate == ERRCODE_INVALID_PASSWORD)
		mongo_hint_login(failure, err);
	if (code == 50)
		sy_error_hint(err, "The limit is option \"query_timeout\".");
	if (code == 290 || (code == 251 && failure->in_transaction))
	{
		sy_error_detail(err, "The remote transaction is over: by default the server ends each after 60 s (code %d).",
						code);
		sy_error_hint(err, "Keep transactions in REPEATABLE READ short, or declare them READ ONLY.");
	}
	if (code == 167)
		sy_error_hint(err, "The collection is a view with a collation of its own.  Run the query again: its text will be compared here.");
}

/* What a remote transaction would need and does not have here. */
static void
mongo_fill_transaction(const MongoSession *session, const MongoFailure *failure, SyError *err)
{
	const char *name = session->base.source->name;

	switch (failure->fault)
	{
		case MONGO_FAULT_NO_TRANSACTIONS:
			sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FEATURE_NOT_SUPPORTED,
						 "source \"%s\" does not support transactions", name);
			sy_error_detail(err, "It is a standalone server, where REPEATABLE READ and SERIALIZABLE cannot see one state.");
			sy_error_hint(err, "Use READ COMMITTED, or set option \"transactions\" of the server to off to read without that guarantee.");
			break;
		case MONGO_FAULT_READ_PREFERENCE:
			sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FEATURE_NOT_SUPPORTED,
						 "source \"%s\" cannot be read in a transaction", name);
			sy_error_detail(err, "Its URI has a readPreference other than primary, and a remote transaction reads from the primary.");
			sy_error_hint(err, "Use READ COMMITTED, or on MongoDB 5.0 and later a READ ONLY transaction.");
			break;
		default:
			sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_TRANSACTION_ROLLBACK,
						 "transaction on source \"%s\" was aborted", name);
			sy_error_detail(err, "An earlier statement failed, and the server then gives up the whole transaction.");
			break;
	}
}

/* No connection, or none any more. */
static void
mongo_fill_network(const MongoSession *session, const MongoFailure *failure, SyError *err)
{
	const char *name = session->base.source->name;

	switch (failure->fault)
	{
		case MONGO_FAULT_LOGIN:
			sy_error_set(err, SY_ERROR_AUTH, ERRCODE_INVALID_PASSWORD,
						 "could not log in to source \"%s\"", name);
			if (failure->error.message[0] != '\0')
				sy_error_detail(err, "The client library says: %s.", mongo_unpointed(failure->error.message));
			mongo_hint_login(failure, err);
			break;
		case MONGO_FAULT_CURSOR_LOST:
			sy_error_set(err, SY_ERROR_SOURCE, ERRCODE_CONNECTION_FAILURE,
						 "could not read from source \"%s\"", name);
			sy_error_detail(err, "The connection that the rows were being read over was lost.");
			break;
		case MONGO_FAULT_CLIENT:
			sy_error_set(err, SY_ERROR_REQUEST, ERRCODE_FDW_ERROR,
						 "could not use source \"%s\"", name);
			if (failure->error.message[0] != '\0')
				sy_error_detail(err, "The client library says: %s.", mongo_unpointed(failure->error.message));
			break;
		default:
			sy_error_set(err, SY_ERROR_SOURCE,
						 failure->connecting ?
						 ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION :
						 ERRCODE_CONNECTION_FAILURE,
						 failure->connecting ? "could not connect to source \"%s\"" :
						 "could not read from source \"%s\"", name);
			if (failure->no_primary)
				sy_error_detail(err, "Members of the replica set answer, but none of them is primary.");
			else if (failure->other_set)
				mongo_detail_set(failure, err);
			else
				mongo_detail_network(failure, err);
			err->dismissed = failure->dismissed;
			if (failure->dismissed)
				sy_error_hint(err, "Perhaps the server has as many connections as it allows (net.maxIncomingConnections, or --maxConns)%s.",
							  session->wire.use_tls ? "" : ", or it expects TLS");
			break;
	}
}

/* Make an error record of a failure. */
void
mongo_error_fill(const MongoSession *session, const MongoFailure *failure, SyError *err)
{
	switch (failure->fault)
	{
		case MONGO_FAULT_REFUSED:
			mongo_fill_refused(session, failure, err);
			break;
		case MONGO_FAULT_SERVER:
			mongo_fill_server(session, failure, err);
			break;
		case MONGO_FAULT_NO_TRANSACTIONS:
		case MONGO_FAULT_READ_PREFERENCE:
		case MONGO_FAULT_DOOMED:
			mongo_fill_transaction(session, failure, err);
			break;
		default:
			mongo_fill_network(session, failure, err);
			break;
	}
	mongo_host->redact(err->detail);
}
