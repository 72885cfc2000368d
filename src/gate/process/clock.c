/* What time it is here, for pages that count down by this clock and not by their own. */
#include "base/clock.h"
#include "gate/process/routes.h"
#include "gate/render.h"
#include "gate/thread.h"

void clock_show(struct gate_request *request)
{
	struct reply *reply = &request->thread->reply;

	reply_header(reply, "Cache-Control", SLICE("no-store"));
	render_clock(clock_wall_ms(), &reply->body);
	gate_answer(request, reply);
}
