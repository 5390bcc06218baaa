/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  What the options of a source say about its health.
 *
 * Options are transactional and the shared state of a source is not, so the
 * state never holds a copy: whoever asks for something passes the limits that
 * are in force for him.
 *
 * IDENTIFICATION
 *	  src/base/limits.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_LIMITS_H
#define SY_LIMITS_H

typedef struct SyLimits
{
	bool		breaker;		/* false: the breaker does not judge */
	int			failure_threshold;	/* consecutive failures that open it */
	double		failure_rate;	/* share of failed calls that opens it; 0: none
								 * does */
	int			recovery_timeout_ms;	/* how long it stays open */
	int			half_open_calls;	/* trial calls that must succeed */
	int			pool_size;		/* sessions that may stay open when idle */
	int			max_overflow;	/* sessions in use beyond them */
	int			pool_timeout_ms;	/* longest wait for one of them */
	int			probe_interval_ms;
	int			probe_timeout_ms;
	int			connect_timeout_ms;
	int			query_timeout_ms;	/* 0: none */
} SyLimits;

#endif							/* SY_LIMITS_H */
