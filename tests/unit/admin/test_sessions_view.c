/* SPDX-License-Identifier: Apache-2.0 */
/* test_sessions_view.c - filters, order, limits, late workers, one session, and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/fake_process.h"
#include "admin/sessions_view.h"

/* Worker 0 has sessions 3 and 1, worker 1 has 2 and 4. */
static void start(struct fake_process *process)
{
    fake_process_init(process);
    fake_session(process, 0, 3, "web", "app", "a1");
    fake_session(process, 0, 1, "web", "app", "a2");
    fake_session(process, 1, 2, "db", "pg", "p1");
    fake_session(process, 1, 4, "web", "app", "a1");
    process->workers[1].rows[1].phase = PHASE_HALF_CLOSED;
}

static json_t *list(struct fake_process *process, const char *query)
{
    int status;
    json_t *json = fake_ask_json(process, sessions_view_handle_list, "", query, &status);

    assert_int_equal(status, 200);
    return json;
}

static void assert_ids(const json_t *json, const char *const *ids, size_t count)
{
    const json_t *rows = json_object_get(json, "sessions");

    assert_int_equal(json_array_size(rows), count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(rows, i), "client")),
                            ids[i]);
}

static void test_all_sessions_come_oldest_first(void **state)
{
    static const char *const all[] = {"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4"};
    struct fake_process process;
    json_t *json;

    start(&process);
    fake_process_start(&process);
    json = list(&process, "");
    assert_ids(json, all, 4);
    assert_int_equal(json_integer_value(json_object_get(json, "total")), 4);
    assert_true(json_is_false(json_object_get(json, "truncated")));
    assert_null(json_object_get(json, "incomplete"));
    json_decref(json);
    fake_process_end(&process);
}

static void test_filters_choose(void **state)
{
    static const char *const second[] = {"192.0.2.1:2"};
    static const char *const fourth[] = {"192.0.2.1:4"};
    static const char *const a1[] = {"192.0.2.1:3", "192.0.2.1:4"};
    struct fake_process process;
    json_t *json;

    start(&process);
    fake_process_start(&process);
    json = list(&process, "listener=db");
    assert_ids(json, second, 1);
    assert_int_equal(json_integer_value(json_object_get(json, "total")), 1);
    json_decref(json);
    json = list(&process, "pool=app&server=a1");
    assert_ids(json, a1, 2);
    json_decref(json);
    json = list(&process, "phase=half_closed");
    assert_ids(json, fourth, 1);
    json_decref(json);
    fake_process_end(&process);
}

static void test_limit_cuts_and_says_so(void **state)
{
    struct fake_process process;
    json_t *json;

    start(&process);
    fake_process_start(&process);
    json = list(&process, "limit=3");
    assert_int_equal(json_array_size(json_object_get(json, "sessions")), 3);
    assert_int_equal(json_integer_value(json_object_get(json, "total")), 4);
    assert_true(json_is_true(json_object_get(json, "truncated")));
    json_decref(json);
    json = list(&process, "limit=0");
    assert_int_equal(json_array_size(json_object_get(json, "sessions")), 0);
    assert_int_equal(json_integer_value(json_object_get(json, "total")), 4);
    json_decref(json);
    process.snapshot.process.max_sessions_listed = 2;
    json = list(&process, "limit=1000000");
    assert_int_equal(json_array_size(json_object_get(json, "sessions")), 2);
    json_decref(json);
    fake_process_end(&process);
}

static void test_a_late_worker_is_left_out(void **state)
{
    static const char *const of_the_first[] = {"192.0.2.1:1", "192.0.2.1:3"};
    struct fake_process process;
    json_t *json;

    start(&process);
    process.workers[1].is_mute = true;
    fake_process_start(&process);
    json = list(&process, "");
    assert_ids(json, of_the_first, 2);
    assert_true(json_is_true(json_object_get(json, "incomplete")));
    json_decref(json);
    fake_process_end(&process);
}

static void assert_refused(struct fake_process *process, const char *query, int expected,
                           const char *body)
{
    int status;
    char *text = fake_ask(process, sessions_view_handle_list, "", query, &status);

    assert_string_equal(text, body);
    assert_int_equal(status, expected);
    free(text);
}

static void test_bad_questions_are_explained(void **state)
{
    struct fake_process process;

    start(&process);
    assert_refused(&process, "listener=wep", 404,
                   "{\"error\":\"listener 'wep' is not defined\",\"did_you_mean\":\"web\"}\n");
    assert_refused(&process, "pool=", 404, "{\"error\":\"pool '' is not defined\"}\n");
    assert_refused(&process, "server=p2", 404,
                   "{\"error\":\"server 'p2' is not defined\",\"did_you_mean\":\"a2\"}\n");
    assert_refused(&process, "phase=realy", 400,
                   "{\"error\":\"'realy' is not a phase\",\"did_you_mean\":\"relay\"}\n");
    assert_refused(&process, "limit=-1", 400, "{\"error\":\"limit must be a number, not '-1'\"}\n");
    assert_refused(&process, "limit=3x", 400, "{\"error\":\"limit must be a number, not '3x'\"}\n");
    assert_refused(&process, "limit=99999999999999999999999", 400,
                   "{\"error\":\"limit must be a number, not '99999999999999999999999'\"}\n");
    assert_refused(&process, "pol=app", 400,
                   "{\"error\":\"unknown parameter 'pol'\",\"did_you_mean\":\"pool\"}\n");
    fake_process_end(&process);
}

static void test_one_session_has_the_keys_of_the_log(void **state)
{
    struct fake_process process;
    char id[24];
    json_t *json;
    int status;

    start(&process);
    fake_process_start(&process);
    session_id_text(2, id);
    json = fake_ask_json(&process, sessions_view_handle_one, id, "", &status);
    assert_int_equal(status, 200);
    assert_string_equal(json_string_value(json_object_get(json, "id")), id);
    assert_string_equal(json_string_value(json_object_get(json, "listener")), "db");
    assert_string_equal(json_string_value(json_object_get(json, "pool")), "pg");
    assert_string_equal(json_string_value(json_object_get(json, "server")), "p1");
    assert_string_equal(json_string_value(json_object_get(json, "phase")), "relay");
    assert_int_equal(json_integer_value(json_object_get(json, "upload_bytes")), 20);
    assert_true(json_real_value(json_object_get(json, "duration_s")) == 1.5);
    assert_true(json_real_value(json_object_get(json, "connect_s")) == 0.0004);
    assert_null(json_object_get(json, "first_byte_s"));
    json_decref(json);
    fake_process_end(&process);
}

static void test_a_session_that_is_gone_is_not_found(void **state)
{
    struct fake_process process;
    char id[24];
    json_t *json;
    int status;

    start(&process);
    fake_process_start(&process);
    json = fake_ask_json(&process, sessions_view_handle_one, session_id_text(9, id), "", &status);
    assert_int_equal(status, 404);
    json_decref(json);
    json = fake_ask_json(&process, sessions_view_handle_one, "?!", "", &status);
    assert_int_equal(status, 404);
    json_decref(json);
    json = fake_ask_json(&process, sessions_view_handle_kill, id, "", &status);
    assert_int_equal(status, 404);
    json_decref(json);
    fake_process_end(&process);
}

static void test_kill_reaches_the_worker_of_the_session(void **state)
{
    struct fake_process process;
    char id[24];
    char *text;
    int status;

    start(&process);
    fake_process_start(&process);
    text = fake_ask(&process, sessions_view_handle_kill, session_id_text(4, id), "", &status);
    assert_int_equal(status, 200);
    assert_string_equal(text, "{\"killed\":1}\n");
    free(text);
    fake_process_end(&process); /* messages before the stop have been received */
    assert_int_equal(atomic_load(&process.workers[0].killed), 0);
    assert_int_equal(atomic_load(&process.workers[1].killed), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sessions_come_oldest_first),
        cmocka_unit_test(test_filters_choose),
        cmocka_unit_test(test_limit_cuts_and_says_so),
        cmocka_unit_test(test_a_late_worker_is_left_out),
        cmocka_unit_test(test_bad_questions_are_explained),
        cmocka_unit_test(test_one_session_has_the_keys_of_the_log),
        cmocka_unit_test(test_a_session_that_is_gone_is_not_found),
        cmocka_unit_test(test_kill_reaches_the_worker_of_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
