/*-------------------------------------------------------------------------
 *
 * like.c
 *	  LIKE patterns as regular expressions of the server.
 *
 * The server ends a match after 200,000 steps and then says "no match", so a
 * pattern must be written such that it needs few of them: it is split at its
 * percent signs, and all parts but first and last become atomic groups.  With
 * such inner parts the answer is right for strings of up to
 * MONGO_PATTERN_REACH characters; without, for all.
 *
 * IDENTIFICATION
 *	  src/drivers/mongodb/like.c
 *
 *-------------------------------------------------------------------------
 */
#include "language.h"

#include "lib/stringinfo.h"

/* Append "length" bytes of UTF-8 so that they match themselves. */
void
mongo_pattern_quote(StringInfo out, const char *utf8, int length)
{
	for (int i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) utf8[i];

		if ((c > ' ' && c < '0') || (c > '9' && c < 'A') ||
			(c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F))
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, (char) c);
	}
}

/*
 * Split a pattern at its percent signs into regular expressions, a List of
 * char *, one more than there are percent signs.  NIL: the pattern ends with
 * a lone backslash, which PostgreSQL refuses when it gets there.
 */
static List *
split_pattern(const char *pattern)
{
	List	   *parts = NIL;
	StringInfoData part;

	initStringInfo(&part);
	for (const char *p = pattern; *p != '\0'; p++)
	{
		if (*p == '%')
		{
			parts = lappend(parts, part.data);
			initStringInfo(&part);
		}
		else if (*p == '_')
			appendStringInfoChar(&part, '.');
		else
		{
			if (*p == '\\' && *++p == '\0')
				return NIL;
			mongo_pattern_quote(&part, p, 1);
		}
	}
	return lappend(parts, part.data);
}

/*
 * Translate a LIKE pattern.  The result says whether it can be sent at all,
 * and for which strings it is right.
 */
void
mongo_pattern(const SyValue *value, MongoPattern *pattern)
{
	List	   *parts = split_pattern(mongo_operand_text(value));
	const char *first;
	const char *last;
	List	   *inner = NIL;
	StringInfoData regex;
	ListCell   *cell;

	memset(pattern, 0, sizeof(*pattern));
	if (parts == NIL)
		return;
	first = (const char *) linitial(parts);
	last = (const char *) llast(parts);
	for (int i = 1; i < list_length(parts) - 1; i++)
		if (*(const char *) list_nth(parts, i) != '\0')
			inner = lappend(inner, list_nth(parts, i));

	initStringInfo(&regex);
	if (list_length(parts) == 1)
		appendStringInfo(&regex, "\\A%s\\z", first);
	else if (inner == NIL)
	{
		pattern->any = (*first == '\0' && *last == '\0');
		if (*first != '\0')
			appendStringInfo(&regex, "\\A%s", first);
		if (*last != '\0')
			appendStringInfo(&regex, "%s%s\\z", *first != '\0' ? ".*" : "", last);
	}
	else if (list_length(inner) == 1 && *first == '\0' && *last == '\0')
		appendStringInfoString(&regex, (const char *) linitial(inner));
	else
	{
		pattern->limited = true;
		appendStringInfo(&regex, "\\A%s", first);
		foreach(cell, inner)
			appendStringInfo(&regex, "(?>.*?%s)", (const char *) lfirst(cell));
		if (*last != '\0')
			appendStringInfo(&regex, ".*%s\\z", last);
	}
	pattern->regex = regex.data;
	pattern->valid = (regex.len <= MONGO_PATTERN_MAX_BYTES);
}
