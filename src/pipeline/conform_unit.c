/*
 * conform_unit.c: medallion.convert_unit and to_unit: quantities in one unit.
 *
 * A unit is a factor, and for temperatures an offset, to the coherent unit of its dimension; the factors are exact by
 * definition (NIST Special Publication 811) except where a comment says otherwise.  Symbols are told apart by case (mW and MW),
 * but where one is not known as it is written, it is taken without regard to case if that leaves one unit only.
 */
#include "pipeline/pipeline.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include <ctype.h>
#include <math.h>

typedef struct Unit
{
	const char *symbol;
	const char *other;			/* what it is called besides; NULL: nothing */
	const char *dimension;
	double		factor;			/* one of it, in the coherent unit */
	double		offset;			/* where its zero is, in the coherent unit */
} Unit;

static const Unit units[] = {
	{"m", "meter", "length", 1}, {"km", "kilometer", "length", 1000}, {"cm", "centimeter", "length", 0.01},
	{"mm", "millimeter", "length", 0.001}, {"in", "inch", "length", 0.0254}, {"ft", "foot", "length", 0.3048},
	{"yd", "yard", "length", 0.9144}, {"mi", "mile", "length", 1609.344}, {"nmi", "nautical mile", "length", 1852},
	{"kg", "kilogram", "mass", 1}, {"g", "gram", "mass", 0.001}, {"mg", "milligram", "mass", 1e-6}, {"t", "tonne", "mass", 1000},
	{"lb", "lbs", "mass", 0.45359237}, {"oz", "ounce", "mass", 0.028349523125}, {"st", "stone", "mass", 6.35029318},
	{"short ton", NULL, "mass", 907.18474}, {"long ton", NULL, "mass", 1016.0469088},
	{"K", "kelvin", "temperature", 1}, {"C", "°C", "temperature", 1, 273.15}, {"F", "°F", "temperature", 5.0 / 9, 273.15 - 160.0 / 9},
	{"m3", "m³", "volume", 1}, {"l", "liter", "volume", 0.001}, {"dl", NULL, "volume", 0.0001}, {"cl", NULL, "volume", 0.00001},
	{"ml", "milliliter", "volume", 1e-6}, {"gal", "gallon", "volume", 0.003785411784}, {"imp gal", NULL, "volume", 0.00454609},
	{"qt", "quart", "volume", 0.000946352946}, {"pt", "pint", "volume", 0.000473176473},
	{"fl oz", NULL, "volume", 0.0000295735295625}, {"bbl", "barrel", "volume", 0.158987294928}, {"ft3", "ft³", "volume", 0.028316846592},
	{"m2", "m²", "area", 1}, {"km2", "km²", "area", 1e6}, {"cm2", "cm²", "area", 1e-4}, {"ha", "hectare", "area", 10000},
	{"acre", "acres", "area", 4046.8564224}, {"ft2", "ft²", "area", 0.09290304}, {"mi2", "mi²", "area", 2589988.110336},
	{"m/s", NULL, "speed", 1}, {"km/h", "kmh", "speed", 1 / 3.6}, {"mph", "mi/h", "speed", 0.44704}, {"kn", "knots", "speed", 1852.0 / 3600},
	{"ft/s", NULL, "speed", 0.3048},
	{"Pa", NULL, "pressure", 1}, {"hPa", NULL, "pressure", 100}, {"kPa", NULL, "pressure", 1000}, {"MPa", NULL, "pressure", 1e6},
	{"bar", NULL, "pressure", 1e5}, {"mbar", NULL, "pressure", 100}, {"atm", NULL, "pressure", 101325},
	{"psi", NULL, "pressure", 0.45359237 * 9.80665 / (0.0254 * 0.0254)},
	{"inHg", NULL, "pressure", 3386.389},	/* at 0 °C, conventional */
	{"mmHg", NULL, "pressure", 133.322387415},	/* conventional */
	{"J", "joule", "energy", 1}, {"kJ", NULL, "energy", 1000}, {"MJ", NULL, "energy", 1e6}, {"Wh", NULL, "energy", 3600},
	{"kWh", NULL, "energy", 3.6e6}, {"MWh", NULL, "energy", 3.6e9}, {"cal", "calorie", "energy", 4.184}, {"kcal", NULL, "energy", 4184},
	{"BTU", NULL, "energy", 1055.05585262},
	{"W", "watt", "power", 1}, {"mW", NULL, "power", 0.001}, {"kW", NULL, "power", 1000}, {"MW", NULL, "power", 1e6},
	{"hp", NULL, "power", 0.45359237 * 9.80665 * 0.3048 * 550}, {"PS", NULL, "power", 735.49875},
	{"s", "second", "time", 1}, {"ms", "millisecond", "time", 0.001}, {"us", "µs", "time", 1e-6}, {"min", "minute", "time", 60},
	{"h", "hour", "time", 3600}, {"d", "day", "time", 86400}, {"week", "weeks", "time", 604800},
	{"B", "byte", "data", 1}, {"kB", NULL, "data", 1e3}, {"MB", NULL, "data", 1e6}, {"GB", NULL, "data", 1e9}, {"TB", NULL, "data", 1e12},
	{"KiB", NULL, "data", 1024}, {"MiB", NULL, "data", 1048576}, {"GiB", NULL, "data", 1073741824}, {"TiB", NULL, "data", 1099511627776},
	{"deg", "°", "angle", M_PI / 180}, {"rad", "radian", "angle", 1},
	{"1", NULL, "ratio", 1}, {"%", "percent", "ratio", 0.01}, {"ppm", NULL, "ratio", 1e-6}
};

static bool
is_called(const Unit *unit, const char *name, int (*compare) (const char *, const char *))
{
	return compare(unit->symbol, name) == 0 || (unit->other && compare(unit->other, name) == 0);
}

/* NULL if there is none, or without regard to case more than one. */
static const Unit *
unit_by_name(const char *name)
{
	const Unit *found = NULL;

	for (int i = 0; i < lengthof(units); i++)
		if (is_called(&units[i], name, strcmp))
			return &units[i];
	for (int i = 0; i < lengthof(units); i++)
	{
		if (!is_called(&units[i], name, pg_strcasecmp))
			continue;
		if (found)
			return NULL;
		found = &units[i];
	}
	return found;
}

/* The unit wanted, which whoever wrote the query must know. */
static const Unit *
target_unit(const char *name)
{
	const Unit *unit = unit_by_name(name);

	if (unit == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no unit \"%s\"", name),
				 errhint("The view medallion.units lists them.")));
	return unit;
}

/* False if the units are of different dimensions. */
static bool
convert(double value, const Unit *unit, const Unit *target, double *converted)
{
	if (strcmp(unit->dimension, target->dimension) != 0)
		return false;
	*converted = unit == target ? value : (value * unit->factor + unit->offset - target->offset) / target->factor;
	return true;
}

/* The text without spaces at its ends. */
static char *
trimmed(const char *text, int length)
{
	while (length > 0 && isspace((unsigned char) *text))
		text++, length--;
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	return pnstrdup(text, length);
}

MDL_FUNCTION(mdl_convert_unit);
Datum
mdl_convert_unit(PG_FUNCTION_ARGS)
{
	const Unit *target = target_unit(mdl_required_text(fcinfo, 2, "target_unit"));
	const Unit *unit;
	text	   *name;
	double		converted;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	name = PG_GETARG_TEXT_PP(1);
	unit = unit_by_name(trimmed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));
	if (unit == NULL || !convert(PG_GETARG_FLOAT8(0), unit, target, &converted))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(converted);
}

/*
 * Reads a number at the begin of a text: digits with a decimal point, or groups of three after commas, and an exponent.
 * Returns what follows it, NULL if there is no number.
 */
static const char *
read_number(const char *text, double *value)
{
	char	   *plain = palloc(strlen(text) + 1);
	char	   *next = plain;
	int			group = -1;		/* digits since the last comma */
	int			digits = 0;
	char	   *end;

	while (isspace((unsigned char) *text))
		text++;
	if (*text == '-' || *text == '+')
		*next++ = *text++;
	for (; isdigit((unsigned char) *text) || (*text == ',' && isdigit((unsigned char) text[1])); text++)
	{
		if (*text == ',')
		{
			if (digits == 0 || (group < 0 ? digits > 3 : group != 3))
				return NULL;
			group = 0;
			continue;
		}
		*next++ = *text;
		digits++;
		if (group >= 0)
			group++;
	}
	if (group >= 0 && group != 3)
		return NULL;
	if (*text == '.')
		for (*next++ = *text++; isdigit((unsigned char) *text); digits++)
			*next++ = *text++;
	if (digits == 0)
		return NULL;
	if ((*text == 'e' || *text == 'E') && (isdigit((unsigned char) text[1]) ||
										   ((text[1] == '-' || text[1] == '+') && isdigit((unsigned char) text[2]))))
	{
		*next++ = *text++;
		*next++ = *text++;
		while (isdigit((unsigned char) *text))
			*next++ = *text++;
	}
	*next = '\0';
	*value = strtod(plain, &end);
	return isfinite(*value) ? text : NULL;
}

MDL_FUNCTION(mdl_to_unit);
Datum
mdl_to_unit(PG_FUNCTION_ARGS)
{
	const Unit *target = target_unit(mdl_required_text(fcinfo, 1, "target_unit"));
	const Unit *unit = PG_ARGISNULL(2) ? NULL : target_unit(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	const char *rest;
	double		value,
				converted;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	rest = read_number(text_to_cstring(PG_GETARG_TEXT_PP(0)), &value);
	if (rest == NULL)
		PG_RETURN_NULL();
	rest = trimmed(rest, strlen(rest));
	if (*rest != '\0')
		unit = unit_by_name(rest);
	if (unit == NULL || !convert(value, unit, target, &converted))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(converted);
}

MDL_FUNCTION(mdl_units);
Datum
mdl_units(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(units); i++)
	{
		Datum		values[5];
		bool		nulls[5] = {false, false, false, false, false};

		values[0] = CStringGetTextDatum(units[i].symbol);
		nulls[1] = units[i].other == NULL;
		values[1] = nulls[1] ? 0 : CStringGetTextDatum(units[i].other);
		values[2] = CStringGetTextDatum(units[i].dimension);
		values[3] = Float8GetDatum(units[i].factor);
		values[4] = Float8GetDatum(units[i].offset);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}
