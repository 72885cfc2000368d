#include <stdio.h>
#include "config/setting.h"

/* What is said about settings to people: what is in force, the help, the page. */

/* "gate" of "gate.listen" */
static struct slice section_of(const struct setting *setting)
{
	return (struct slice){setting->name, strcspn(setting->name, ".")};
}

static bool begins_section(size_t place)
{
	return place == 0 || !slice_equal(section_of(&settings_table[place]), section_of(&settings_table[place - 1]));
}

/* One that carries a secret stands in a comment: what is printed can be loaded. */
static void print_url(const struct setting *setting, const char *url, struct buffer *out)
{
	struct buffer shown;

	buffer_init(&shown, 64 << 10);
	setting_url_shown(url, &shown);
	buffer_printf(out, "%s%s = ", slice_equal(buffer_slice(&shown), slice_of(url)) ? "" : "# ", setting->name);
	buffer_append_slice(out, buffer_slice(&shown));
	buffer_append_literal(out, "\n");
	buffer_deinit(&shown);
}

static void print_value(const struct setting *setting, const char *text, struct buffer *out)
{
	if (setting->kind == SETTING_URL)
		print_url(setting, text, out);
	else
		buffer_printf(out, "%s =%s%s\n", setting->name, text[0] ? " " : "", text);
}

void settings_print(const struct settings *settings, struct buffer *out)
{
	const struct settings_loaded *loaded = (const struct settings_loaded *)settings;

	for (size_t i = 0; i < settings_count(); i++) {
		const struct setting *setting = &settings_table[i];
		const struct settings_origin *origin = &loaded->origins[i];

		if (i > 0 && begins_section(i))
			buffer_append_literal(out, "\n");
		if (origin->place)
			buffer_printf(out, "# from %s\n", origin->place);
		if (setting->kind != SETTING_SECRET)
			print_value(setting, origin->text, out);
		else
			buffer_printf(out, "# %s %s\n", setting->name, origin->place ? "(hidden)" : "(not set)");
	}
}

static void append_standard(const struct setting *setting, struct buffer *out)
{
	buffer_append_text(out, setting->standard[0] ? setting->standard : "none");
}

/* What stands behind the flag. */
static const char *placeholder(const struct setting *setting)
{
	switch (setting->kind) {
	case SETTING_TEXT:
	case SETTING_SECRET:
		return "TEXT";
	case SETTING_URL:
		return "URL";
	case SETTING_COUNT:
		return "N";
	case SETTING_DURATION:
		return "TIME";
	case SETTING_RATE:
		return "N/SECONDS";
	case SETTING_LISTEN:
		return "PLACES";
	case SETTING_NETWORKS:
		return "NETWORKS";
	case SETTING_ORIGINS:
		return "ORIGINS";
	case SETTING_CHOICE:
		return "WORD";
	}
	return "";
}

void settings_flags(void (*tell)(void *context, const char *name, const char *help, const char *const *choices), void *context)
{
	char name[SETTING_NAME_MAX + sizeof("_file")];

	for (size_t i = 0; i < settings_count(); i++) {
		const struct setting *setting = &settings_table[i];

		/* A secret is for a file: on a command line others can read it. */
		snprintf(name, sizeof(name), "%s%s", setting->name, setting->kind == SETTING_SECRET ? "_file" : "");
		tell(context, name, setting->help, setting->kind == SETTING_CHOICE ? setting->choices : NULL);
	}
}

void settings_help(struct buffer *out)
{
	enum { INDENT = 6, WIDTH = 80 };

	for (size_t i = 0; i < settings_count(); i++) {
		const struct setting *setting = &settings_table[i];
		struct buffer text;

		buffer_printf(out, "  --%s %s\n%*s", setting->name, placeholder(setting), INDENT, "");
		buffer_init(&text, 4096);
		buffer_append_text(&text, setting->help);
		if (setting->kind == SETTING_CHOICE) {
			buffer_append_literal(&text, " ");
			setting_describe(setting, &text);
			buffer_append_literal(&text, ".");
		}
		if (setting->standard[0]) {
			buffer_append_literal(&text, " [");
			append_standard(setting, &text);
			buffer_append_literal(&text, "]");
		}
		buffer_append(&text, "", 1);
		if (!text.failed)
			buffer_append_wrapped(out, text.data, INDENT, INDENT, WIDTH);
		buffer_append_literal(out, "\n");
		buffer_deinit(&text);
	}
}

/* A cell of a Markdown table. */
static void append_cell_value(const struct setting *setting, struct buffer *out)
{
	switch (setting->kind) {
	case SETTING_COUNT:
		buffer_append_text(out, setting->unit);
		buffer_append_literal(out, ", ");
		buffer_append_int(out, setting->low);
		buffer_append_literal(out, " to ");
		buffer_append_int(out, setting->high);
		break;
	case SETTING_DURATION:
		setting_duration_text(setting->low, out);
		buffer_append_literal(out, " to ");
		setting_duration_text(setting->high, out);
		break;
	case SETTING_SECRET:
		buffer_append_literal(out, "secret");
		break;
	case SETTING_URL:
		buffer_append_literal(out, "a URL");
		break;
	default:
		setting_describe(setting, out);
		break;
	}
}

static const char document_head[] =
	"<!-- Made from the table in src/config/settings.c by `penstock config --document`. Do not edit. -->\n"
	"# Settings\n"
	"\n"
	"Every setting has one name and may be given in three ways. A stronger way wins: default < file <\n"
	"environment < flag.\n"
	"\n"
	"| way | example |\n"
	"| --- | --- |\n"
	"| file: `penstock.conf` in the current folder, or the one that `--config` or `PENSTOCK_CONFIG` names | `gate.listen = 127.0.0.1:8080` |\n"
	"| environment; set and empty is not set | `PENSTOCK_GATE_LISTEN=127.0.0.1:8080` |\n"
	"| flag | `--gate.listen 127.0.0.1:8080` or `--gate.listen=127.0.0.1:8080` |\n"
	"\n"
	"In the file a line is `NAME = VALUE`, empty, or a comment that begins with `#`. Durations are whole\n"
	"numbers with `ms`, `s`, `m` or `h`.\n"
	"\n"
	"A secret is best kept in a file of its own: `NAME_file = PATH`, `PENSTOCK_NAME_FILE=PATH` or\n"
	"`--NAME_file PATH` read it from there (a mark of byte order and one line end, LF or CRLF, are cut).\n"
	"Flags can be seen by every user of the machine.\n"
	"\n"
	"An unknown name or a bad value stops the start, with the place and what would be right. What\n"
	"Kubernetes puts into the environment for a Service called `penstock` (`PENSTOCK_SERVICE_HOST`,\n"
	"`PENSTOCK_PORT_8080_TCP` and the like) is ignored. `penstock config` prints what is in force,\n"
	"secrets hidden.\n"
	"\n"
	"SIGHUP (`systemctl reload penstock`) reads all of this again. What is marked below is taken over at\n"
	"once, all of it or, where anything cannot be used, nothing; the log says what has changed, and names\n"
	"what else has and needs a restart.\n";

void settings_document(struct buffer *out)
{
	buffer_append_text(out, document_head);
	for (size_t i = 0; i < settings_count(); i++) {
		const struct setting *setting = &settings_table[i];

		if (begins_section(i)) {
			buffer_append_literal(out, "\n## ");
			buffer_append_slice(out, section_of(setting));
			buffer_append_literal(out, "\n\n| name | default | values | what it is |\n| --- | --- | --- | --- |\n");
		}
		buffer_printf(out, "| `%s` | ", setting->name);
		if (setting->standard[0])
			buffer_printf(out, "`%s`", setting->standard);
		buffer_append_literal(out, " | ");
		append_cell_value(setting, out);
		buffer_printf(out, " | %s%s |\n", setting->help, setting->reloads ? " *Taken over by a reload.*" : "");
	}
}
