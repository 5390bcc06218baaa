/*-------------------------------------------------------------------------
 *
 * validator.c
 *	  The SQL-callable validator of all wrappers.
 *
 * IDENTIFICATION
 *	  src/sqlfn/validator.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "source/source.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(switchyard_fdw_validator);

/*
 * switchyard_<driver>_validator(text[], oid): check the options of an object.
 *
 * One C function for all drivers: the SQL function's name says whose options
 * these are.  A wrapper without options needs no driver, so that the
 * extension can be created where a driver's library is not installed.
 */
Datum
switchyard_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	if (options != NIL || catalog != ForeignDataWrapperRelationId)
		sy_option_validate(sy_registry_for_validator(fcinfo->flinfo->fn_oid), options, catalog);
	PG_RETURN_VOID();
}
