/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_exchange_postgres.c - one byte answers an SSLRequest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base.h"
#include "health/answers.h"
#include "health/exchange_postgres.h"

static const struct exchange_options options = {.type = EXCHANGE_POSTGRES};

static void test_it_sends_an_ssl_request(void **state)
{
    unsigned char bytes[EXCHANGE_OPENING_BYTES];

    (void)state;
    assert_int_equal(exchange_open(&options, "a", bytes), 8);
    assert_memory_equal(bytes, "\0\0\0\10\4\322\26\57", 8);
}

static void test_every_answer_of_a_server_counts(void **state)
{
    (void)state;
    assert_needs_all(&options, "N", 1, EXCHANGE_GOOD);
    assert_needs_all(&options, "S", 1, EXCHANGE_WANTS_TLS);
    assert_needs_all(&options, "R", 1, EXCHANGE_GOOD);
    assert_needs_all(&options, "E", 1, EXCHANGE_GOOD);
}

static void test_other_protocols_are_told_apart(void **state)
{
    (void)state;
    assert_bad(&options, "HTTP/1.1 400 Bad Request\r\n", 26,
               "no PostgreSQL: \"HTTP/1.1 400 Bad Request\\r\\n\"");
    assert_bad(&options, "\0", 1, "no PostgreSQL: \"\\u0000\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_sends_an_ssl_request),
        cmocka_unit_test(test_every_answer_of_a_server_counts),
        cmocka_unit_test(test_other_protocols_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
