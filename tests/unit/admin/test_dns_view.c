/* SPDX-License-Identifier: Apache-2.0 */
/* test_dns_view.c - names in the API and in metrics; targets only in the API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "admin/dns_view.h"
#include "admin/fake_process.h"

/* What discovery would know: the test's own names instead. */
static struct name_view names[3];
static unsigned name_count;
static struct addr addrs[2];
static uint64_t lookups[RESOLVER_RESULTS];

bool __wrap_discovery_next(const struct discovery *discovery, const void **cursor,
                           struct name_view *view);
bool __wrap_discovery_next(const struct discovery *discovery, const void **cursor,
                           struct name_view *view)
{
    unsigned next = *cursor == NULL ? 0 : (unsigned)((const struct name_view *)*cursor - names) + 1;

    if (discovery == NULL || next >= name_count)
        return false;
    *cursor = &names[next];
    *view = names[next];
    return true;
}

/* A discovery that is there: never looked into. */
static const struct discovery *some_discovery(void)
{
    return (const struct discovery *)(const void *)names;
}

static int setup(void **state)
{
    int64_t now_ms = clock_now_ms();

    (void)state;
    assert_true(addr_parse_ip("10.0.0.1", 8, &addrs[0]));
    assert_true(addr_parse_ip("fd00::1", 7, &addrs[1]));
    lookups[RESOLVER_OK] = 5;
    lookups[RESOLVER_TIMEOUT] = 2;
    names[0] = (struct name_view){.name = "db.test",
                                  .state = NAME_STALE,
                                  .result = RESOLVER_TIMEOUT,
                                  .since_ms = now_ms - 3000,
                                  .answered_ms = now_ms - 8000,
                                  .ttl_ms = 5000,
                                  .due_ms = now_ms + 1000,
                                  .servers = 2,
                                  .addr_count = 2,
                                  .addrs = addrs,
                                  .lookups = lookups};
    names[1] = names[0];
    names[1].name = "_pg._tcp.db.test";
    names[1].is_srv = true;
    names[1].state = NAME_PENDING;
    names[1].answered_ms = 0;
    names[1].addr_count = 0;
    names[2] = names[0];
    names[2].name = "a.db.test.";
    names[2].is_target = true;
    name_count = 3;
    return 0;
}

static void test_names_are_listed(void **state)
{
    struct fake_process process;
    const json_t *list;
    const json_t *name;
    json_t *json;
    int status;

    (void)state;
    fake_process_init(&process);
    process.view.discovery = some_discovery();
    json = fake_ask_json(&process, dns_view_handle_list, "", "", &status);
    assert_int_equal(status, 200);
    list = json_object_get(json, "dns");
    assert_int_equal(json_array_size(list), 3);
    name = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(name, "name")), "db.test");
    assert_string_equal(json_string_value(json_object_get(name, "state")), "stale");
    assert_string_equal(json_string_value(json_object_get(name, "result")), "timeout");
    assert_int_equal(json_integer_value(json_object_get(name, "servers")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(name, "addresses"), 1)),
                        "fd00::1");
    assert_true(json_number_value(json_object_get(name, "answer_age_s")) >= 8);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(name, "lookups"), "timeout")), 2);
    name = json_array_get(list, 1);
    assert_string_equal(json_string_value(json_object_get(name, "name")), "srv:_pg._tcp.db.test");
    assert_string_equal(json_string_value(json_object_get(name, "result")), "");
    assert_true(json_is_null(json_object_get(name, "answer_age_s")));
    assert_true(json_is_true(json_object_get(json_array_get(list, 2), "target")));
    json_decref(json);
    fake_process_end(&process);
}

static char *metrics_of(const struct discovery *discovery)
{
    struct exposition out = {.out = evbuffer_new()};
    char *text;

    assert_non_null(out.out);
    dns_view_add_metrics(&out, discovery);
    evbuffer_add(out.out, "", 1);
    text = strdup((const char *)evbuffer_pullup(out.out, -1));
    evbuffer_free(out.out);
    assert_non_null(text);
    return text;
}

static void test_metrics_are_of_configured_names(void **state)
{
    char *text = metrics_of(some_discovery());

    (void)state;
    assert_non_null(strstr(text, "culvert_dns_lookups_total{name=\"db.test\",result=\"ok\"} 5\n"));
    assert_non_null(
        strstr(text, "culvert_dns_lookups_total{name=\"db.test\",result=\"timeout\"} 2\n"));
    assert_non_null(strstr(text, "culvert_dns_answer_age_seconds{name=\"db.test\"} 8"));
    assert_non_null(strstr(text, "culvert_dns_servers{name=\"srv:_pg._tcp.db.test\"} 2\n"));
    assert_null(strstr(text, "culvert_dns_answer_age_seconds{name=\"srv:"));
    assert_null(strstr(text, "a.db.test"));
    free(text);
}

static void test_without_names_there_is_nothing(void **state)
{
    char *text = metrics_of(NULL);

    (void)state;
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names_are_listed, setup),
        cmocka_unit_test_setup(test_metrics_are_of_configured_names, setup),
        cmocka_unit_test_setup(test_without_names_there_is_nothing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
