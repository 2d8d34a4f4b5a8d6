/* SPDX-License-Identifier: Apache-2.0 */
/* test_exchange.c - JSON answers, errors, times, and what is no UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/exchange.h"

static void assert_body(struct answer *answer, const char *expected)
{
    size_t length = evbuffer_get_length(answer->body);
    char *text = calloc(1, length + 1);

    assert_non_null(text);
    assert_int_equal(evbuffer_remove(answer->body, text, length), length);
    assert_string_equal(text, expected);
    free(text);
}

static void test_answer_replaces_what_was_there(void **state)
{
    struct answer answer = {.body = evbuffer_new()};

    evbuffer_add(answer.body, "rest", 4);
    answer_json(&answer, 200, json_pack("{s:i}", "a", 1));
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.content_type, CONTENT_TYPE_JSON);
    assert_body(&answer, "{\"a\":1}\n");
    evbuffer_free(answer.body);
}

static void test_answer_without_memory_is_an_error(void **state)
{
    struct answer answer = {.body = evbuffer_new()};

    answer_json(&answer, 200, NULL);
    assert_int_equal(answer.status, 500);
    assert_body(&answer, "{\"error\":\"out of memory\"}\n");
    evbuffer_free(answer.body);
}

static void test_errors_may_suggest_a_word(void **state)
{
    struct answer answer = {.body = evbuffer_new()};

    answer_error(&answer, 404, "pg", "pool '%s' is not defined", "p\"g");
    assert_int_equal(answer.status, 404);
    assert_body(&answer, "{\"error\":\"pool 'p\\\"g' is not defined\",\"did_you_mean\":\"pg\"}\n");
    answer_error(&answer, 400, NULL, "no");
    assert_body(&answer, "{\"error\":\"no\"}\n");
    evbuffer_free(answer.body);
}

static void test_text_that_is_no_utf8_becomes_question_marks(void **state)
{
    json_t *json = json_text("a\xff\xfe z");

    assert_string_equal(json_string_value(json), "a?? z");
    json_decref(json);
    json = json_text("gr\xc3\xbc\xc3\x9f");
    assert_string_equal(json_string_value(json), "gr\xc3\xbc\xc3\x9f");
    json_decref(json);
    json = json_text(NULL);
    assert_string_equal(json_string_value(json), "");
    json_decref(json);
}

static void test_times_are_seconds_and_rfc3339(void **state)
{
    struct answer answer = {.body = evbuffer_new()};
    json_t *json = json_object();

    json_object_set_new(json, "s", json_seconds(400));
    json_object_set_new(json, "t", json_time(1795377600123456));
    answer_json(&answer, 200, json);
    assert_body(&answer, "{\"s\":0.0004,\"t\":\"2026-11-22T20:00:00.123Z\"}\n");
    evbuffer_free(answer.body);
}

static void test_nearest_keeps_the_best_candidate(void **state)
{
    struct nearest nearest = {.word = "listner"};

    nearest_consider(&nearest, "pool");
    assert_null(nearest.best);
    nearest_consider(&nearest, "listeners");
    assert_string_equal(nearest.best, "listeners");
    nearest_consider(&nearest, "listener");
    assert_string_equal(nearest.best, "listener");
    nearest_consider(&nearest, "listeners");
    assert_string_equal(nearest.best, "listener");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_replaces_what_was_there),
        cmocka_unit_test(test_answer_without_memory_is_an_error),
        cmocka_unit_test(test_errors_may_suggest_a_word),
        cmocka_unit_test(test_text_that_is_no_utf8_becomes_question_marks),
        cmocka_unit_test(test_times_are_seconds_and_rfc3339),
        cmocka_unit_test(test_nearest_keeps_the_best_candidate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
