/* SPDX-License-Identifier: Apache-2.0 */
/* test_hash_key.c - the bytes of each kind of key, as docs/reference/maglev.md has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pool/hash_key.h"
#include "pool/maglev.h"

static struct addr client;
static struct addr dialled;

static void set_addr(struct addr *addr, const char *text, uint16_t port)
{
    memset(addr, 0, sizeof(*addr));
    assert_true(addr_parse_ip(text, strlen(text), addr));
    addr->port = port;
}

static int set_addrs(void **state)
{
    (void)state;
    set_addr(&client, "192.0.2.1", 50000);
    set_addr(&dialled, "10.0.0.9", 443);
    return 0;
}

static uint64_t hash(enum hash_key key, const char *sni)
{
    struct hash_client one = {.source = &client, .destination = &dialled, .sni = sni};

    return hash_key_of(key, &one);
}

static void test_source_is_the_address_alone(void **state)
{
    (void)state;
    assert_int_equal(hash(HASH_SOURCE, "a.example"), maglev_hash("\xc0\x00\x02\x01", 4));
    client.port = 1;
    assert_int_equal(hash(HASH_SOURCE, NULL), maglev_hash("\xc0\x00\x02\x01", 4));
    set_addr(&client, "2001:db8::1", 50000);
    client.scope = 3;
    assert_int_equal(
        hash(HASH_SOURCE, NULL),
        maglev_hash("\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 16));
}

static void test_source_port_is_address_and_port(void **state)
{
    (void)state;
    assert_int_equal(hash(HASH_SOURCE_PORT, NULL), maglev_hash("\xc0\x00\x02\x01\xc3\x50", 6));
}

static void test_destination_is_what_was_dialled(void **state)
{
    (void)state;
    assert_int_equal(hash(HASH_DESTINATION, NULL), maglev_hash("\x0a\x00\x00\x09\x01\xbb", 6));
}

static void test_sni_is_the_name_or_else_the_source(void **state)
{
    (void)state;
    assert_int_equal(hash(HASH_SNI, "a.example"), maglev_hash("a.example", 9));
    assert_int_equal(hash(HASH_SNI, NULL), hash(HASH_SOURCE, NULL));
    assert_int_equal(hash(HASH_SNI, ""), hash(HASH_SOURCE, NULL));
}

static void test_unix_clients_are_one_client(void **state)
{
    (void)state;
    client = (struct addr){.family = AF_UNIX};
    dialled = (struct addr){.family = AF_UNIX, .path = "/run/x"};
    assert_int_equal(hash(HASH_SOURCE, NULL), maglev_hash("", 0));
    assert_int_equal(hash(HASH_SOURCE_PORT, NULL), maglev_hash("", 0));
    assert_int_equal(hash(HASH_DESTINATION, NULL), maglev_hash("", 0));
}

static void test_words_are_those_of_the_configuration(void **state)
{
    (void)state;
    assert_string_equal(hash_key_word(HASH_SOURCE), "source");
    assert_string_equal(hash_key_word(HASH_SOURCE_PORT), "source_port");
    assert_string_equal(hash_key_word(HASH_DESTINATION), "destination");
    assert_string_equal(hash_key_word(HASH_SNI), "sni");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_source_is_the_address_alone, set_addrs),
        cmocka_unit_test_setup(test_source_port_is_address_and_port, set_addrs),
        cmocka_unit_test_setup(test_destination_is_what_was_dialled, set_addrs),
        cmocka_unit_test_setup(test_sni_is_the_name_or_else_the_source, set_addrs),
        cmocka_unit_test_setup(test_unix_clients_are_one_client, set_addrs),
        cmocka_unit_test(test_words_are_those_of_the_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
