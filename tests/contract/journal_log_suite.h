/* What every journal that is a log with partitions must do beside journal_suite.h. */
#pragma once

#include "contract/log_place.h"

/* The number of failed tests. */
int journal_log_suite_run(const struct log_place_kind *kind);
