/*
 * value_kind.h: which type the values of a column ask for.
 *
 * A *kind set* remembers what was seen of a column: whole numbers, decimals, dates, other text …  From it follows the
 * narrowest type that holds every value seen exactly.  A number is written as in JSON (no plus sign, no leading zeros):
 * 007 and +49301234 are text, because a number would lose a part of them.  Knows nothing of the server.
 */
#ifndef MDL_VALUE_KIND_H
#define MDL_VALUE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum MdlKind
{
	MDL_KIND_INTEGER = 1 << 0,	/* a whole number that fits 64 bits */
	MDL_KIND_DECIMAL = 1 << 1,	/* digits with a point, or more digits than 64 bits hold */
	MDL_KIND_EXPONENT = 1 << 2, /* a number with an exponent */
	MDL_KIND_NOT_FINITE = 1 << 3,	/* NaN, Infinity, inf, -inf */
	MDL_KIND_WIDE = 1 << 4,		/* a number of more than 15 significant digits (double precision would round it) */
	MDL_KIND_TRUTH = 1 << 5,	/* true, false */
	MDL_KIND_T = 1 << 6,		/* t */
	MDL_KIND_F = 1 << 7,		/* f */
	MDL_KIND_DATE = 1 << 8,		/* 2013-01-31 */
	MDL_KIND_TIMESTAMP = 1 << 9,	/* 2013-01-31 05:00[:00[.000000]], T instead of the blank */
	MDL_KIND_TIMESTAMPTZ = 1 << 10, /* the same with Z or an offset */
	MDL_KIND_TEXT = 1 << 11,	/* anything else */
	MDL_KIND_JSON_STRING = 1 << 12, /* the kinds of JSON values; strings are classified as text too */
	MDL_KIND_JSON_NUMBER = 1 << 13,
	MDL_KIND_JSON_TRUTH = 1 << 14,
	MDL_KIND_JSON_NESTED = 1 << 15
} MdlKind;

typedef uint32_t MdlKindSet;	/* MdlKind bits; 0: no value seen */

/* Returns the kinds of one value, blanks around it ignored. */
extern MdlKindSet mdl_kind_of(const char *text, size_t size);

/* Returns the name of the type for a column of which these kinds were seen, e.g. "bigint". */
extern const char *mdl_kind_type(MdlKindSet seen);

/* The parts of a number in canonical form (see above); digits count from the first that is not 0. */
typedef struct MdlNumberText
{
	bool		negative;
	bool		has_point;
	bool		has_exponent;
	int			digits;			/* significant digits */
	int			scale;			/* digits after the point */
	int			zeros;			/* of them and those before the point, 0s at the end */
	bool		fits;			/* `value` holds all digits (no more than 18 of them) */
	int64_t		value;			/* the digits as a whole number, without sign and point */
	long		exponent;		/* clamped to +-100000 */
} MdlNumberText;

/* Whether the text is a number; *number is filled if so. */
extern bool mdl_number_text(const char *text, size_t size, MdlNumberText *number);

/* Parts of an ISO 8601 date or time stamp. */
typedef struct MdlTimeText
{
	int			year,
				month,
				day;
	bool		has_time;
	int			hour,
				minute,
				second;
	int			micros;
	bool		has_zone;
	int			zone_seconds;	/* east of Greenwich */
} MdlTimeText;

/* Whether the text is an ISO 8601 date or time stamp that a microsecond clock holds exactly and that exists. */
extern bool mdl_time_text(const char *text, size_t size, MdlTimeText *time);

#endif							/* MDL_VALUE_KIND_H */
