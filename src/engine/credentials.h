/*
 * Who may do what, out of the settings: the buyers' key and the operators' tokens. Read at the
 * start, and again at a reload. Main thread.
 */
#pragma once

#include "config/settings.h"
#include "identity/identity.h"
#include "identity/operators.h"

/* That the settings name. */
enum identity_algorithm credentials_algorithm(const struct settings *settings);
/*
 * `settings`: of the start; `secrets`: where the key is taken from. *identity NULL where buyers are
 * known by a header. 0 or negative, logged.
 */
int credentials_identity(const struct settings *settings, const struct settings *secrets, struct identity **identity) MUST_CHECK;
/* As above; the caller frees them. */
int credentials_operators(const struct settings *settings, const struct settings *secrets, struct operators **operators) MUST_CHECK;
/*
 * Before anything is opened: whether what the settings themselves say can be used, which no later
 * start would mend. Files are not looked at. 0 or negative, logged.
 */
int credentials_check(const struct settings *settings) MUST_CHECK;
