/*-------------------------------------------------------------------------
 *
 * version.c
 *	  SQL function that tells all versions that matter in a bug report.
 *
 * IDENTIFICATION
 *	  src/sqlfn/version.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/source.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "base/version.h"

PG_FUNCTION_INFO_V1(switchyard_version);

/*
 * version(): extension, client library of each driver, PostgreSQL.
 *
 * Loads the drivers, as the question is which client libraries are in use
 * here; one that cannot be loaded is shown as not available.
 */
Datum
switchyard_version(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	List	   *names = sy_registry_names();
	ListCell   *cell;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "switchyard " SY_VERSION);
	foreach(cell, names)
	{
		const char *name = (const char *) lfirst(cell);
		SyError		err;
		const SyDriver *driver = sy_registry_try_driver(name, &err);

		if (driver != NULL)
			appendStringInfo(&buf, ", %s", driver->library_version());
		else
			appendStringInfo(&buf, ", %s driver not available", name);
	}
	appendStringInfoString(&buf, ", built against PostgreSQL " PG_VERSION);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(buf.data, buf.len));
}
