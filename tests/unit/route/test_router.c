/* SPDX-License-Identifier: Apache-2.0 */
/* test_router.c - the longest prefix wins, however the routes were added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "route/router.h"

static struct addr ip(const char *string)
{
    struct addr addr = {0};

    assert_true(addr_parse_ip(string, strlen(string), &addr));
    return addr;
}

static struct prefix prefix(const char *string)
{
    struct prefix result;
    struct error error = {0};

    assert_true(prefix_parse(string, strlen(string), &result, &error));
    return result;
}

static void add(struct router *router, const char *source, const struct route *route)
{
    const struct route *other;
    struct prefix wanted;

    if (source != NULL)
        wanted = prefix(source);
    assert_true(router_add(router, &(struct route_match){.source = source == NULL ? NULL : &wanted},
                           route, &other));
}

static const struct route *choose(const struct router *router, const char *client)
{
    struct addr addr = ip(client);

    return router_choose(router, &(struct route_client){.addr = &addr}).route;
}

static void test_the_longest_prefix_wins(void **state)
{
    struct pool pool = {0};
    struct pool fallback = {0};
    struct route wide = {.pool = &pool};
    struct route narrow = {.pool = &pool};
    struct route host = {.action = ROUTE_REJECT};
    struct router *router = router_create(&fallback);

    (void)state;
    add(router, "10.1.2.3", &host);
    add(router, "10.0.0.0/8", &wide);
    add(router, "10.1.0.0/16", &narrow);
    assert_ptr_equal(choose(router, "10.9.0.1"), &wide);
    assert_ptr_equal(choose(router, "10.1.9.9"), &narrow);
    assert_ptr_equal(choose(router, "10.1.2.3"), &host);
    assert_ptr_equal(choose(router, "10.1.2.2"), &narrow);
    assert_null(choose(router, "11.0.0.1"));
    assert_null(choose(router, "::1"));
    struct addr client = ip("11.0.0.1");
    assert_ptr_equal(router_choose(router, &(struct route_client){.addr = &client}).pool,
                     &fallback);
    client = ip("10.1.2.3");
    assert_null(router_choose(router, &(struct route_client){.addr = &client}).pool);
    router_destroy(router);
}

static void test_a_route_without_a_prefix_takes_the_rest_even_unix_clients(void **state)
{
    struct pool pool = {0};
    struct route every = {.pool = &pool};
    struct route local = {.pool = &pool};
    struct router *router = router_create(NULL);
    struct addr client = {.family = AF_UNIX};

    (void)state;
    assert_null(router_choose(router, &(struct route_client){.addr = &client}).pool);
    add(router, "::/0", &local);
    add(router, NULL, &every);
    assert_ptr_equal(router_choose(router, &(struct route_client){.addr = &client}).route, &every);
    assert_ptr_equal(choose(router, "1.2.3.4"), &every);
    assert_ptr_equal(choose(router, "::1"), &local);
    router_destroy(router);
}

static void test_the_same_prefix_twice_names_the_first(void **state)
{
    struct route first = {0};
    struct route second = {0};
    struct router *router = router_create(NULL);
    const struct route *other = NULL;
    struct prefix wanted = prefix("10.0.0.0/8");

    (void)state;
    assert_true(router_add(router, &(struct route_match){.source = &wanted}, &first, &other));
    assert_false(router_add(router, &(struct route_match){.source = &wanted}, &second, &other));
    assert_ptr_equal(other, &first);
    assert_true(router_add(router, &(struct route_match){.source = NULL}, &first, &other));
    assert_false(router_add(router, &(struct route_match){.source = NULL}, &second, &other));
    assert_ptr_equal(other, &first);
    router_destroy(router);
}

/* A linear search, to compare with. */
static const struct route *longest(const struct prefix *prefixes, const struct route *routes,
                                   const bool *is_taken, size_t count, const struct addr *client)
{
    const struct route *best = NULL;
    int bits = -1;

    for (size_t i = 0; i < count; i++) {
        if (is_taken[i] && prefix_contains(&prefixes[i], client) && prefixes[i].bits > bits) {
            best = &routes[i];
            bits = prefixes[i].bits;
        }
    }
    return best;
}

static struct prefix random_prefix(unsigned *seed, bool is_v6)
{
    struct prefix result = {.family = is_v6 ? AF_INET6 : AF_INET};
    unsigned bytes = is_v6 ? 16 : 4;
    unsigned char *address = (unsigned char *)&result.v6;

    result.bits = (uint8_t)((unsigned)rand_r(seed) % (bytes * 8 + 1));
    /* Few different bytes, so that prefixes nest. */
    for (unsigned i = 0; i < bytes; i++)
        address[i] = (unsigned char)((rand_r(seed) & 1) * 0xff);
    for (unsigned i = result.bits; i < bytes * 8; i++)
        address[i / 8] &= (unsigned char)~(0x80 >> (i % 8));
    return result;
}

static void test_random_tables_agree_with_a_linear_search(void **state)
{
    enum { COUNT = 200, ROUNDS = 20 };
    static struct prefix prefixes[COUNT];
    static struct route routes[COUNT];
    static bool is_taken[COUNT];
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct router *router = router_create(NULL);
        const struct route *other;

        for (int i = 0; i < COUNT; i++) {
            prefixes[i] = random_prefix(&seed, i % 2);
            is_taken[i] = router_add(router, &(struct route_match){.source = &prefixes[i]},
                                     &routes[i], &other);
            assert_true(is_taken[i] || other != NULL);
        }
        for (int i = 0; i < 500; i++) {
            struct prefix where = random_prefix(&seed, i % 2);
            struct addr client = {.family = where.family};

            client.v6 = where.v6;
            assert_ptr_equal(router_choose(router, &(struct route_client){.addr = &client}).route,
                             longest(prefixes, routes, is_taken, COUNT, &client));
        }
        router_destroy(router);
    }
}

static void test_destroying_nothing_and_an_empty_router_is_harmless(void **state)
{
    (void)state;
    router_destroy(NULL);
    router_destroy(router_create(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_longest_prefix_wins),
        cmocka_unit_test(test_a_route_without_a_prefix_takes_the_rest_even_unix_clients),
        cmocka_unit_test(test_the_same_prefix_twice_names_the_first),
        cmocka_unit_test(test_random_tables_agree_with_a_linear_search),
        cmocka_unit_test(test_destroying_nothing_and_an_empty_router_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
