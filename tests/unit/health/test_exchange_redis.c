/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_exchange_redis.c - PONG, and the errors of a server that lives.
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
#include "health/exchange_redis.h"

static const struct exchange_options options = {.type = EXCHANGE_REDIS};

static void test_it_sends_a_ping(void **state)
{
    unsigned char bytes[EXCHANGE_OPENING_BYTES];

    (void)state;
    assert_int_equal(exchange_open(&options, "a", bytes), 6);
    assert_memory_equal(bytes, "PING\r\n", 6);
}

static void test_pong_and_the_wish_for_a_password_are_good(void **state)
{
    (void)state;
    assert_needs_all(&options, "+PONG\r\n", 7, EXCHANGE_GOOD);
    assert_needs_all(&options, "-NOAUTH ", 8, EXCHANGE_GOOD);
    assert_needs_all(&options, "-NOPERM ", 8, EXCHANGE_GOOD);
}

static void test_a_server_that_cannot_serve_says_why(void **state)
{
    (void)state;
    assert_needs_all(&options, "-LOADING Redis is loading\r\n", 27, EXCHANGE_BAD);
    assert_string_equal(answer_cause, "answered -LOADING Redis is loading");
    assert_bad(&options, "+OK\r\n", 5, "answered +OK");
    assert_bad(&options, "-\n", 2, "answered -");
    assert_bad(&options, "HTTP", 4, "no Redis: \"HTTP\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_sends_a_ping),
        cmocka_unit_test(test_pong_and_the_wish_for_a_password_are_good),
        cmocka_unit_test(test_a_server_that_cannot_serve_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
