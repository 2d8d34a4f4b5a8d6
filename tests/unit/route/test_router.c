/* SPDX-License-Identifier: Apache-2.0 */
/* test_router.c - the most specific route wins, however the routes were added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "net/prefix_scan.h"
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

/* ---- names and protocols ----------------------------------------------------------------------
 */

static void add_match(struct router *router, const char *sni, const char *alpn, const char *source,
                      const struct route *route)
{
    const struct route *other;
    struct prefix wanted;

    if (source != NULL)
        wanted = prefix(source);
    assert_true(router_add(
        router,
        &(struct route_match){.sni = sni, .alpn = alpn, .source = source == NULL ? NULL : &wanted},
        route, &other));
}

static struct route_choice ask(const struct router *router, const char *sni, const char *alpn)
{
    struct addr addr = ip("192.0.2.1");

    return router_choose(
        router,
        &(struct route_client){
            .addr = &addr, .has_hello = true, .sni = sni, .alpn = alpn, .alpn_size = strlen(alpn)});
}

static void test_the_most_specific_name_wins(void **state)
{
    struct route exact = {.name = NULL};
    struct route wildcard = {.name = NULL};
    struct route none = {.name = NULL};
    struct route any = {.name = NULL};
    struct router *router = router_create(NULL);
    struct addr addr = ip("192.0.2.1");

    (void)state;
    assert_false(router_needs_hello(router));
    add_match(router, NULL, NULL, NULL, &any);
    assert_false(router_needs_hello(router));
    add_match(router, "*.Example.com", NULL, NULL, &wildcard);
    assert_true(router_needs_hello(router));
    add_match(router, "API.example.com.", NULL, NULL, &exact);
    add_match(router, "-", NULL, NULL, &none);
    assert_ptr_equal(ask(router, "api.example.com", "").route, &exact);
    assert_ptr_equal(ask(router, "www.example.com", "").route, &wildcard);
    assert_ptr_equal(ask(router, "*.example.com", "").route, &wildcard);
    assert_ptr_equal(ask(router, "a.b.example.com", "").route, &any);
    assert_ptr_equal(ask(router, "example.com", "").route, &any);
    assert_ptr_equal(ask(router, "-", "").route, &any);
    assert_ptr_equal(ask(router, "", "").route, &none);
    /* Without a hello nothing is known of names, not even that there is none. */
    assert_ptr_equal(router_choose(router, &(struct route_client){.addr = &addr}).route, &any);
    router_destroy(router);
}

static void test_a_name_whose_other_keys_do_not_match_leaves_it_to_less_specific_ones(void **state)
{
    struct route exact = {.name = NULL};
    struct route wildcard = {.name = NULL};
    struct route any = {.action = ROUTE_REJECT};
    struct router *router = router_create(NULL);

    (void)state;
    add_match(router, "a.example.com", "h2", "192.0.2.0/24", &exact);
    add_match(router, "*.example.com", "http/1.1", NULL, &wildcard);
    add_match(router, NULL, NULL, NULL, &any);
    assert_ptr_equal(ask(router, "a.example.com", "\x02h2").route, &exact);
    assert_ptr_equal(ask(router, "a.example.com", "\x08http/1.1").route, &wildcard);
    assert_ptr_equal(ask(router, "a.example.com", "\x08http/1.1\x02h2").route, &exact);
    assert_ptr_equal(ask(router, "a.example.com", "").route, &any);
    assert_ptr_equal(ask(router, "a.example.com", "\x02h3").route, &any);
    assert_null(ask(router, "a.example.com", "\x02h3").pool);
    router_destroy(router);
}

static void test_of_protocols_the_longest_source_wins_then_the_clients_order(void **state)
{
    struct route h2 = {.name = NULL};
    struct route http = {.name = NULL};
    struct route near = {.name = NULL};
    struct router *router = router_create(NULL);

    (void)state;
    add_match(router, NULL, "h2", NULL, &h2);
    add_match(router, NULL, "http/1.1", NULL, &http);
    assert_ptr_equal(ask(router, "", "\x02h2\x08http/1.1").route, &h2);
    assert_ptr_equal(ask(router, "", "\x08http/1.1\x02h2").route, &http);
    add_match(router, NULL, "h2", "192.0.2.0/24", &near);
    assert_ptr_equal(ask(router, "", "\x08http/1.1\x02h2").route, &near);
    /* Bytes that are no list of protocols end the search. */
    assert_null(ask(router, "", "\x09http/1.1").route);
    assert_null(ask(router, "", "\xff").route);
    struct addr addr = ip("198.51.100.1");
    struct route_client client = {.addr = &addr, .has_hello = true, .sni = "", .alpn = "\x02h2"};
    client.alpn_size = 3;
    assert_ptr_equal(router_choose(router, &client).route, &h2);
    client.alpn_size = 2;
    assert_null(router_choose(router, &client).route);
    router_destroy(router);
}

static void test_the_same_keys_twice_name_the_first(void **state)
{
    struct route first = {.name = NULL};
    struct route second = {.name = NULL};
    struct router *router = router_create(NULL);
    const struct route *other = NULL;

    (void)state;
    add_match(router, "*.example.com", "h2", "10.0.0.0/8", &first);
    add_match(router, "*.example.com", "h2", NULL, &second);
    add_match(router, "*.example.com", NULL, NULL, &second);
    add_match(router, "-", NULL, NULL, &first);
    struct prefix wanted = prefix("10.0.0.0/8");
    assert_false(router_add(
        router, &(struct route_match){.sni = "*.EXAMPLE.com", .alpn = "h2", .source = &wanted},
        &second, &other));
    assert_ptr_equal(other, &first);
    assert_false(router_add(router, &(struct route_match){.sni = "-"}, &second, &other));
    assert_ptr_equal(other, &first);
    router_destroy(router);
}

static void add_name(struct name_map *map, const char *name, struct pool *pool)
{
    bool is_taken;

    assert_true(name_map_add(map, name, pool, &is_taken));
}

static void test_names_of_a_map_stand_behind_routes_of_the_same_name(void **state)
{
    struct pool pools[3];
    struct route route = {.pool = &pools[0]};
    struct router *router = router_create(&pools[2]);
    struct name_map *map = name_map_create();

    (void)state;
    memset(pools, 0, sizeof(pools));
    add_name(map, "a.example.com", &pools[1]);
    add_name(map, "*.example.com", &pools[1]);
    assert_false(router_needs_hello(router));
    assert_null(router_publish_names(router, map, 1));
    assert_true(router_needs_hello(router));
    assert_ptr_equal(ask(router, "a.example.com", "").pool, &pools[1]);
    assert_null(ask(router, "a.example.com", "").route);
    assert_ptr_equal(ask(router, "b.example.com", "").pool, &pools[1]);
    assert_ptr_equal(ask(router, "", "").pool, &pools[2]);
    assert_ptr_equal(ask(router, "example.com", "").pool, &pools[2]);
    add_match(router, "a.example.com", "h2", NULL, &route);
    assert_ptr_equal(ask(router, "a.example.com", "\x02h2").route, &route);
    assert_ptr_equal(ask(router, "a.example.com", "\x02h3").pool, &pools[1]);
    router_destroy(router);
}

static void test_the_names_of_a_map_are_replaced_whole(void **state)
{
    struct pool pools[3];
    struct router *router = router_create(&pools[2]);
    struct name_map *first = name_map_create();
    struct name_map *second = name_map_create();

    (void)state;
    memset(pools, 0, sizeof(pools));
    add_name(first, "a.example.com", &pools[0]);
    add_name(first, "gone.example.com", &pools[0]);
    add_name(second, "a.example.com", &pools[1]);
    add_name(second, "*.example.com", &pools[1]);
    assert_null(router_publish_names(router, first, 2));
    assert_ptr_equal(ask(router, "gone.example.com", "").pool, &pools[0]);
    assert_ptr_equal(router_publish_names(router, second, 2), first);
    assert_ptr_equal(ask(router, "a.example.com", "").pool, &pools[1]);
    assert_ptr_equal(ask(router, "gone.example.com", "").pool, &pools[1]);
    assert_ptr_equal(ask(router, "x.example.com", "").pool, &pools[1]);
    name_map_leave(first);
    router_reclaim_names(router); /* one of two workers may still look */
    assert_int_equal(name_map_count(first), 2);
    name_map_leave(first);
    router_reclaim_names(router);
    /* An empty one is a map, too: names may come back. */
    assert_ptr_equal(router_publish_names(router, name_map_create(), 2), second);
    assert_ptr_equal(ask(router, "a.example.com", "").pool, &pools[2]);
    assert_true(router_needs_hello(router));
    router_destroy(router); /* and what nobody has left yet */
}

/* ---- random routers and a search through all alternatives --------------------------------------
 */

struct alternative {
    const char *sni;
    const char *alpn;
    const char *source; /* NULL: any */
    bool is_mapped;     /* from an sni_map */
    struct route route;
    struct pool *pool; /* of the map */
};

static bool is_named(const char *pattern, const char *name, int *rank)
{
    *rank = pattern == NULL ? 0 : strcmp(pattern, "-") == 0 ? 1 : pattern[0] == '*' ? 2 : 3;
    switch (*rank) {
    case 0:
        return true;
    case 1:
        return name[0] == '\0';
    case 2:
        return name[0] != '.' && strchr(name, '.') != NULL &&
               strcmp(strchr(name, '.'), pattern + 1) == 0;
    default:
        return strcmp(pattern, name) == 0;
    }
}

/* Where in the list the protocol is, -1: nowhere. */
static int place_in(const char *offered, const char *protocol)
{
    for (int place = 0; offered[0] != '\0'; place++, offered += 1 + offered[0]) {
        if (strlen(protocol) == (size_t)offered[0] &&
            memcmp(offered + 1, protocol, (size_t)offered[0]) == 0)
            return place;
    }
    return -1;
}

/* How well it fits, the higher the better; -1: not at all. */
static long fit(const struct alternative *alternative, const struct addr *addr, bool has_hello,
                const char *name, const char *offered)
{
    int rank = 0;
    int place = 0;
    int bits = 0;

    if (!has_hello && (alternative->sni != NULL || alternative->alpn != NULL))
        return -1;
    if (has_hello && !is_named(alternative->sni, name, &rank))
        return -1;
    if (alternative->alpn != NULL) {
        place = place_in(offered, alternative->alpn);
        if (place < 0)
            return -1;
        place = 100 - place;
    }
    if (alternative->source != NULL) {
        struct prefix source = prefix(alternative->source);

        if (!prefix_contains(&source, addr))
            return -1;
        bits = 1 + source.bits;
    }
    return ((((long)rank * 2 + (alternative->alpn != NULL)) * 200 + bits) * 200 + place) * 2 +
           !alternative->is_mapped;
}

static void test_random_routers_agree_with_a_search_through_all_alternatives(void **state)
{
    static const char *const patterns[] = {NULL,    NULL,    "-",   "a.x", "b.x",
                                           "a.b.x", "*.b.x", "*.x", "x",   "*.a.b.x"};
    static const char *const names[] = {"",      "a.x", "b.x", "c.x",     "a.b.x", "c.b.x",
                                        "b.b.x", "x",   "y",   "a.a.b.x", ".x",    "*.x"};
    static const char *const protocols[] = {NULL, NULL, "h2", "h3", "pg"};
    static const char *const offers[] = {
        "", "\x02h2", "\x02h2\x02h3", "\x02h3\x02h2\x02pg", "\x02zz\x02pg", "\x01h"};
    static const char *const sources[] = {NULL,          NULL,       "10.0.0.0/8", "10.1.0.0/16",
                                          "10.1.2.3/32", "fd00::/8", "0.0.0.0/0"};
    static const char *const clients[] = {"10.1.2.3",  "10.1.2.4", "10.9.9.9",
                                          "192.0.2.1", "fd00::1",  "::1"};
    enum { ALTERNATIVES = 40, ROUNDS = 300 };
    unsigned seed = 7;
    unsigned matches = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct alternative alternatives[ALTERNATIVES];
        struct pool pools[ALTERNATIVES];
        size_t count = 0;
        size_t wanted = 1 + (size_t)rand_r(&seed) % ALTERNATIVES;
        struct router *router = router_create(NULL);
        struct name_map *map = name_map_create();

        memset(pools, 0, sizeof(pools));
        for (size_t i = 0; i < wanted; i++) {
            struct alternative *one = &alternatives[count];
            const struct route *other;

            *one = (struct alternative){
                .sni = patterns[(size_t)rand_r(&seed) % ARRAY_LENGTH(patterns)],
                .alpn = protocols[(size_t)rand_r(&seed) % ARRAY_LENGTH(protocols)],
                .source = sources[(size_t)rand_r(&seed) % ARRAY_LENGTH(sources)],
                .pool = &pools[count],
            };
            one->route.pool = one->pool;
            if (one->sni != NULL && strcmp(one->sni, "-") != 0 && rand_r(&seed) % 4 == 0) {
                bool is_taken;

                one->is_mapped = true;
                one->alpn = one->source = NULL;
                count += name_map_add(map, one->sni, one->pool, &is_taken);
            } else {
                struct prefix source;

                if (one->source != NULL)
                    source = prefix(one->source);
                count += router_add(
                    router,
                    &(struct route_match){.sni = one->sni,
                                          .alpn = one->alpn,
                                          .source = one->source == NULL ? NULL : &source},
                    &one->route, &other);
            }
        }
        assert_null(router_publish_names(router, map, 1));
        for (int i = 0; i < 200; i++) {
            const char *name = names[(size_t)rand_r(&seed) % ARRAY_LENGTH(names)];
            const char *offered = offers[(size_t)rand_r(&seed) % ARRAY_LENGTH(offers)];
            struct addr addr = ip(clients[(size_t)rand_r(&seed) % ARRAY_LENGTH(clients)]);
            bool has_hello = rand_r(&seed) % 8 != 0;
            const struct alternative *best = NULL;
            long best_fit = -1;
            struct route_choice choice;

            for (size_t k = 0; k < count; k++) {
                long this_fit = fit(&alternatives[k], &addr, has_hello, name, offered);

                if (this_fit > best_fit) {
                    best = &alternatives[k];
                    best_fit = this_fit;
                }
            }
            choice = router_choose(router, &(struct route_client){.addr = &addr,
                                                                  .has_hello = has_hello,
                                                                  .sni = name,
                                                                  .alpn = offered,
                                                                  .alpn_size = strlen(offered)});
            matches += best != NULL;
            assert_ptr_equal(choice.pool, best == NULL ? NULL : best->pool);
            assert_ptr_equal(choice.route, best == NULL || best->is_mapped ? NULL : &best->route);
        }
        router_destroy(router);
    }
    assert_in_range(matches, ROUNDS * 20, ROUNDS * 195);
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
        cmocka_unit_test(test_the_most_specific_name_wins),
        cmocka_unit_test(test_a_name_whose_other_keys_do_not_match_leaves_it_to_less_specific_ones),
        cmocka_unit_test(test_of_protocols_the_longest_source_wins_then_the_clients_order),
        cmocka_unit_test(test_the_same_keys_twice_name_the_first),
        cmocka_unit_test(test_names_of_a_map_stand_behind_routes_of_the_same_name),
        cmocka_unit_test(test_the_names_of_a_map_are_replaced_whole),
        cmocka_unit_test(test_random_routers_agree_with_a_search_through_all_alternatives),
        cmocka_unit_test(test_destroying_nothing_and_an_empty_router_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
