/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate_proxy.c - trust in PROXY headers must be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/validate_proxy.h"

static void expect_silence(const char *text)
{
    config_destroy(load_good(text));
}

static void test_optional_headers_need_somebody_to_trust(void **state)
{
    (void)state;
    expect(MINIMAL "accept_proxy = optional\n",
           "culvert.ini:4:16: error: [listen web] has 'accept_proxy = optional' and needs "
           "'trusted_proxies'");
    expect("[defaults]\naccept_proxy = optional\n" MINIMAL, "culvert.ini:2:16: error: ");
    expect_silence(MINIMAL "accept_proxy = optional\ntrusted_proxies = 10.0.0.0/8\n");
    expect_silence("[defaults]\ntrusted_proxies = 10.0.0.0/8\n" MINIMAL
                   "accept_proxy = optional\n");
    expect_silence(MINIMAL "accept_proxy = optional\nenabled = no\n"
                           "[listen b]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n");
}

static void test_trust_in_everybody_is_for_private_addresses(void **state)
{
    static const char *const private[] = {
        "127.0.0.1:1",   "10.1.2.3:1", "172.31.0.1:1", "192.168.9.9:1",
        "169.254.1.1:1", "[::1]:1",    "[fd00::1]:1",  "unix:/tmp/culvert-proxy.sock"};
    static const char *const public[] = {
        ":1",           "0.0.0.0:1",       "192.0.2.1:1",
        "172.32.0.1:1", "[2001:db8::1]:1", "127.0.0.1:2 198.51.100.1:1"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(private); i++) {
        snprintf(text, sizeof(text),
                 "[listen web]\nbind = %s\nserver = 127.0.0.1:9\naccept_proxy = required\n",
                 private[i]);
        expect_silence(text);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(public); i++) {
        snprintf(text, sizeof(text),
                 "[listen web]\nbind = %s\nserver = 127.0.0.1:9\naccept_proxy = required\n",
                 public[i]);
        expect(text, "culvert.ini:4:16: warning: [listen web] believes the PROXY header of whoever "
                     "can reach");
        strcat(text, "trusted_proxies = 192.0.2.0/24\n");
        expect_silence(text);
    }
}

static void test_what_has_no_effect_is_said(void **state)
{
    (void)state;
    expect(MINIMAL "trusted_proxies = 10.0.0.0/8\n",
           "culvert.ini:4:19: warning: 'trusted_proxies' has no effect without 'accept_proxy'");
    expect("[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\nserver = 127.0.0.1:9\n"
           "send_proxy = v1\nsend_proxy_tlvs = ssl\n",
           "culvert.ini:7:19: warning: 'send_proxy_tlvs' has no effect without 'send_proxy = v2'");
    expect_silence("[defaults]\ntrusted_proxies = 10.0.0.0/8\nsend_proxy_tlvs = ssl\n" MINIMAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_optional_headers_need_somebody_to_trust,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_trust_in_everybody_is_for_private_addresses,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_what_has_no_effect_is_said, fixture_set_up,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
