/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_health_options.c - what the options own goes with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "health/health_options.h"

static void test_nothing_is_left_behind(void **state)
{
    struct health_options *options = calloc(1, sizeof(*options));

    (void)state;
    assert_non_null(options);
    options->name = strdup("up");
    options->tls_name = strdup("a.test");
    options->exchange.path = strdup("/");
    options->exchange.statuses = calloc(1, sizeof(struct status_range));
    health_options_free(options);
    health_options_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
