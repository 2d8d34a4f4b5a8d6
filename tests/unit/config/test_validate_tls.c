/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate_tls.c - what TLS needs, and what it must not be asked for. Golden files show more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/validate_tls.h"

#define TERMINATING MINIMAL "tls = public\n[tls public]\n"
#define ORIGINATING                                                                                \
    "[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\ntls = up\nserver = 127.0.0.1:9\n"

static void expect_silence(const char *text)
{
    config_destroy(load_good(text));
}

static void test_clients_are_shown_a_certificate(void **state)
{
    (void)state;
    expect(TERMINATING, "culvert.ini:5:1: error: [tls public] is shown to clients (culvert.ini:4) "
                        "and needs 'cert' or 'cert_dir'");
    expect_silence(TERMINATING "cert = x.pem\n");
    expect_silence(TERMINATING "cert_dir = certs\n");
    expect_silence(MINIMAL "tls = ./x.pem\n");
    expect_silence(ORIGINATING "[tls up]\n");
    expect(TERMINATING "key = x.key\n", "has a 'key' and no 'cert'");
    expect(MINIMAL "[route r]\nlisten = web\nsni = a\npool = p\ntls = public\n"
                   "[pool p]\nserver = 127.0.0.1:9\n[tls public]\n",
           "is shown to clients (culvert.ini:8)");
}

static void test_who_verifies_trusts_someone(void **state)
{
    (void)state;
    expect(TERMINATING "cert = x.pem\nverify = optional\n", "needs 'ca_file'");
    expect_silence(TERMINATING "cert = x.pem\nverify = required\nca_file = ca.pem\n");
    expect_silence(TERMINATING "cert = x.pem\nverify = required\nca_file = system\n");
    /* The layout of a Kubernetes secret has its own. */
    assert_int_equal(mkdir("secret", 0700), 0);
    expect(TERMINATING "cert = secret\nverify = required\n", "needs 'ca_file'");
    write_file("secret/ca.crt", "");
    expect_silence(TERMINATING "cert = secret\nverify = required\n");
}

static void test_identities_need_verification(void **state)
{
    (void)state;
    expect(TERMINATING "cert = x.pem\nallow_san = dns:a\n",
           "culvert.ini:7:13: error: [tls public] asks clients for no certificate; 'allow_san' "
           "needs 'verify = required'");
    expect_silence(TERMINATING
                   "cert = x.pem\nverify = required\nca_file = ca\nallow_san = dns:a\n");
    expect_silence(ORIGINATING "[tls up]\nallow_san = dns:a\n");
    expect(ORIGINATING "[tls up]\nallow_san = dns:a\nverify = none\n",
           "culvert.ini:8:13: error: [tls up] does not verify servers; 'allow_san' needs");
    expect(ORIGINATING "[tls up]\nverify = none\n",
           "culvert.ini:8:10: warning: [tls up] does not verify servers");
}

static void test_versions_are_in_order(void **state)
{
    (void)state;
    expect(ORIGINATING "[tls up]\nmin_version = 1.3\nmax_version = 1.2\n",
           "8:15: error: [tls up]: min_version 1.3 is above max_version 1.2");
    expect_silence(ORIGINATING "[tls up]\nmin_version = 1.3\n");
    expect_silence(ORIGINATING "[tls up]\nmax_version = 1.2\n");
}

static void test_servers_have_a_name_to_verify(void **state)
{
#define UNIX                                                                                       \
    "[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\ntls = up\nserver = unix:/run/a"
    (void)state;
    expect(UNIX "\n[tls up]\n", "culvert.ini:6:10: error: the certificate of 'unix:/run/a' is "
                                "verified, but by which name?");
    expect_silence(UNIX " server_name=a.example.com\n[tls up]\n");
    expect_silence(UNIX "\n[tls up]\nserver_name = a.example.com\n");
    expect_silence(UNIX "\n[tls up]\nallow_san = uri:spiffe://example.com/a\n");
    expect(UNIX "\n[tls up]\nverify = none\n", "0 errors, 1 warning");
    expect("[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\ntls = up\n"
           "server = builtin:echo\n[tls up]\n",
           "6:10: error: 'builtin:echo' speaks no TLS, but [pool app] does");
}

static void test_starttls_and_alerts_are_for_tls(void **state)
{
    static const char wanted[] = "says 'starttls' and speaks no TLS";

    (void)state;
    expect(MINIMAL "starttls = postgres\n", wanted);
    expect(MINIMAL "starttls = postgres\ntls = off\n", wanted);
    expect(MINIMAL "starttls = postgres\n[route r]\nlisten = web\nsource = 127.0.0.1\n"
                   "action = reject\n",
           wanted);
    expect_silence(MINIMAL "starttls = postgres\ntls = /x\n");
    expect_silence(MINIMAL "starttls = postgres\nno_route = alert\n"
                           "[route r]\nlisten = web\nsni = db.example.com\naction = reject\n");
    write_file("names.map", "");
    expect_silence(MINIMAL "starttls = postgres\nsni_map = names.map\n");
    expect(MINIMAL "no_route = alert\n", "culvert.ini:4:12: warning: [listen web] looks at no "
                                         "ClientHello, so 'no_route = alert' resets");
    expect_silence("[defaults]\nno_route = alert\n" MINIMAL);
}

static void test_names_of_sections_are_near_or_paths(void **state)
{
    (void)state;
    expect(MINIMAL "tls = pubic\n[tls public]\ncert = x\n",
           "culvert.ini:4:7: error: [listen web] wants tls 'pubic'; did you mean 'public' "
           "(culvert.ini:5)? (a path has a slash or ends in .pem)");
    expect(ORIGINATING, "5:7: error: [pool app] wants tls 'up'; there is no [tls up]\n");
    expect(MINIMAL "[tls public]\ncert = x\n",
           "4:1: warning: [tls public] is used by no listener, no route and no pool");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_are_shown_a_certificate),
        cmocka_unit_test(test_who_verifies_trusts_someone),
        cmocka_unit_test(test_identities_need_verification),
        cmocka_unit_test(test_versions_are_in_order),
        cmocka_unit_test(test_servers_have_a_name_to_verify),
        cmocka_unit_test(test_starttls_and_alerts_are_for_tls),
        cmocka_unit_test(test_names_of_sections_are_near_or_paths),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
