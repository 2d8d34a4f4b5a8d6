/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_exchange.c - the table of families, and send and expect.
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
#include "health/exchange.h"

static void test_each_type_has_its_word(void **state)
{
    static const char *const words[] = {"tcp",      "tls",   "expect", "http",
                                        "postgres", "redis", "mysql"};

    (void)state;
    for (int i = EXCHANGE_TCP; i <= EXCHANGE_MYSQL; i++)
        assert_string_equal(exchange_type_word((enum exchange_type)i), words[i]);
}

static void test_accepting_is_enough_for_tcp_and_tls(void **state)
{
    unsigned char bytes[EXCHANGE_OPENING_BYTES];
    struct exchange_options options = {.type = EXCHANGE_TCP};

    (void)state;
    assert_int_equal(exchange_open(&options, "a", bytes), 0);
    assert_int_equal(judge_bytes(&options, "", 0, false), EXCHANGE_GOOD);
    options.type = EXCHANGE_TLS;
    assert_int_equal(exchange_open(&options, "a", bytes), 0);
    assert_int_equal(judge_bytes(&options, "", 0, false), EXCHANGE_GOOD);
}

static void test_what_is_sent_may_hold_any_byte(void **state)
{
    unsigned char bytes[EXCHANGE_OPENING_BYTES];
    unsigned char sent[] = {0, 1, 0, 255};
    struct exchange_options options = {.type = EXCHANGE_EXPECT, .send = sent, .send_size = 4};

    (void)state;
    assert_int_equal(exchange_open(&options, "a", bytes), 4);
    assert_memory_equal(bytes, sent, 4);
    options.send_size = 0;
    assert_int_equal(exchange_open(&options, "a", bytes), 0);
}

static void test_the_answer_must_start_as_expected(void **state)
{
    unsigned char expected[] = {'2', '2', '0', 0, ' '};
    struct exchange_options options = {
        .type = EXCHANGE_EXPECT, .expect = expected, .expect_size = 5};

    (void)state;
    assert_needs_all(&options, expected, 5, EXCHANGE_GOOD);
    assert_int_equal(judge_bytes(&options, "220\0 mail", 9, false), EXCHANGE_GOOD);
    assert_bad(&options, "221\0 mail", 9, "answered \"221\\u0000 mail\"");
    /* The first byte that differs is enough. */
    assert_bad(&options, "4", 1, "answered \"4\"");
    assert_bad(&options, "500 this answer is too long to be shown whole", 45,
               "answered \"500 this answer is too long to b\"...");
}

static void test_any_byte_will_do_where_nothing_is_expected(void **state)
{
    struct exchange_options options = {.type = EXCHANGE_EXPECT};

    (void)state;
    assert_needs_all(&options, "N", 1, EXCHANGE_GOOD);
}

static void test_an_endless_answer_is_bad(void **state)
{
    static unsigned char line[EXCHANGE_ANSWER_BYTES];
    struct exchange_options options = {.type = EXCHANGE_REDIS};

    (void)state;
    memset(line, '+', sizeof(line));
    assert_int_equal(judge_bytes(&options, line, sizeof(line) - 1, false), EXCHANGE_WANTS_MORE);
    assert_bad(&options, line, sizeof(line), "no end of the answer within 4096 bytes");
}

static void test_release_empties(void **state)
{
    struct exchange_options options = {.type = EXCHANGE_HTTP,
                                       .send = malloc(1),
                                       .expect = malloc(1),
                                       .path = strdup("/"),
                                       .host = strdup("h"),
                                       .statuses = calloc(1, sizeof(struct status_range))};

    (void)state;
    exchange_options_release(&options);
    assert_null(options.send);
    exchange_options_release(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_has_its_word),
        cmocka_unit_test(test_accepting_is_enough_for_tcp_and_tls),
        cmocka_unit_test(test_what_is_sent_may_hold_any_byte),
        cmocka_unit_test(test_the_answer_must_start_as_expected),
        cmocka_unit_test(test_any_byte_will_do_where_nothing_is_expected),
        cmocka_unit_test(test_an_endless_answer_is_bad),
        cmocka_unit_test(test_release_empties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
