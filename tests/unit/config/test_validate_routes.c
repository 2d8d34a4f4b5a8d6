/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate_routes.c - routes that say the same, and dead ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

#define POOL "[pool p]\nserver = 127.0.0.1:9\n"

static const char *routes(const char *bind, const char *first, const char *second)
{
    static char text[1024];

    snprintf(text, sizeof(text),
             "[listen web]\nbind = %s\n" POOL "[route a]\nlisten = web\npool = p\n%s\n"
             "[route b]\nlisten = web\npool = p\n%s\n",
             bind, first, second);
    return text;
}

static void test_equal_routes(void **state)
{
    (void)state;
    expect(routes(":0", "source = 10.0.0.0/8", "source = 192.168.0.0/16 10.0.0.0/8"),
           "12:25: error: [route a] takes these clients of listener 'web' already (culvert.ini:8)");
    expect(routes(":0", "", ""), "9:1: error: [route a] takes these clients of listener 'web' "
                                 "already (culvert.ini:5)");
    expect(routes(":0", "source = ::1", "source = ::1/128"), "takes these clients");
    config_destroy(load_good(routes(":0", "source = 10.0.0.0/8", "source = 10.0.0.0/9")));
    config_destroy(load_good(routes(":0", "source = 0.0.0.0/0", "source = ::/0")));
    config_destroy(load_good(routes(":0", "source = 10.0.0.0/8", "")));
}

static void test_equal_names_and_protocols(void **state)
{
#define TAKEN "error: [route a] takes these clients of listener 'web' already (culvert.ini:8)"
    (void)state;
    expect(routes(":0", "sni = a.example", "sni = b.example A.Example."), "12:17: " TAKEN);
    expect(routes(":0", "sni = *.example", "sni = *.EXAMPLE"), "12:7: " TAKEN);
    expect(routes(":0", "sni = -", "sni = -"), "12:7: " TAKEN);
    expect(routes(":0", "alpn = h2 x", "alpn = y x"), "12:10: " TAKEN);
    expect(
        routes(":0", "sni = a\nalpn = h2\nsource = ::1", "sni = b a\nalpn = h2\nsource = ::1"),
        "16:10: error: [route a] takes these clients of listener 'web' already (culvert.ini:10)");
    config_destroy(load_good(routes(":0", "sni = a.example", "sni = *.a.example")));
    config_destroy(load_good(routes(":0", "sni = a", "sni = a\nalpn = h2")));
    config_destroy(load_good(routes(":0", "sni = a", "sni = a\nsource = 10.0.0.0/8")));
    config_destroy(load_good(routes(":0", "sni = a", "alpn = a")));
    config_destroy(load_good(routes(":0", "alpn = H2", "alpn = h2")));
    config_destroy(load_good(routes(":0", "sni = -", "")));
    /* A name stands twice in one route: nothing is unclear, but it is a slip. */
    expect(routes(":0", "sni = a a", "sni = b"), "8:9: " TAKEN);
}

static void test_the_same_source_at_two_listeners_is_fine(void **state)
{
    (void)state;
    config_destroy(load_good("[listen x]\nbind = :0\n[listen y]\nbind = :0\n" POOL
                             "[route a]\nlisten = x\nsource = 10.0.0.0/8\npool = p\n"
                             "[route b]\nlisten = y\nsource = 10.0.0.0/8\npool = p\n"));
}

static void test_sources_no_client_can_have(void **state)
{
#define DEAD "error: no client of listener 'web' can come from"
    (void)state;
    expect(routes("unix:/x", "source = 10.0.0.0/8", ""), "8:10: " DEAD " '10.0.0.0/8'");
    expect(routes("127.0.0.1:0", "source = ::1", ""), DEAD);
    expect(routes("[::1]:0", "source = 10.0.0.0/8", ""), DEAD);
    expect(routes("[::]:0\nv6_only = yes", "source = 10.0.0.0/8", ""), DEAD);
    config_destroy(load_good(routes("[::]:0", "source = 10.0.0.0/8", "")));
    config_destroy(load_good(routes("unix:/x 127.0.0.1:0", "source = 10.0.0.0/8", "")));
}

static void test_a_pool_behind_a_route_for_all_is_a_warning(void **state)
{
    (void)state;
    expect("[listen web]\nbind = :0\nserver = 127.0.0.1:8\n" POOL
           "[route a]\nlisten = web\npool = p\n",
           "3:1: warning: [route a] takes every client of listener 'web', so this is never used");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_routes),
        cmocka_unit_test(test_equal_names_and_protocols),
        cmocka_unit_test(test_the_same_source_at_two_listeners_is_fine),
        cmocka_unit_test(test_sources_no_client_can_have),
        cmocka_unit_test(test_a_pool_behind_a_route_for_all_is_a_warning),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
