/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_file.c - reading, listing, and what counts as a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/tls_file.h"
#include "tls/tls_fixture.h"

static void expect_refusal(const char *path, const char *words)
{
    struct tls_file file;
    struct error error = {0};

    assert_false(tls_file_read(&file, path, &error));
    assert_null(file.bytes);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, words));
}

static void test_a_file_is_read_whole(void **state)
{
    const char *path = fixture_path(fixture_here, "a");
    struct tls_file file;
    struct error error = {0};

    (void)state;
    fixture_write(path, "one\0two", 7);
    assert_true(tls_file_read(&file, path, &error));
    assert_int_equal(file.size, 7);
    assert_memory_equal(file.bytes, "one\0two", 8);
    tls_file_release(&file);
    assert_null(file.bytes);
    tls_file_release(&file);
}

static void test_what_is_no_file_is_refused_without_waiting(void **state)
{
    const char *fifo = fixture_path(fixture_here, "fifo");
    const char *empty = fixture_path(fixture_here, "empty");

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    fixture_write(empty, "", 0);
    expect_refusal(fifo, "not a regular file");
    expect_refusal(fixture_here, "is a folder");
    expect_refusal(empty, "is empty");
    expect_refusal(fixture_path(fixture_here, "absent"), "No such file");
}

static void test_a_file_beyond_the_limit_is_refused(void **state)
{
    const char *path = fixture_path(fixture_here, "large");

    (void)state;
    fixture_write(path, "x", 1);
    assert_int_equal(truncate(path, TLS_FILE_MAX_BYTES + 1), 0);
    expect_refusal(path, "larger than 16 MiB");
}

static void test_listing_is_in_byte_order_and_leaves_hidden_names_out(void **state)
{
    static const char *const names[] = {"b.pem", "a.pem", "B.pem", ".c.pem", "d.key", ".pem"};
    struct tls_listing listing;
    struct error error = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        fixture_write(fixture_path(fixture_here, names[i]), "x", 1);
    assert_true(tls_listing_read(&listing, fixture_here, ".pem", &error));
    assert_int_equal(listing.count, 3);
    assert_string_equal(listing.names[0], "B.pem");
    assert_string_equal(listing.names[1], "a.pem");
    assert_string_equal(listing.names[2], "b.pem");
    tls_listing_release(&listing);
    assert_false(tls_listing_read(&listing, fixture_path(fixture_here, "absent"), ".pem", &error));
    assert_non_null(strstr(error.text, "No such file"));
}

static void test_a_folder_changes_with_any_file_in_it(void **state)
{
    uint64_t before;

    (void)state;
    fixture_write(fixture_path(fixture_here, "a.pem"), "1", 1);
    before = tls_stamp_folder(0, fixture_here);
    assert_int_equal(tls_stamp_folder(0, fixture_here), before);
    fixture_write(fixture_path(fixture_here, "a.txt"), "1", 1);
    assert_int_equal(tls_stamp_folder(0, fixture_here), before);
    fixture_write(fixture_path(fixture_here, "a.key"), "1", 1);
    assert_int_not_equal(tls_stamp_folder(0, fixture_here), before);
    before = tls_stamp_folder(0, fixture_here);
    assert_int_equal(
        rename(fixture_path(fixture_here, "a.pem"), fixture_path(fixture_here, "b.pem")), 0);
    assert_int_not_equal(tls_stamp_folder(0, fixture_here), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_is_read_whole, fixture_enter_folder,
                                        fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_what_is_no_file_is_refused_without_waiting,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_file_beyond_the_limit_is_refused,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_listing_is_in_byte_order_and_leaves_hidden_names_out,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_folder_changes_with_any_file_in_it,
                                        fixture_enter_folder, fixture_leave_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
