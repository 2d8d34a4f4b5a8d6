/* SPDX-License-Identifier: Apache-2.0 */
/* test_address_set.c - the set holds exactly what one of its prefixes holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/clock.h"
#include "net/prefix_scan.h"
#include "route/address_set.h"

static struct prefix prefix_of(const char *string)
{
    struct prefix prefix;
    struct error error;

    assert_true(prefix_parse(string, strlen(string), &prefix, &error));
    return prefix;
}

static struct addr ip(const char *string)
{
    struct addr addr = {.family = AF_UNSPEC};

    assert_true(addr_parse_ip(string, strlen(string), &addr));
    return addr;
}

static struct address_set *set_of(const char *const *texts, size_t count)
{
    struct prefix *prefixes = calloc(count + 1, sizeof(*prefixes));
    struct address_set *set;

    assert_non_null(prefixes);
    for (size_t i = 0; i < count; i++)
        prefixes[i] = prefix_of(texts[i]);
    set = address_set_create(prefixes, count);
    assert_non_null(set);
    free(prefixes);
    return set;
}

static bool has(const struct address_set *set, const char *text)
{
    struct addr addr = ip(text);

    return address_set_contains(set, &addr);
}

static void test_an_empty_set_holds_nothing(void **state)
{
    struct address_set *set = address_set_create(NULL, 0);

    (void)state;
    assert_non_null(set);
    assert_false(has(set, "10.0.0.1"));
    assert_false(has(set, "::1"));
    address_set_destroy(set);
    address_set_destroy(NULL);
}

static void test_edges_of_prefixes_belong_to_them(void **state)
{
    static const char *const texts[] = {"10.1.0.0/16", "192.0.2.7", "fd00:1::/32", "2001:db8::/63"};
    struct address_set *set = set_of(texts, 4);

    (void)state;
    assert_true(has(set, "10.1.0.0"));
    assert_true(has(set, "10.1.255.255"));
    assert_false(has(set, "10.0.255.255"));
    assert_false(has(set, "10.2.0.0"));
    assert_true(has(set, "192.0.2.7"));
    assert_false(has(set, "192.0.2.6"));
    assert_false(has(set, "192.0.2.8"));
    assert_true(has(set, "fd00:1::"));
    assert_true(has(set, "fd00:1:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(has(set, "fd00:2::"));
    assert_true(has(set, "2001:db8:0:1:ffff::1"));
    assert_false(has(set, "2001:db8:0:2::"));
    address_set_destroy(set);
}

static void test_families_are_apart(void **state)
{
    static const char *const every_v4[] = {"0.0.0.0/0"};
    static const char *const every_v6[] = {"::/0"};
    struct address_set *v4 = set_of(every_v4, 1);
    struct address_set *v6 = set_of(every_v6, 1);

    (void)state;
    assert_true(has(v4, "0.0.0.0"));
    assert_true(has(v4, "255.255.255.255"));
    assert_false(has(v4, "::1"));
    assert_true(has(v6, "::"));
    assert_true(has(v6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(has(v6, "10.0.0.1"));
    assert_false(has(v6, "::ffff:10.0.0.1"));
    address_set_destroy(v4);
    address_set_destroy(v6);
}

static void test_mapped_addresses_are_ipv4_ones(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8", "::ffff:192.0.2.0/120"};
    struct address_set *set = set_of(texts, 2);

    (void)state;
    assert_true(has(set, "::ffff:10.9.9.9"));
    assert_false(has(set, "::ffff:11.0.0.1"));
    assert_true(has(set, "192.0.2.255"));
    assert_true(has(set, "::ffff:192.0.2.1"));
    assert_false(has(set, "192.0.3.0"));
    assert_false(has(set, "::10.0.0.1"));
    address_set_destroy(set);
}

static void test_clients_without_an_address_are_in_no_set(void **state)
{
    static const char *const texts[] = {"0.0.0.0/0", "::/0"};
    struct address_set *set = set_of(texts, 2);
    struct addr addr = {.family = AF_UNIX};

    (void)state;
    assert_false(address_set_contains(set, &addr));
    addr.family = AF_UNSPEC;
    assert_false(address_set_contains(set, &addr));
    address_set_destroy(set);
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Few bits differ, so that prefixes often lie within one another and addresses often hit. */
static void random_bytes(uint64_t *state, unsigned char *bytes, size_t size)
{
    memset(bytes, 0, size);
    for (size_t i = 0; i < size; i++) {
        if (random_next(state) % 4 == 0)
            bytes[i] = (unsigned char)(random_next(state) & 0x81);
    }
}

static struct prefix random_prefix(uint64_t *state)
{
    bool is_v4 = random_next(state) % 2 == 0;
    unsigned most = is_v4 ? 32 : 128;
    struct prefix prefix = {.family = is_v4 ? AF_INET : AF_INET6,
                            .bits = (uint8_t)(random_next(state) % (most + 1))};
    unsigned char *bytes = (unsigned char *)&prefix.v6;

    random_bytes(state, bytes, most / 8);
    for (unsigned bit = prefix.bits; bit < most; bit++)
        bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
    return prefix;
}

static void test_it_agrees_with_a_scan_of_the_prefixes(void **state)
{
    uint64_t seed = 88172645463325252;
    size_t hits = 0;

    (void)state;
    for (int round = 0; round < 400; round++) {
        struct prefix prefixes[24];
        size_t count = random_next(&seed) % 24;
        struct address_set *set;

        for (size_t i = 0; i < count; i++) {
            do {
                prefixes[i] = random_prefix(&seed);
            } while (prefixes[i].bits < 3); /* else nearly every address is a hit */
        }
        set = address_set_create(prefixes, count);
        assert_non_null(set);
        for (int i = 0; i < 200; i++) {
            bool is_v4 = random_next(&seed) % 2 == 0;
            struct addr addr = {.family = is_v4 ? AF_INET : AF_INET6};
            bool is_wanted = false;

            random_bytes(&seed, (unsigned char *)&addr.v6, is_v4 ? 4 : 16);
            for (size_t k = 0; k < count; k++)
                is_wanted |= prefix_contains(&prefixes[k], &addr);
            assert_int_equal(address_set_contains(set, &addr), is_wanted);
            hits += is_wanted;
        }
        address_set_destroy(set);
    }
    assert_in_range(hits, 400 * 200 / 20, 400 * 200 / 20 * 19);
}

static void test_a_hundred_thousand_prefixes_are_ready_soon(void **state)
{
    size_t count = 100000;
    struct prefix *prefixes = calloc(count, sizeof(*prefixes));
    int64_t began_us = clock_now_us();
    struct address_set *set;

    (void)state;
    assert_non_null(prefixes);
    for (size_t i = 0; i < count; i++) {
        /* Every second /24 of a space, in a scattered order. */
        size_t number = i * 7919 % count * 2;

        prefixes[i] = (struct prefix){.family = AF_INET, .bits = 24};
        prefixes[i].v4.s_addr = htonl(UINT32_C(0x0b000000) + (uint32_t)number * 256);
    }
    set = address_set_create(prefixes, count);
    assert_non_null(set);
    for (size_t i = 0; i < 2 * count; i++) {
        struct addr addr = {.family = AF_INET};

        addr.v4.s_addr = htonl(UINT32_C(0x0b000000) + (uint32_t)i * 256 + 77);
        assert_int_equal(address_set_contains(set, &addr), i % 2 == 0);
    }
    assert_true(clock_now_us() - began_us < 10 * 1000 * 1000); /* sanitizers, busy machines */
    address_set_destroy(set);
    free(prefixes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_set_holds_nothing),
        cmocka_unit_test(test_edges_of_prefixes_belong_to_them),
        cmocka_unit_test(test_families_are_apart),
        cmocka_unit_test(test_mapped_addresses_are_ipv4_ones),
        cmocka_unit_test(test_clients_without_an_address_are_in_no_set),
        cmocka_unit_test(test_it_agrees_with_a_scan_of_the_prefixes),
        cmocka_unit_test(test_a_hundred_thousand_prefixes_are_ready_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
