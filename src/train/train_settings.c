/*
 * train_settings.c: settings of a session that go with what it has done in the background: those that the meaning of a
 * query or of a text depends on, and those that bound a training.
 */
#include "train/train_int.h"

#include "utils/guc.h"

static const char *const settings[] = {
	"search_path", "TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output", "row_security",
	"medallion.train_mem", "medallion.train_threads"
};

Jsonb *
mdl_settings_jsonb(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(settings); i++)
		mdl_jsonb_push_text(&state, settings[i], GetConfigOption(settings[i], false, false));
	return mdl_jsonb_finish(&state);
}

/* Settings that were not known when the object was made stay as they are. */
void
mdl_settings_use(Jsonb *object)
{
	for (int i = 0; i < lengthof(settings); i++)
	{
		char	   *value;

		if (mdl_jsonb_text(object, "settings", settings[i], &value))
			SetConfigOption(settings[i], value, PGC_USERSET, PGC_S_SESSION);
	}
}
