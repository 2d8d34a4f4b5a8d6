/* SPDX-License-Identifier: Apache-2.0 */
/* test_value_tls.c - what is a name, a protocol, a pattern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base.h"
#include "config/value_tls.h"

typedef const char *(*fault_of)(const char *word);

static void expect_right(fault_of fault, const char *word)
{
    if (fault(word) != NULL)
        fail_msg("%s: %s", word, fault(word));
}

static void expect_wrong(fault_of fault, const char *word, const char *why)
{
    const char *what = fault(word);

    if (what == NULL)
        fail_msg("'%s' is accepted", word);
    else if (strstr(what, why) == NULL)
        fail_msg("'%s': %s", word, what);
}

static void test_names_that_clients_ask_for(void **state)
{
    static const char *const right[] = {
        "api.example.com",       "API.Example.COM",    "*.example.com", "-", "localhost", "a.b.",
        "xn--mller-kva.example", "_dmarc.example.com", "1.example.com"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(right); i++)
        expect_right(value_sni_fault, right[i]);
    expect_wrong(value_sni_fault, "", "write a name");
    expect_wrong(value_sni_fault, "*", "whole first label");
    expect_wrong(value_sni_fault, "a.*.com", "whole first label");
    expect_wrong(value_sni_fault, "a..b", "empty");
    expect_wrong(value_sni_fault, "a b", "letters");
    expect_wrong(value_sni_fault, "a:443", "letters");
    expect_wrong(value_sni_fault, "192.0.2.1", "never ask for an address");
    expect_wrong(value_sni_fault, "2001:db8::1", "never ask for an address");
    expect_wrong(value_sni_fault,
                 "b\xc3\xbc"
                 "cher.example",
                 "xn--");
}

static void test_names_of_servers(void **state)
{
    (void)state;
    expect_right(value_name_fault, "db.example.com");
    expect_right(value_name_fault, "192.0.2.1");
    expect_right(value_name_fault, "2001:db8::1");
    expect_wrong(value_name_fault, "-", "no host name");
    expect_wrong(value_name_fault, "*.example.com", "no host name");
    expect_wrong(value_name_fault, "", "write a name");
    expect_wrong(value_name_fault, "db.example.com:5432", "letters");
}

static void test_protocols(void **state)
{
    char word[257];

    (void)state;
    memset(word, 'x', 256);
    word[256] = '\0';
    expect_right(value_alpn_fault, "h2");
    expect_right(value_alpn_fault, word + 1);
    expect_wrong(value_alpn_fault, word, "1 to 255 bytes");
    expect_wrong(value_alpn_fault, "", "1 to 255 bytes");
}

static void test_patterns_say_what_they_are_for(void **state)
{
    (void)state;
    expect_right(value_san_fault, "dns:*.example.com");
    expect_right(value_san_fault, "uri:spiffe://example.com/ns/shop/*");
    expect_right(value_san_fault, "ip:192.0.2.1");
    expect_right(value_san_fault, "ip:2001:db8::1");
    expect_right(value_san_fault, "cn:someone");
    expect_wrong(value_san_fault, "dns:", "missing behind the colon");
    expect_wrong(value_san_fault, "uri:", "missing behind the colon");
    expect_wrong(value_san_fault, "ip:example.com", "no address");
    expect_wrong(value_san_fault, "ip:", "no address");
    expect_wrong(value_san_fault, "spiffe://example.com/a", "write dns:NAME");
    expect_wrong(value_san_fault, "", "write dns:NAME");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_clients_ask_for),
        cmocka_unit_test(test_names_of_servers),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_patterns_say_what_they_are_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
