/*
 * Times as people write them, with the name of a zone (IANA): for commands. One thread: it changes
 * the process' idea of its zone and puts it back.
 */
#pragma once

#include <stdint.h>

/*
 * RFC 3339, or "2027-01-01 10:00[:30] [Europe/Berlin]"; without a zone that of the machine (TZ). 0;
 * -EINVAL: no such form; -ENOENT: no such zone; -ERANGE: a time that its zone does not have, or has
 * twice (the clocks are changed).
 */
int zone_parse(const char *text, int64_t *wall_ms);
/* "2027-01-01 10:00 CET", in the machine's zone. */
enum { ZONE_TEXT_SIZE = 64 };
void zone_format(int64_t wall_ms, char text[static ZONE_TEXT_SIZE]);
