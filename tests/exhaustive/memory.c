/*
 * What threads see of memory: the calls that -fsanitize=thread puts in front of each access (their
 * names and types are the compiler's), and the rules of interleave.h.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/assertion.h"
#include "exhaustive/search.h"

enum {
	THREADS = INTERLEAVE_THREADS_MAX,
	VARIABLES_MAX = 64,
	VALUES_MAX = 64,
	OLDER_MAX = 3,
	KNOWN_MAX = 4096,
	BYTES_MAX = 1 << 16
};

typedef uint8_t view[VARIABLES_MAX]; /* of each variable the number of a value */

struct clocks {
	uint32_t of[THREADS];
};

/* What a release hands on. */
struct knowledge {
	view seen;
	struct clocks clocks;
};

struct value {
	uint64_t bits;
	struct knowledge told;
};

static struct variable {
	uintptr_t address;
	unsigned count, least; /* values; the oldest that a sequentially consistent load may read */
	struct value values[VALUES_MAX];
} variables[VARIABLES_MAX];
static size_t variable_count;

static struct knowledge threads[THREADS];

/* Who has used an atomic variable in any run of the search. */
static struct known {
	uintptr_t address;
	unsigned readers, writers; /* by bits */
} known[KNOWN_MAX];

/* Plain bytes, of this run: who has written last, and who has read since. */
static struct byte {
	uintptr_t address;
	uint64_t run;
	int writer;
	uint32_t written, read[THREADS];
} bytes[BYTES_MAX];
static uint64_t run;

static struct mutex {
	const void *address;
	bool held;
	struct knowledge told;
} mutexes[VARIABLES_MAX];
static size_t mutex_count;

/* --- Runs --- */

void memory_forget(void)
{
	memset(known, 0, sizeof(known));
}

void memory_begin_run(void)
{
	variable_count = mutex_count = 0;
	run++;
}

void memory_begin_threads(void)
{
	memset(threads, 0, sizeof(threads));
	for (int i = 0; i < THREADS; i++)
		threads[i].clocks.of[i] = 1;
}

/* --- Knowledge --- */

static void learn(struct knowledge *knowledge, const struct knowledge *told)
{
	for (size_t i = 0; i < variable_count; i++)
		if (knowledge->seen[i] < told->seen[i])
			knowledge->seen[i] = told->seen[i];
	for (int i = 0; i < THREADS; i++)
		if (knowledge->clocks.of[i] < told->clocks.of[i])
			knowledge->clocks.of[i] = told->clocks.of[i];
}

static struct knowledge *own(void)
{
	return &threads[search_thread()];
}

/* What the thread knows, and from here on it is later. */
static struct knowledge tell(void)
{
	struct knowledge told = *own();

	own()->clocks.of[search_thread()]++;
	return told;
}

static bool is_acquire(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool is_release(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* --- Variables --- */

static size_t hash_of(uintptr_t address)
{
	return (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

/*
 * Whether several threads use it, of whom one writes: it is kept as a variable, and others may be
 * chosen in front of it.
 */
static bool is_shared(uintptr_t address, bool writes)
{
	unsigned self = 1u << search_thread();
	size_t at = hash_of(address) % KNOWN_MAX;
	struct known *here;
	bool before, after;

	while (known[at].address && known[at].address != address)
		at = (at + 1) % KNOWN_MAX;
	here = &known[at];
	before = here->writers && ((here->readers | here->writers) & ((here->readers | here->writers) - 1));
	here->address = address;
	here->readers |= writes ? 0 : self;
	here->writers |= writes ? self : 0;
	after = here->writers && ((here->readers | here->writers) & ((here->readers | here->writers) - 1));
	if (after && !before)
		search_begin_again();
	return before;
}

static struct variable *variable_at(uintptr_t address, uint64_t bits)
{
	struct variable *variable;

	for (size_t i = 0; i < variable_count; i++)
		if (variables[i].address == address)
			return &variables[i];
	ASSERT(variable_count < VARIABLES_MAX);
	variable = &variables[variable_count++];
	variable->address = address;
	variable->count = 1;
	variable->least = 0;
	memset(&variable->values[0], 0, sizeof(variable->values[0]));
	variable->values[0].bits = bits;
	for (int i = 0; i < THREADS; i++)
		threads[i].seen[variable - variables] = 0;
	for (size_t i = 0; i + 1 < variable_count; i++)
		for (unsigned j = 0; j < variables[i].count; j++)
			variables[i].values[j].told.seen[variable - variables] = 0;
	for (size_t i = 0; i < mutex_count; i++)
		mutexes[i].told.seen[variable - variables] = 0;
	return variable;
}

static uint64_t read_value(struct variable *variable, unsigned number, int order)
{
	struct value *value = &variable->values[number];

	own()->seen[variable - variables] = (uint8_t)number;
	if (order == __ATOMIC_SEQ_CST && variable->least < number)
		variable->least = number;
	if (is_acquire(order))
		learn(own(), &value->told);
	return value->bits;
}

static uint64_t load(struct variable *variable, int order)
{
	unsigned oldest = own()->seen[variable - variables], newest = variable->count - 1, options, back;

	if (order == __ATOMIC_SEQ_CST && oldest < variable->least)
		oldest = variable->least;
	options = newest - oldest < OLDER_MAX ? newest - oldest : OLDER_MAX;
	back = search_may_surprise() ? search_choose(1 + options) : 0;
	if (back > 0)
		search_count_surprise();
	return read_value(variable, newest - back, order);
}

/* `former`: the value that a read-modify-write has read, whose release goes on; NULL. */
static void store(struct variable *variable, uint64_t bits, int order, const struct value *former)
{
	struct value *value = &variable->values[variable->count];

	if (variable->count == VALUES_MAX)
		search_fail("too many values of one variable");
	own()->seen[variable - variables] = (uint8_t)variable->count;
	memset(value, 0, sizeof(*value));
	value->bits = bits;
	if (is_release(order))
		value->told = tell();
	if (former)
		learn(&value->told, &former->told);
	value->told.seen[variable - variables] = (uint8_t)variable->count;
	if (order == __ATOMIC_SEQ_CST)
		variable->least = variable->count;
	variable->count++;
}

/* Before an access. NULL: what is in memory is all that there is to it. */
static struct variable *approach(const volatile void *address, uint64_t bits, bool writes)
{
	if (search_thread() < 0 || !is_shared((uintptr_t)address, writes))
		return NULL;
	search_point();
	return variable_at((uintptr_t)address, bits);
}

enum { ADD, SUB, AND, OR, XOR, PUT };

static uint64_t changed(uint64_t bits, uint64_t operand, int how)
{
	switch (how) {
	case ADD:
		return bits + operand;
	case SUB:
		return bits - operand;
	case AND:
		return bits & operand;
	case OR:
		return bits | operand;
	case XOR:
		return bits ^ operand;
	default:
		return operand;
	}
}

#define PLACE __builtin_return_address(0)

#define ATOMICS(size, type)                                                                                                           \
	type __tsan_atomic##size##_load(const volatile type *address, int order);                                                     \
	void __tsan_atomic##size##_store(volatile type *address, type value, int order);                                              \
	int __tsan_atomic##size##_compare_exchange_strong(volatile type *address, type *expected, type value, int order, int failed); \
	int __tsan_atomic##size##_compare_exchange_weak(volatile type *address, type *expected, type value, int order, int failed);   \
	type __tsan_atomic##size##_load(const volatile type *address, int order)                                                      \
	{                                                                                                                             \
		struct variable *variable = approach(address, *address, false);                                                       \
		type value = variable ? (type)load(variable, order) : *address;                                                       \
                                                                                                                                      \
		if (variable)                                                                                                         \
			search_trace("load", (const void *)address, value, PLACE);                                                    \
		return value;                                                                                                         \
	}                                                                                                                             \
	void __tsan_atomic##size##_store(volatile type *address, type value, int order)                                               \
	{                                                                                                                             \
		struct variable *variable = approach(address, *address, true);                                                        \
                                                                                                                                      \
		if (variable)                                                                                                         \
			store(variable, value, order, NULL);                                                                          \
		*address = value;                                                                                                     \
		if (variable)                                                                                                         \
			search_trace("store", (const void *)address, value, PLACE);                                                   \
	}                                                                                                                             \
	static type change##size(volatile type *address, type operand, int order, int how)                                            \
	{                                                                                                                             \
		struct variable *variable = approach(address, *address, true);                                                        \
		type former = *address, value = (type)changed(former, operand, how);                                                  \
                                                                                                                                      \
		if (variable) {                                                                                                       \
			unsigned newest = variable->count - 1;                                                                        \
                                                                                                                                      \
			read_value(variable, newest, order);                                                                          \
			store(variable, value, order, &variable->values[newest]);                                                     \
		}                                                                                                                     \
		*address = value;                                                                                                     \
		if (variable)                                                                                                         \
			search_trace("change", (const void *)address, value, PLACE);                                                  \
		return former;                                                                                                        \
	}                                                                                                                             \
	static int compare##size(volatile type *address, type *expected, type value, int order, int failed, bool weak)                \
	{                                                                                                                             \
		struct variable *variable = approach(address, *address, true);                                                        \
		type former = *address;                                                                                               \
		bool same = former == *expected;                                                                                      \
                                                                                                                                      \
		if (variable && same && weak && search_may_surprise() && search_choose(2)) {                                          \
			search_count_surprise();                                                                                      \
			same = false;                                                                                                 \
		}                                                                                                                     \
		if (variable) {                                                                                                       \
			unsigned newest = variable->count - 1;                                                                        \
                                                                                                                                      \
			read_value(variable, newest, same ? order : failed);                                                          \
			if (same)                                                                                                     \
				store(variable, value, order, &variable->values[newest]);                                             \
		}                                                                                                                     \
		if (same)                                                                                                             \
			*address = value;                                                                                             \
		else                                                                                                                  \
			*expected = former;                                                                                           \
		if (variable)                                                                                                         \
			search_trace(same ? "swap" : "no swap", (const void *)address, *address, PLACE);                              \
		return same;                                                                                                          \
	}                                                                                                                             \
	int __tsan_atomic##size##_compare_exchange_strong(volatile type *address, type *expected, type value, int order, int failed)  \
	{                                                                                                                             \
		return compare##size(address, expected, value, order, failed, false);                                                 \
	}                                                                                                                             \
	int __tsan_atomic##size##_compare_exchange_weak(volatile type *address, type *expected, type value, int order, int failed)    \
	{                                                                                                                             \
		return compare##size(address, expected, value, order, failed, true);                                                  \
	}
ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

#define CHANGES(size, type, name, how)                                                      \
	type __tsan_atomic##size##_##name(volatile type *address, type operand, int order); \
	type __tsan_atomic##size##_##name(volatile type *address, type operand, int order)  \
	{                                                                                   \
		return change##size(address, operand, order, how);                          \
	}
#define ALL_CHANGES(size, type)             \
	CHANGES(size, type, fetch_add, ADD) \
	CHANGES(size, type, fetch_sub, SUB) \
	CHANGES(size, type, fetch_and, AND) \
	CHANGES(size, type, fetch_or, OR)   \
	CHANGES(size, type, fetch_xor, XOR) \
	CHANGES(size, type, exchange, PUT)
ALL_CHANGES(8, uint8_t)
ALL_CHANGES(16, uint16_t)
ALL_CHANGES(32, uint32_t)
ALL_CHANGES(64, uint64_t)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	search_fail("fences are not modelled");
}

/* --- Plain accesses --- */

static struct byte *byte_at(uintptr_t address)
{
	size_t at = hash_of(address) % BYTES_MAX;

	while (bytes[at].run == run && bytes[at].address != address)
		at = (at + 1) % BYTES_MAX;
	if (bytes[at].run != run)
		bytes[at] = (struct byte){.address = address, .run = run, .writer = -1};
	return &bytes[at];
}

static bool is_known(int thread, uint32_t moment)
{
	return thread < 0 || thread == search_thread() || own()->clocks.of[thread] >= moment;
}

static void access_byte(uintptr_t address, bool writes)
{
	struct byte *byte = byte_at(address);
	int self = search_thread();
	bool known_to_us = is_known(byte->writer, byte->written);

	for (int i = 0; writes && i < THREADS; i++)
		known_to_us &= byte->read[i] == 0 || is_known(i, byte->read[i]);
	if (!known_to_us && !search_is_void())
		search_fail("two threads use plain memory, one of them writes, and nothing orders them");
	if (writes) {
		byte->writer = self;
		byte->written = own()->clocks.of[self];
		memset(byte->read, 0, sizeof(byte->read));
	} else {
		byte->read[self] = own()->clocks.of[self];
	}
}

/* A thread's own stack is nobody else's: scenes hand no pointer into it on. */
static bool is_on_stack(uintptr_t address)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return address + (256 << 10) > here && address < here + (256 << 10);
}

static void access_plain(const void *address, size_t size, bool writes)
{
	if (search_thread() < 0 || is_on_stack((uintptr_t)address))
		return;
	for (size_t i = 0; i < size; i++)
		access_byte((uintptr_t)address + i, writes);
}

#define PLAIN(name, size, writes)                    \
	void __tsan_##name##size(void *address);     \
	void __tsan_##name##size(void *address)      \
	{                                            \
		access_plain(address, size, writes); \
	}
#define PLAIN_SIZES(name, writes) \
	PLAIN(name, 1, writes) PLAIN(name, 2, writes) PLAIN(name, 4, writes) PLAIN(name, 8, writes) PLAIN(name, 16, writes)
PLAIN_SIZES(read, false)
PLAIN_SIZES(write, true)
PLAIN_SIZES(unaligned_read, false)
PLAIN_SIZES(unaligned_write, true)
PLAIN_SIZES(volatile_read, false)
PLAIN_SIZES(volatile_write, true)

void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);
void __tsan_read_range(void *address, size_t size)
{
	access_plain(address, size, false);
}
void __tsan_write_range(void *address, size_t size)
{
	access_plain(address, size, true);
}

void __tsan_init(void);
void __tsan_func_entry(void *place);
void __tsan_func_exit(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *place)
{
	(void)place;
}
void __tsan_func_exit(void)
{
}

/* --- Locks: src/base/lock.c is compiled with these in the place of pthread's --- */

static struct mutex *mutex_at(const void *address)
{
	for (size_t i = 0; i < mutex_count; i++)
		if (mutexes[i].address == address)
			return &mutexes[i];
	ASSERT(mutex_count < VARIABLES_MAX);
	mutexes[mutex_count] = (struct mutex){.address = address};
	return &mutexes[mutex_count++];
}

int interleave_trylock(pthread_mutex_t *mutex);
int interleave_unlock(pthread_mutex_t *mutex);
int interleave_trylock(pthread_mutex_t *mutex)
{
	struct mutex *here;

	if (search_thread() < 0)
		return 0; /* nobody else is there */
	here = mutex_at(mutex);
	search_trace(here->held ? "no lock" : "lock", mutex, 0, PLACE);
	if (here->held)
		return 1;
	here->held = true;
	learn(own(), &here->told);
	return 0;
}

int interleave_unlock(pthread_mutex_t *mutex)
{
	struct mutex *here;

	if (search_thread() < 0)
		return 0;
	here = mutex_at(mutex);
	ASSERT(here->held);
	here->held = false;
	here->told = tell();
	search_trace("unlock", mutex, 0, PLACE);
	return 0;
}

/* --- Descriptors: behind a lock, and before it, others may come --- */

ssize_t interleave_read(int descriptor, void *out, size_t size);
ssize_t interleave_write(int descriptor, const void *data, size_t size);
ssize_t interleave_read(int descriptor, void *out, size_t size)
{
	search_point();
	return read(descriptor, out, size);
}

ssize_t interleave_write(int descriptor, const void *data, size_t size)
{
	search_point();
	return write(descriptor, data, size);
}

/* --- Memory that is where it was in the run before --- */

static char arena[1 << 20];
static size_t arena_used;
static uint64_t arena_run;

void *interleave_calloc(size_t count, size_t size);
void *interleave_realloc(void *former, size_t size);
void interleave_free(void *memory);
void *interleave_calloc(size_t count, size_t size)
{
	size_t wanted = (count * size + 16 + 15) / 16 * 16;
	char *memory;

	if (arena_run != run)
		arena_used = 0;
	arena_run = run;
	ASSERT(arena_used + wanted <= sizeof(arena));
	memory = arena + arena_used + 16;
	memset(memory - 16, 0, wanted);
	memcpy(memory - 16, &wanted, sizeof(wanted));
	arena_used += wanted;
	return memory;
}

void *interleave_realloc(void *former, size_t size)
{
	char *memory = interleave_calloc(1, size);
	size_t before = 0;

	if (former)
		memcpy(&before, (char *)former - 16, sizeof(before));
	if (before > 16)
		memcpy(memory, former, before - 16 < size ? before - 16 : size);
	return memory;
}

/* The run's end frees all. */
void interleave_free(void *memory)
{
	(void)memory;
}
