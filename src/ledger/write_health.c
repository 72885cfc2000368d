#include "ledger/write_health.h"

#include "base/error.h"
#include "base/log.h"

void ledger_health_set(_Atomic int *health, int code)
{
	int before = atomic_exchange(health, code);

	if (code < 0 && before != code)
		log_error("ledger", "writes are failing", LOG_TEXT("error", error_text(code)));
	if (code == 0 && before < 0)
		log_info("ledger", "writes work again", LOG_TEXT("was", error_text(before)));
}
