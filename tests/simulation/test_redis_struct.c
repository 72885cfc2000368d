/*
 * Lua's library struct, which is no package and so written anew, against Redis' own: random formats
 * and values to both, the same bytes and the same errors. SEED and CALLS as of the differential
 * test.
 */
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "contract/redis_place.h"
#include "simulation/redis/tee.h"

enum { CALLS = 5000 };

static struct tee tee;
static struct redis_link raw; /* to both */

static uint64_t any(uint64_t below)
{
	return tee_any(&tee, below);
}

static const char struct_library[] =
	"#!lua name=struct_varied\n"
	"redis.register_function('struct_pack', function(_, args) return struct.pack(unpack(args)) end)\n"
	"redis.register_function('struct_unpack', function(_, args)\n"
	"  local r = {struct.unpack(args[1], args[2], tonumber(args[3]))}\n"
	"  for i = 1, #r do if type(r[i]) == 'number' then r[i] = string.format('%.17g', r[i]) end end\n"
	"  return r\n"
	"end)\n";

static void a_format(char *text, size_t size)
{
	static const char *const options[] = {"B",  "b",  "H",  "h",  "I", "i",   "i8", "I8",
					      "i3", "I2", "c0", "c4", "c", "Bc0", "i8", "q"};
	size_t at = (size_t)snprintf(text, size, "%s", any(4) ? "<" : any(2) ? ">" : "");

	for (uint64_t i = any(5); i > 0; i--)
		at += (size_t)snprintf(text + at, size - at, "%s", options[any(sizeof(options) / sizeof(options[0]) - (any(8) > 0))]);
}

static void call_struct(void)
{
	static const char *const values[] = {
		"0", "1", "-1", "255", "256", "-129", "65536", "-4294967297", "9007199254740991", "2.5", "text", ""};
	const char *arguments[9] = {"FCALL", "struct_pack", "0"};
	size_t sizes[9];
	char format[32], bytes[24];
	int count = 3;

	a_format(format, sizeof(format));
	arguments[count++] = format;
	if (any(2)) {
		for (uint64_t i = any(6); i > 0; i--)
			arguments[count++] = values[any(sizeof(values) / sizeof(values[0]))];
	} else {
		arguments[1] = "struct_unpack";
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)(any(3) ? any(256) : any(6));
		arguments[count++] = bytes;
		arguments[count++] = any(4) ? "1" : values[any(5)];
	}
	for (int i = 0; i < count; i++)
		sizes[i] = arguments[i] == bytes ? any(sizeof(bytes) + 1) : strlen(arguments[i]);
	freeReplyObject(tee_ask(&tee, &raw, true, count, arguments, sizes));
}

static void test_struct_packs_and_unpacks_as_that_of_redis(void **state)
{
	const char *load[] = {"FUNCTION", "LOAD", struct_library};
	const size_t sizes[] = {8, 4, sizeof(struct_library) - 1};
	struct redis_place *place = redis_place_new(NULL);
	struct redis_sim *sim = redis_sim_new(NULL);
	const struct redis_timeouts timeouts = {1000000000, 60000000000};
	struct redis_address address = {.host = "127.0.0.1", .port = place->port};
	uint64_t calls = tee_calls(CALLS);

	(void)state;
	tee_init(&tee, sim);
	raw.transport = &tee.transport;
	assert_int_equal(tee.transport.open(&raw, &address, &timeouts), REDIS_OK);
	freeReplyObject(tee_ask(&tee, &raw, true, 3, load, sizes));
	while (tee.replies < calls)
		call_struct();
	tee.transport.close(&raw);
	tee_deinit(&tee);
	redis_sim_free(sim);
	redis_place_free(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_struct_packs_and_unpacks_as_that_of_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
