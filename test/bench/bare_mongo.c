/*
 * bare_mongo.c
 *	  A plain loop over libmongoc: what a foreign scan of MongoDB is measured
 *	  by.  Commands by hand, batches of about 1 MB, malloc tuned, each batch
 *	  asked for when the one before it has been read.
 *
 *	bare_mongo URI DATABASE COLLECTION scan PROJECTION		"{}": whole documents
 *	bare_mongo URI DATABASE COLLECTION lookup FIELD FROM N	N finds, one document each
 *
 * Prints milliseconds.
 */
#include <malloc.h>
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_BYTES	(1024 * 1024)

static volatile long long sink;

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000.0 + now.tv_nsec / 1e6;
}

static void
fail(const char *what)
{
	fprintf(stderr, "bare_mongo: %s\n", what);
	exit(1);
}

/* Look at every value of a document. */
static void
touch_document(bson_iter_t *document)
{
	bson_iter_t fields;
	uint32_t	length;

	if (!bson_iter_recurse(document, &fields))
		fail("a document of the batch is none");
	while (bson_iter_next(&fields))
	{
		switch (bson_iter_type(&fields))
		{
			case BSON_TYPE_INT32:
				sink += bson_iter_int32(&fields);
				break;
			case BSON_TYPE_INT64:
				sink += bson_iter_int64(&fields);
				break;
			case BSON_TYPE_DOUBLE:
				sink += (long long) bson_iter_double(&fields);
				break;
			case BSON_TYPE_UTF8:
				sink += bson_iter_utf8(&fields, &length)[0] + length;
				break;
			case BSON_TYPE_DATE_TIME:
				sink += bson_iter_date_time(&fields);
				break;
			case BSON_TYPE_BOOL:
				sink += bson_iter_bool(&fields);
				break;
			default:
				sink += bson_iter_type(&fields);
				break;
		}
	}
}

/* Run a command and read its batch; returns the cursor's id. */
static int64_t
run(mongoc_client_t *client, const char *database, const bson_t *command, long *nbytes, long *nrows)
{
	bson_t		reply;
	bson_error_t error;
	bson_iter_t iter;
	bson_iter_t cursor;
	bson_iter_t batch;
	int64_t		id = 0;

	if (!mongoc_client_command_simple(client, database, command, NULL, &reply, &error))
		fail(error.message);
	*nbytes = reply.len;
	if (!bson_iter_init_find(&iter, &reply, "cursor") || !bson_iter_recurse(&iter, &cursor))
		fail("a reply without a cursor");
	while (bson_iter_next(&cursor))
	{
		if (strcmp(bson_iter_key(&cursor), "id") == 0)
			id = bson_iter_int64(&cursor);
		else if (BSON_ITER_HOLDS_ARRAY(&cursor) && bson_iter_recurse(&cursor, &batch))
			while (bson_iter_next(&batch))
			{
				touch_document(&batch);
				(*nrows)++;
			}
	}
	bson_destroy(&reply);
	return id;
}

/* Read a whole collection; returns the number of documents. */
static long
scan(mongoc_client_t *client, const char *database, const char *collection, const char *projection)
{
	bson_error_t error;
	bson_t	   *fields = bson_new_from_json((const uint8_t *) projection, -1, &error);
	bson_t	   *command;
	int64_t		id;
	long		nbytes;
	long		nrows = 0;
	int			batch_rows;

	if (fields == NULL)
		fail(error.message);
	command = BCON_NEW("find", BCON_UTF8(collection), "projection", BCON_DOCUMENT(fields), "batchSize", BCON_INT32(1000));
	id = run(client, database, command, &nbytes, &nrows);
	bson_destroy(command);

	/* As many rows as make a batch of about 1 MB. */
	batch_rows = (int) (nrows > 0 && nbytes > 0 ? (double) BATCH_BYTES * nrows / nbytes : 1000);
	while (id != 0)
	{
		command = BCON_NEW("getMore", BCON_INT64(id), "collection", BCON_UTF8(collection), "batchSize", BCON_INT32(batch_rows));
		id = run(client, database, command, &nbytes, &nrows);
		bson_destroy(command);
	}
	bson_destroy(fields);
	return nrows;
}

int
main(int argc, char **argv)
{
	mongoc_client_t *client;
	bson_error_t error;
	double		began;
	bson_t	   *ping;

	if (argc < 6)
		return 2;
	mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
	mongoc_init();
	client = mongoc_client_new(argv[1]);
	if (client == NULL)
		fail("not a URI");
	ping = BCON_NEW("ping", BCON_INT32(1));
	if (!mongoc_client_command_simple(client, argv[2], ping, NULL, NULL, &error))
		fail(error.message);
	bson_destroy(ping);

	began = now_ms();
	if (strcmp(argv[4], "scan") == 0)
		sink += scan(client, argv[2], argv[3], argv[5]);
	else
	{
		long long	first = atoll(argv[6]);
		long long	count = atoll(argv[7]);

		for (long long i = first; i < first + count; i++)
		{
			bson_t	   *command = BCON_NEW("find", BCON_UTF8(argv[3]),
										   "filter", "{", argv[5], "{", "$eq", BCON_INT64(i), "}", "}");
			long		nbytes;
			long		nrows = 0;

			run(client, argv[2], command, &nbytes, &nrows);
			if (nrows != 1)
				fail("a look-up did not find one document");
			bson_destroy(command);
		}
	}
	printf("%.3f\n", now_ms() - began);
	mongoc_client_destroy(client);
	mongoc_cleanup();
	return 0;
}
