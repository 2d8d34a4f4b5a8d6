/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_proxy.c - what is said of PROXY headers arrives in the snapshot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/snapshot_proxy.h"

static struct snapshot *build(const char *text)
{
    struct config *config = load_good(text);
    struct snapshot *snapshot = config_snapshot(config);

    assert_non_null(snapshot);
    config_destroy(config);
    return snapshot;
}

static bool is_trusted(const struct snapshot *snapshot, const char *ip)
{
    struct addr addr = {.family = AF_UNSPEC};

    assert_true(addr_parse_ip(ip, strlen(ip), &addr));
    return address_list_contains(snapshot->listeners[0].trusted_proxies, &addr);
}

static void test_nothing_is_believed_and_told_by_default(void **state)
{
    struct snapshot *snapshot = build(MINIMAL);

    (void)state;
    assert_int_equal(snapshot->listeners[0].accept_proxy, ACCEPT_PROXY_OFF);
    assert_null(snapshot->listeners[0].trusted_proxies);
    assert_int_equal(snapshot->pools[0].options.send_proxy, SEND_PROXY_OFF);
    assert_int_equal(snapshot->pools[0].options.send_proxy_tlvs, 0);
    snapshot_unref(snapshot);
}

static void test_who_is_trusted(void **state)
{
    struct snapshot *snapshot;

    (void)state;
    write_file("proxies", "192.0.2.0/24\n2001:db8::/32\n");
    snapshot = build(MINIMAL "accept_proxy = optional\ntrusted_proxies = 10.0.0.0/8, @proxies\n");
    assert_int_equal(snapshot->listeners[0].accept_proxy, ACCEPT_PROXY_OPTIONAL);
    assert_true(is_trusted(snapshot, "10.9.9.9"));
    assert_true(is_trusted(snapshot, "192.0.2.255"));
    assert_true(is_trusted(snapshot, "2001:db8::1"));
    assert_false(is_trusted(snapshot, "127.0.0.1"));
    assert_false(is_trusted(snapshot, "2001:db9::1"));
    snapshot_unref(snapshot);
    snapshot = build(MINIMAL "accept_proxy = required\n");
    assert_int_equal(snapshot->listeners[0].accept_proxy, ACCEPT_PROXY_REQUIRED);
    assert_null(snapshot->listeners[0].trusted_proxies);
    snapshot_unref(snapshot);
}

/* An empty list trusts nobody; no list trusts everybody. */
static void test_an_empty_file_trusts_nobody(void **state)
{
    struct snapshot *snapshot;

    (void)state;
    write_file("proxies", "# none\n");
    snapshot = build(MINIMAL "accept_proxy = required\ntrusted_proxies = @proxies\n");
    assert_non_null(snapshot->listeners[0].trusted_proxies);
    assert_false(is_trusted(snapshot, "127.0.0.1"));
    snapshot_unref(snapshot);
}

static void test_what_servers_are_told(void **state)
{
    struct snapshot *snapshot =
        build("[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\nserver = 127.0.0.1:9\n"
              "send_proxy = v2\nsend_proxy_tlvs = authority ssl, crc32c\n");

    (void)state;
    assert_int_equal(snapshot->pools[0].options.send_proxy, SEND_PROXY_V2);
    assert_int_equal(snapshot->pools[0].options.send_proxy_tlvs,
                     PROXY_TLV_AUTHORITY | PROXY_TLV_SSL | PROXY_TLV_CRC32C);
    snapshot_unref(snapshot);
    snapshot = build("[defaults]\nsend_proxy = v2\nsend_proxy_tlvs = alpn unique_id\n" MINIMAL);
    assert_int_equal(snapshot->pools[0].options.send_proxy, SEND_PROXY_V2);
    assert_int_equal(snapshot->pools[0].options.send_proxy_tlvs,
                     PROXY_TLV_ALPN | PROXY_TLV_UNIQUE_ID);
    snapshot_unref(snapshot);
    snapshot = build("[defaults]\nsend_proxy = v1\n" MINIMAL);
    assert_int_equal(snapshot->pools[0].options.send_proxy, SEND_PROXY_V1);
    snapshot_unref(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_believed_and_told_by_default),
        cmocka_unit_test(test_who_is_trusted),
        cmocka_unit_test(test_an_empty_file_trusts_nobody),
        cmocka_unit_test(test_what_servers_are_told),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
