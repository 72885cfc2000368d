/* Colours for people: only on a terminal, and never where NO_COLOR is set (no-color.org). */
#pragma once

#include <stdbool.h>

enum style { STYLE_END, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_BLUE };

/* The escape sequence, or "". For standard output. */
const char *style(enum style style);
bool style_is_terminal(int file);
/* Columns of the terminal on standard output, or 100. */
int style_columns(void);
