/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Ties an object of a client library to a memory context.
 *
 * IDENTIFICATION
 *	  src/base/guard.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_GUARD_H
#define SY_GUARD_H

#include "utils/palloc.h"

typedef struct SyGuard
{
	MemoryContextCallback callback;
	void		(*release) (void *object);
	void	   *object;			/* NULL: nothing to release (yet, or any more) */
} SyGuard;

/* Release callback of the memory context; see sy_guard_reserve(). */
static inline void
sy_guard_fire(void *arg)
{
	SyGuard    *guard = (SyGuard *) arg;
	void	   *object = guard->object;

	guard->object = NULL;
	if (object != NULL)
		guard->release(object);
}

/*
 * Reserve a release callback in "cxt"; the caller stores the object later.
 *
 * Reserving comes first because registering allocates: once the library has
 * handed us an object, nothing may fail before someone owns it.  release()
 * runs once, when cxt is reset or deleted, on success and on error alike; it
 * must not throw.  Callbacks run newest first.
 */
static inline SyGuard *
sy_guard_reserve(MemoryContext cxt, void (*release) (void *object))
{
	SyGuard    *guard = MemoryContextAllocZero(cxt, sizeof(SyGuard));

	guard->release = release;
	guard->callback.func = sy_guard_fire;
	guard->callback.arg = guard;
	MemoryContextRegisterResetCallback(cxt, &guard->callback);
	return guard;
}

/* Release the object now; the context's end then does nothing. */
static inline void
sy_guard_release(SyGuard *guard)
{
	sy_guard_fire(guard);
}

#endif							/* SY_GUARD_H */
