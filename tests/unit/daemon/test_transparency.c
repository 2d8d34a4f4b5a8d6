/* SPDX-License-Identifier: Apache-2.0 */
/* test_transparency.c - who needs the right to clients' addresses, and what is said without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sysexits.h>

#include <cmocka.h>

#include "daemon/transparency.h"

static bool is_allowed;

bool __wrap_source_address_may_be_any(void);

bool __wrap_source_address_may_be_any(void)
{
    return is_allowed;
}

static void test_only_transparent_pools_need_the_right(void **state)
{
    static char name[] = "app";
    struct pool pools[2] = {{.name = name}, {.name = name}};
    struct snapshot snapshot = {.pools = pools, .pool_count = 2};
    struct error error = {0};

    (void)state;
    is_allowed = false;
    assert_false(transparency_is_wanted(&snapshot));
    assert_true(transparency_check(&snapshot, &error));
    pools[1].options.is_transparent = true;
    assert_true(transparency_is_wanted(&snapshot));
    assert_false(transparency_check(&snapshot, &error));
    assert_int_equal(error.exit_code, EX_NOPERM);
    assert_string_equal(error.text,
                        "[pool app] transparent = yes needs the capability CAP_NET_ADMIN "
                        "(AmbientCapabilities= in systemd, --cap-add in docker)");
    is_allowed = true;
    assert_true(transparency_check(&snapshot, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_transparent_pools_need_the_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
