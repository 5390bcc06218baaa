/*-------------------------------------------------------------------------
 *
 * error.c
 *	  The one place that turns an error record into a PostgreSQL error, and
 *	  the redaction of secrets.
 *
 * IDENTIFICATION
 *	  src/base/error.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/error.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#define REPLACEMENT		'?'		/* stands for what cannot be shown */
#define REDACTED		"***"

/*
 * Is "text" ASCII only?
 */
static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (IS_HIGHBIT_SET(*text))
			return false;
	return true;
}

/*
 * Replace in place what is not valid in "encoding", byte by byte.
 */
static void
replace_invalid(int encoding, char *text)
{
	char	   *from = text;
	char	   *to = text;
	int			left = strlen(text);

	while (left > 0)
	{
		int			length = pg_encoding_verifymbchar(encoding, from, left);

		if (length > 0)
			memmove(to, from, length);
		else
		{
			*to = REPLACEMENT;
			length = 1;
		}
		from += length;
		to += length;
		left -= length;
	}
	*to = '\0';
}

/*
 * Convert valid UTF-8 to the server encoding, palloc'd.  A character that it
 * lacks becomes one '?'.  Looks up the conversion in the catalogs.
 */
static char *
convert_from_utf8(const char *text)
{
	int			encoding = GetDatabaseEncoding();
	Oid			conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	int			left = strlen(text);
	int			size = left * MAX_CONVERSION_GROWTH + 1;
	char	   *result = palloc(size);
	char	   *to = result;

	while (left > 0)
	{
		int			done = 0;

		if (OidIsValid(conversion))
		{
			done = pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding,
												 (unsigned char *) text, left,
												 (unsigned char *) to,
												 size - (to - result), true);
			to += strlen(to);
		}
		text += done;
		left -= done;
		if (left > 0)
		{
			int			length = pg_utf_mblen((const unsigned char *) text);

			*to++ = OidIsValid(conversion) || IS_HIGHBIT_SET(*text) ? REPLACEMENT : *text;
			text += length;
			left -= length;
		}
	}
	*to = '\0';
	return result;
}

/*
 * Cut the beginning of a UTF-8 character off the end of a text that filled
 * its buffer of "size" bytes.
 */
static void
cut_broken_end(char *text, size_t size)
{
	int			length = strlen(text);
	int			valid;

	if (length + 1 < (int) size)
		return;
	valid = pg_encoding_verifymbstr(PG_UTF8, text, length);
	if (valid < length && pg_utf_mblen((unsigned char *) text + valid) > length - valid)
		text[valid] = '\0';
}

/*
 * A palloc'd copy of a record's text, valid in the server encoding, without
 * credentials.  "size" is that of the buffer which holds the text.
 *
 * Text that is valid UTF-8 is taken for UTF-8: it came from a source, and
 * names in another encoding are hardly ever valid UTF-8 by chance.
 */
static char *
presentable(const char *text, size_t size)
{
	int			encoding = GetDatabaseEncoding();
	char	   *copy = pstrdup(text);

	cut_broken_end(copy, size);
	sy_error_redact(copy);
	if (is_ascii(copy))
		return copy;
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
	{
		replace_invalid(PG_UTF8, copy);
		return copy;
	}
	if (pg_encoding_verifymbstr(PG_UTF8, copy, strlen(copy)) == (int) strlen(copy) &&
		IsTransactionState())
		return convert_from_utf8(copy);
	replace_invalid(encoding, copy);
	return copy;
}

/*
 * Raise the error that the record describes; does not return.
 *
 * If the operation was given up because of an interrupt, the interrupt's own
 * message is the better one, so that is served first.
 */
void
sy_error_throw(const SyError *err)
{
	char	   *message;
	char	   *detail;
	char	   *hint;

	Assert(err->cls != SY_ERROR_NONE);
	if (err->cls == SY_ERROR_CANCELED)
		CHECK_FOR_INTERRUPTS();

	message = presentable(err->message, sizeof(err->message));
	detail = presentable(err->detail, sizeof(err->detail));
	hint = presentable(err->hint, sizeof(err->hint));
	ereport(ERROR,
			(errcode(err->sqlstate != 0 ? err->sqlstate : ERRCODE_FDW_ERROR),
			 errmsg("%s", message),
			 detail[0] != '\0' ? errdetail("%s", detail) : 0,
			 hint[0] != '\0' ? errhint("%s", hint) : 0));
}

/*
 * Does "text" end here, as far as a URI in running text goes?
 */
static bool
ends_uri(char c)
{
	return c == '\0' || c == '"' || c == '\'' || c == '`' || c == '<' || c == '>' ||
		(unsigned char) c <= ' ';
}

/*
 * Put "***", or fewer stars if it was shorter, in the place of text[0..length)
 * and close the gap.  Returns where the rest begins.
 */
static char *
blot_out(char *text, size_t length)
{
	size_t		stars = Min(length, strlen(REDACTED));

	memcpy(text, REDACTED, stars);
	memmove(text + stars, text + length, strlen(text + length) + 1);
	return text + stars;
}

/*
 * Is text[0..length) the name of a URI option whose value is a secret?
 */
static bool
is_secret_option(const char *text, size_t length)
{
	static const char *const secret[] = {"password", "passwd", "pwd", "secret", "token",
	"authmechanismproperties"};

	for (size_t at = 0; at < length; at++)
		for (int i = 0; i < (int) lengthof(secret); i++)
			if (strlen(secret[i]) <= length - at &&
				pg_strncasecmp(text + at, secret[i], strlen(secret[i])) == 0)
				return true;
	return false;
}

/*
 * Redact the values of secret options in the URI's query string that begins
 * at "text", just behind the question mark.  Returns the URI's end.
 */
static char *
redact_options(char *text)
{
	while (!ends_uri(*text))
	{
		char	   *name = text;
		char	   *value;

		while (!ends_uri(*text) && strchr("=&;", *text) == NULL)
			text++;
		if (*text == '=')
		{
			value = ++text;
			while (!ends_uri(*text) && strchr("&;", *text) == NULL)
				text++;
			if (is_secret_option(name, value - 1 - name))
				text = blot_out(value, text - value);
		}
		if (!ends_uri(*text))
			text++;
	}
	return text;
}

/*
 * Replace the credentials in all URIs within "text" by ***, in place.
 *
 * Everything up to a URI's last @ is taken for credentials, as a password may
 * hold an unescaped @ or slash; rather too much vanishes than too little.
 * Neither allocates nor throws.
 */
void
sy_error_redact(char *text)
{
	while ((text = strstr(text, "://")) != NULL)
	{
		char	   *at = NULL;

		text += 3;
		for (char *c = text; !ends_uri(*c); c++)
			if (*c == '@')
				at = c;
		if (at != NULL)
			text = blot_out(text, at - text);
		while (!ends_uri(*text) && *text != '?')
			text++;
		if (*text == '?')
			text = redact_options(text + 1);
	}
}

/*
 * Copy as much of a record's text as fits into "to", without credentials and
 * valid in the server encoding; '?' stands for what is not ASCII in a text of
 * another encoding.  Neither allocates nor throws nor looks at catalogs.
 */
void
sy_error_excerpt(char *to, size_t size, const char *text)
{
	int			encoding = GetDatabaseEncoding();
	char		whole[SY_ERROR_DETAIL_SIZE];
	int			length;

	strlcpy(whole, text, sizeof(whole));
	cut_broken_end(whole, sizeof(whole));
	sy_error_redact(whole);
	length = strlen(whole);
	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII &&
		pg_encoding_verifymbstr(PG_UTF8, whole, length) == length)
	{
		for (char *c = whole; *c != '\0'; c++)
			if (IS_HIGHBIT_SET(*c))
				*c = REPLACEMENT;
	}
	else
		replace_invalid(encoding == PG_SQL_ASCII ? PG_UTF8 : encoding, whole);
	length = pg_encoding_mbcliplen(encoding, whole, strlen(whole), size - 1);
	memcpy(to, whole, length);
	to[length] = '\0';
}

/*
 * Write "message: detail" of a record, without a final period, into "to" of
 * SY_ERROR_SUMMARY_SIZE; like sy_error_excerpt().
 */
void
sy_error_summary(char *to, const SyError *err)
{
	char		detail[SY_ERROR_DETAIL_SIZE];
	size_t		length;

	sy_error_excerpt(to, SY_ERROR_MESSAGE_SIZE, err->message);
	sy_error_excerpt(detail, sizeof(detail), err->detail);
	length = strlen(detail);
	if (length == 0)
		return;
	if (detail[length - 1] == '.')
		detail[length - 1] = '\0';
	strcat(to, ": ");
	strcat(to, detail);
}
