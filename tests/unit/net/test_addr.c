/* SPDX-License-Identifier: Apache-2.0 */
/* test_addr.c - addresses to and from sockaddr and text, and prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/un.h>

#include "net/addr.h"

static struct addr parse(const char *string)
{
    struct addr addr = {0};

    assert_true(addr_parse_ip(string, strlen(string), &addr));
    return addr;
}

static bool is_ip(const char *string)
{
    struct addr addr = {0};

    return addr_parse_ip(string, strlen(string), &addr);
}

static const char *format(const struct addr *addr)
{
    static char buffer[ADDR_TEXT_BYTES];

    return addr_text(addr, buffer);
}

static void test_text_of_each_family(void **state)
{
    struct addr unset = {0};
    struct addr v4 = parse("127.0.0.1");
    struct addr v6 = parse("[::1]");
    struct addr path = {.family = AF_UNIX, .path = "/run/x"};
    struct addr abstract = {.family = AF_UNIX, .is_abstract = true, .path = "name"};
    struct addr unnamed = {.family = AF_UNIX};

    (void)state;
    v4.port = 80;
    v6.port = 65535;
    assert_string_equal(format(&unset), "-");
    assert_string_equal(format(&v4), "127.0.0.1:80");
    assert_string_equal(format(&v6), "[::1]:65535");
    v6.scope = 3;
    assert_string_equal(format(&v6), "[::1%3]:65535");
    assert_string_equal(format(&path), "unix:/run/x");
    assert_string_equal(format(&abstract), "unix:@name");
    assert_string_equal(format(&unnamed), "unix:");
}

static void test_only_whole_numeric_addresses_parse(void **state)
{
    static const char *const bad[] = {
        "",           "1",         "1.2.3",      "1.2.3.4.5",
        "256.1.1.1",  "01.2.3.4",  "0x7f.0.0.1", "1.2.3.4 ",
        " 1.2.3.4",   "localhost", "::1::",      "[::1",
        "::1]",       "[1.2.3.4]", "fe80::1%",   "fe80::1%no-such-interface",
        "1.2.3.4%lo", ":::",       "12345::"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_false(is_ip(bad[i]));
    assert_true(is_ip("0.0.0.0"));
    assert_true(is_ip("::"));
    assert_true(is_ip("::ffff:1.2.3.4"));
    struct addr addr = {0};
    assert_false(addr_parse_ip("1.2.3\0.4", 8, &addr));
    assert_true(addr_parse_ip("1.2.3.45", 7, &addr));
    assert_int_equal(ntohl(addr.v4.s_addr), 0x01020304);
}

static void test_a_zone_is_an_interface(void **state)
{
    struct addr addr = parse("fe80::1%lo");

    (void)state;
    assert_int_equal(addr.scope, if_nametoindex("lo"));
    addr = parse("fe80::1%7");
    assert_int_equal(addr.scope, 7);
}

static void test_parsing_leaves_the_port_alone(void **state)
{
    struct addr addr = {.port = 8080};

    (void)state;
    assert_true(addr_parse_ip("10.0.0.1", 8, &addr));
    assert_int_equal(addr.port, 8080);
}

static void test_sockaddr_and_back(void **state)
{
    static const char *const strings[] = {"10.1.2.3", "2001:db8::5", "fe80::1%lo"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(strings); i++) {
        struct addr addr = parse(strings[i]);
        struct addr back;
        struct sockaddr_storage storage;

        addr.port = 4321;
        socklen_t length = addr_to_sockaddr(&addr, &storage);
        assert_true(length > 0);
        addr_from_sockaddr(&back, (struct sockaddr *)&storage, length);
        assert_true(addr_equal(&addr, &back));
    }
    struct addr unset = {0};
    struct sockaddr_storage storage;
    assert_int_equal(addr_to_sockaddr(&unset, &storage), 0);
}

static void test_a_mapped_address_becomes_the_v4_one(void **state)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(99)};
    struct addr addr;

    (void)state;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
    addr_from_sockaddr(&addr, (struct sockaddr *)&in6, sizeof(in6));
    assert_string_equal(format(&addr), "192.0.2.1:99");
}

static void test_unix_sockaddrs_have_the_length_of_their_name(void **state)
{
    struct addr path = {.family = AF_UNIX, .path = "/run/x"};
    struct addr abstract = {.family = AF_UNIX, .is_abstract = true, .path = "ab"};
    struct sockaddr_storage storage;
    struct sockaddr_un *un = (struct sockaddr_un *)&storage;

    (void)state;
    assert_int_equal(addr_to_sockaddr(&path, &storage), offsetof(struct sockaddr_un, sun_path) + 7);
    assert_string_equal(un->sun_path, "/run/x");
    assert_int_equal(addr_to_sockaddr(&abstract, &storage),
                     offsetof(struct sockaddr_un, sun_path) + 3);
    assert_memory_equal(un->sun_path, "\0ab", 3);
}

static void test_a_cut_sockaddr_is_unset(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct addr addr;

    (void)state;
    addr_from_sockaddr(&addr, (struct sockaddr *)&in, 1);
    assert_int_equal(addr.family, AF_UNSPEC);
    addr_from_sockaddr(&addr, (struct sockaddr *)&in, sizeof(in) - 1);
    assert_int_equal(addr.family, AF_UNSPEC);
}

static void test_equality_looks_at_every_part(void **state)
{
    struct addr a = parse("10.0.0.1");
    struct addr b = parse("10.0.0.1");
    struct addr v6 = parse("fe80::1");
    struct addr scoped = parse("fe80::1%lo");
    struct addr path = {.family = AF_UNIX, .path = "x"};
    struct addr other = {.family = AF_UNIX, .path = "x", .is_abstract = true};
    struct addr unnamed = {.family = AF_UNIX};

    (void)state;
    assert_true(addr_equal(&a, &b));
    b.port = 1;
    assert_false(addr_equal(&a, &b));
    assert_false(addr_equal(&a, &v6));
    assert_false(addr_equal(&v6, &scoped));
    assert_false(addr_equal(&path, &other));
    assert_false(addr_equal(&path, &unnamed));
    assert_true(addr_equal(&unnamed, &unnamed));
}

static void test_bad_prefixes_say_why(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"10.0.0.1/8", "bits set"},        {"10.0.0.0/33", "from 0 to 32"},
        {"::/129", "from 0 to 128"},       {"10.0.0.0/", "from 0 to 32"},
        {"10.0.0.0/-1", "from 0 to 32"},   {"10.0.0.0/8x", "from 0 to 32"},
        {"10.0/8", "is not an IP"},        {"", "is not an IP"},
        {"fe80::1%lo/64", "is not an IP"}, {"10.0.0.0/0008", "from 0 to 32"},
        {"fd00::1/64", "bits set"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct prefix prefix;
        struct error error = {0};

        assert_false(prefix_parse(cases[i].text, strlen(cases[i].text), &prefix, &error));
        if (strstr(error.text, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_each_family),
        cmocka_unit_test(test_only_whole_numeric_addresses_parse),
        cmocka_unit_test(test_a_zone_is_an_interface),
        cmocka_unit_test(test_parsing_leaves_the_port_alone),
        cmocka_unit_test(test_sockaddr_and_back),
        cmocka_unit_test(test_a_mapped_address_becomes_the_v4_one),
        cmocka_unit_test(test_unix_sockaddrs_have_the_length_of_their_name),
        cmocka_unit_test(test_a_cut_sockaddr_is_unset),
        cmocka_unit_test(test_equality_looks_at_every_part),
        cmocka_unit_test(test_bad_prefixes_say_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
