#include "engine/reload.h"

#include "base/log.h"

enum { NAMES_MAX = 4096 };

bool reload_read(const struct settings_sources *sources, struct settings **fresh)
{
	struct buffer error;
	int r;

	buffer_init(&error, NAMES_MAX);
	r = settings_load(fresh, sources, &error);
	if (r < 0)
		log_error("engine", "the settings were not read again: nothing has changed",
			  LOG_SLICE("reason", buffer_slice(&error)), LOG_TEXT("error", error_text(r)));
	buffer_deinit(&error);
	return r == 0;
}

void reload_done(struct reload *reload, struct settings *fresh)
{
	const struct settings *last = reload->last ? reload->last : reload->start;
	struct buffer taken, left;

	buffer_init(&taken, NAMES_MAX);
	buffer_init(&left, NAMES_MAX);
	settings_compare(reload->start, last, fresh, &taken, &left);
	/*
	 * The level may have been changed by an operator since: only a change of the setting
	 * changes it again.
	 */
	if (fresh->log.level != last->log.level)
		log_set_level(fresh->log.level);
	log_warn("engine", "the settings were read again", LOG_SLICE("changed", buffer_slice(&taken)));
	if (left.size)
		log_warn("engine", "these settings have changed too, and need a restart", LOG_SLICE("settings", buffer_slice(&left)));
	buffer_deinit(&taken);
	buffer_deinit(&left);
	settings_free(reload->last);
	reload->last = fresh;
}

void reload_deinit(struct reload *reload)
{
	settings_free(reload->last);
	reload->last = NULL;
}
