#include "model/log_action.h"

#include <string.h>
#include "base/assertion.h"

const char *log_action_name(enum log_action action)
{
	static const char *const names[ACTION_COUNT] = {
#define ACTION(name, text) [ACTION_##name] = text,
		LOG_ACTIONS(ACTION)
#undef ACTION
	};

	ASSERT(action < ACTION_COUNT);
	return names[action];
}

bool log_action_asked(struct slice text)
{
	for (size_t i = 0; i < ACTION_COUNT; i++) {
		struct slice name = slice_of(log_action_name((enum log_action)i));

		if (name.size >= text.size && memcmp(name.data, text.data, text.size) == 0 &&
		    (name.size == text.size || name.data[text.size] == '.'))
			return true;
	}
	return false;
}
