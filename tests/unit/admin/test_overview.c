/* SPDX-License-Identifier: Apache-2.0 */
/* test_overview.c - shapes and numbers of the JSON views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/fake_process.h"
#include "admin/overview.h"

static json_int_t integer(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static const char *string(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    assert_true(json_is_string(value));
    return json_string_value(value);
}

static void test_listeners_have_their_real_addresses_and_counts(void **state)
{
    struct fake_process process;
    json_t *json, *web;
    const json_t *addresses;
    int status;

    fake_process_init(&process);
    atomic_store(&process.listeners[0].sessions, 4);
    counter_add(&process.workers[0].counters.listeners[0].accepted, 5);
    counter_add(&process.workers[1].counters.listeners[0].accepted, 6);
    counter_add(&process.workers[1].counters.listeners[0].rejected[REJECTED_LIMIT], 7);
    counter_add(&process.workers[1].counters.listeners[0].sessions[PHASE_RELAY], 3);
    counter_add(&process.workers[0].counters.tallies[1].closed[CLOSE_SERVER_RESET], 8);
    counter_add(&process.workers[0].counters.tallies[1].upload_bytes, 9);
    json = fake_ask_json(&process, overview_handle_listeners, "", "", &status);
    assert_int_equal(status, 200);
    assert_int_equal(json_array_size(json_object_get(json, "listeners")), 2);
    web = json_array_get(json_object_get(json, "listeners"), 0);
    assert_string_equal(string(web, "name"), "web");
    addresses = json_object_get(web, "addresses");
    assert_int_equal(json_array_size(addresses), 2);
    assert_string_equal(json_string_value(json_array_get(addresses, 0)), "127.0.0.1:8080");
    assert_string_equal(json_string_value(json_array_get(addresses, 1)), "127.0.0.1:8081");
    assert_int_equal(integer(web, "sessions"), 4);
    assert_int_equal(integer(web, "accepted_total"), 11);
    assert_int_equal(integer(web, "rejected_total"), 7);
    assert_int_equal(integer(web, "upload_bytes"), 9);
    assert_int_equal(integer(json_object_get(web, "phases"), "relay"), 3);
    assert_int_equal(integer(json_object_get(web, "closed"), "server_reset"), 8);
    assert_int_equal(json_object_size(json_object_get(web, "closed")), 1);
    json_decref(json);
    fake_process_end(&process);
}

static void test_pools_show_each_server_and_its_state(void **state)
{
    struct fake_process process;
    json_t *json, *app, *a2;
    int status;

    fake_process_init(&process);
    atomic_store(&process.servers[0].active, 2);
    atomic_store(&process.servers[1].active, 3);
    atomic_store(&process.servers[1].health, SERVER_EJECTED);
    atomic_store(&process.servers[1].ejected_until_ms, clock_now_ms() + 60000);
    counter_add(&process.server_counters[1][1].connects[CONNECT_REFUSED], 4);
    counter_add(&process.workers[1].counters.pools[0].retries, 5);
    json = fake_ask_json(&process, overview_handle_pools, "", "", &status);
    assert_int_equal(status, 200);
    assert_int_equal(json_array_size(json_object_get(json, "pools")), 2);
    app = json_array_get(json_object_get(json, "pools"), 0);
    assert_string_equal(string(app, "name"), "app");
    assert_string_equal(string(app, "balance"), "leastconn");
    assert_int_equal(integer(app, "sessions"), 5);
    assert_int_equal(integer(app, "servers_up"), 1);
    assert_int_equal(integer(app, "retries_total"), 5);
    a2 = json_array_get(json_object_get(app, "servers"), 1);
    assert_string_equal(string(a2, "name"), "a2");
    assert_string_equal(string(a2, "state"), "ejected");
    assert_string_equal(string(a2, "address"), "127.0.0.1:82");
    assert_int_equal(integer(a2, "sessions"), 3);
    assert_int_equal(integer(json_object_get(a2, "connects"), "refused"), 4);
    assert_true(json_number_value(json_object_get(a2, "next_trial_s")) > 50);
    json_decref(json);
    fake_process_end(&process);
}

static void test_overview_sums_the_process_up(void **state)
{
    struct fake_process process;
    json_t *json;
    int status;

    fake_process_init(&process);
    fake_session(&process, 1, 1, "web", "app", "a1");
    atomic_store(&process.shared.sessions, 1);
    counter_add(&process.workers[0].counters.listeners[0].accepted, 1);
    counter_add(&process.workers[1].counters.listeners[1].accepted, 2);
    counter_add(&process.workers[0].counters.tallies[0].closed[CLOSE_DONE], 3);
    counter_add(&process.workers[0].counters.tallies[2].closed[CLOSE_DONE], 4);
    counter_add(&process.workers[0].counters.spliced_bytes, 5);
    json = fake_ask_json(&process, overview_handle, "", "", &status);
    assert_int_equal(status, 200);
    assert_string_equal(string(json, "version"), "9.8.7");
    assert_string_equal(string(json, "name"), "edge-1");
    assert_string_equal(string(json, "config"), "culvert.ini");
    assert_string_equal(string(json, "started"), "2023-11-14T22:13:20.000Z");
    assert_true(json_number_value(json_object_get(json, "uptime_s")) >= 5);
    assert_true(json_is_true(json_object_get(json, "ready")));
    assert_true(json_is_false(json_object_get(json, "draining")));
    assert_int_equal(integer(json, "sessions"), 1);
    assert_int_equal(
        json_integer_value(json_array_get(json_object_get(json, "worker_sessions"), 1)), 1);
    assert_int_equal(integer(json, "accepted_total"), 3);
    assert_int_equal(integer(json_object_get(json, "closed"), "done"), 7);
    assert_int_equal(integer(json, "spliced_bytes"), 5);
    assert_int_equal(integer(json, "log_records_dropped"), 17);
    assert_int_equal(integer(json_object_get(json, "limits"), "max_connections"), 9456);
    assert_string_equal(string(json_object_get(json, "limits"), "bound_by"), "open_files");
    assert_int_equal(json_array_size(json_object_get(json, "listeners")), 2);
    assert_int_equal(json_array_size(json_object_get(json, "pools")), 2);
    json_decref(json);
    fake_process_end(&process);
}

static void test_a_draining_process_is_not_ready(void **state)
{
    struct fake_process process;
    json_t *json;
    int status;

    fake_process_init(&process);
    process.view.is_draining = true;
    json = fake_ask_json(&process, overview_handle, "", "", &status);
    assert_true(json_is_false(json_object_get(json, "ready")));
    assert_true(json_is_true(json_object_get(json, "draining")));
    json_decref(json);
    fake_process_end(&process);
}

static void test_version_names_the_libraries(void **state)
{
    struct fake_process process;
    json_t *json;
    int status;

    fake_process_init(&process);
    json = fake_ask_json(&process, overview_handle_version, "", "", &status);
    assert_int_equal(status, 200);
    assert_string_equal(string(json, "version"), "9.8.7");
    assert_string_equal(string(json, "libevent"), event_get_version());
    assert_true(strlen(string(json, "jansson")) > 0);
    json_decref(json);
    fake_process_end(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listeners_have_their_real_addresses_and_counts),
        cmocka_unit_test(test_pools_show_each_server_and_its_state),
        cmocka_unit_test(test_overview_sums_the_process_up),
        cmocka_unit_test(test_a_draining_process_is_not_ready),
        cmocka_unit_test(test_version_names_the_libraries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
