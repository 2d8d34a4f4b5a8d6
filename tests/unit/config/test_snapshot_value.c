/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_value.c - copies, groups and addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/config_parts.h"
#include "config/fixture.h"
#include "config/snapshot_value.h"

static void test_no_text_has_no_copy(void **state)
{
    char *copy = NULL;

    (void)state;
    assert_true(snapshot_copy(&copy, NULL));
    assert_null(copy);
    assert_true(snapshot_copy(&copy, "text"));
    assert_string_equal(copy, "text");
    free(copy);
}

static void test_groups(void **state)
{
    struct config *config = load_good("[listen web]\nbind = unix:/x\nserver = 127.0.0.1:9\n"
                                      "socket_group = root\n");
    const struct section *section = settings_find(&config->settings, SECTION_LISTEN, "web");

    (void)state;
    assert_int_equal(snapshot_group(&config->settings, section, LISTEN_SOCKET_GROUP), 0);
    assert_int_equal(snapshot_group(&config->settings, NULL, ADMIN_SOCKET_GROUP), (gid_t)-1);
    config_destroy(config);
}

static void test_a_bind_stands_for_its_addresses(void **state)
{
    struct config *config = load_good("[listen web]\nbind = 127.0.0.1:1 unix:/x [::1]:2\n"
                                      "server = 127.0.0.1:9\n[admin]\nbind = off\n");
    const struct section *section = settings_find(&config->settings, SECTION_LISTEN, "web");
    struct addr addrs[3];

    (void)state;
    assert_int_equal(snapshot_binds(section_value(section, LISTEN_BIND), NULL), 3);
    assert_int_equal(snapshot_binds(section_value(section, LISTEN_BIND), addrs), 3);
    assert_int_equal(addrs[0].port, 1);
    assert_string_equal(addrs[1].path, "/x");
    assert_int_equal(addrs[2].family, AF_INET6);
    section = settings_find(&config->settings, SECTION_ADMIN, "");
    assert_int_equal(snapshot_binds(section_value(section, ADMIN_BIND), addrs), 0);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_text_has_no_copy),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_a_bind_stands_for_its_addresses),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
