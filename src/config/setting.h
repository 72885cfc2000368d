/* Between the files of config/ alone: the table of settings, and what a value of each kind is. */
#pragma once

#include "config/settings.h"
#include "text/slice.h"

enum setting_kind {
	SETTING_TEXT,     /* char * */
	SETTING_SECRET,   /* char *; never shown, may come from a file */
	SETTING_URL,      /* char * */
	SETTING_COUNT,    /* int64_t, low to high */
	SETTING_DURATION, /* int64_t, nanoseconds, low to high */
	SETTING_RATE,     /* struct settings_rate */
	SETTING_LISTEN,   /* struct listen_list */
	SETTING_NETWORKS, /* struct network_list */
	SETTING_ORIGINS,  /* struct web_origin_list */
	SETTING_CHOICE,   /* an enum: the place among the choices */
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset;          /* in struct settings */
	const char *standard;   /* the default, as it would be written */
	const char *unit;       /* SETTING_COUNT: what is counted */
	int64_t low, high;      /* SETTING_COUNT, SETTING_DURATION (ns) */
	const char *choices[6]; /* SETTING_CHOICE, up to a NULL: five at most */
	const char *help;       /* one line */
	bool reloads;           /* SIGHUP takes a new value over */
};

extern const struct setting settings_table[];
enum { SETTINGS_MAX = 64, SETTING_NAME_MAX = 64 };
size_t settings_count(void);

/* Where a value in force came from. */
enum settings_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };
struct settings_origin {
	enum settings_source source;
	char *text;  /* as written, trimmed; NULL for a secret */
	char *place; /* "penstock.conf:3", "PENSTOCK_GATE_LISTEN", "--gate.listen"; NULL: the default */
};
/* What settings_load() makes: callers see its first member. */
struct settings_loaded {
	struct settings settings;
	struct settings_origin origins[SETTINGS_MAX];
	char ignored[512]; /* variables of the environment that others have made, as far as there is room */
};

/*
 * Writes the value into `settings`. 0; -EINVAL, with what is wrong and what would be right appended
 * to `error` (a secret is not repeated); -ENOMEM.
 */
int setting_parse(const struct setting *setting, struct slice value, struct settings *settings, struct buffer *error) MUST_CHECK;
/* What may be shown of a URL: url.c. */
void setting_url_shown(const char *url, struct buffer *out);
void setting_release(const struct setting *setting, struct settings *settings);
/* "a duration from 1s to 24h", "jwt or header": what would be right. */
void setting_describe(const struct setting *setting, struct buffer *out);
void setting_duration_text(int64_t ns, struct buffer *out); /* in the largest unit that is exact */

/* "PENSTOCK_GATE_LISTEN" */
void setting_environment_name(const struct setting *setting, char name[static SETTING_NAME_MAX]);
struct slice setting_trim(struct slice text); /* spaces, tabs and line ends, both ends */
