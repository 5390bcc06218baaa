/*-------------------------------------------------------------------------
 *
 * source.h
 *	  Sources and tables as the catalogs describe them, cached; options and
 *	  their validation; the registry of drivers.
 *
 * IDENTIFICATION
 *	  src/source/source.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_SOURCE_H
#define SY_SOURCE_H

#include "source/driver.h"

/* registry.c */
extern void sy_registry_init(const SyHost *host);
extern const SyDriver *sy_registry_driver(const char *name);
extern const SyDriver *sy_registry_try_driver(const char *name, SyError *err);
extern const SyDriver *sy_registry_for_server(Oid serverid);
extern char *sy_registry_driver_name(Oid serverid);
extern const SyDriver *sy_registry_for_validator(Oid funcid);
extern bool sy_registry_is_ours(Oid relid);
extern List *sy_registry_names(void);

/* option.c */
extern const SyOption sy_common_options[];
extern void sy_option_validate(const SyDriver *driver, List *options, Oid catalog);
extern SyOptions sy_option_import(const SyDriver *driver, List *options);
extern bool sy_option_bool(const SyOptions *options, const char *name, bool otherwise);
extern void sy_option_load(SySource *source);
extern int64 sy_option_int(const SyDriver *driver, const SyOptions *options, const char *name);

/* source.c: valid until the end of the top-level transaction */
extern const SySource *sy_source_get(Oid serverid, Oid userid);
extern const SyTable *sy_table_get(Oid relid, Oid userid);
extern SySource *sy_source_copy(const SySource *source, MemoryContext cxt);
extern uint32 sy_source_generation(Oid serverid, Oid umid);

#endif							/* SY_SOURCE_H */
