/* SPDX-License-Identifier: Apache-2.0 */
/* test_resolve.c - looking up names that need no network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "net/resolve.h"

static void test_localhost_has_loopback_addresses_with_the_port(void **state)
{
    struct addr *addrs = NULL;
    struct error error = {0};
    size_t count = 0;

    (void)state;
    assert_true(resolve_host("localhost", 8080, &addrs, &count, &error));
    assert_true(count >= 1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(addrs[i].port, 8080);
        for (size_t k = 0; k < i; k++)
            assert_false(addr_equal(&addrs[i], &addrs[k]));
    }
    free(addrs);
}

static void test_a_name_that_cannot_exist_is_an_error_that_names_it(void **state)
{
    struct addr *addrs = NULL;
    struct error error = {0};
    size_t count = 0;

    (void)state;
    /* A label of 64 characters is refused before anybody is asked. */
    assert_false(
        resolve_host("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid", 80,
                     &addrs, &count, &error));
    assert_non_null(strstr(error.text, ".invalid: "));
    assert_null(addrs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_localhost_has_loopback_addresses_with_the_port),
        cmocka_unit_test(test_a_name_that_cannot_exist_is_an_error_that_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
