/* SPDX-License-Identifier: Apache-2.0 */
/* test_health_view.c - checks in the API and in the metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "health/checker.h"
#include "admin/fake_process.h"
#include "admin/health_view.h"

static char name[] = "deep";
static struct health_options options = {.name = name, .exchange.type = EXCHANGE_REDIS};

bool __wrap_checker_report(const struct checker *checker, const struct pool *pool,
                           const struct server *server, struct check_report *report);

/* The servers of the first pool are checked; the second of them has no result yet. */
bool __wrap_checker_report(const struct checker *checker, const struct pool *pool,
                           const struct server *server, struct check_report *report)
{
    (void)checker;
    if (pool->index != 0)
        return false;
    *report = (struct check_report){.options = &options, .is_up = true};
    if (server == pool->servers[0]) {
        report->has_result = true;
        report->is_up = false;
        report->against = 1;
        report->last.outcome = PROBE_TIMED_OUT;
        report->last.duration_us = 2000500;
        strcpy(report->last.cause, "connect timeout after 2 s");
        report->last_wall_us = 1700000000000000;
        report->outcomes[PROBE_OK] = 7;
        report->outcomes[PROBE_TIMED_OUT] = 4;
    }
    return true;
}

static const char *string_at(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void test_each_checked_server_is_listed(void **state)
{
    struct fake_process process;
    const json_t *check;
    json_t *json;
    int status;

    (void)state;
    fake_process_init(&process);
    json = fake_ask_json(&process, health_view_handle, "", "", &status);
    assert_int_equal(status, 200);
    assert_int_equal(json_array_size(json_object_get(json, "health")), 2);
    check = json_array_get(json_object_get(json, "health"), 0);
    assert_string_equal(string_at(check, "pool"), "app");
    assert_string_equal(string_at(check, "server"), "a1");
    assert_string_equal(string_at(check, "check"), "deep");
    assert_string_equal(string_at(check, "type"), "redis");
    assert_string_equal(string_at(check, "result"), "timeout");
    assert_string_equal(string_at(check, "cause"), "connect timeout after 2 s");
    assert_string_equal(string_at(check, "checked"), "2023-11-14T22:13:20.000Z");
    assert_true(json_is_false(json_object_get(check, "up")));
    assert_int_equal(json_integer_value(json_object_get(check, "against")), 1);
    assert_true(json_real_value(json_object_get(check, "duration_s")) > 2.0004);
    check = json_object_get(check, "results");
    assert_int_equal(json_integer_value(json_object_get(check, "ok")), 7);
    assert_int_equal(json_integer_value(json_object_get(check, "timeout")), 4);
    check = json_array_get(json_object_get(json, "health"), 1);
    assert_string_equal(string_at(check, "result"), "");
    assert_null(json_object_get(check, "checked"));
    json_decref(json);
    fake_process_end(&process);
}

static void test_each_result_is_a_series(void **state)
{
    struct fake_process process;
    struct exposition out = {.out = evbuffer_new()};
    char *text;

    (void)state;
    fake_process_init(&process);
    health_view_add_metrics(&out, &process.view);
    evbuffer_add(out.out, "", 1);
    text = (char *)evbuffer_pullup(out.out, -1);
    assert_non_null(strstr(
        text, "\nculvert_health_checks_total{pool=\"app\",server=\"a1\",result=\"timeout\"} 4\n"));
    assert_non_null(strstr(
        text, "\nculvert_health_checks_total{pool=\"app\",server=\"a2\",result=\"ok\"} 0\n"));
    assert_null(strstr(text, "pool=\"pg\""));
    assert_non_null(strstr(
        text, "\nculvert_health_check_duration_seconds{pool=\"app\",server=\"a1\"} 2.0005\n"));
    assert_null(strstr(text, "duration_seconds{pool=\"app\",server=\"a2\"}"));
    evbuffer_free(out.out);
    fake_process_end(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_checked_server_is_listed),
        cmocka_unit_test(test_each_result_is_a_series),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
