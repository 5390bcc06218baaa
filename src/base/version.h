/*-------------------------------------------------------------------------
 *
 * version.h
 *	  The version of the extension that this library belongs to.
 *
 * The same as default_version in switchyard.control; make lint compares them.
 *
 * IDENTIFICATION
 *	  src/base/version.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef SY_VERSION_H
#define SY_VERSION_H

#define SY_VERSION	"0.1"

#endif							/* SY_VERSION_H */
