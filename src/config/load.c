#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "config/setting.h"
#include "text/edit_distance.h"

/*
 * The sources are read from the weakest to the strongest, each overwriting what the ones before
 * have said. Only the first fault is told: the next ones may follow from it. Within the file and
 * within the environment a setting may be named once (a second line that silently wins is how a
 * wrong setting goes unseen); of flags the last one counts, as people expect who append to a
 * command.
 */
enum { FILE_MAX = 1 << 20, SECRET_FILE_MAX = 64 << 10, PLACE_SIZE = 512 };

struct loading {
	struct settings_loaded *loaded;
	struct buffer *error;
};

/* "PLACE: " in front of what is wrong; `name` where the place does not hold it already. */
static void begin_error(struct loading *loading, const char *place, const char *name)
{
	buffer_append_text(loading->error, place);
	buffer_append_literal(loading->error, ": ");
	if (name) {
		buffer_append_text(loading->error, name);
		buffer_append_literal(loading->error, ": ");
	}
}

/* --- Names --- */

/* `decorate` writes a setting's name as this source spells it. */
static void explain_unknown(struct loading *loading, const char *name,
			    void (*decorate)(const struct setting *setting, char text[static SETTING_NAME_MAX]))
{
	char nearest[SETTING_NAME_MAX], candidate[SETTING_NAME_MAX];
	size_t least = 4; /* further away it would be a guess */

	nearest[0] = '\0';
	for (size_t i = 0; i < settings_count() && strlen(name) < SETTING_NAME_MAX; i++) {
		size_t far;

		decorate(&settings_table[i], candidate);
		far = edit_distance(name, candidate);
		if (far < least) {
			least = far;
			strcpy(nearest, candidate);
		}
	}
	buffer_append_literal(loading->error, "there is no such setting");
	if (nearest[0])
		buffer_printf(loading->error, "; did you mean %s?", nearest);
	else
		buffer_append_literal(loading->error, "; `penstock config` prints them all");
}

static void plain_name(const struct setting *setting, char text[static SETTING_NAME_MAX])
{
	snprintf(text, SETTING_NAME_MAX, "%s", setting->name);
}

static void flag_name(const struct setting *setting, char text[static SETTING_NAME_MAX])
{
	snprintf(text, SETTING_NAME_MAX, "--%s", setting->name);
}

/*
 * A secret's name may have `suffix` behind it: its value is then the path of a file. NULL: unknown.
 */
static const struct setting *find(struct slice name, const char *suffix,
				  void (*decorate)(const struct setting *setting, char text[static SETTING_NAME_MAX]), bool *from_file)
{
	for (size_t i = 0; i < settings_count(); i++) {
		const struct setting *setting = &settings_table[i];
		char text[SETTING_NAME_MAX];

		decorate(setting, text);
		*from_file = false;
		if (slice_equal(name, slice_of(text)))
			return setting;
		*from_file = true;
		if (setting->kind == SETTING_SECRET && strlen(text) + strlen(suffix) < sizeof(text) &&
		    slice_equal(name, slice_of(strcat(text, suffix))))
			return setting;
	}
	return NULL;
}

/* --- Values --- */

/*
 * A buffer of its own for what is wrong: the place comes before it, and nothing is written where
 * nothing is wrong.
 */
static int parse(struct loading *loading, const struct setting *setting, struct slice value, const char *place, const char *name)
{
	struct buffer fault;
	int error;

	buffer_init(&fault, loading->error->limit);
	error = setting_parse(setting, value, &loading->loaded->settings, &fault);
	if (error) {
		begin_error(loading, place, name);
		buffer_append_slice(loading->error, buffer_slice(&fault));
	}
	buffer_deinit(&fault);
	return error;
}

/*
 * Whoever may write a settings file or a secret may make us do anything, so it must be root's or
 * our own, and nobody else's to write. Of the file that was opened, so links are followed. What is
 * mounted read-only is nobody's to write from here: so a container gets a secret of the machine's
 * user who made it.
 */
static bool is_ours(int fd)
{
	struct stat file;
	struct statvfs system;

	if (fstat(fd, &file) < 0)
		return false;
	if (!S_ISREG(file.st_mode))
		return true; /* a pipe, as a shell's <(...) makes it */
	if ((file.st_uid == 0 || file.st_uid == geteuid()) && !(file.st_mode & 022))
		return true;
	return fstatvfs(fd, &system) == 0 && system.f_flag & ST_RDONLY;
}

/*
 * The whole file, NUL-terminated; NULL with errno: EPERM where others may write it. The caller
 * wipes and frees.
 */
static char *read_whole_file(const char *path, size_t size_max, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = NULL;
	ssize_t got = 1;
	int error;

	*size = 0;
	if (fd >= 0 && !is_ours(fd)) {
		close(fd);
		errno = EPERM;
		return NULL;
	}
	data = fd < 0 ? NULL : malloc(size_max + 2);
	while (data && got > 0 && *size <= size_max) {
		got = read(fd, data + *size, size_max + 1 - *size);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			*size += (size_t)got;
	}
	error = !data ? errno : got < 0 ? errno : *size > size_max ? EFBIG : 0;
	if (fd >= 0)
		close(fd);
	if (data && !error) {
		data[*size] = '\0';
		return data;
	}
	free(data);
	errno = error;
	return NULL;
}

static const char *why_unread(int error)
{
	return error == EPERM ? "it must be root's or this user's own, and nobody else may write it (chown, chmod go-w)"
			      : error_text(-error);
}

static int take_secret_file(struct loading *loading, const struct setting *setting, struct slice path_text, const char *place,
			    const char *name)
{
	char *path = strndup(path_text.size > 0 ? path_text.data : "", path_text.size);
	struct slice secret;
	size_t size;
	char *data;
	int error;

	if (!path)
		return error_origin(-ENOMEM);
	data = read_whole_file(path, SECRET_FILE_MAX, &size);
	if (!data) {
		error = errno == ENOMEM ? -ENOMEM : -EINVAL;
		begin_error(loading, place, name);
		buffer_printf(loading->error, "cannot read %s: %s", path, why_unread(errno));
		free(path);
		return error;
	}
	secret = slice_without_line_end(slice_without_mark((struct slice){data, size}));
	if (secret.size == 0) {
		begin_error(loading, place, name);
		buffer_printf(loading->error, "%s is empty; it must hold the secret", path);
		error = -EINVAL;
	} else {
		error = parse(loading, setting, secret, place, name);
	}
	explicit_bzero(data, size);
	free(data);
	free(path);
	return error;
}

static int remember_origin(struct loading *loading, const struct setting *setting, enum settings_source source,
			   struct slice value, const char *place)
{
	struct settings_origin *origin = &loading->loaded->origins[setting - settings_table];
	bool secret = setting->kind == SETTING_SECRET;

	free(origin->text);
	free(origin->place);
	origin->source = source;
	origin->text = secret ? NULL : strndup(value.size > 0 ? value.data : "", value.size);
	origin->place = place ? strdup(place) : NULL;
	if ((!secret && !origin->text) || (place && !origin->place))
		return error_origin(-ENOMEM);
	return 0;
}

/* `name`: what the error calls the setting, where the place does not say it. */
static int take_value(struct loading *loading, const struct setting *setting, bool from_file, enum settings_source source,
		      struct slice value, const char *place, const char *name)
{
	int error;

	value = setting_trim(value);
	if (from_file)
		error = take_secret_file(loading, setting, value, place, name);
	else
		error = parse(loading, setting, value, place, name);
	return error ? error : remember_origin(loading, setting, source, value, source == SOURCE_DEFAULT ? NULL : place);
}

static int take_defaults(struct loading *loading)
{
	int error = 0;

	for (size_t i = 0; i < settings_count() && !error; i++)
		error = take_value(loading, &settings_table[i], false, SOURCE_DEFAULT, slice_of(settings_table[i].standard),
				   "default", settings_table[i].name);
	return error;
}

/* --- The file --- */

static size_t name_size(struct slice line)
{
	size_t size = 0;

	while (size < line.size && size < SETTING_NAME_MAX &&
	       (isalnum((unsigned char)line.data[size]) || strchr("._", line.data[size])) && line.data[size])
		size++;
	return size;
}

static int take_line(struct loading *loading, struct slice line, const char *place)
{
	const char *equals = line.size > 0 ? memchr(line.data, '=', line.size) : NULL;
	const struct setting *setting;
	char name[SETTING_NAME_MAX];
	struct slice key, value;
	bool from_file;

	line = setting_trim(line);
	if (line.size == 0 || line.data[0] == '#')
		return 0;
	if (memchr(line.data, '\0', line.size) || !equals) {
		begin_error(loading, place, NULL);
		/* Only what could be its name: the rest may be a secret. */
		buffer_append_json_string(loading->error, (struct slice){line.data, name_size(line)});
		buffer_append_literal(loading->error, " is not NAME = VALUE, nor a comment that begins with #");
		return -EINVAL;
	}
	key = setting_trim((struct slice){line.data, (size_t)(equals - line.data)});
	value = (struct slice){equals + 1, (size_t)(line.data + line.size - equals - 1)};
	snprintf(name, sizeof(name), "%.*s", (int)(key.size < sizeof(name) ? key.size : sizeof(name)), key.data);
	setting = find(key, "_file", plain_name, &from_file);
	if (!setting) {
		begin_error(loading, place, NULL);
		buffer_append_json_string(loading->error, slice_of(name));
		buffer_append_literal(loading->error, ": ");
		explain_unknown(loading, name, plain_name);
		return -EINVAL;
	}
	if (loading->loaded->origins[setting - settings_table].source == SOURCE_FILE) {
		begin_error(loading, place, name);
		buffer_printf(loading->error, "it is set already at %s; leave one of them out",
			      loading->loaded->origins[setting - settings_table].place);
		return -EINVAL;
	}
	return take_value(loading, setting, from_file, SOURCE_FILE, value, place, name);
}

static int take_lines(struct loading *loading, struct slice text, const char *path)
{
	int error = 0;

	for (int number = 1; text.size > 0 && !error; number++) {
		const char *newline = memchr(text.data, '\n', text.size);
		size_t size = newline ? (size_t)(newline - text.data) : text.size;
		char place[PLACE_SIZE];

		snprintf(place, sizeof(place), "%s:%d", path, number);
		error = take_line(loading, (struct slice){text.data, size}, place);
		size += newline != NULL;
		text.data += size;
		text.size -= size;
	}
	return error;
}

static int take_file(struct loading *loading, const char *path, bool must_exist)
{
	size_t size;
	char *data = read_whole_file(path, FILE_MAX, &size);
	int error = errno;

	if (!data && error == ENOENT && !must_exist)
		return 0;
	if (!data) {
		begin_error(loading, path, NULL);
		buffer_append_text(loading->error, why_unread(error));
		return error == ENOENT || error == ENOMEM ? -error : -EINVAL;
	}
	error = take_lines(loading, slice_without_mark((struct slice){data, size}), path);
	explicit_bzero(data, size); /* it may hold secrets */
	free(data);
	return error;
}

/* --- The environment and the flags --- */

static const char prefix[] = "PENSTOCK_";
static const char file_variable[] = "PENSTOCK_CONFIG=";

static bool ends_with(struct slice text, const char *end)
{
	size_t size = strlen(end);

	return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

/*
 * Kubernetes tells every container of the Services around it: for one that is called `penstock` or
 * `penstock-gate` in names that begin as ours do. *_SERVICE_HOST, *_SERVICE_PORT and
 * *_SERVICE_PORT_NAME, *_PORT, *_PORT_8080_TCP and that with _PROTO, _PORT and _ADDR.
 */
static bool is_service_variable(struct slice name)
{
	const char *text = name.data, *end = name.data + name.size;

	if (ends_with(name, "_SERVICE_HOST") || ends_with(name, "_PORT"))
		return true;
	for (const char *at = text; at < end; at++) {
		size_t left = (size_t)(end - at);

		if (left >= 14 && memcmp(at, "_SERVICE_PORT_", 14) == 0)
			return true;
		if (left < 6 || memcmp(at, "_PORT_", 6) != 0 || !isdigit((unsigned char)at[6]))
			continue;
		at += 6;
		while (at < end && isdigit((unsigned char)*at))
			at++;
		left = (size_t)(end - at);
		return left >= 4 && (memcmp(at, "_TCP", 4) == 0 || memcmp(at, "_UDP", 4) == 0);
	}
	return false;
}

static void ignore(struct loading *loading, struct slice name)
{
	char *ignored = loading->loaded->ignored;
	size_t used = strlen(ignored);

	snprintf(ignored + used, sizeof(loading->loaded->ignored) - used, "%s%.*s", used ? " " : "", (int)name.size, name.data);
}

static int take_variable(struct loading *loading, const char *variable)
{
	const char *equals = strchr(variable, '=');
	const struct setting *setting;
	char name[SETTING_NAME_MAX];
	bool from_file;

	if (!equals || !equals[1] || strncmp(variable, prefix, strlen(prefix)) != 0)
		return 0;
	if (strncmp(variable, file_variable, strlen(file_variable)) == 0 || strncmp(variable, "PENSTOCK_FAILPOINTS", 19) == 0)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(equals - variable), variable);
	setting = find((struct slice){variable, (size_t)(equals - variable)}, "_FILE", setting_environment_name, &from_file);
	if (!setting && is_service_variable((struct slice){variable, (size_t)(equals - variable)})) {
		ignore(loading, (struct slice){variable, (size_t)(equals - variable)});
		return 0;
	}
	if (!setting) {
		begin_error(loading, name, NULL);
		explain_unknown(loading, name, setting_environment_name);
		return -EINVAL;
	}
	if (loading->loaded->origins[setting - settings_table].source == SOURCE_ENVIRONMENT) {
		begin_error(loading, name, NULL);
		buffer_printf(loading->error, "it is set already by %s; leave one of them out",
			      loading->loaded->origins[setting - settings_table].place);
		return -EINVAL;
	}
	return take_value(loading, setting, from_file, SOURCE_ENVIRONMENT, slice_of(equals + 1), name, NULL);
}

static int take_environment(struct loading *loading, char *const *environment)
{
	int error = 0;

	for (; environment && *environment && !error; environment++)
		error = take_variable(loading, *environment);
	return error;
}

static int take_flags(struct loading *loading, int count, char *const *flags)
{
	for (int at = 0; at < count; at++) {
		const char *flag = flags[at], *equals = strchr(flag, '='), *value = NULL;
		const struct setting *setting;
		char name[SETTING_NAME_MAX];
		bool from_file;
		int error;

		snprintf(name, sizeof(name), "%.*s", equals ? (int)(equals - flag) : (int)strlen(flag), flag);
		if (equals)
			value = equals + 1;
		else if (at + 1 < count && strncmp(flags[at + 1], "--", 2) != 0)
			value = flags[++at];
		setting = find(equals ? (struct slice){flag, (size_t)(equals - flag)} : slice_of(flag), "_file", flag_name,
			       &from_file);
		if (!setting || !value) {
			begin_error(loading, name, NULL);
			if (!setting) {
				explain_unknown(loading, name, flag_name);
			} else {
				buffer_append_literal(loading->error, "it needs a value: ");
				setting_describe(setting, loading->error);
			}
			return -EINVAL;
		}
		error = take_value(loading, setting, from_file, SOURCE_FLAG, slice_of(value), name, NULL);
		if (error)
			return error;
	}
	return 0;
}

static const char *file_of(const struct settings_sources *sources)
{
	if (sources->file)
		return sources->file;
	for (char *const *variable = sources->environment; variable && *variable; variable++)
		if (strncmp(*variable, file_variable, strlen(file_variable)) == 0 && (*variable)[strlen(file_variable)])
			return *variable + strlen(file_variable);
	return NULL;
}

int settings_load(struct settings **settings, const struct settings_sources *sources, struct buffer *error_text_out)
{
	struct loading loading = {.loaded = calloc(1, sizeof(*loading.loaded)), .error = error_text_out};
	const char *file = file_of(sources);
	int error;

	if (!loading.loaded)
		return error_origin(-ENOMEM);
	error = take_defaults(&loading);
	if (!error)
		error = take_file(&loading, file ? file : "penstock.conf", file != NULL);
	if (!error)
		error = take_environment(&loading, sources->environment);
	if (!error)
		error = take_flags(&loading, sources->flag_count, sources->flags);
	if (error == -ENOMEM && error_text_out->size == 0)
		buffer_append_literal(error_text_out, "out of memory");
	if (error) {
		settings_free(&loading.loaded->settings);
		return error;
	}
	*settings = &loading.loaded->settings;
	return 0;
}
