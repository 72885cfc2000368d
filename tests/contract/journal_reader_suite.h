/* What every journal reader must do, as port/journal_reader.h says. */
#pragma once

#include "contract/log_place.h"

/* The number of failed tests. */
int journal_reader_suite_run(const struct log_place_kind *kind);
