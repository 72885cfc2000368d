/*
 * What the tests of the judge share: a story (judge/story.h) that is told, and how it must end.
 * What the judge takes wrongly for a breach costs a night; what it does not find, the simulation
 * does not find. For tests alone, which include cmocka before it.
 */
#pragma once

#include <stdio.h>
#include <string.h>
#include "simulation/judge/story.h"

static struct story story;

static inline int story_test_tear_down(void **state)
{
	(void)state;
	story_end(&story);
	return 0;
}

static inline void begin(uint32_t units)
{
	story_begin(&story, &(struct story_terms){.units = units});
}

static inline void begin_shared(uint32_t units)
{
	story_begin(&story, &(struct story_terms){.units = units, .shared = true});
}

static inline void assert_found(const char *name)
{
	const char *breach = judge_end(story.judge);

	assert_non_null(breach);
	if (strncmp(breach, name, strlen(name)) != 0 || breach[strlen(name)] != ':')
		fail_msg("%s was expected: %s", name, breach);
}

static inline void assert_lawful(void)
{
	const char *breach = judge_end(story.judge);

	if (breach)
		fail_msg("%s", breach);
}

/* What a late confirm of order a of bob, which has expired, makes: order b. */
static inline void record_late_order(void)
{
	char key[64], id[UUID_TEXT_SIZE];
	struct uuid expired = story_id('a');

	uuid_format(&expired, id);
	snprintf(key, sizeof(key), "late-confirm %s", id);
	history_record(story.judge,
		       &(struct history_record){
			       .kind = RECORD_RESERVED, .sale = 1, .quantity = 1, .id = story_id('b'), .buyer = "bob", .key = key});
	story.buyer['b'] = "bob";
	story.units['b'] = 1;
}

/* Order a of bob, which has expired, is confirmed: order b. */
static inline void confirm_late(void)
{
	uint32_t confirm = story_ask(&story, HISTORY_CONFIRM, 'a', "ann");

	record_late_order();
	story_settled(&story, confirm, 'b', "confirmed");
}
