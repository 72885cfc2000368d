#include "cli/table.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include "base/error.h"
#include "cli/style.h"
#include "text/json_text.h"

enum { CELL_MAX = 512, TEXT_MAX = 64 * 1024 * 1024 };

void table_append_plain(struct buffer *out, const char *text)
{
	struct slice rest = slice_of(text);

	while (rest.size) {
		size_t size = json_utf8_sequence(rest);
		struct slice character = {rest.data, size ? size : 1};

		if (size && !json_is_treacherous(character))
			buffer_append_slice(out, character);
		else
			buffer_append_literal(out, "\xef\xbf\xbd");
		rest.data += character.size;
		rest.size -= character.size;
	}
}

void table_cell(struct table *table, const char *format, ...)
{
	char cell[CELL_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cell, sizeof(cell), format, arguments);
	va_end(arguments);
	table_append_plain(&table->text, cell);
	buffer_append(&table->text, "", 1);
	table->cells++;
}

void table_init(struct table *table, const char *const *titles)
{
	*table = (struct table){0};
	buffer_init(&table->text, TEXT_MAX);
	for (; titles[table->columns]; table->columns++) {
		ASSERT(table->columns < TABLE_COLUMNS_MAX);
		table->right[table->columns] = titles[table->columns][0] == '>';
		table_cell(table, "%s", titles[table->columns] + table->right[table->columns]);
	}
}

void table_deinit(struct table *table)
{
	buffer_deinit(&table->text);
}

/*
 * Columns of a terminal: two for most of what East Asia writes, none for an accent on its own. What
 * the C library does not know takes one.
 */
static int width_of(const char *cell)
{
	struct slice rest = slice_of(cell);
	int width = 0;

	while (rest.size) {
		size_t size = json_utf8_sequence(rest);
		wchar_t point = (unsigned char)rest.data[0];
		int columns;

		if (size > 1) {
			point &= (1 << (7 - size)) - 1;
			for (size_t i = 1; i < size; i++)
				point = point << 6 | (rest.data[i] & 0x3f);
		}
		columns = wcwidth(point);
		width += columns < 0 ? 1 : columns;
		rest.data += size ? size : 1;
		rest.size -= size ? size : 1;
	}
	return width;
}

static void print_in_columns(const struct table *table)
{
	int widths[TABLE_COLUMNS_MAX] = {0};
	const char *cell = table->text.data;

	for (size_t i = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
		int width = width_of(cell);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	cell = table->text.data;
	for (size_t i = 0; i < table->cells; i++, cell += strlen(cell) + 1) {
		size_t column = i % table->columns;
		bool last = column == table->columns - 1, title = i < table->columns;
		int pad = widths[column] - width_of(cell);

		printf("%s%*s%s%s%*s%s", title ? style(STYLE_BOLD) : "", table->right[column] ? pad : 0, "", cell,
		       title ? style(STYLE_END) : "", table->right[column] || last ? 0 : pad, "", last ? "\n" : "  ");
	}
}

void table_print(const struct table *table)
{
	/*
	 * Which characters are wide is the same in every language; only C's own locale does not
	 * know.
	 */
	locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;

	if (unicode)
		before = uselocale(unicode);
	if (!table->text.failed)
		print_in_columns(table);
	if (unicode) {
		uselocale(before);
		freelocale(unicode);
	}
}
