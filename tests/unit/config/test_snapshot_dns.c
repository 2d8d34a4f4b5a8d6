/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_dns.c - [dns]: what is refused, and what discovery gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/snapshot_dns.h"

#define LISTEN "[listen web]\nbind = :0\n"

static struct snapshot *snapshot_of(const char *text)
{
    struct config *config = load_good(text);
    struct snapshot *snapshot = config_snapshot(config);

    assert_non_null(snapshot);
    config_destroy(config);
    return snapshot;
}

static void test_defaults(void **state)
{
    struct snapshot *snapshot = snapshot_of(LISTEN "server = db.test:80\n");
    const struct dns_options *dns = &snapshot->dns;

    (void)state;
    assert_null(dns->resolver.servers);
    assert_int_equal(dns->resolver.timeout_ms, 2000);
    assert_int_equal(dns->resolver.attempts, 3);
    assert_true(dns->resolver.search);
    assert_int_equal(dns->rules.min_ttl_ms, 1000);
    assert_int_equal(dns->rules.max_ttl_ms, 300000);
    assert_int_equal(dns->rules.failure_retry_ms, 1000);
    assert_int_equal(dns->rules.stale_ms, 0);
    assert_int_equal(dns->prefer, DNS_PREFER_ANY);
    assert_int_equal(snapshot->pools[0].options.discovery_min, 1);
    snapshot_unref(snapshot);
}

static void test_all_keys(void **state)
{
    struct snapshot *snapshot =
        snapshot_of("[dns]\nservers = 10.0.0.53:53 [fd00::53]:5353\ntimeout = 500ms\nattempts = 1\n"
                    "min_ttl = 5s\nmax_ttl = 1m\nfailure_retry = 2s\nstale = 1h\nprefer = ipv6\n"
                    "search = no\n" LISTEN "server = db.test:80\n");
    const struct dns_options *dns = &snapshot->dns;

    (void)state;
    assert_string_equal(dns->resolver.servers, "10.0.0.53:53,[fd00::53]:5353");
    assert_int_equal(dns->resolver.timeout_ms, 500);
    assert_int_equal(dns->resolver.attempts, 1);
    assert_false(dns->resolver.search);
    assert_int_equal(dns->rules.min_ttl_ms, 5000);
    assert_int_equal(dns->rules.max_ttl_ms, 60000);
    assert_int_equal(dns->rules.failure_retry_ms, 2000);
    assert_int_equal(dns->rules.stale_ms, 3600000);
    assert_int_equal(dns->prefer, DNS_PREFER_IPV6);
    snapshot_unref(snapshot);
}

static void test_sources_of_servers_by_name(void **state)
{
    struct snapshot *snapshot = snapshot_of(
        "[listen web]\nbind = :0\npool = p\n[pool p]\ndiscovery_min = 2\nmax_connections = 9\n"
        "server = 10.0.0.1:80 db db.test:5432 weight=3 backup srv:_pg._tcp.db.test drain\n");
    const struct discovery_source *host = &snapshot->sources[0];
    const struct discovery_source *srv = &snapshot->sources[1];

    (void)state;
    assert_int_equal(snapshot->pools[0].server_count, 1);
    assert_int_equal(snapshot->pools[0].options.discovery_min, 2);
    assert_int_equal(snapshot->source_count, 2);
    assert_ptr_equal(host->pool, &snapshot->pools[0]);
    assert_false(host->is_srv);
    assert_string_equal(host->host, "db.test");
    assert_string_equal(host->model.name, "db");
    assert_string_equal(host->model.tls_name, "db.test");
    assert_int_equal(host->port, 5432);
    assert_int_equal(host->model.weight, 3);
    assert_int_equal(host->model.max_connections, 9);
    assert_true(host->model.is_backup);
    assert_true(srv->is_srv);
    assert_string_equal(srv->host, "_pg._tcp.db.test");
    assert_string_equal(srv->model.name, "_pg._tcp.db.test");
    assert_string_equal(srv->model.tls_name, "db.test");
    assert_int_equal(srv->model.admin, SERVER_ADMIN_DRAIN);
    snapshot_unref(snapshot);
}

static void test_times_cannot_be_off(void **state)
{
    static const char *const times[] = {"timeout = off", "min_ttl = 0", "max_ttl = off",
                                        "failure_retry = 0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        char text[160];

        snprintf(text, sizeof(text), "[dns]\n%s\n" LISTEN "server = 127.0.0.1:9\n", times[i]);
        expect(text, "' cannot be off");
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    expect("[dns]\nservers = dns.test:53\n" LISTEN "server = 127.0.0.1:9\n",
           "2:11: error: 'dns.test:53' is no DNS server");
    expect("[dns]\nservers = :53\n" LISTEN "server = 127.0.0.1:9\n", "is no DNS server");
    expect("[dns]\nservers = 10.0.0.53:0\n" LISTEN "server = 127.0.0.1:9\n", "is no DNS server");
    expect("[dns]\nservers = unix:/x\n" LISTEN "server = 127.0.0.1:9\n", "is no DNS server");
    expect("[dns]\nservers = auto 10.0.0.53:53\n" LISTEN "server = 127.0.0.1:9\n",
           "'auto' cannot stand beside an address");
    expect("[dns]\nmin_ttl = 10s\nmax_ttl = 5s\n" LISTEN "server = 127.0.0.1:9\n",
           "min_ttl is greater than max_ttl");
    expect("[dns]\nmax_ttl = 500ms\n" LISTEN "server = 127.0.0.1:9\n",
           "min_ttl is greater than max_ttl");
    expect("[dns]\nattempts = 11\n" LISTEN "server = 127.0.0.1:9\n", "from 1 to 10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_sources_of_servers_by_name),
        cmocka_unit_test(test_times_cannot_be_off),
        cmocka_unit_test(test_what_is_refused),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
