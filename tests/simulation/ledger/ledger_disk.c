#include "simulation/ledger/ledger_disk.h"

#include <pthread.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/node.h"
#include "ledger/sqlite/sqlite.h"

static unsigned char *image;
static size_t image_size;

/* The moment in which the first ledger of every process is made: it is written down in it. */
static int64_t read_wall_us(const struct clock_source *source)
{
	(void)source;
	return INT64_C(1800000000000000);
}

static int64_t read_mono_ns(const struct clock_source *source)
{
	(void)source;
	return INT64_C(1000000000);
}

static void make_image(void)
{
	static const struct clock_source clock = {read_wall_us, read_mono_ns};
	struct node node = {.clock = &clock, .seeded = true}, *before = node_enter(&node);
	struct memory_disk *disk = memory_disk_new(0);
	struct ledger *ledger;
	const void *file;
	int result = ledger_disk_open(&ledger, disk, LEDGER_OPEN_LEASE);

	ASSERT(result == 0);
	ledger->ops->free(ledger); /* its log is moved into the database, and is no more */
	file = memory_disk_file(disk, LEDGER_DISK_PATH, &image_size);
	image = malloc(image_size);
	ASSERT(image != NULL);
	memcpy(image, file, image_size);
	memory_disk_free(disk);
	node_enter(before);
}

struct memory_disk *ledger_disk_new(uint64_t seed)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct memory_disk *disk = memory_disk_new(seed);

	pthread_once(&once, make_image);
	memory_disk_lend(disk, LEDGER_DISK_PATH, image, image_size);
	return disk;
}

int ledger_disk_open(struct ledger **ledger, struct memory_disk *disk, int flags)
{
	return ledger_sqlite_open_on(ledger, LEDGER_DISK_PATH, flags, memory_disk_vfs(disk));
}
