/*-------------------------------------------------------------------------
 *
 * coroutine.c
 *	  A stack of its own for calls into the client library.
 *
 * A call of libmongoc that would wait is left in the middle by switching back
 * to the backend's stack, where the wait happens and interrupts are served,
 * and entered again afterwards.
 *
 * On the coroutine's stack no PostgreSQL code that could allocate, throw or
 * check the stack's depth may run, and nobody may jump out of it: an
 * operation that is given up is resumed with its stream refusing everything
 * until it has unwound by itself.  Signal handlers may run there; they set
 * flags.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/coroutine.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coroutine.h"

#if MONGO_COROUTINES
#include <ucontext.h>
#endif

/* libmongoc with TLS, SCRAM and a name look-up was seen to use 28 KB. */
#define MONGO_STACK_SIZE	(256 * 1024)

struct MongoCoroutine
{
	void		(*work) (void *arg);
	void	   *arg;
	bool		active;			/* started and not finished */
#if MONGO_COROUTINES
	char	   *memory;			/* a guard page, then the stack */
	size_t		size;
	ucontext_t	own;
	ucontext_t	back;
#endif
};

/* NULL: no memory.  To be freed with mongo_coroutine_destroy(). */
MongoCoroutine *
mongo_coroutine_create(void)
{
	MongoCoroutine *co = calloc(1, sizeof(MongoCoroutine));
#if MONGO_COROUTINES
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);

	if (co == NULL)
		return NULL;
	co->size = MONGO_STACK_SIZE + page;
	co->memory = mmap(NULL, co->size, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (co->memory == MAP_FAILED)
	{
		free(co);
		return NULL;
	}
	if (mprotect(co->memory, page, PROT_NONE) != 0)
	{
		(void) munmap(co->memory, co->size);
		free(co);
		return NULL;
	}
#endif
	return co;
}

/* The coroutine must not be active; NULL is allowed. */
void
mongo_coroutine_destroy(MongoCoroutine *co)
{
	if (co == NULL)
		return;
	Assert(!co->active);
#if MONGO_COROUTINES
	(void) munmap(co->memory, co->size);
#endif
	free(co);
}

#if MONGO_COROUTINES

/* makecontext() passes integers only; read once, right after the switch. */
static MongoCoroutine *mongo_coroutine_entering;

/* The first frame of the coroutine's stack. */
static void
mongo_coroutine_main(void)
{
	MongoCoroutine *co = mongo_coroutine_entering;

	co->work(co->arg);
	co->active = false;
	/* returning goes on at uc_link, that is, co->back */
}

/* Prepare to run work(arg); the first resume enters it. */
void
mongo_coroutine_start(MongoCoroutine *co, void (*work) (void *arg), void *arg)
{
	size_t		page = co->size - MONGO_STACK_SIZE;

	Assert(!co->active);
	co->work = work;
	co->arg = arg;
	co->active = true;
	(void) getcontext(&co->own);
	co->own.uc_stack.ss_sp = co->memory + page;
	co->own.uc_stack.ss_size = MONGO_STACK_SIZE;
	co->own.uc_link = &co->back;
	makecontext(&co->own, mongo_coroutine_main, 0);
}

/* Run until it yields (false) or ends (true). */
bool
mongo_coroutine_resume(MongoCoroutine *co)
{
	int			save_errno = errno;

	Assert(co->active);
	mongo_coroutine_entering = co;
	(void) swapcontext(&co->back, &co->own);
	errno = save_errno;
	return !co->active;
}

/* On the coroutine: go back to whoever resumed it. */
void
mongo_coroutine_yield(MongoCoroutine *co)
{
	int			save_errno = errno;

	(void) swapcontext(&co->own, &co->back);
	errno = save_errno;
}

#else

/* Prepare to run work(arg); the first resume runs it. */
void
mongo_coroutine_start(MongoCoroutine *co, void (*work) (void *arg), void *arg)
{
	co->work = work;
	co->arg = arg;
	co->active = true;
}

/* Run to the end: always true. */
bool
mongo_coroutine_resume(MongoCoroutine *co)
{
	co->work(co->arg);
	co->active = false;
	return true;
}

#endif							/* MONGO_COROUTINES */

/* Was it started, and has not ended? */
bool
mongo_coroutine_active(const MongoCoroutine *co)
{
	return co->active;
}
