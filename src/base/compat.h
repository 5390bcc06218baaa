/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between the versions of PostgreSQL.
 *
 * This is the only file that asks for PostgreSQL's version.  Each entry gives
 * one name to what the versions spell differently, with the newest version's
 * meaning where there is a choice.
 *
 * IDENTIFICATION
 *	  src/base/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_COMPAT_H
#define SY_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "switchyard needs PostgreSQL 15 or later"
#endif

/* Values of varying length; up to 15 postgres.h had it all. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Stands before a declaration; up to 17 there was a macro to stand behind it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* The mark of a loadable module, with its name and version where it can be. */
#if PG_VERSION_NUM >= 180000
#define SY_MODULE_MAGIC(module_name) \
	PG_MODULE_MAGIC_EXT(.name = (module_name), .version = SY_VERSION)
#else
#define SY_MODULE_MAGIC(module_name)	PG_MODULE_MAGIC
#endif

/* Does the present user own a database?  (16: one function for all objects.) */
#if PG_VERSION_NUM >= 160000
#define sy_owns_database(dboid)	object_ownercheck(DatabaseRelationId, (dboid), GetUserId())
#else
#define sy_owns_database(dboid)	pg_database_ownercheck((dboid), GetUserId())
#endif

/* An event set that lives until it is freed.  (17: resource owners.) */
#if PG_VERSION_NUM >= 170000
#define sy_create_wait_event_set(nevents)	CreateWaitEventSet(NULL, (nevents))
#else
#define sy_create_wait_event_set(nevents) \
	CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/*
 * What pg_stat_activity shows while a process waits for a source, also for a
 * place in its pool, or for what a worker has to do next.  (17: names.)
 */
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"

static inline uint32
sy_wait_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = WaitEventExtensionNew("SwitchyardSource");
	return event;
}
#define SY_WAIT_SOURCE	sy_wait_event()
#else
#define SY_WAIT_SOURCE	PG_WAIT_EXTENSION
#endif

/* The number of a process, below the number of all that there may be. */
#if PG_VERSION_NUM >= 170000
#define sy_my_proc_number()	MyProcNumber
#else
#define sy_my_proc_number()	(MyProc->pgprocno)
#endif

/* As whom an executor node works: 0 means "the current user". */
#if PG_VERSION_NUM >= 160000
#define sy_scan_check_as_user(fsplan, rte)	((fsplan)->checkAsUser)
#else
#define sy_scan_check_as_user(fsplan, rte)	((rte)->checkAsUser)
#endif

/* The same at planning. */
#if PG_VERSION_NUM >= 160000
#define sy_rel_userid(root, rel)	((rel)->userid)
#else
#define sy_rel_userid(root, rel) \
	(planner_rt_fetch((rel)->relid, (root))->checkAsUser)
#endif

/* Does a role own a server, or is it a superuser?  (16: one for all kinds.) */
#if PG_VERSION_NUM >= 160000
#define sy_owns_server(serverid, roleid) \
	object_ownercheck(ForeignServerRelationId, (serverid), (roleid))
#else
#define sy_owns_server(serverid, roleid)	pg_foreign_server_ownercheck((serverid), (roleid))
#endif

/* Was the table named in the query, not reached through its parent? */
#if PG_VERSION_NUM >= 160000
#define sy_rte_is_named(rte)	((rte)->perminfoindex != 0)
#else
#define sy_rte_is_named(rte)	((rte)->requiredPerms != 0)
#endif

/* Paths of foreign scans: 17 added restrictions, 18 counts disabled nodes. */
#if PG_VERSION_NUM >= 180000
#define sy_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, private) \
	create_foreignscan_path(root, rel, target, rows, 0, startup, total, keys, outer, \
							NULL, NIL, private)
#define sy_foreign_upper_path(root, rel, target, rows, startup, total, private) \
	create_foreign_upper_path(root, rel, target, rows, 0, startup, total, NIL, NULL, \
							  NIL, private)
#elif PG_VERSION_NUM >= 170000
#define sy_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, private) \
	create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, \
							NULL, NIL, private)
#define sy_foreign_upper_path(root, rel, target, rows, startup, total, private) \
	create_foreign_upper_path(root, rel, target, rows, startup, total, NIL, NULL, \
							  NIL, private)
#else
#define sy_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, private) \
	create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, \
							NULL, private)
#define sy_foreign_upper_path(root, rel, target, rows, startup, total, private) \
	create_foreign_upper_path(root, rel, target, rows, startup, total, NIL, NULL, \
							  private)
#endif

/*
 * Does a collation order by bytes, as "C" does?  The header that knows asks
 * for ICU's headers, which a server's development package need not bring;
 * what they are for, the last members of a structure, we do not touch.
 */
#ifdef SY_NEED_COLLATION
#pragma push_macro("USE_ICU")
#undef USE_ICU
#include "utils/pg_locale.h"
#pragma pop_macro("USE_ICU")

#if PG_VERSION_NUM >= 180000
#define sy_collation_is_c(collation) \
	(pg_newlocale_from_collation(collation)->collate_is_c)
#else
#define sy_collation_is_c(collation)	lc_collate_is_c(collation)
#endif
#endif

/* The direction of a sort key, as get_ordering_op_properties() tells it. */
#if PG_VERSION_NUM >= 180000
#define SyOrdering	CompareType
#define SY_ORDERING_DESCENDING	COMPARE_GT
#define sy_pathkey_ordering(pathkey)	((pathkey)->pk_cmptype)
#else
#define SyOrdering	int16
#define SY_ORDERING_DESCENDING	BTGreaterStrategyNumber
#define sy_pathkey_ordering(pathkey)	((pathkey)->pk_strategy)
#endif

/*
 * The members of an equivalence class that may belong to "relids", children
 * of inheritance included; 18 keeps those apart.  Palloc'd there.
 */
#ifdef SY_NEED_CLASS_MEMBERS
static inline List *
sy_class_members(EquivalenceClass *ec, Relids relids)
{
#if PG_VERSION_NUM >= 180000
	EquivalenceMemberIterator it;
	EquivalenceMember *member;
	List	   *members = NIL;

	setup_eclass_member_iterator(&it, ec, relids);
	while ((member = eclass_member_iterator_next(&it)) != NULL)
		members = lappend(members, member);
	return members;
#else
	return ec->ec_members;
#endif
}
#endif

/* EXPLAIN's state has a header of its own from 18 on. */
#ifdef SY_NEED_EXPLAIN
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#else
#include "commands/explain.h"
#endif
#endif

/* 18 tells vacuum and ANALYZE apart. */
#if PG_VERSION_NUM >= 180000
#define sy_vacuum_delay_point()	vacuum_delay_point(true)
#else
#define sy_vacuum_delay_point()	vacuum_delay_point()
#endif

#endif							/* SY_COMPAT_H */
