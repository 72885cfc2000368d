#include "model/log_action.h"

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
