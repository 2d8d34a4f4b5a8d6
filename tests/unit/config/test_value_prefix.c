/* SPDX-License-Identifier: Apache-2.0 */
/* test_value_prefix.c - prefixes in the value and in files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/value_prefix.h"
#include "config/value_world.h"

static void test_prefix_files(void **state)
{
    struct setting setting = {0};
    char wanted[128];

    (void)state;
    write_file("list", "# who\n10.0.0.0/8\n\n  ::1  # me\r\n192.0.2.1\n");
    assert_null(parse(ROUTE_SOURCE, "172.16.0.0/12 @list", &setting));
    assert_int_equal(setting.count, 2);
    assert_int_equal(setting.items[0].prefixes.count, 1);
    assert_int_equal(setting.items[1].prefixes.count, 3);
    snprintf(wanted, sizeof(wanted), "@%s/list", fixture_folder);
    assert_string_equal(setting.items[1].text, wanted);
    setting_clear(&setting);
    write_file("list", "10.0.0.0/8\n10.0.0.1/8\n");
    expect_refused(ROUTE_SOURCE, "@list", "has bits set behind its first 8");
    write_bytes("list", "10.0.0.0/8\0\n", 12);
    expect_refused(ROUTE_SOURCE, "@list", "needs a prefix length");
    expect_refused(ROUTE_SOURCE, "@missing", "cannot be opened");
    expect_refused(ROUTE_SOURCE, "@.", "is a folder");
}

static void test_a_wrong_prefix_is_shown_where_it_stands(void **state)
{
    (void)state;
    expect_refused(ROUTE_SOURCE, "10.0.0.0/8 10.0.0.1/8", "12 '10.0.0.1/8' has bits set");
    write_file("list", "10.0.0.0/8\n  # none\n  10.0.0.1/8\n");
    expect_refused(ROUTE_SOURCE, "@list", "3 '10.0.0.1/8' has bits set");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix_files),
        cmocka_unit_test(test_a_wrong_prefix_is_shown_where_it_stands),
    };

    return cmocka_run_group_tests(tests, value_set_up, value_tear_down);
}
