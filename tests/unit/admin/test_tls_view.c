/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_view.c - certificates in the API, and the wish for a reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/fake_process.h"
#include "admin/fake_profiles.h"
#include "admin/tls_view.h"

static const char *string_at(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void test_each_profile_is_listed_with_its_certificates(void **state)
{
    struct fake_process process;
    const json_t *profile, *certificate;
    json_t *json;
    int status;

    fake_process_init(&process);
    fake_profiles_add(&process);
    json = fake_ask_json(&process, tls_view_handle_list, "", "", &status);
    assert_int_equal(status, 200);
    assert_int_equal(json_array_size(json_object_get(json, "tls")), 2);
    profile = json_array_get(json_object_get(json, "tls"), 0);
    assert_string_equal(string_at(profile, "name"), "public");
    assert_string_equal(string_at(profile, "role"), "server");
    assert_string_equal(string_at(profile, "loaded"), "2023-11-14T22:13:20.000Z");
    assert_true(json_is_true(json_object_get(profile, "stale")));
    assert_int_equal(json_integer_value(json_object_get(profile, "reloaded_total")), 3);
    assert_int_equal(json_integer_value(json_object_get(profile, "failed_total")), 1);
    assert_int_equal(json_array_size(json_object_get(profile, "certificates")), 3);
    certificate = json_array_get(json_object_get(profile, "certificates"), 2);
    assert_string_equal(string_at(certificate, "subject"), "mail.example.com");
    assert_string_equal(string_at(certificate, "file"), "mail.pem");
    assert_string_equal(string_at(certificate, "expires"), "2027-01-15T08:00:00.000Z");
    assert_true(json_is_integer(json_object_get(certificate, "expires_in_s")));
    profile = json_array_get(json_object_get(json, "tls"), 1);
    assert_string_equal(string_at(profile, "role"), "client");
    json_decref(json);
    fake_process_end(&process);
}

static void test_without_tls_the_list_is_empty(void **state)
{
    struct fake_process process;
    json_t *json;
    int status;

    fake_process_init(&process);
    json = fake_ask_json(&process, tls_view_handle_list, "", "", &status);
    assert_int_equal(status, 200);
    assert_true(json_is_array(json_object_get(json, "tls")));
    assert_int_equal(json_array_size(json_object_get(json, "tls")), 0);
    json_decref(json);
    fake_process_end(&process);
}

static void fake_reload(void *argument, struct reload_outcome *outcome)
{
    *outcome = *(struct reload_outcome *)argument;
}

static int reload(struct reload_outcome *answer, json_t **json)
{
    struct fake_process process;
    int status;

    fake_process_init(&process);
    process.view.reload = answer != NULL ? fake_reload : NULL;
    process.view.reload_argument = answer;
    *json = fake_ask_json(&process, tls_view_handle_reload, "", "", &status);
    fake_process_end(&process);
    return status;
}

static void test_a_reload_says_what_came_of_it(void **state)
{
    struct reload_outcome good = {.tls = {.profiles = 2, .changed = 2},
                                  .names = {.maps = 3, .changed = 1},
                                  .addresses = {.lists = 4, .changed = 3}};
    struct reload_outcome bad = {.tls = {.profiles = 2, .changed = 1, .failed = 1}};
    struct reload_outcome bad_map = {.names = {.maps = 1, .failed = 1}};
    struct reload_outcome bad_list = {.addresses = {.lists = 2, .changed = 1, .failed = 1}};
    json_t *json;

    assert_int_equal(reload(&good, &json), 200);
    assert_int_equal(json_integer_value(json_object_get(json, "tls_profiles")), 2);
    assert_int_equal(json_integer_value(json_object_get(json, "sni_maps")), 3);
    assert_int_equal(json_integer_value(json_object_get(json, "address_lists")), 4);
    assert_int_equal(json_integer_value(json_object_get(json, "changed")), 6);
    json_decref(json);
    assert_int_equal(reload(&bad_map, &json), 503);
    json_decref(json);
    assert_int_equal(reload(&bad, &json), 503);
    assert_int_equal(json_integer_value(json_object_get(json, "failed")), 1);
    assert_non_null(string_at(json, "error"));
    json_decref(json);
    assert_int_equal(reload(&bad_list, &json), 503);
    assert_int_equal(json_integer_value(json_object_get(json, "failed")), 1);
    json_decref(json);
    assert_int_equal(reload(NULL, &json), 503);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_profile_is_listed_with_its_certificates),
        cmocka_unit_test(test_without_tls_the_list_is_empty),
        cmocka_unit_test(test_a_reload_says_what_came_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
