/*-------------------------------------------------------------------------
 *
 * server.c
 *	  The servers of ours in this database, and who may see and control them.
 *
 * IDENTIFICATION
 *	  src/sqlfn/server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "sqlfn/sqlfn.h"

/* May the present role see what monitoring shows? */
bool
sy_server_is_monitor(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/* Is the present role that one, or may it act as that one? */
bool
sy_server_is_role(Oid roleid)
{
	return OidIsValid(roleid) && has_privs_of_role(GetUserId(), roleid);
}

/*
 * The server, or NULL if it is not one of ours.  Loads its driver; contacts
 * nothing.
 */
static SyServer *
describe(Oid serverid, const char *name)
{
	SyServer   *server;
	char	   *driver_name;
	SyError		err;

	if (GetForeignServerExtended(serverid, FSV_MISSING_OK) == NULL)
		return NULL;
	driver_name = sy_registry_driver_name(serverid);
	if (driver_name == NULL)
		return NULL;
	server = palloc0(sizeof(SyServer));
	server->serverid = serverid;
	server->name = pstrdup(name);
	server->driver_name = driver_name;
	server->owned = sy_owns_server(serverid, GetUserId());
	server->visible = server->owned || sy_server_is_monitor();
	if (sy_registry_try_driver(driver_name, &err) != NULL)
		server->source = sy_source_get(serverid, GetUserId());
	else
		server->missing = memcpy(palloc(sizeof(SyError)), &err, sizeof(SyError));
	return server;
}

/* For list_sort(): by name. */
static int
compare_servers(const ListCell *a, const ListCell *b)
{
	return strcmp(((const SyServer *) lfirst(a))->name, ((const SyServer *) lfirst(b))->name);
}

/* All servers of ours, by name: a List of SyServer *. */
List *
sy_server_list(void)
{
	Relation	rel = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	List	   *servers = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server form = (Form_pg_foreign_server) GETSTRUCT(tuple);
		SyServer   *server = describe(form->oid, NameStr(form->srvname));

		if (server != NULL)
			servers = lappend(servers, server);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	list_sort(servers, compare_servers);
	return servers;
}

/* The names of all servers of ours, as a hint shows them; palloc'd. */
static char *
candidates(void)
{
	StringInfoData buf;
	ListCell   *cell;

	initStringInfo(&buf);
	foreach(cell, sy_server_list())
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 ((const SyServer *) lfirst(cell))->name);
	return buf.data;
}

/*
 * The server of that name.  There being none, or its driver not being
 * installed, is an error.
 */
SyServer *
sy_server_find(const char *name)
{
	Oid			serverid = get_foreign_server_oid(name, true);
	SyServer   *server;

	if (!OidIsValid(serverid))
	{
		char	   *names = candidates();

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" does not exist", name),
				 names[0] != '\0' ? errhint("The sources of this database are: %s.", names) :
				 errhint("This database has no sources.")));
	}
	server = describe(serverid, name);
	/* these throw, each its own error */
	if (server == NULL || server->source == NULL)
		(void) sy_registry_for_server(serverid);
	return server;
}

/* The same, for one whom the present role may control: else an error. */
SyServer *
sy_server_control(const char *name)
{
	SyServer   *server = sy_server_find(name);

	if (!server->owned)
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_SERVER, name);
	return server;
}

/* What is known of a server's source, which has its driver. */
void
sy_server_status(const SyServer *server, SyStatus *status)
{
	sy_status_get(sy_slot_find(server->serverid, server->name), &server->source->limits, status);
}
