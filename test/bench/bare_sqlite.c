/*
 * bare_sqlite.c
 *	  The fastest plain loop over SQLite: what a foreign scan is measured by.
 *
 *	bare_sqlite FILE scan SQL			steps through the result and touches each value
 *	bare_sqlite FILE lookup SQL FROM N	runs SQL N times, ?1 = FROM, FROM + 1, ...
 *
 * Prints milliseconds.  A connection without mutexes, and one value handle per
 * column, are the fastest way of stepping that is known.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile long long sink;

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000.0 + now.tv_nsec / 1e6;
}

static void
fail(sqlite3 *db)
{
	fprintf(stderr, "bare_sqlite: %s\n", sqlite3_errmsg(db));
	exit(1);
}

/* Look at every value of the current row, as its own type. */
static void
touch_row(sqlite3_stmt *stmt, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		sqlite3_value *value = sqlite3_column_value(stmt, i);

		switch (sqlite3_value_type(value))
		{
			case SQLITE_INTEGER:
				sink += sqlite3_value_int64(value);
				break;
			case SQLITE_FLOAT:
				sink += (long long) sqlite3_value_double(value);
				break;
			case SQLITE_TEXT:
				sink += sqlite3_value_text(value)[0] + sqlite3_value_bytes(value);
				break;
			case SQLITE_BLOB:
				sink += ((const unsigned char *) sqlite3_value_blob(value))[0] + sqlite3_value_bytes(value);
				break;
			default:
				break;
		}
	}
}

int
main(int argc, char **argv)
{
	sqlite3    *db = NULL;
	sqlite3_stmt *stmt;
	long long	first = argc > 5 ? atoll(argv[4]) : 0;
	long long	count = argc > 5 ? atoll(argv[5]) : 1;
	double		began;
	int			ncolumns;

	if (argc != 4 && argc != 6)
		return 2;
	if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
		sqlite3_prepare_v3(db, argv[3], -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
		fail(db);
	ncolumns = sqlite3_column_count(stmt);

	began = now_ms();
	for (long long i = 0; i < count; i++)
	{
		int			rc;

		if (argc == 6)
			sqlite3_bind_int64(stmt, 1, first + i);
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
			touch_row(stmt, ncolumns);
		if (rc != SQLITE_DONE)
			fail(db);
		sqlite3_reset(stmt);
	}
	printf("%.3f\n", now_ms() - began);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return 0;
}
