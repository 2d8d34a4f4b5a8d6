/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_health.c - the checks of each pool as its options say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/snapshot_health.h"

static void test_each_pool_has_its_checks(void **state)
{
    struct config *config = load_good(
        "[defaults]\nhealth = tcp\n"
        "[listen web]\nbind = 127.0.0.1:0\npool = app\n"
        "[listen own]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n"
        "[listen two]\nbind = 127.0.0.1:0\npool = off\n"
        "[pool app]\nserver = 127.0.0.1:9 health_port=81\nhealth = up\n"
        "[pool off]\nserver = 127.0.0.1:9\nhealth = off\n"
        "[health up]\ntype = http\ninterval = 3s\nfast_interval = 1s\ntimeout = 900ms\nrise = 4\n"
        "fall = 5\njitter = 20%\nport = 8080\npath = /up\nhost = h\nstatus = 200 300-301\n"
        "send_proxy = yes\nclose = reset\ninitial = down\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_non_null(snapshot);
    config_destroy(config);
    const struct health_options *up = snapshot->health[0];
    assert_string_equal(up->name, "up");
    assert_int_equal(up->timing.interval_ms, 3000);
    assert_int_equal(up->timing.fast_interval_ms, 1000);
    assert_int_equal(up->timing.down_interval_ms, 3000);
    assert_int_equal(up->timing.timeout_ms, 900);
    assert_int_equal(up->timing.rise, 4);
    assert_int_equal(up->timing.fall, 5);
    assert_int_equal(up->timing.jitter_percent, 20);
    assert_true(up->timing.starts_down);
    assert_int_equal(up->port, 8080);
    assert_int_equal(up->exchange.type, EXCHANGE_HTTP);
    assert_string_equal(up->exchange.path, "/up");
    assert_string_equal(up->exchange.host, "h");
    assert_int_equal(up->exchange.status_count, 2);
    assert_int_equal(up->exchange.statuses[0].last, 200);
    assert_int_equal(up->exchange.statuses[1].first, 300);
    assert_int_equal(up->exchange.statuses[1].last, 301);
    assert_true(up->sends_proxy);
    assert_true(up->resets);
    assert_null(up->tls);
    assert_int_equal(snapshot->pools[0].servers[0]->health_port, 81);

    assert_null(snapshot->health[1]);

    const struct health_options *own = snapshot->health[2];
    assert_string_equal(own->name, "tcp");
    assert_int_equal(own->exchange.type, EXCHANGE_TCP);
    assert_int_equal(own->timing.interval_ms, 2000);
    assert_int_equal(own->timing.fall, 3);
    assert_false(own->timing.starts_down);
    assert_int_equal(snapshot->tls_profile_count, 0);
    snapshot_unref(snapshot);
}

static void test_bytes_keep_their_length(void **state)
{
    struct config *config =
        load_good("[listen web]\nbind = 127.0.0.1:0\npool = app\n"
                  "[pool app]\nserver = 127.0.0.1:9\nhealth = up\n"
                  "[health up]\ntype = expect\nsend = \"a\\x00b\\r\\n\"\nexpect = \"\\0\"\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    config_destroy(config);
    assert_int_equal(snapshot->health[0]->exchange.send_size, 5);
    assert_memory_equal(snapshot->health[0]->exchange.send, "a\0b\r\n", 5);
    assert_int_equal(snapshot->health[0]->exchange.expect_size, 1);
    snapshot_unref(snapshot);
}

static void test_tls_is_that_of_the_check_or_the_pool_or_any(void **state)
{
    struct config *config = load_good(
        "[listen a]\nbind = 127.0.0.1:0\npool = a\n[listen b]\nbind = 127.0.0.1:0\npool = b\n"
        "[listen c]\nbind = 127.0.0.1:0\npool = c\n"
        "[pool a]\nserver = 127.0.0.1:9\nhealth = tls\ntls = one\n"
        "[pool b]\nserver = 127.0.0.1:9\nhealth = two\ntls = one\n"
        "[pool c]\nserver = 127.0.0.1:9\nhealth = tls\n"
        "[health two]\ntype = tls\ntls = two\n"
        "[tls one]\nallow_san = dns:one\n[tls two]\nserver_name = two.test\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_non_null(snapshot);
    config_destroy(config);
    assert_string_equal(tls_profile_name(snapshot->health[0]->tls), "one");
    assert_null(snapshot->health[0]->tls_name);
    assert_string_equal(tls_profile_name(snapshot->health[1]->tls), "two");
    assert_string_equal(snapshot->health[1]->tls_name, "two.test");
    assert_string_equal(tls_profile_name(snapshot->health[2]->tls), "(health checks)");
    assert_int_equal(snapshot->tls_profile_count, 3);
    snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_pool_has_its_checks),
        cmocka_unit_test(test_bytes_keep_their_length),
        cmocka_unit_test(test_tls_is_that_of_the_check_or_the_pool_or_any),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
