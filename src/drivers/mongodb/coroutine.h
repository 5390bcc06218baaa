/*-------------------------------------------------------------------------
 *
 * coroutine.h
 *	  A stack of its own for calls into the client library.
 *
 * Built with -DSY_NO_UCONTEXT, a coroutine runs to its end when it is
 * resumed for the first time, and whoever would yield waits in place.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/coroutine.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_MONGODB_COROUTINE_H
#define SY_MONGODB_COROUTINE_H

#ifdef SY_NO_UCONTEXT
#define MONGO_COROUTINES 0
#else
#define MONGO_COROUTINES 1
#endif

typedef struct MongoCoroutine MongoCoroutine;

extern MongoCoroutine *mongo_coroutine_create(void);
extern void mongo_coroutine_destroy(MongoCoroutine *co);
extern void mongo_coroutine_start(MongoCoroutine *co, void (*work) (void *arg), void *arg);
extern bool mongo_coroutine_resume(MongoCoroutine *co);
extern void mongo_coroutine_yield(MongoCoroutine *co);
extern bool mongo_coroutine_active(const MongoCoroutine *co);

#endif							/* SY_MONGODB_COROUTINE_H */
