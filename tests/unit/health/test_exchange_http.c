/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_exchange_http.c - what is asked, and which status counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base.h"
#include "health/answers.h"
#include "health/exchange_http.h"

static struct exchange_options options = {.type = EXCHANGE_HTTP};

static enum exchange_verdict judge_text(const char *answer)
{
    return judge_bytes(&options, answer, strlen(answer), false);
}

static void test_it_asks_for_the_path_at_the_host(void **state)
{
    unsigned char bytes[EXCHANGE_OPENING_BYTES];
    char path[] = "/up?deep=1";
    char host[] = "app.example.com:8080";
    struct exchange_options named = {.type = EXCHANGE_HTTP, .path = path, .host = host};
    size_t size = exchange_open(&named, "10.0.0.1", bytes);
    static const char wanted[] = "GET /up?deep=1 HTTP/1.1\r\nHost: app.example.com:8080\r\n";

    (void)state;
    assert_memory_equal(bytes, wanted, sizeof(wanted) - 1);
    assert_memory_equal(bytes + size - 4, "\r\n\r\n", 4);

    static const char plain[] = "GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n";
    exchange_open(&options, "10.0.0.1", bytes);
    assert_memory_equal(bytes, plain, sizeof(plain) - 1);

    static const char v6[] = "GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n";
    exchange_open(&options, "2001:db8::1", bytes);
    assert_memory_equal(bytes, v6, sizeof(v6) - 1);
}

static void test_the_status_line_decides(void **state)
{
    (void)state;
    assert_needs_all(&options, "HTTP/1.1 200 ", 13, EXCHANGE_GOOD);
    assert_needs_all(&options, "HTTP/1.0 204\r", 13, EXCHANGE_GOOD);
    assert_int_equal(judge_text("HTTP/1.1 399 Odd\r\n"), EXCHANGE_GOOD);
    assert_bad(&options, "HTTP/1.1 503 Service Unavailable\r\n", 34, "status 503");
    assert_bad(&options, "HTTP/1.1 400\r\n", 14, "status 400");
    assert_bad(&options, "HTTP/1.1 000 \r\n", 15, "status 0");
}

static void test_the_list_decides_where_there_is_one(void **state)
{
    struct status_range ranges[] = {{204, 204}, {300, 302}};
    struct exchange_options listed = {.type = EXCHANGE_HTTP, .statuses = ranges, .status_count = 2};

    (void)state;
    assert_int_equal(judge_bytes(&listed, "HTTP/1.1 204 ", 13, false), EXCHANGE_GOOD);
    assert_int_equal(judge_bytes(&listed, "HTTP/1.1 302 ", 13, false), EXCHANGE_GOOD);
    assert_bad(&listed, "HTTP/1.1 200 ", 13, "status 200");
    assert_bad(&listed, "HTTP/1.1 303 ", 13, "status 303");
}

static void test_interim_answers_are_passed_over(void **state)
{
    static const char interim[] = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    char all[128];

    (void)state;
    assert_int_equal(judge_text(interim), EXCHANGE_WANTS_MORE);
    snprintf(all, sizeof(all), "%sHTTP/1.1 500 Oops\r\n", interim);
    assert_int_equal(judge_text(all), EXCHANGE_BAD);
    assert_string_equal(answer_cause, "status 500");
    snprintf(all, sizeof(all), "%sHTTP/1.1 200 OK\r\n", interim);
    assert_int_equal(judge_text(all), EXCHANGE_GOOD);
}

static void test_other_protocols_are_told_apart(void **state)
{
    (void)state;
    assert_bad(&options, "S", 1, "no HTTP: \"S\"");
    assert_bad(&options, "SSH-2.0-OpenSSH_9.2\r\n", 21, "no HTTP: \"SSH-2.0-OpenSSH_9.2\\r\\n\"");
    assert_bad(&options, "HTTP/2.0 200 ", 13, "no HTTP: \"HTTP/2.0 200 \"");
    assert_bad(&options, "HTTP/1.1 20x ", 13, "no HTTP: \"HTTP/1.1 20x \"");
    assert_bad(&options, "HTTP/1.1 2000", 13, "no HTTP: \"HTTP/1.1 2000\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_asks_for_the_path_at_the_host),
        cmocka_unit_test(test_the_status_line_decides),
        cmocka_unit_test(test_the_list_decides_where_there_is_one),
        cmocka_unit_test(test_interim_answers_are_passed_over),
        cmocka_unit_test(test_other_protocols_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
