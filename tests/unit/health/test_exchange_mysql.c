/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_exchange_mysql.c - greetings, errors, and lengths that lie.
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
#include "health/exchange_mysql.h"

static const struct exchange_options options = {.type = EXCHANGE_MYSQL};

static void test_the_server_speaks_first(void **state)
{
    unsigned char bytes[EXCHANGE_OPENING_BYTES];

    (void)state;
    assert_int_equal(exchange_open(&options, "a", bytes), 0);
}

static void test_a_whole_greeting_is_good(void **state)
{
    static const unsigned char greeting[] = {6, 0, 0, 0, 10, '8', '.', '0', 0, 7};

    (void)state;
    assert_needs_all(&options, greeting, sizeof(greeting), EXCHANGE_GOOD);
}

static void test_an_error_is_the_cause(void **state)
{
    static const char with_state[] = "\x16\0\0\0\xff\x10\x04#08004Too many conns";
    static const char without[] = "\x0a\0\0\0\xff\x69\x04"
                                  "Blocked";
    static const char cut_state[] = "\x05\0\0\0\xff\x10\x04#0";

    (void)state;
    assert_needs_all(&options, with_state, 26, EXCHANGE_BAD);
    assert_string_equal(answer_cause, "error 1040: Too many conn");
    assert_bad(&options, without, 14, "error 1129: Blocked");
    assert_bad(&options, cut_state, 9, "error 1040: ");
}

static void test_lengths_that_lie_are_no_greeting(void **state)
{
    (void)state;
    assert_bad(&options, "\xff\xff\xff\0\x0a", 5,
               "no MySQL greeting: \"\\u00ff\\u00ff\\u00ff\\u0000\\n\"");
    assert_bad(&options, "\0\0\0\0\x0a", 5,
               "no MySQL greeting: \"\\u0000\\u0000\\u0000\\u0000\\n\"");
    assert_bad(&options, "HTTP/1.1", 8, "no MySQL greeting: \"HTTP/1.1\"");
    /* Another protocol, or not the first packet. */
    assert_int_equal(judge_bytes(&options, "\x06\0\0\0\x09", 5, false), EXCHANGE_BAD);
    assert_int_equal(judge_bytes(&options, "\x06\0\0\1\x0a", 5, false), EXCHANGE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_server_speaks_first),
        cmocka_unit_test(test_a_whole_greeting_is_good),
        cmocka_unit_test(test_an_error_is_the_cause),
        cmocka_unit_test(test_lengths_that_lie_are_no_greeting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
