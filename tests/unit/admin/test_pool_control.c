/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_control.c - what a request changes, and what it is refused for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/fake_process.h"
#include "admin/pool_control.h"

static struct fake_process process;

static int start(void **state)
{
    (void)state;
    fake_process_init(&process);
    for (int i = 0; i < 2; i++) {
        assert_true(pool_prepare(&process.pools[i]));
        assert_true(pool_queue_init(&process.pools[i].queue));
        process.pools[i].options.queue_size = i; /* app has none */
    }
    fake_process_start(&process);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        while (process.pools[i].retired != NULL)
            pool_reclaim(&process.pools[i], INT64_MIN);
        pool_members_free(process.pools[i].members);
        pool_queue_release(&process.pools[i].queue);
    }
    fake_process_end(&process);
    return 0;
}

/* The answer to a request; the reference is the caller's. */
static json_t *ask(const char *name, const char *body, int status)
{
    const struct question question = {.view = &process.view,
                                      .name = name,
                                      .accept = "",
                                      .body = body,
                                      .body_length = strlen(body)};
    struct answer answer = {.body = evbuffer_new()};
    json_t *json;

    pool_control_handle(&question, &answer);
    assert_int_equal(answer.status, status);
    json = json_loadb((const char *)evbuffer_pullup(answer.body, -1),
                      evbuffer_get_length(answer.body), 0, NULL);
    assert_non_null(json);
    evbuffer_free(answer.body);
    return json;
}

static void expect_error(const char *name, const char *body, int status, const char *near)
{
    json_t *json = ask(name, body, status);
    const char *found = json_string_value(json_object_get(json, "did_you_mean"));

    assert_non_null(json_object_get(json, "error"));
    if (near == NULL)
        assert_null(found);
    else
        assert_string_equal(found, near);
    json_decref(json);
}

static void test_pause_and_resume(void **state)
{
    json_t *json = ask("pg/pause", "", 200);

    (void)state;
    assert_true(json_is_true(json_object_get(json, "paused")));
    assert_string_equal(json_string_value(json_object_get(json, "pool")), "pg");
    json_decref(json);
    assert_true(pool_is_paused(&process.pools[1]));
    json_decref(ask("pg/pause", "", 200)); /* again is no error */
    json = ask("pg/resume", "", 200);
    assert_true(json_is_false(json_object_get(json, "paused")));
    json_decref(json);
    assert_false(pool_is_paused(&process.pools[1]));
}

static void test_a_pool_without_a_queue_is_not_paused(void **state)
{
    (void)state;
    expect_error("app/pause", "", 409, NULL);
    assert_false(pool_is_paused(&process.pools[0]));
    json_decref(ask("app/resume", "", 200));
}

static void test_a_server_is_set(void **state)
{
    json_t *json = ask("app/servers/a2", "{\"state\":\"maint\",\"weight\":9}", 200);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(json, "server")), "app/a2");
    assert_string_equal(json_string_value(json_object_get(json, "state")), "maint");
    assert_int_equal(json_integer_value(json_object_get(json, "weight")), 9);
    json_decref(json);
    assert_int_equal(process.servers[1].admin, SERVER_ADMIN_MAINT);
    assert_int_equal(process.servers[1].weight, 9);
    assert_int_equal(process.servers[1].changes[SERVER_CAUSE_ADMIN][SERVER_STATE_MAINT], 1);
    assert_int_equal(process.servers[0].admin, SERVER_ADMIN_UP);
    json_decref(ask("app/servers/a%32", "{\"state\":\"up\"}", 200));
    assert_int_equal(process.servers[1].admin, SERVER_ADMIN_UP);
    assert_true(process.servers[1].up_since_ms > 0);
}

static void test_a_long_name_of_the_dns_is_found(void **state)
{
    static char name[300];
    char path[400];
    char *before = process.servers[1].name;

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    process.servers[1].name = name;
    snprintf(path, sizeof(path), "app/servers/%s", name);
    json_decref(ask(path, "{\"state\":\"drain\"}", 200));
    assert_int_equal(process.servers[1].admin, SERVER_ADMIN_DRAIN);
    process.servers[1].name = before;
}

static void test_what_is_not_there(void **state)
{
    char long_name[4096];

    (void)state;
    expect_error("apq/pause", "", 404, "app");
    expect_error("app/resum", "", 404, "resume");
    expect_error("app/servers", "", 404, NULL);
    expect_error("app/servers/a3", "{\"state\":\"up\"}", 404, "a1");
    expect_error("app/servers/a1/x", "{\"state\":\"up\"}", 404, NULL);
    expect_error("app", "", 404, NULL);
    memset(long_name, 'x', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    expect_error(long_name, "", 404, NULL);
}

static void test_what_cannot_be_set(void **state)
{
    static const char *const bodies[] = {"",
                                         "{",
                                         "null",
                                         "[]",
                                         "\"up\"",
                                         "{}",
                                         "{\"state\":null}",
                                         "{\"weight\":0}",
                                         "{\"weight\":257}",
                                         "{\"weight\":1.5}",
                                         "{\"weight\":\"3\"}",
                                         "{\"size\":3}",
                                         "{\"state\":\"up\",\"weight\":-1}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        expect_error("app/servers/a1", bodies[i], 400, NULL);
    expect_error("app/servers/a1", "{\"state\":\"drian\"}", 400, "drain");
    expect_error("app/servers/a1", "{\"weigth\":3}", 400, "weight");
    assert_int_equal(process.servers[0].admin, SERVER_ADMIN_UP);
    assert_int_equal(process.servers[0].weight, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pause_and_resume, start, end),
        cmocka_unit_test_setup_teardown(test_a_pool_without_a_queue_is_not_paused, start, end),
        cmocka_unit_test_setup_teardown(test_a_server_is_set, start, end),
        cmocka_unit_test_setup_teardown(test_a_long_name_of_the_dns_is_found, start, end),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, start, end),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_set, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
