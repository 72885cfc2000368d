#include "engine/reload.h"

#include <sys/stat.h>
#include "base/log.h"

enum { NAMES_MAX = 4096 };

static void look(const char *path, struct file_stamp *stamp)
{
	struct stat status;

	*stamp = (struct file_stamp){0};
	if (*path && stat(path, &status) == 0)
		*stamp = (struct file_stamp){.device = status.st_dev,
					     .inode = status.st_ino,
					     .size = (uint64_t)status.st_size,
					     .changed_s = status.st_ctim.tv_sec,
					     .changed_ns = status.st_ctim.tv_nsec};
}

void reload_init(struct reload *reload, const struct settings *start)
{
	*reload = (struct reload){.start = start};
	look(start->identity.jwks_file, &reload->keys);
}

const struct settings *reload_now(const struct reload *reload)
{
	return reload->last ? reload->last : reload->start;
}

bool reload_keys_changed(struct reload *reload)
{
	struct file_stamp now, before = reload->keys;

	look(reload_now(reload)->identity.jwks_file, &now);
	if (now.inode == 0) /* somebody is about to put it there */
		return false;
	reload->keys = now;
	return now.device != before.device || now.inode != before.inode || now.size != before.size ||
	       now.changed_s != before.changed_s || now.changed_ns != before.changed_ns;
}

void reload_keys_done(const struct reload *reload, int result)
{
	if (result < 0)
		log_error("engine", "the login's keys were not read again: those of before stay");
	else
		log_info("engine", "the login's keys were read again", LOG_TEXT("path", reload_now(reload)->identity.jwks_file));
}

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

static void done(struct reload *reload, struct settings *fresh)
{
	const struct settings *last = reload_now(reload);
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

struct slice reload_end(struct reload *reload, struct settings *fresh, const char *refused)
{
	if (!refused) {
		done(reload, fresh);
		return SLICE("{\"done\":true}");
	}
	log_error("engine", "the settings were not read again: nothing has changed", LOG_TEXT("reason", refused));
	settings_free(fresh);
	return SLICE("{\"done\":false}");
}

void reload_deinit(struct reload *reload)
{
	settings_free(reload->last);
	reload->last = NULL;
}
