#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "identity/key_file.h"

static char folder[64], path[128];

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/penstock-key-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder); /* also: nothing else was left there */
}

static void write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_a_missing_key_is_made_once_and_kept_private(void **state)
{
	char *first, *second;
	struct stat status;

	(void)state;
	assert_int_equal(key_file_load(path, &first), -ENOENT);
	assert_int_equal(key_file_load_or_make(path, &first), 0);
	assert_int_equal(strlen(first), 43);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(key_file_load_or_make(path, &second), 0);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void test_a_key_loses_its_trailing_newline_only(void **state)
{
	char *key;

	(void)state;
	write_file("-----BEGIN\nabc\n\n", 0600);
	assert_int_equal(key_file_load(path, &key), 0);
	assert_string_equal(key, "-----BEGIN\nabc\n");
	free(key);
	write_file("abc\r\n", 0600);
	assert_int_equal(key_file_load(path, &key), 0);
	assert_string_equal(key, "abc");
	free(key);
}

static void test_what_others_can_read_is_refused(void **state)
{
	char *key;

	(void)state;
	write_file("secret\n", 0640);
	assert_int_equal(key_file_load(path, &key), -EPERM);
	assert_null(key);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(key_file_load_or_make(path, &key), -EPERM);
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(key_file_load(path, &key), 0);
	free(key);
}

static void test_what_is_no_key_is_refused(void **state)
{
	char *key;

	(void)state;
	write_file("", 0600);
	assert_int_equal(key_file_load(path, &key), -EINVAL);
	write_file("\n", 0600);
	assert_int_equal(key_file_load(path, &key), -EINVAL);
	assert_int_equal(truncate(path, KEY_FILE_SIZE_MAX + 1), 0);
	assert_int_equal(key_file_load(path, &key), -EINVAL);
	assert_int_equal(truncate(path, 10), 0); /* ten zeros */
	assert_int_equal(key_file_load(path, &key), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0); /* does not hang */
	assert_int_equal(key_file_load(path, &key), -EINVAL);
}

static void test_a_key_lies_beside_the_ledgers_file(void **state)
{
	char *found = key_file_path("sqlite:/var/lib/penstock.db", KEY_FILE_JWT_KEY);

	(void)state;
	assert_string_equal(found, "/var/lib/penstock.db.jwt-key");
	free(found);
	found = key_file_path("postgresql://localhost/shop", KEY_FILE_JWT_KEY);
	assert_string_equal(found, "penstock.jwt-key");
	free(found);
	assert_null(key_file_path("redis://localhost/0", KEY_FILE_JWT_KEY));
	assert_null(key_file_path("sqlite:", KEY_FILE_JWT_KEY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_missing_key_is_made_once_and_kept_private, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_key_loses_its_trailing_newline_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_others_can_read_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_key_is_refused, set_up, tear_down),
		cmocka_unit_test(test_a_key_lies_beside_the_ledgers_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
