/*
 * value_kind.c: which type the values of a column ask for; see value_kind.h.
 */
#include "lake/value_kind.h"

#include <string.h>

#define KINDS_NUMBER	(MDL_KIND_INTEGER | MDL_KIND_DECIMAL | MDL_KIND_EXPONENT | MDL_KIND_NOT_FINITE | MDL_KIND_WIDE)
#define KINDS_TIME		(MDL_KIND_DATE | MDL_KIND_TIMESTAMP | MDL_KIND_TIMESTAMPTZ)
#define KINDS_JSON		(MDL_KIND_JSON_STRING | MDL_KIND_JSON_NUMBER | MDL_KIND_JSON_TRUTH | MDL_KIND_JSON_NESTED)
#define DOUBLE_DIGITS	15		/* decimal digits that survive a round trip through a double */
#define VALUE_DIGITS	18		/* decimal digits that always fit 64 bits */

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
mdl_number_text(const char *text, size_t size, MdlNumberText *number)
{
	const char *p = text;
	const char *end = text + size;
	int			whole = 0;
	int			digits = 0;

	*number = (MdlNumberText) {.fits = true};
	if (p < end && *p == '-')
	{
		number->negative = true;
		p++;
	}
	if (p + 1 < end && *p == '0' && is_digit(p[1]))
		return false;
	for (; p < end && (is_digit(*p) || *p == '.'); p++)
	{
		if (*p == '.')
		{
			if (number->has_point)
				return false;
			number->has_point = true;
			continue;
		}
		whole++;
		if (number->has_point)
			number->scale++;
		if (digits > 0 || *p != '0')
			digits++;
		number->zeros = *p == '0' ? number->zeros + 1 : 0;
		if (digits <= VALUE_DIGITS)
			number->value = number->value * 10 + (*p - '0');
	}
	if (whole == 0)
		return false;
	number->digits = digits;
	number->fits = digits <= VALUE_DIGITS;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		bool		negative = false;
		const char *first;

		number->has_exponent = true;
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			negative = *p++ == '-';
		for (first = p; p < end && is_digit(*p); p++)
			if (number->exponent < 100000)
				number->exponent = number->exponent * 10 + (*p - '0');
		if (p == first)
			return false;
		if (number->exponent > 100000)
			number->exponent = 100000;
		if (negative)
			number->exponent = -number->exponent;
	}
	return p == end;
}

/* Reads exactly n digits; -1 if they are not there. */
static int
fixed_digits(const char **p, const char *end, int n)
{
	int			value = 0;

	if (end - *p < n)
		return -1;
	for (int i = 0; i < n; i++, (*p)++)
	{
		if (!is_digit(**p))
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Reads the fraction of a second after the point; false if it has none or is finer than a microsecond. */
static bool
fraction(const char **p, const char *end, int *micros)
{
	int			count = 0;

	*micros = 0;
	for (; *p < end && is_digit(**p); (*p)++, count++)
	{
		if (count < 6)
			*micros = *micros * 10 + (**p - '0');
		else if (**p != '0')
			return false;
	}
	for (int i = count; i < 6; i++)
		*micros *= 10;
	return count > 0;
}

/* Reads Z, +HH, +HHMM, +HH:MM. */
static bool
zone(const char **p, const char *end, MdlTimeText *time)
{
	int			sign,
				hours,
				minutes = 0;

	time->has_zone = true;
	if (**p == 'Z' || **p == 'z')
	{
		(*p)++;
		return true;
	}
	sign = **p == '-' ? -1 : 1;
	if (**p != '+' && **p != '-')
		return false;
	(*p)++;
	hours = fixed_digits(p, end, 2);
	if (*p < end && **p == ':')
		(*p)++;
	if (*p < end)
		minutes = fixed_digits(p, end, 2);
	if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59)
		return false;
	time->zone_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool
mdl_time_text(const char *text, size_t size, MdlTimeText *time)
{
	const char *p = text;
	const char *end = text + size;

	*time = (MdlTimeText) {0};
	if (size < 10 || text[4] != '-' || text[7] != '-')
		return false;
	time->year = fixed_digits(&p, end, 4);
	p++;
	time->month = fixed_digits(&p, end, 2);
	p++;
	time->day = fixed_digits(&p, end, 2);
	if (time->year < 1 || time->month < 1 || time->month > 12 || time->day < 1 ||
		time->day > days_in_month(time->year, time->month))
		return false;
	if (p == end)
		return true;
	if (*p != ' ' && *p != 'T')
		return false;
	p++;
	time->has_time = true;
	time->hour = fixed_digits(&p, end, 2);
	if (p == end || *p++ != ':')
		return false;
	time->minute = fixed_digits(&p, end, 2);
	if (p < end && *p == ':')
	{
		p++;
		time->second = fixed_digits(&p, end, 2);
		if (p < end && *p == '.')
		{
			p++;
			if (!fraction(&p, end, &time->micros))
				return false;
		}
	}
	if (time->hour < 0 || time->hour > 23 || time->minute < 0 || time->minute > 59 ||
		time->second < 0 || time->second > 59)
		return false;
	if (p < end && *p == ' ' && p + 1 < end && (p[1] == '+' || p[1] == '-'))
		p++;
	if (p < end && !zone(&p, end, time))
		return false;
	return p == end;
}

/* Whether the text is the word, in whatever case; the word is in lower case. */
static bool
is_word(const char *text, size_t size, const char *word)
{
	size_t		i;

	for (i = 0; i < size && word[i] != '\0'; i++)
		if ((text[i] | 0x20) != word[i])
			return false;
	return i == size && word[i] == '\0';
}

static MdlKindSet
kind_of_number(const MdlNumberText *number)
{
	MdlKindSet	wide = number->digits > DOUBLE_DIGITS ? MDL_KIND_WIDE : 0;

	if (number->has_exponent)
		return MDL_KIND_EXPONENT | wide;
	if (number->has_point || !number->fits)
		return MDL_KIND_DECIMAL | wide;
	return MDL_KIND_INTEGER | wide;
}

MdlKindSet
mdl_kind_of(const char *text, size_t size)
{
	MdlNumberText number;
	MdlTimeText time;

	while (size > 0 && (*text == ' ' || *text == '\t'))
		text++, size--;
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	if (size == 0)
		return MDL_KIND_TEXT;
	if (mdl_number_text(text, size, &number))
		return kind_of_number(&number);
	if (mdl_time_text(text, size, &time))
		return !time.has_time ? MDL_KIND_DATE : time.has_zone ? MDL_KIND_TIMESTAMPTZ : MDL_KIND_TIMESTAMP;
	if (size == 1)
		return *text == 't' ? MDL_KIND_T : *text == 'f' ? MDL_KIND_F : MDL_KIND_TEXT;
	if (is_word(text, size, "true") || is_word(text, size, "false"))
		return MDL_KIND_TRUTH;
	if (*text == '-')
		text++, size--;
	if (is_word(text, size, "nan") || is_word(text, size, "inf") || is_word(text, size, "infinity"))
		return MDL_KIND_NOT_FINITE;
	return MDL_KIND_TEXT;
}

const char *
mdl_kind_type(MdlKindSet seen)
{
	MdlKindSet	json = seen & KINDS_JSON;

	seen &= ~KINDS_JSON;
	if (json & MDL_KIND_JSON_NESTED || (json & (json - 1)) != 0)
		return "jsonb";			/* objects, arrays, or values of several JSON types: only jsonb keeps them apart */
	if (json & MDL_KIND_JSON_STRING && seen & ~KINDS_TIME)
		return "text";			/* a JSON string of digits is meant as text */
	if (json & MDL_KIND_JSON_TRUTH)
		return "boolean";
	if (seen == 0)
		return "text";
	if (seen == MDL_KIND_TRUTH || seen == (MDL_KIND_T | MDL_KIND_F))
		return "boolean";
	if (!(seen & ~KINDS_NUMBER))
	{
		if (!(seen & ~(MDL_KIND_INTEGER | MDL_KIND_WIDE)))
			return "bigint";
		if (seen & (MDL_KIND_EXPONENT | MDL_KIND_NOT_FINITE) && !(seen & MDL_KIND_WIDE))
			return "double precision";
		return "numeric";
	}
	if (seen == MDL_KIND_DATE)
		return "date";
	if (seen == MDL_KIND_TIMESTAMPTZ)
		return "timestamp with time zone";
	if (!(seen & ~(MDL_KIND_DATE | MDL_KIND_TIMESTAMP)))
		return "timestamp without time zone";
	return "text";
}
