/* SPDX-License-Identifier: Apache-2.0 */
/* test_source_rules.c - the longest prefix wins, however the rules were added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "net/prefix_scan.h"
#include "route/router.h"
#include "route/source_rules.h"

static struct addr ip(const char *string)
{
    struct addr addr = {.family = AF_UNSPEC};

    assert_true(addr_parse_ip(string, strlen(string), &addr));
    return addr;
}

static const struct route **at(struct source_rules *rules, const char *source)
{
    const struct route **place;
    struct prefix prefix;
    struct error error;

    assert_true(prefix_parse(source, strlen(source), &prefix, &error));
    place = source_rules_at(rules, &prefix);
    assert_non_null(place);
    return place;
}

static const struct route *find(const struct source_rules *rules, const char *client, int *bits)
{
    struct addr addr = ip(client);

    return source_rules_find(rules, &addr, bits);
}

static void test_the_length_of_the_prefix_is_told(void **state)
{
    struct source_rules rules = {.every = NULL};
    struct route wide = {.name = NULL};
    struct route narrow = {.name = NULL};
    struct route every = {.name = NULL};
    int bits;

    (void)state;
    *at(&rules, "10.1.0.0/16") = &narrow;
    *at(&rules, "0.0.0.0/0") = &wide;
    assert_null(find(&rules, "::1", &bits));
    assert_int_equal(bits, -1);
    assert_ptr_equal(find(&rules, "10.1.2.3", &bits), &narrow);
    assert_int_equal(bits, 16);
    assert_ptr_equal(find(&rules, "10.2.2.3", &bits), &wide);
    assert_int_equal(bits, 0);
    *source_rules_at(&rules, NULL) = &every;
    assert_ptr_equal(find(&rules, "::1", &bits), &every);
    assert_int_equal(bits, -1);
    source_rules_release(&rules);
    assert_null(rules.every);
    assert_null(find(&rules, "10.1.2.3", &bits));
}

static void test_the_same_prefix_has_one_place(void **state)
{
    struct source_rules rules = {.every = NULL};
    const struct route **place = at(&rules, "fd00::/8");
    struct route route = {.name = NULL};

    (void)state;
    *place = &route;
    at(&rules, "fc00::/7");
    at(&rules, "fd00::/9");
    assert_ptr_equal(at(&rules, "fd00::/8"), place);
    assert_ptr_equal(*place, &route);
    source_rules_release(&rules);
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

static void test_random_rules_agree_with_a_linear_search(void **state)
{
    enum { COUNT = 200, ROUNDS = 20 };
    static struct prefix prefixes[COUNT];
    static struct route routes[COUNT];
    static bool is_taken[COUNT];
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct source_rules rules = {.every = NULL};

        for (int i = 0; i < COUNT; i++) {
            const struct route **place;

            prefixes[i] = random_prefix(&seed, i % 2);
            place = source_rules_at(&rules, &prefixes[i]);
            assert_non_null(place);
            is_taken[i] = *place == NULL;
            if (is_taken[i])
                *place = &routes[i];
        }
        for (int i = 0; i < 500; i++) {
            struct prefix where = random_prefix(&seed, i % 2);
            struct addr client = {.family = where.family};
            int bits;

            client.v6 = where.v6;
            assert_ptr_equal(source_rules_find(&rules, &client, &bits),
                             longest(prefixes, routes, is_taken, COUNT, &client));
        }
        source_rules_release(&rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_length_of_the_prefix_is_told),
        cmocka_unit_test(test_the_same_prefix_has_one_place),
        cmocka_unit_test(test_random_rules_agree_with_a_linear_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
