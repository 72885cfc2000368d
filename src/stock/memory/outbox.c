#include "stock/memory/outbox.h"

#include <stdlib.h>
#include "base/lock.h"

struct outbox_entry {
	uint32_t older, newer; /* by time; `newer` links the free ones */
	bool claimed;
	int64_t at_ns;
	const void *owner;
	struct outbox_pending pending;
	struct event event;
	struct event_text text;
};

struct outbox {
	struct lock lock; /* leaf; held for one entry's copy */
	size_t max, booked, count;
	uint32_t used;  /* entries 1 .. used have been touched: the rest of the array costs no memory */
	uint32_t spare; /* first of the free ones: the last freed, still warm */
	uint32_t oldest, newest;
	struct outbox_entry *entries;
};

int outbox_new(struct outbox **out, size_t max)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));

	ASSERT(max < UINT32_MAX);
	if (!outbox)
		return error_origin(-ENOMEM);
	outbox->entries = calloc(max ? max : 1, sizeof(*outbox->entries));
	if (!outbox->entries) {
		free(outbox);
		return error_origin(-ENOMEM);
	}
	outbox->max = max;
	lock_init(&outbox->lock);
	*out = outbox;
	return 0;
}

void outbox_free(struct outbox *outbox)
{
	if (!outbox)
		return;
	lock_deinit(&outbox->lock);
	free(outbox->entries);
	free(outbox);
}

bool outbox_book(struct outbox *outbox)
{
	bool room;

	lock_take(&outbox->lock);
	room = outbox->booked < outbox->max;
	outbox->booked += room;
	lock_release(&outbox->lock);
	return room;
}

void outbox_unbook(struct outbox *outbox)
{
	lock_take(&outbox->lock);
	ASSERT(outbox->booked > outbox->count);
	outbox->booked--;
	lock_release(&outbox->lock);
}

static struct outbox_entry *entry_at(struct outbox *outbox, uint32_t number)
{
	return &outbox->entries[number - 1];
}

/* Threads hand their entries over a moment apart: the place by time is at or near the new end. */
static void link_by_time(struct outbox *outbox, uint32_t number)
{
	struct outbox_entry *entry = entry_at(outbox, number);
	uint32_t older = outbox->newest, newer;

	while (older && entry_at(outbox, older)->at_ns > entry->at_ns)
		older = entry_at(outbox, older)->older;
	newer = older ? entry_at(outbox, older)->newer : outbox->oldest;
	entry->older = older;
	entry->newer = newer;
	*(older ? &entry_at(outbox, older)->newer : &outbox->oldest) = number;
	*(newer ? &entry_at(outbox, newer)->older : &outbox->newest) = number;
}

static void unlink_entry(struct outbox *outbox, struct outbox_entry *entry)
{
	*(entry->older ? &entry_at(outbox, entry->older)->newer : &outbox->oldest) = entry->newer;
	*(entry->newer ? &entry_at(outbox, entry->newer)->older : &outbox->newest) = entry->older;
}

uint32_t outbox_put(struct outbox *outbox, const void *owner, int64_t now_ns, const struct event *event,
		    const struct outbox_pending *pending)
{
	struct outbox_entry *entry;
	uint32_t number;

	lock_take(&outbox->lock);
	ASSERT(outbox->count < outbox->booked);
	number = outbox->spare;
	if (number)
		outbox->spare = entry_at(outbox, number)->newer;
	else
		number = ++outbox->used;
	outbox->count++;
	entry = entry_at(outbox, number);
	entry->claimed = false;
	entry->at_ns = now_ns;
	entry->owner = owner;
	entry->pending = *pending;
	entry->event = *event;
	event_own(&entry->event, &entry->text);
	link_by_time(outbox, number);
	lock_release(&outbox->lock);
	return number;
}

static void release(struct outbox *outbox, uint32_t number)
{
	struct outbox_entry *entry = entry_at(outbox, number);

	unlink_entry(outbox, entry);
	entry->owner = NULL;
	entry->newer = outbox->spare;
	outbox->spare = number;
	outbox->count--;
	outbox->booked--;
}

/*
 * Two extensions of one order differ in their time, two reductions in what they leave; everything
 * else happens to an id once in an epoch. What became of an event of an old one is the journal's to
 * say: it may be void.
 */
static bool same_event(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->epoch == b->epoch && uuid_equal(&a->id, &b->id) &&
	       a->hold_expires_at_ms == b->hold_expires_at_ms && a->left == b->left;
}

bool outbox_take(struct outbox *outbox, uint32_t number, const struct event *event, bool only_unclaimed, struct outbox_pending *pending)
{
	struct outbox_entry *entry;
	bool taken = false;

	if (number == 0)
		return false;
	lock_take(&outbox->lock);
	entry = entry_at(outbox, number);
	if (entry->owner && same_event(&entry->event, event) && !(only_unclaimed && entry->claimed)) {
		*pending = entry->pending;
		release(outbox, number);
		taken = true;
	}
	lock_release(&outbox->lock);
	return taken;
}

size_t outbox_claim(struct outbox *outbox, int64_t before_ns, int64_t now_ns, struct stock_claim *out, size_t max)
{
	size_t count = 0;

	lock_take(&outbox->lock);
	while (count < max && outbox->oldest) {
		uint32_t number = outbox->oldest;
		struct outbox_entry *entry = entry_at(outbox, number);

		if (entry->at_ns >= before_ns)
			break;
		out[count].event = entry->event;
		event_own(&out[count].event, &out[count].text);
		count++;
		/* Its time starts again: a claimer that fails or dies leaves it to the next. */
		entry->claimed = true;
		unlink_entry(outbox, entry);
		entry->at_ns = now_ns > before_ns ? now_ns : before_ns;
		link_by_time(outbox, number);
	}
	lock_release(&outbox->lock);
	return count;
}

void outbox_purge(struct outbox *outbox, const void *owner)
{
	uint32_t number, newer;

	lock_take(&outbox->lock);
	for (number = outbox->oldest; number; number = newer) {
		newer = entry_at(outbox, number)->newer;
		if (entry_at(outbox, number)->owner == owner)
			release(outbox, number);
	}
	lock_release(&outbox->lock);
}

size_t outbox_count(struct outbox *outbox)
{
	size_t count;

	lock_take(&outbox->lock);
	count = outbox->count;
	lock_release(&outbox->lock);
	return count;
}

int64_t outbox_memory(struct outbox *outbox)
{
	int64_t bytes;

	lock_take(&outbox->lock);
	bytes = (int64_t)(sizeof(*outbox) + outbox->used * sizeof(*outbox->entries));
	lock_release(&outbox->lock);
	return bytes;
}
