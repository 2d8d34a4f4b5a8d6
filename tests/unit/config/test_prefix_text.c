/* SPDX-License-Identifier: Apache-2.0 */
/* test_prefix_text.c - lines of a text or a file, and where one of them is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/prefix_text.h"

static bool parse_text(const char *text, size_t length, struct prefix_array *array,
                       struct prefix_fault *fault)
{
    *array = (struct prefix_array){0};
    return prefix_text_parse(text, length, array, fault);
}

static void test_lines_blanks_and_comments(void **state)
{
    static const char text[] = "# all\n\n 10.0.0.0/8\t# ours\r\n::1\r\n   \n#\n192.0.2.1";
    struct prefix_array array;
    struct prefix_fault fault;

    (void)state;
    assert_true(parse_text(text, sizeof(text) - 1, &array, &fault));
    assert_int_equal(array.count, 3);
    assert_int_equal(array.items[0].bits, 8);
    assert_int_equal(array.items[1].family, AF_INET6);
    assert_int_equal(array.items[2].bits, 32);
    free(array.items);
    assert_true(parse_text("", 0, &array, &fault));
    assert_int_equal(array.count, 0);
}

static void test_the_fault_has_a_place(void **state)
{
    static const char nul[] = "10.0.0.1\0\n";
    struct prefix_array array;
    struct prefix_fault fault;

    (void)state;
    assert_false(parse_text("::1\n\n  10.0.0.1/8 # x\n", 22, &array, &fault));
    assert_int_equal(fault.line, 3);
    assert_int_equal(fault.column, 3);
    assert_int_equal(fault.length, 10);
    assert_non_null(strstr(fault.error.text, "'10.0.0.1/8' has bits set"));
    assert_int_equal(array.count, 1);
    free(array.items);
    assert_false(parse_text(nul, sizeof(nul) - 1, &array, &fault));
    assert_int_equal(fault.line, 1);
    assert_false(parse_text("10.0.0.0/8 10.1.0.0/16\n", 23, &array, &fault));
    assert_non_null(strstr(fault.error.text, "needs a prefix length"));
}

static void test_files_are_named_in_errors(void **state)
{
    struct prefix_array array = {0};
    struct error error = {.text = ""};
    char path[256];
    bool is_broken;

    (void)state;
    snprintf(path, sizeof(path), "%s/list", fixture_folder);
    write_file("list", "10.0.0.0/8\n10.0.0.0/40\n");
    assert_false(prefix_file_read(path, &array, &is_broken, &error));
    assert_true(is_broken);
    assert_non_null(strstr(error.text, "list:2: '10.0.0.0/40' needs a prefix length"));
    free(array.items);
    array = (struct prefix_array){0};
    write_file("list", "10.0.0.0/8\n");
    assert_true(prefix_file_read(path, &array, &is_broken, &error));
    assert_int_equal(array.count, 1);
    free(array.items);
    array = (struct prefix_array){0};
    assert_false(prefix_file_read(fixture_folder, &array, &is_broken, &error));
    assert_false(is_broken);
    assert_non_null(strstr(error.text, "is a folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_blanks_and_comments),
        cmocka_unit_test(test_the_fault_has_a_place),
        cmocka_unit_test(test_files_are_named_in_errors),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
