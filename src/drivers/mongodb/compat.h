/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between versions of libmongoc, and everything that we
 *	  assume about it beyond its documented interface.
 *
 * The driver uses only what 1.23, 1.30 and 2.x have in common, so little is
 * needed here; the Makefile finds the library's name.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_MONGODB_COMPAT_H
#define SY_MONGODB_COMPAT_H

#include <mongoc/mongoc.h>

#if !MONGOC_CHECK_VERSION(1, 23, 0)
#error "libmongoc 1.23 or later is needed"
#endif

/*
 * The stream's function table is documented as private, but it is the only
 * way to lend the library our waits, and it has been the same since 1.17.
 */
StaticAssertDecl(offsetof(mongoc_stream_t, destroy) == sizeof(void *) &&
				 offsetof(mongoc_stream_t, should_retry) == 12 * sizeof(void *) &&
				 sizeof(mongoc_stream_t) == 16 * sizeof(void *),
				 "mongoc_stream_t has another layout than the one we know");

/*
 * What mongoc_ssl_opt_t.internal points to.  Without it the library would
 * ask OCSP responders over blocking sockets of its own although the URI says
 * tlsDisableOCSPEndpointCheck.
 */
typedef struct MongoTlsInternal
{
	bool		disable_revocation_check;
	bool		disable_ocsp_endpoint_check;
} MongoTlsInternal;

/* 2.x declares calling conventions, which are empty where PostgreSQL runs. */
#ifdef MONGOC_CALL
#define MONGO_CALLBACK MONGOC_CALL
#else
#define MONGO_CALLBACK
#endif

/* The later 2.x deprecate the plain way of appending an array by its old name. */
#ifdef BSON_APPEND_ARRAY_UNSAFE_BEGIN
#define mongo_array_begin(bson, key, child) \
	bson_append_array_unsafe_begin(bson, key, -1, child)
#else
#define mongo_array_begin(bson, key, child) \
	bson_append_array_begin(bson, key, -1, child)
#endif

#endif							/* SY_MONGODB_COMPAT_H */
