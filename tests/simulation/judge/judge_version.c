/* A sale's version: whoever has seen one knows how the sale was then. */
#include "simulation/judge/judge_state.h"

#include <string.h>

void judge_version(struct judge *judge, const struct asked *asked, const struct history_answer *answer)
{
	struct sale_book *sale = judge_sale(judge, asked->what.sale);
	struct seen_version *seen;

	if (!sale || answer->version == 0 || !answer->state || !asked->what.actor)
		return;
	for (uint32_t i = 0; i < sale->version_count; i++) {
		seen = &sale->versions[i];
		if (seen->version != answer->version)
			continue;
		if (strcmp(seen->state, answer->state) != 0)
			judge_broken(judge, "version-twice", "version %lld of sale %u was shown as %s, and as %s",
				     (long long)seen->version, asked->what.sale, seen->state, answer->state);
		return;
	}
	sale->versions = judge_more(sale->versions, sale->version_count, &sale->version_room, sizeof(*sale->versions));
	seen = &sale->versions[sale->version_count++];
	seen->version = answer->version;
	judge_copy(seen->state, sizeof(seen->state), answer->state);
}
