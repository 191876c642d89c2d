/*
 * path_pattern.c: patterns of file names; see path_pattern.h.
 */
#include "lake/path_pattern.h"

#include <string.h>

bool
mdl_pattern_has_wildcard(const char *pattern)
{
	for (const char *p = pattern; *p != '\0'; p++)
	{
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '*' || *p == '?' || *p == '[')
			return true;
	}
	return false;
}

void
mdl_pattern_literal(char *component)
{
	char	   *out = component;

	for (char *p = component; *p != '\0'; p++)
	{
		if (*p == '\\' && p[1] != '\0')
			p++;
		*out++ = *p;
	}
	*out = '\0';
}

/* Returns the code of the character at *p and steps over it; a byte that is not UTF-8 counts as a character. */
static unsigned
next_character(const char **p)
{
	const unsigned char *s = (const unsigned char *) *p;
	int			extra = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : s[0] >= 0xC0 ? 1 : 0;
	unsigned	code = extra == 3 ? s[0] & 0x07 : extra == 2 ? s[0] & 0x0F : extra == 1 ? s[0] & 0x1F : s[0];

	for (int i = 1; i <= extra; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
		{
			(*p)++;
			return s[0];
		}
		code = code << 6 | (s[i] & 0x3F);
	}
	*p += 1 + extra;
	return code;
}

/*
 * Matches one character against the set that begins after a bracket at *pattern, and steps over both.  Returns -1 when
 * the set is not closed, so that the bracket is an ordinary character.
 */
static int
match_set(const char **pattern, const char **name)
{
	const char *p = *pattern;
	const char *n = *name;
	unsigned	code = next_character(&n);
	bool		negated = *p == '!' || *p == '^';
	bool		found = false;
	bool		first = true;

	if (negated)
		p++;
	while (*p != '\0' && *p != '/' && (*p != ']' || first))
	{
		unsigned	low,
					high;

		if (*p == '\\' && p[1] != '\0')
			p++;
		low = high = next_character(&p);
		if (*p == '-' && p[1] != ']' && p[1] != '\0' && p[1] != '/')
		{
			p++;
			if (*p == '\\' && p[1] != '\0')
				p++;
			high = next_character(&p);
		}
		found |= code >= low && code <= high;
		first = false;
	}
	if (*p != ']')
		return -1;
	*pattern = p + 1;
	*name = n;
	return found != negated;
}

/* Matches one pattern element that is not a star against the start of *name; steps over both when it matches. */
static bool
match_one(const char **pattern, const char **name)
{
	const char *p = *pattern;
	const char *n = *name;

	if (*n == '\0' || *n == '/')
		return false;
	if (*p == '?')
	{
		p++;
		next_character(&n);
	}
	else if (*p == '[')
	{
		const char *after = p + 1;
		int			matched = match_set(&after, &n);

		if (matched == 0)
			return false;
		if (matched > 0)
			p = after;
		else if (*n++ == '[')
			p++;
		else
			return false;
	}
	else
	{
		if (*p == '\\' && p[1] != '\0' && p[1] != '/')
			p++;
		if (*p != *n)
			return false;
		p++;
		n++;
	}
	*pattern = p;
	*name = n;
	return true;
}

/*
 * Matches one component up to its slash or end, and the name likewise.  Remembering only the last star is enough: an
 * earlier star taking more never helps.
 */
static bool
match_component(const char *p, const char *n)
{
	const char *star = NULL;
	const char *resume = NULL;

	if (*n == '.' && (*p == '*' || *p == '?' || *p == '['))
		return false;
	for (;;)
	{
		bool		pattern_done = *p == '\0' || *p == '/';
		bool		name_done = *n == '\0' || *n == '/';

		if (pattern_done && name_done)
			return true;
		if (!pattern_done && *p == '*')
		{
			star = ++p;
			resume = n;
		}
		else if (pattern_done || !match_one(&p, &n))
		{
			if (star == NULL || *resume == '\0' || *resume == '/')
				return false;
			p = star;
			next_character(&resume);
			n = resume;
		}
	}
}

bool
mdl_pattern_component(const char *pattern, const char *name)
{
	return match_component(pattern, name);
}

static const char *
after_component(const char *path)
{
	const char *slash = strchr(path, '/');

	return slash != NULL ? slash + 1 : path + strlen(path);
}

/* Like match_component one level up: components instead of characters, ** instead of *. */
bool
mdl_pattern_path(const char *pattern, const char *path)
{
	const char *star = NULL;
	const char *resume = NULL;

	for (;;)
	{
		if (*pattern == '\0' && *path == '\0')
			return true;
		if (strncmp(pattern, "**", 2) == 0 && (pattern[2] == '/' || pattern[2] == '\0'))
		{
			pattern = after_component(pattern);
			if (*pattern == '\0')	/* a trailing ** is every file below */
				pattern = "*";
			star = pattern;
			resume = path;
		}
		else if (*pattern != '\0' && *path != '\0' && match_component(pattern, path))
		{
			pattern = after_component(pattern);
			path = after_component(path);
		}
		else
		{
			/* ** does not descend into hidden directories */
			if (star == NULL || *resume == '\0' || *resume == '.')
				return false;
			pattern = star;
			resume = after_component(resume);
			path = resume;
		}
	}
}
