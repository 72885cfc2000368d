#include "cli/style.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool style_is_terminal(int file)
{
	const char *terminal = getenv("TERM");

	return isatty(file) && (!terminal || strcmp(terminal, "dumb") != 0);
}

static bool coloured(void)
{
	static int known = -1;
	const char *no_color = getenv("NO_COLOR");

	if (known < 0)
		known = style_is_terminal(STDOUT_FILENO) && !(no_color && no_color[0]);
	return known;
}

const char *style(enum style style)
{
	static const char *const sequences[] = {
		[STYLE_END] = "\033[0m",    [STYLE_BOLD] = "\033[1m",    [STYLE_DIM] = "\033[2m",   [STYLE_RED] = "\033[31m",
		[STYLE_GREEN] = "\033[32m", [STYLE_YELLOW] = "\033[33m", [STYLE_BLUE] = "\033[34m",
	};

	return coloured() ? sequences[style] : "";
}

int style_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return 100;
}
