/* SPDX-License-Identifier: Apache-2.0 */
/* test_snapshot_route.c - every combination of a route's lists leads to it, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

/* The route of a client of the first listener, "" for none. */
static const char *route_for(const struct snapshot *snapshot, const char *source, const char *sni,
                             const char *alpn)
{
    struct addr addr = {0};
    struct route_client client = {.addr = &addr, .has_hello = true, .sni = sni, .alpn = alpn};
    const struct route *route;

    assert_true(addr_parse_ip(source, strlen(source), &addr));
    client.alpn_size = strlen(alpn);
    route = router_choose(snapshot->listeners[0].router, &client).route;
    return route == NULL ? "" : route->name;
}

static void test_all_combinations_of_the_lists(void **state)
{
    static const char *const names[] = {"a.example.com", "b.example.com", "c.example.com"};
    static const char *const protocols[] = {"\002h2", "\001x", "\001y"};
    static const char *const sources[] = {"10.1.1.1", "192.0.2.7", "172.16.0.1"};
    struct config *config =
        load_good("[listen x]\nbind = :0\npool = d\n[pool d]\nserver = 10.0.0.1:1\n"
                  "[route r]\nlisten = x\nsni = a.example.com B.example.com\nalpn = h2 x\n"
                  "source = 10.0.0.0/8 192.0.2.0/24 10.1.0.0/16\npool = d\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_non_null(snapshot);
    for (unsigned i = 0; i < 27; i++) {
        unsigned name = i % 3;
        unsigned protocol = i / 3 % 3;
        unsigned source = i / 9;
        /* The last of each three is not in its list. */
        bool is_meant = name < 2 && protocol < 2 && source < 2;

        assert_string_equal(route_for(snapshot, sources[source], names[name], protocols[protocol]),
                            is_meant ? "r" : "");
    }
    snapshot_unref(snapshot);
    config_destroy(config);
}

static void test_a_route_without_lists_is_for_everyone(void **state)
{
    struct config *config = load_good("[listen x]\nbind = :0\n[pool d]\nserver = 10.0.0.1:1\n"
                                      "[route all]\nlisten = x\npool = d\n");
    struct snapshot *snapshot = config_snapshot(config);

    (void)state;
    assert_non_null(snapshot);
    assert_string_equal(route_for(snapshot, "::1", "", ""), "all");
    assert_string_equal(route_for(snapshot, "10.0.0.1", "a.example.com", "\002h2"), "all");
    snapshot_unref(snapshot);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_combinations_of_the_lists),
        cmocka_unit_test(test_a_route_without_lists_is_for_everyone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
