/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_access.c - the rules of a listener, from its section or from [defaults]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

static bool admits(const struct listener_config *listener, const char *client)
{
    struct addr addr = {.family = AF_UNIX};

    if (client[0] != '\0')
        assert_true(addr_parse_ip(client, strlen(client), &addr));
    return listener_admits(listener, &addr);
}

static void test_deny_wins_and_allow_shuts_out_the_others(void **state)
{
    struct config *config = load_good("[listen x]\nbind = :0\nserver = 10.0.0.1:1\n"
                                      "allow = 10.0.0.0/8 fd00::/8\ndeny = 10.1.0.0/16\n"
                                      "deny_action = drop\n"
                                      "[listen y]\nbind = :0\nserver = 10.0.0.1:1\n"
                                      "deny = 10.1.0.0/16\n"
                                      "[listen z]\nbind = :0\nserver = 10.0.0.1:1\n");
    struct snapshot *snapshot = config_snapshot(config);
    const struct listener_config *listeners = snapshot->listeners;

    (void)state;
    assert_true(admits(&listeners[0], "10.0.0.1"));
    assert_false(admits(&listeners[0], "10.1.0.1"));
    assert_false(admits(&listeners[0], "11.0.0.1"));
    assert_true(admits(&listeners[0], "fd00::1"));
    assert_false(admits(&listeners[0], "::1"));
    assert_true(admits(&listeners[0], "")); /* a unix client */
    assert_int_equal(listeners[0].deny_action, DENY_DROP);
    assert_true(admits(&listeners[1], "11.0.0.1"));
    assert_true(admits(&listeners[1], "::1"));
    assert_false(admits(&listeners[1], "10.1.2.3"));
    assert_int_equal(listeners[1].deny_action, DENY_RESET);
    assert_true(admits(&listeners[2], "10.1.2.3"));
    snapshot_unref(snapshot);
    config_destroy(config);
}

static void test_listeners_share_the_lists_of_defaults(void **state)
{
    struct config *config = load_good("[defaults]\ndeny = 10.0.0.0/8\n"
                                      "[listen x]\nbind = :0\nserver = 10.0.0.1:1\n"
                                      "[listen y]\nbind = :0\nserver = 10.0.0.1:1\n"
                                      "[listen z]\nbind = :0\nserver = 10.0.0.1:1\ndeny = ::1\n"
                                      "[listen w]\nbind = :0\nserver = 10.0.0.1:1\ndeny =\n");
    struct snapshot *snapshot = config_snapshot(config);
    const struct listener_config *listeners = snapshot->listeners;

    (void)state;
    assert_int_equal(snapshot->address_source_count, 2);
    assert_string_equal(snapshot->address_sources[0]->section, "defaults");
    assert_string_equal(snapshot->address_sources[1]->section, "listen z");
    assert_string_equal(snapshot->address_sources[1]->key, "deny");
    assert_ptr_equal(listeners[0].deny, listeners[1].deny);
    assert_false(admits(&listeners[1], "10.0.0.1"));
    assert_true(admits(&listeners[2], "10.0.0.1"));
    assert_false(admits(&listeners[2], "::1"));
    assert_null(listeners[3].deny);
    snapshot_unref(snapshot);
    config_destroy(config);
}

static void test_limits_and_rates(void **state)
{
    struct config *config = load_good("[limits]\nmax_connections_per_ip = 7\n"
                                      "connection_rate = 2k/s\nconnection_rate_per_ip = 20/s\n"
                                      "ipv6_prefix = 56\ntracked_ips = 1000\n"
                                      "[listen x]\nbind = :0\nserver = 10.0.0.1:1\n"
                                      "max_connections_per_ip = 3\nconnection_rate = 5/s\n"
                                      "connection_rate_per_ip = 1/s\nupload_rate = 1m/s\n");
    struct snapshot *snapshot = config_snapshot(config);
    const struct process_config *process = &snapshot->process;
    const struct listener_config *listener = &snapshot->listeners[0];

    (void)state;
    assert_int_equal(process->per_source.max_connections, 7);
    assert_int_equal(process->per_source.connection_rate.per_s, 20);
    assert_int_equal(process->per_source.connection_rate.burst, 20);
    assert_int_equal(process->connection_rate.per_s, 2000);
    assert_int_equal(process->connection_rate.burst, 200);
    assert_int_equal(process->ipv6_prefix, 56);
    assert_int_equal(process->tracked_ips, 1000);
    assert_int_equal(listener->per_source.max_connections, 3);
    assert_int_equal(listener->per_source.connection_rate.burst, 1);
    assert_int_equal(listener->connection_rate.burst, 1); /* never less than one */
    assert_int_equal(listener->upload_rate.per_s, 1 << 20);
    assert_int_equal(listener->upload_rate.burst, (1 << 20) / 20);
    assert_int_equal(listener->download_rate.per_s, 0);
    snapshot_unref(snapshot);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deny_wins_and_allow_shuts_out_the_others),
        cmocka_unit_test(test_listeners_share_the_lists_of_defaults),
        cmocka_unit_test(test_limits_and_rates),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
