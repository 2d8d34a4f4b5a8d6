/* SPDX-License-Identifier: Apache-2.0 */
/* test_address_source.c - a list follows its files, and keeps what was good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/address_source.h"
#include "config/value_world.h"

static bool has(struct address_source *source, const char *text)
{
    struct addr addr = {.family = AF_UNSPEC};

    assert_true(addr_parse_ip(text, strlen(text), &addr));
    return address_list_contains(&source->list, &addr);
}

static struct address_source *make(const char *value)
{
    struct setting setting = {0};
    struct address_source *source;

    assert_null(parse(LISTEN_DENY, value, &setting));
    source = address_source_create("listen web", "deny", &setting);
    assert_non_null(source);
    setting_clear(&setting); /* nothing of it is kept */
    return source;
}

static enum address_look look(struct address_source *source, struct error *error)
{
    error->text[0] = '\0';
    return address_source_look(source, false, error);
}

static void test_a_list_without_files_never_changes(void **state)
{
    struct address_source *source = make("10.0.0.0/8 ::1");
    struct error error;

    (void)state;
    assert_int_equal(source->prefix_count, 2);
    assert_true(has(source, "10.1.1.1"));
    assert_false(has(source, "11.1.1.1"));
    assert_int_equal(address_source_look(source, true, &error), ADDRESSES_UNCHANGED);
    address_source_destroy(source);
}

static void test_a_changed_file_is_read_and_its_neighbours_stay(void **state)
{
    struct address_source *source;
    struct error error;

    (void)state;
    write_file("one", "10.0.0.0/8\n");
    write_file("two", "192.0.2.0/24\n");
    source = make("172.16.0.0/12 @one @two");
    assert_int_equal(source->prefix_count, 3);
    assert_int_equal(look(source, &error), ADDRESSES_UNCHANGED);
    write_file("one", "11.0.0.0/8\n12.0.0.0/8\n");
    assert_int_equal(look(source, &error), ADDRESSES_CHANGED);
    assert_int_equal(look(source, &error), ADDRESSES_UNCHANGED);
    assert_false(has(source, "10.1.1.1"));
    assert_true(has(source, "11.1.1.1"));
    assert_true(has(source, "172.16.0.1"));
    assert_true(has(source, "192.0.2.1"));
    assert_int_equal(source->prefix_count, 4);
    assert_int_equal(source->changed, 1);
    assert_int_equal(address_source_look(source, true, &error), ADDRESSES_CHANGED);
    address_source_destroy(source);
}

static void test_a_broken_file_changes_nothing_and_is_told_once(void **state)
{
    struct address_source *source;
    struct error error;

    (void)state;
    write_file("list", "10.0.0.0/8\n");
    source = make("@list");
    write_file("list", "11.0.0.0/8\nnonsense\n");
    assert_int_equal(look(source, &error), ADDRESSES_BROKEN);
    assert_non_null(strstr(error.text, "list:2: 'nonsense'"));
    assert_int_equal(look(source, &error), ADDRESSES_UNCHANGED);
    assert_true(has(source, "10.1.1.1"));
    assert_false(has(source, "11.1.1.1"));
    assert_int_equal(source->failed, 1);
    /* Who asks is told again. */
    assert_int_equal(address_source_look(source, true, &error), ADDRESSES_BROKEN);
    write_file("list", "11.0.0.0/8\n");
    assert_int_equal(look(source, &error), ADDRESSES_CHANGED);
    assert_true(has(source, "11.1.1.1"));
    assert_null(source->complaint);
    address_source_destroy(source);
}

static void test_a_file_that_goes_is_tried_until_it_is_back(void **state)
{
    struct address_source *source;
    struct error error;
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/list", fixture_folder);
    write_file("list", "10.0.0.0/8\n");
    source = make("@list");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(look(source, &error), ADDRESSES_BROKEN);
    assert_non_null(strstr(error.text, "cannot be opened"));
    assert_int_equal(look(source, &error), ADDRESSES_UNCHANGED);
    assert_true(has(source, "10.1.1.1"));
    write_file("list", "11.0.0.0/8\n");
    assert_int_equal(look(source, &error), ADDRESSES_CHANGED);
    assert_true(has(source, "11.1.1.1"));
    address_source_destroy(source);
}

static void test_a_swapped_link_is_a_change(void **state)
{
    struct address_source *source;
    struct error error;
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/link", fixture_folder);
    write_file("old", "10.0.0.0/8\n");
    write_file("new", "11.0.0.0/8\n");
    assert_int_equal(symlink("old", path), 0);
    source = make("@link");
    assert_true(has(source, "10.1.1.1"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("new", path), 0);
    assert_int_equal(look(source, &error), ADDRESSES_CHANGED);
    assert_true(has(source, "11.1.1.1"));
    address_source_destroy(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_without_files_never_changes),
        cmocka_unit_test(test_a_changed_file_is_read_and_its_neighbours_stay),
        cmocka_unit_test(test_a_broken_file_changes_nothing_and_is_told_once),
        cmocka_unit_test(test_a_file_that_goes_is_tried_until_it_is_back),
        cmocka_unit_test(test_a_swapped_link_is_a_change),
    };
    return cmocka_run_group_tests(tests, value_set_up, value_tear_down);
}
