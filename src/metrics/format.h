/* The two formats in which metrics are shown: which one a scraper asks for. */
#pragma once

#include "text/slice.h"

enum metrics_format {
	METRICS_TEXT,        /* Prometheus' own, 0.0.4 */
	METRICS_OPENMETRICS, /* 1.0.0, with exemplars */
};

/*
 * By the header Accept (RFC 9110, section 12.5.1); OpenMetrics only where it is named, and not
 * liked less than plain text. No header, or one that cannot be read: plain text.
 */
enum metrics_format metrics_format_asked(struct slice accept);
struct slice metrics_content_type(enum metrics_format format);
