/*-------------------------------------------------------------------------
 *
 * hosts.c
 *	  Hosts that DNS records tell, of URIs that begin with mongodb+srv.
 *
 * The library looks them up when a client is made, which nothing can
 * interrupt.  So sessions that probe look them up from time to time, and
 * their pings tell what they have found; everybody connects to those hosts, if
 * a probe has lately been well with them.  Should that fail the name is looked
 * up, and also if nobody has told.
 *
 * What is told are lines: the name, hosts, the set's name, the database that
 * knows the users.  The last two may come from DNS as well.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/hosts.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "session.h"

/* The records may change: look them up again after this time. */
#define REFRESH_US		(INT64CONST(60) * 1000000)

/* More hosts than these are not told. */
#define MAX_HOSTS		32

/* Forget the hosts that a probe has found.  No wait, no throw. */
void
mongo_hosts_forget(MongoSession *session)
{
	if (session->direct != NULL)
		mongoc_uri_destroy(session->direct);
	session->direct = NULL;
}

/* They could not be reached: have the name looked up with the next client. */
void
mongo_hosts_distrust(MongoSession *session)
{
	session->distrusts = session->direct != NULL;
	mongo_hosts_forget(session);
}

/* Order texts, for qsort(). */
static int
mongo_compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/*
 * Note where the look-up for a new client has led, the hosts in an order that
 * is always the same.  A list that is too long is not told, nor a balancer,
 * whose address changes.
 */
void
mongo_hosts_take(MongoSession *session, const mongoc_client_t *client)
{
	const mongoc_uri_t *uri = mongoc_client_get_uri(client);
	const char *set = mongoc_uri_get_replica_set(uri);
	const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
	const char *names[MAX_HOSTS];
	int			count = 0;
	char	   *found = session->found;
	int			length;

	if (session->srv == NULL)
		return;
	session->distrusts = false;
	session->looked_up_us = sy_now_us();
	found[0] = '\0';
	for (; host != NULL && count < MAX_HOSTS; host = host->next)
		names[count++] = host->host_and_port;
	if (count == 0 || host != NULL ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_LOADBALANCED, false))
		return;
	qsort(names, count, sizeof(names[0]), mongo_compare_texts);

	length = snprintf(found, SY_HOSTS_SIZE, "%s\n", session->srv);
	for (int i = 0; i < count && length < SY_HOSTS_SIZE; i++)
		length += snprintf(found + length, SY_HOSTS_SIZE - length, "%s%s", i > 0 ? "," : "", names[i]);
	if (length < SY_HOSTS_SIZE)
		length += snprintf(found + length, SY_HOSTS_SIZE - length, "\n%s\n%s",
						   set ? set : "", mongoc_uri_get_auth_source(uri));
	if (length >= SY_HOSTS_SIZE)
		found[0] = '\0';
}

/*
 * For a session that probes: look the name up if it is time, unless a new
 * client does.  If that leads elsewhere the client goes; while it cannot be
 * done, what was found before holds.
 */
void
mongo_hosts_refresh(MongoSession *session)
{
	char		before[SY_HOSTS_SIZE];
	mongoc_client_t *client;
	bson_error_t error;

	if (!session->looks_up || session->srv == NULL ||
		(session->client == NULL && session->direct == NULL) ||
		sy_now_us() - session->looked_up_us < REFRESH_US)
		return;
	session->looked_up_us = sy_now_us();
	client = mongoc_client_new_from_uri_with_error(session->uri, &error);
	if (client == NULL)
		return;
	strlcpy(before, session->found, sizeof(before));
	mongo_hosts_take(session, client);
	mongoc_client_destroy(client);
	if (strcmp(before, session->found) == 0)
		return;
	mongo_client_drop(session);
	mongo_hosts_forget(session);
}

/*
 * The session's URI with these hosts in place of the name; NULL if that
 * cannot be said, as with options that only a name can have.
 */
static mongoc_uri_t *
mongo_hosts_uri(const MongoSession *session, const char *hosts, const char *set,
				const char *auth_source)
{
	mongoc_uri_t *uri = mongo_uri_direct(session->base.source, session->uri, hosts, session->srv_rest);

	if (uri == NULL)
		return NULL;
	if (set[0] != '\0')
		(void) mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_REPLICASET, set);
	if (strcmp(mongoc_uri_get_auth_source(uri), auth_source) != 0)
		(void) mongoc_uri_set_auth_source(uri, auth_source);
	return uri;
}

/* End a line, and return where the next one begins; NULL: there is none. */
static char *
mongo_hosts_next_line(char *line)
{
	char	   *end = line ? strchr(line, '\n') : NULL;

	if (end == NULL)
		return NULL;
	*end = '\0';
	return end + 1;
}

/*
 * A client is going to be made: may it connect to hosts that a probe has
 * found?  Not if they are another name's, which the option said before.
 * Throws for want of memory only.
 */
void
mongo_hosts_recall(MongoSession *session)
{
	char		text[SY_HOSTS_SIZE];
	char		told[SY_HOSTS_SIZE];
	char	   *hosts;
	char	   *set;
	char	   *auth_source;
	bool		distrusts = session->distrusts;

	mongo_hosts_forget(session);
	session->distrusts = false;
	if (session->srv == NULL || distrusts ||
		!mongo_host->recall_hosts(session->base.source, text))
		return;
	strlcpy(told, text, sizeof(told));
	hosts = mongo_hosts_next_line(text);
	set = mongo_hosts_next_line(hosts);
	auth_source = mongo_hosts_next_line(set);
	if (auth_source == NULL || strcmp(text, session->srv) != 0)
		return;
	session->direct = mongo_hosts_uri(session, hosts, set, auth_source);
	if (session->direct != NULL)
		strlcpy(session->found, told, sizeof(session->found));
}
