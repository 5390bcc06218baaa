/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The table of callbacks, one for all foreign data wrappers.
 *
 * IDENTIFICATION
 *	  src/fdw/handler.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "fdw/fdw.h"

PG_FUNCTION_INFO_V1(switchyard_fdw_handler);

/* Handler function of every wrapper of this extension. */
PGDLLEXPORT Datum
switchyard_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = syGetForeignRelSize;
	routine->GetForeignPaths = syGetForeignPaths;
	routine->GetForeignPlan = syGetForeignPlan;
	routine->GetForeignUpperPaths = syGetForeignUpperPaths;

	routine->BeginForeignScan = syBeginForeignScan;
	routine->IterateForeignScan = syIterateForeignScan;
	routine->ReScanForeignScan = syReScanForeignScan;
	routine->EndForeignScan = syEndForeignScan;
	routine->ExplainForeignScan = syExplainForeignScan;

	routine->IsForeignPathAsyncCapable = syIsForeignPathAsyncCapable;
	routine->ForeignAsyncRequest = syForeignAsyncRequest;
	routine->ForeignAsyncConfigureWait = syForeignAsyncConfigureWait;
	routine->ForeignAsyncNotify = syForeignAsyncNotify;

	routine->IsForeignRelUpdatable = syIsForeignRelUpdatable;
	routine->AddForeignUpdateTargets = syAddForeignUpdateTargets;
	routine->PlanForeignModify = syPlanForeignModify;
	routine->BeginForeignModify = syBeginForeignModify;
	routine->BeginForeignInsert = syBeginForeignInsert;
	routine->ExecForeignInsert = syExecForeignInsert;
	routine->ExecForeignUpdate = syExecForeignUpdate;
	routine->ExecForeignDelete = syExecForeignDelete;
	routine->GetForeignRowMarkType = syGetForeignRowMarkType;

	routine->ImportForeignSchema = syImportForeignSchema;
	routine->AnalyzeForeignTable = syAnalyzeForeignTable;

	PG_RETURN_POINTER(routine);
}
