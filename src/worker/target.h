/*-------------------------------------------------------------------------
 *
 * target.h
 *	  What a prober probes: the sources of its database, as the catalogs say.
 *
 * Only the prober includes this.
 *
 * IDENTIFICATION
 *	  src/worker/target.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_TARGET_H
#define SY_TARGET_H

#include "conn/visit.h"
#include "nodes/pg_list.h"

/* A source that is probed. */
typedef struct SyTarget
{
	Oid			serverid;
	NameData	name;
	Oid			owner;
	MemoryContext cxt;			/* holds this struct */
	MemoryContext source_cxt;	/* holds the source; child of it */
	const SySource *source;		/* a copy; NULL: it cannot be probed */
	const SySource *stranger;	/* the same without a mapping */
	uint32		generation;		/* of what was copied */
	bool		may_login;		/* false: the mapping allows no login */
	int64		refused_us;		/* when the source refused one; 0: it did not */
	bool		listed;			/* the catalogs have it */
	bool		known;			/* it was copied before */
	bool		suspect;
	int64		probed_us;		/* when the last probe began; 0: never */
	int64		sampled_us;		/* the same for a sample */
	MemoryContext session_cxt;	/* NULL: no session */
	SyVisit		visit;
	bool		complained;		/* why "source" is NULL was logged */
} SyTarget;

/* All of them, of SyTarget *. */
extern List *sy_targets;

/*
 * Make the targets agree with the catalogs, and free the slots of servers
 * that are gone.  In transactions of its own.  False: there is nothing to
 * probe in this database.
 */
extern bool sy_target_refresh(void);

/*
 * Open a session for visit.source.  Contacts nothing but the file system.
 * False: visit.err says why not.  Throws for want of memory, and what
 * conversions of names throw.
 */
extern bool sy_target_open_session(SyTarget *target);

/* Close the session, if there is one; a visit under way is forgotten.
 * Neither waits nor throws. */
extern void sy_target_close_session(SyTarget *target);

/* Close all sessions and forget the targets: the process ends. */
extern void sy_target_close_all(void);

/*
 * Within PG_CATCH: log what was caught and forget it.  Returns in the memory
 * context "caller".
 */
extern void sy_target_report(const SyTarget *target, MemoryContext caller);

#endif							/* SY_TARGET_H */
