/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls_context.c - handshakes between contexts: choice of certificate, ALPN, who may take part,
 * resumption and where it ends. OpenSSL alone plays the other side where ours would not misbehave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "tls/tls_fixture.h"
#include "tls/tls_profile.h"
#include "tls/tls_policy.h"

#define WORKERS 2

static char folder[PATH_MAX];
static struct fixture_id authority;
static struct fixture_id server_id; /* DNS:server.example, IP:127.0.0.1 */
static struct fixture_id client_id; /* spiffe://example.org/web */
static const char *authority_path;
static const char *server_path;
static const char *client_path;

static int set_up_all(void **state)
{
    static char paths[3][PATH_MAX];

    (void)state;
    fixture_folder(folder);
    authority = fixture_authority("Test CA");
    server_id = fixture_issue(&authority,
                              (struct fixture_wish){.names = "DNS:server.example,IP:127.0.0.1"});
    client_id =
        fixture_issue(&authority, (struct fixture_wish){.names = "URI:spiffe://example.org/web"});
    snprintf(paths[0], PATH_MAX, "%s", fixture_path(folder, "ca.pem"));
    snprintf(paths[1], PATH_MAX, "%s", fixture_path(folder, "server.pem"));
    snprintf(paths[2], PATH_MAX, "%s", fixture_path(folder, "client.pem"));
    authority_path = fixture_pem(paths[0], &authority, false);
    server_path = fixture_pem(paths[1], &server_id, true);
    client_path = fixture_pem(paths[2], &client_id, true);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    fixture_id_free(&authority);
    fixture_id_free(&server_id);
    fixture_id_free(&client_id);
    fixture_folder_remove(folder);
    return 0;
}

static struct tls_options server_options(void)
{
    struct tls_options options = fixture_options(TLS_SERVER);

    options.cert = server_path;
    return options;
}

static struct tls_options client_options(void)
{
    struct tls_options options = fixture_options(TLS_CLIENT);

    options.ca_file = authority_path;
    return options;
}

static struct tls_profile *create(const struct tls_options *options, enum tls_role role)
{
    struct error error = {0};
    struct tls_profile *profile = tls_profile_create(options, role, WORKERS, &error);

    if (profile == NULL)
        fail_msg("%s", error.text);
    return profile;
}

static void expect_refusal(const struct tls_options *options, enum tls_role role, const char *words)
{
    struct error error = {0};

    assert_null(tls_profile_create(options, role, WORKERS, &error));
    if (strstr(error.text, words) == NULL)
        fail_msg("'%s' lacks '%s'", error.text, words);
    assert_int_equal(ERR_peek_error(), 0);
}

/* What became of a handshake. */
struct outcome {
    bool is_complete;
    bool is_resumed;
    bool client_accepts;
    bool server_accepts;
    int version;
    char words[256];          /* the first objection, or OpenSSL's words */
    char alpn[32];            /* as the client sees it */
    char name[64];            /* SNI, as the server has it */
    int alert;                /* that the client received, or 0 */
    unsigned char digest[32]; /* of the server's certificate */
    unsigned digest_size;
};

static _Thread_local int last_alert;

static void note_alert(const SSL *ssl, int where, int value)
{
    (void)ssl;
    if (where == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        last_alert = value & 0xff;
}

/* A handshake between two profiles' workers; the ends are closed cleanly. */
static struct outcome meet(struct tls_profile *client, unsigned client_worker,
                           struct tls_profile *server, unsigned server_worker,
                           const struct tls_target *target)
{
    struct outcome outcome = {.is_complete = false};
    struct text words = text_over(outcome.words, sizeof(outcome.words));
    struct fixture_ends ends;
    const char *name;
    const unsigned char *alpn;
    unsigned alpn_size;

    fixture_ends_open(&ends, tls_profile_context(client, client_worker),
                      tls_profile_context(server, server_worker), target);
    last_alert = 0;
    SSL_set_info_callback(ends.link.client, note_alert);
    outcome.is_complete = fixture_shake_hands(&ends.link);
    outcome.alert = last_alert;
    if (outcome.is_complete) {
        outcome.version = SSL_version(ends.link.client);
        outcome.is_resumed = SSL_session_reused(ends.link.client) == 1;
        assert_int_equal(SSL_session_reused(ends.link.server), outcome.is_resumed);
        name = SSL_get_servername(ends.link.server, TLSEXT_NAMETYPE_host_name);
        snprintf(outcome.name, sizeof(outcome.name), "%s", name == NULL ? "" : name);
        outcome.digest_size = sizeof(outcome.digest);
        X509_digest(SSL_get0_peer_certificate(ends.link.client), EVP_sha256(), outcome.digest,
                    &outcome.digest_size);
        outcome.server_accepts = tls_context_accepts(ends.server.context, ends.link.server,
                                                     outcome.words, sizeof(outcome.words));
        outcome.client_accepts = tls_context_accepts(ends.client.context, ends.link.client,
                                                     outcome.words + strlen(outcome.words),
                                                     sizeof(outcome.words) - strlen(outcome.words));
        SSL_get0_alpn_selected(ends.link.client, &alpn, &alpn_size);
        snprintf(outcome.alpn, sizeof(outcome.alpn), "%.*s", (int)alpn_size, alpn);
        assert_int_equal(ERR_peek_error(), 0);
    } else {
        text_append(&words, ends.link.words);
    }
    ERR_clear_error();
    fixture_link_free(&ends.link);
    return outcome;
}

static const struct tls_target to_server = {.server_name = "server.example", .session_key = 7};

/* One handshake with these options; profiles are gone afterwards, certificate too. */
static struct outcome meet_once(const struct tls_options *client, const struct tls_options *server,
                                const struct tls_target *target)
{
    struct tls_profile *client_profile = create(client, TLS_CLIENT);
    struct tls_profile *server_profile = create(server, TLS_SERVER);
    struct outcome outcome = meet(client_profile, 0, server_profile, 0, target);

    tls_profile_destroy(client_profile);
    tls_profile_destroy(server_profile);
    return outcome;
}

static bool is_accepted(const struct outcome *outcome)
{
    return outcome->is_complete && outcome->client_accepts && outcome->server_accepts;
}

/* ---- protocol ---------------------------------------------------------------------------------
 */

static void test_versions_are_those_asked_for(void **state)
{
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct outcome outcome;

    (void)state;
    outcome = meet_once(&client, &server, &to_server);
    assert_true(is_accepted(&outcome));
    assert_int_equal(outcome.version, TLS1_3_VERSION);
    server.max_version = TLS_VERSION_1_2;
    outcome = meet_once(&client, &server, &to_server);
    assert_true(is_accepted(&outcome));
    assert_int_equal(outcome.version, TLS1_2_VERSION);
    client.min_version = TLS_VERSION_1_3;
    outcome = meet_once(&client, &server, &to_server);
    assert_false(outcome.is_complete);
    server.min_version = TLS_VERSION_1_3;
    expect_refusal(&server, TLS_SERVER, "min_version is above max_version");
}

/* TLS 1.1 is not spoken, whatever the other side's policy. */
static void test_nothing_below_tls_1_2_is_spoken(void **state)
{
    struct tls_options options = server_options();
    struct tls_profile *server = create(&options, TLS_SERVER);
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    struct fixture_link link;

    (void)state;
    SSL_CTX_set_security_level(old, 0);
    SSL_CTX_set_cipher_list(old, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(old, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
    link = fixture_link(old, tls_profile_context(server, 0)->ssl_ctx);
    assert_false(fixture_shake_hands(&link));
    ERR_clear_error();
    fixture_link_free(&link);
    SSL_CTX_free(old);
    tls_profile_destroy(server);
}

static void test_lists_of_algorithms_are_applied_and_checked(void **state)
{
    struct tls_options options = server_options();
    struct tls_profile *profile;
    STACK_OF(SSL_CIPHER) * ciphers;

    (void)state;
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:!RC4:@SECLEVEL=2";
    options.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";
    options.groups = "X25519:P-256";
    profile = create(&options, TLS_SERVER);
    ciphers = SSL_CTX_get_ciphers(tls_profile_context(profile, 0)->ssl_ctx);
    assert_int_equal(sk_SSL_CIPHER_num(ciphers), 2);
    assert_string_equal(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, 0)),
                        "TLS_CHACHA20_POLY1305_SHA256");
    tls_profile_destroy(profile);

    options = server_options();
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-NONSENSE";
    expect_refusal(&options, TLS_SERVER, "ciphers: this OpenSSL knows no 'ECDHE-NONSENSE'");
    options.ciphers = ":";
    expect_refusal(&options, TLS_SERVER, "ciphers: is empty");
    options = server_options();
    options.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_NONSENSE";
    expect_refusal(&options, TLS_SERVER, "ciphersuites: this OpenSSL knows no 'TLS_NONSENSE'");
    options = server_options();
    options.groups = "X25519:P-257";
    expect_refusal(&options, TLS_SERVER, "groups: this OpenSSL knows no 'P-257'");
}

static void test_what_conns_and_policy_rely_on_is_set(void **state)
{
    struct tls_options options = server_options();
    struct tls_profile *profile = create(&options, TLS_SERVER);
    SSL_CTX *ssl_ctx = tls_profile_context(profile, 0)->ssl_ctx;
    const uint64_t wanted = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;

    (void)state;
    assert_true((SSL_CTX_get_options(ssl_ctx) & wanted) == wanted);
    assert_true((SSL_CTX_get_options(ssl_ctx) & SSL_OP_ENABLE_KTLS) == 0);
    assert_true((SSL_CTX_get_mode(ssl_ctx) & SSL_MODE_RELEASE_BUFFERS) != 0);
    assert_int_equal(SSL_CTX_get_session_cache_mode(ssl_ctx), SSL_SESS_CACHE_OFF);
    assert_int_equal(SSL_CTX_get_timeout(ssl_ctx), 3600);
    assert_int_equal(SSL_CTX_get_max_early_data(ssl_ctx), 0);
    tls_profile_destroy(profile);
}

/* ---- ALPN -------------------------------------------------------------------------------------
 */

static void test_alpn_goes_by_the_servers_order(void **state)
{
    static const char *const servers[] = {"h2", "http/1.1", NULL};
    static const char *const clients[] = {"http/1.1", "h2", NULL};
    static const char *const others[] = {"postgresql", NULL};
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct outcome outcome;

    (void)state;
    server.alpn = servers;
    client.alpn = clients;
    outcome = meet_once(&client, &server, &to_server);
    assert_true(is_accepted(&outcome));
    assert_string_equal(outcome.alpn, "h2");
    /* None of ours: an alert, not silence (RFC 7301, 3.2). */
    client.alpn = others;
    outcome = meet_once(&client, &server, &to_server);
    assert_false(outcome.is_complete);
    assert_int_equal(outcome.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
    /* Nobody asked: nothing is chosen. */
    client.alpn = NULL;
    outcome = meet_once(&client, &server, &to_server);
    assert_true(is_accepted(&outcome));
    assert_string_equal(outcome.alpn, "");
}

/* ---- which certificate ------------------------------------------------------------------------
 */

/* The certificate that a client without resumption gets for a name. */
static bool serves(struct tls_profile *server, const char *name, const struct fixture_id *expected)
{
    struct tls_options options = client_options();
    struct tls_target target = {.server_name = name};
    struct tls_profile *client;
    struct outcome outcome;
    unsigned char digest[32];

    options.verify = TLS_VERIFY_NONE;
    options.ca_file = NULL;
    client = create(&options, TLS_CLIENT);
    outcome = meet(client, 0, server, 0, &target);
    assert_true(is_accepted(&outcome));
    X509_digest(expected->certificate, EVP_sha256(), digest, NULL);
    tls_profile_destroy(client);
    return memcmp(outcome.digest, digest, sizeof(digest)) == 0;
}

static void test_the_certificate_is_chosen_by_name(void **state)
{
    struct fixture_id wide =
        fixture_issue(&authority, (struct fixture_wish){.names = "DNS:*.wide.example"});
    struct fixture_id exact =
        fixture_issue(&authority, (struct fixture_wish){.names = "DNS:one.wide.example"});
    struct tls_options options = server_options();
    struct tls_profile *server;
    char dir[PATH_MAX];

    (void)state;
    snprintf(dir, sizeof(dir), "%s", fixture_path(folder, "dir"));
    assert_int_equal(mkdir(dir, 0700), 0);
    fixture_pem(fixture_path(dir, "b.pem"), &wide, true);
    fixture_pem(fixture_path(dir, "c.pem"), &exact, true);
    options.cert_dir = dir;
    for (unsigned version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        options.max_version = (enum tls_version)version;
        server = create(&options, TLS_SERVER);
        assert_true(serves(server, "one.wide.example", &exact));
        assert_true(serves(server, "ONE.wide.example.", &exact));
        assert_true(serves(server, "two.wide.example", &wide));
        assert_true(serves(server, "a.b.wide.example", &server_id));
        assert_true(serves(server, "unknown.example", &server_id));
        assert_true(serves(server, NULL, &server_id));
        tls_profile_destroy(server);
    }
    /* Without `cert` the first file's is the default. */
    options.cert = NULL;
    server = create(&options, TLS_SERVER);
    assert_true(serves(server, "unknown.example", &wide));
    tls_profile_destroy(server);
    fixture_id_free(&wide);
    fixture_id_free(&exact);
}

static void test_an_unknown_name_is_refused_where_it_shall_be(void **state)
{
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct tls_target target = {.server_name = "other.example"};
    struct outcome outcome;

    (void)state;
    client.verify = TLS_VERIFY_NONE;
    client.ca_file = NULL;
    server.sni_mismatch_alert = true;
    outcome = meet_once(&client, &server, &target);
    assert_false(outcome.is_complete);
    assert_int_equal(outcome.alert, SSL_AD_UNRECOGNIZED_NAME);
    /* A client that names nobody gets the default, one that names us as well. */
    target.server_name = NULL;
    outcome = meet_once(&client, &server, &target);
    assert_true(is_accepted(&outcome));
    outcome = meet_once(&client, &server, &to_server);
    assert_true(is_accepted(&outcome));
}

static void test_rsa_and_ecdsa_are_served_side_by_side(void **state)
{
    struct fixture_id rsa = fixture_issue(
        &authority, (struct fixture_wish){.names = "DNS:server.example", .is_rsa = true});
    const char *path = fixture_pem(fixture_path(folder, "both.pem"), &server_id, true);
    struct tls_options options = server_options();
    struct tls_profile *server;
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    struct fixture_link link;

    (void)state;
    fixture_append_pem(path, rsa.certificate, rsa.key);
    options.cert = path;
    server = create(&options, TLS_SERVER);
    assert_true(serves(server, "server.example", &server_id));
    SSL_CTX_set1_sigalgs_list(old, "RSA-PSS+SHA256");
    link = fixture_link(old, tls_profile_context(server, 0)->ssl_ctx);
    assert_true(fixture_shake_hands(&link));
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(link.client), rsa.certificate), 0);
    fixture_link_free(&link);
    SSL_CTX_free(old);
    tls_profile_destroy(server);
    fixture_id_free(&rsa);
}

/* ---- who may take part ------------------------------------------------------------------------
 */

static void expect_denied(const struct tls_options *client, const struct tls_options *server,
                          const struct tls_target *target, const char *words)
{
    struct outcome outcome = meet_once(client, server, target);

    assert_false(is_accepted(&outcome));
    if (strstr(outcome.words, words) == NULL)
        fail_msg("'%s' lacks '%s'", outcome.words, words);
}

static void test_servers_are_verified_by_name_unless_told_otherwise(void **state)
{
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct tls_target target = {.server_name = "other.example"};
    struct outcome outcome;

    (void)state;
    expect_denied(&client, &server, &target, "hostname mismatch");
    target.server_name = "127.0.0.2";
    expect_denied(&client, &server, &target, "IP address mismatch");
    target.server_name = "127.0.0.1";
    outcome = meet_once(&client, &server, &target);
    assert_true(is_accepted(&outcome));
    target.server_name = "server.example.";
    outcome = meet_once(&client, &server, &target);
    assert_true(is_accepted(&outcome));
    /* The section's name stands in where the target has none; without any nobody is believed. */
    target.server_name = NULL;
    expect_denied(&client, &server, &target, "no server_name");
    client.server_name = "server.example";
    outcome = meet_once(&client, &server, &target);
    assert_true(is_accepted(&outcome));
    /* The system's store does not know the test's authority. */
    client.ca_file = NULL;
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0)
        expect_denied(&client, &server, &to_server, "unable to get local issuer certificate");
    client.verify = TLS_VERIFY_NONE;
    outcome = meet_once(&client, &server, &to_server);
    assert_true(is_accepted(&outcome));
}

/* A peer by SPIFFE has no host name: the patterns say whom to expect instead. */
static void test_allow_san_stands_in_for_the_servers_name(void **state)
{
    static const char *const patterns[] = {"uri:spiffe://example.org/*", NULL};
    static const char *const others[] = {"uri:spiffe://example.org/db", NULL};
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct outcome outcome;

    (void)state;
    server.cert = client_path;
    client.allow_san = patterns;
    outcome = meet_once(&client, &server, &to_server);
    assert_true(is_accepted(&outcome));
    client.allow_san = others;
    expect_denied(&client, &server, &to_server,
                  "not one of allow_san: uri:spiffe://example.org/web");
}

static void test_clients_are_verified_as_configured(void **state)
{
    static const char *const patterns[] = {"uri:spiffe://example.org/web", NULL};
    static const char *const others[] = {"uri:spiffe://example.org/db", "dns:x.example", NULL};
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct fixture_id stranger = fixture_authority("Other CA");
    struct fixture_id strange_id =
        fixture_issue(&stranger, (struct fixture_wish){.names = "URI:spiffe://example.org/web"});
    const char *strange_path = fixture_pem(fixture_path(folder, "strange.pem"), &strange_id, true);
    struct outcome outcome;

    (void)state;
    server.verify = TLS_VERIFY_REQUIRED;
    expect_refusal(&server, TLS_SERVER, "verify needs ca_file");
    server.ca_file = authority_path;
    for (unsigned version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        server.max_version = (enum tls_version)version;
        client.cert = NULL;
        server.verify = TLS_VERIFY_REQUIRED;
        server.allow_san = NULL;
        expect_denied(&client, &server, &to_server, "peer did not return a certificate");
        server.verify = TLS_VERIFY_OPTIONAL;
        outcome = meet_once(&client, &server, &to_server);
        assert_true(is_accepted(&outcome));
        client.cert = strange_path; /* optional, but not anybody's */
        expect_denied(&client, &server, &to_server, "unable to get local issuer certificate");
        server.verify = TLS_VERIFY_REQUIRED;
        expect_denied(&client, &server, &to_server, "unable to get local issuer certificate");
        client.cert = client_path;
        outcome = meet_once(&client, &server, &to_server);
        assert_true(is_accepted(&outcome));
        server.allow_san = patterns;
        outcome = meet_once(&client, &server, &to_server);
        assert_true(is_accepted(&outcome));
        server.allow_san = others;
        outcome = meet_once(&client, &server, &to_server);
        assert_false(outcome.is_complete);
        assert_string_equal(outcome.words, "not one of allow_san: uri:spiffe://example.org/web");
        assert_int_equal(outcome.alert, SSL_AD_BAD_CERTIFICATE);
    }
    server.verify = TLS_VERIFY_NONE;
    expect_refusal(&server, TLS_SERVER, "allow_san needs verify");
    fixture_id_free(&stranger);
    fixture_id_free(&strange_id);
}

static void test_an_expired_client_is_denied(void **state)
{
    struct fixture_id old =
        fixture_issue(&authority, (struct fixture_wish){.from_days = -9, .to_days = -1});
    struct tls_options options = server_options();
    struct tls_profile *server;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct fixture_link link;

    (void)state;
    options.verify = TLS_VERIFY_REQUIRED;
    options.ca_file = authority_path;
    server = create(&options, TLS_SERVER);
    SSL_CTX_use_cert_and_key(client, old.certificate, old.key, NULL, 1);
    link = fixture_link(client, tls_profile_context(server, 0)->ssl_ctx);
    assert_false(fixture_shake_hands(&link));
    assert_non_null(strstr(link.words, "certificate has expired"));
    fixture_link_free(&link);
    SSL_CTX_free(client);
    tls_profile_destroy(server);
    fixture_id_free(&old);
}

/* ---- resumption -------------------------------------------------------------------------------
 */

static void test_sessions_are_resumed_on_any_worker(void **state)
{
    struct tls_options client = client_options();
    struct tls_options server = server_options();

    (void)state;
    client.cert = client_path;
    server.verify = TLS_VERIFY_REQUIRED;
    server.ca_file = authority_path;
    for (unsigned version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        struct tls_profile *server_profile;
        struct tls_profile *client_profile = create(&client, TLS_CLIENT);
        struct outcome outcome;

        server.max_version = (enum tls_version)version;
        server_profile = create(&server, TLS_SERVER);
        outcome = meet(client_profile, 0, server_profile, 0, &to_server);
        assert_true(is_accepted(&outcome));
        assert_false(outcome.is_resumed);
        for (unsigned i = 0; i < 5; i++) {
            outcome = meet(client_profile, 0, server_profile, i % WORKERS, &to_server);
            assert_true(is_accepted(&outcome));
            if (!outcome.is_resumed)
                fail_msg("version %x, handshake %u", version, i);
            assert_string_equal(outcome.name, "server.example");
        }
        /* The client's other worker has a store of its own; so has another server, and a name. */
        outcome = meet(client_profile, 1, server_profile, 0, &to_server);
        assert_false(outcome.is_resumed);
        outcome = meet(client_profile, 0, server_profile, 0,
                       &(struct tls_target){.server_name = "server.example", .session_key = 8});
        assert_false(outcome.is_resumed);
        outcome = meet(client_profile, 0, server_profile, 0,
                       &(struct tls_target){.server_name = "127.0.0.1", .session_key = 7});
        assert_true(is_accepted(&outcome));
        assert_false(outcome.is_resumed);
        tls_profile_destroy(server_profile);
        tls_profile_destroy(client_profile);
    }
}

static void test_nothing_is_resumed_without_tickets(void **state)
{
    struct tls_options client = client_options();
    struct tls_options server = server_options();

    (void)state;
    for (unsigned version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        for (int side = 0; side < 2; side++) {
            struct tls_profile *server_profile;
            struct tls_profile *client_profile;

            client.session_tickets = side == 0;
            server.session_tickets = side == 1;
            server.max_version = (enum tls_version)version;
            server_profile = create(&server, TLS_SERVER);
            client_profile = create(&client, TLS_CLIENT);
            for (int i = 0; i < 3; i++) {
                struct outcome outcome = meet(client_profile, 0, server_profile, 0, &to_server);

                assert_true(is_accepted(&outcome));
                assert_false(outcome.is_resumed);
            }
            tls_profile_destroy(server_profile);
            tls_profile_destroy(client_profile);
        }
    }
}

/* Whether a session made with one server profile is resumed by another one. */
static bool resumes_across(const struct tls_options *one, const struct tls_options *other)
{
    struct tls_options options = client_options();
    struct tls_profile *client;
    struct tls_profile *first;
    struct tls_profile *second;
    struct outcome outcome;

    options.cert = client_path;
    client = create(&options, TLS_CLIENT);
    first = create(one, TLS_SERVER);
    second = create(other, TLS_SERVER);
    outcome = meet(client, 0, first, 0, &to_server);
    assert_true(is_accepted(&outcome));
    outcome = meet(client, 0, second, 0, &to_server);
    assert_true(is_accepted(&outcome));
    tls_profile_destroy(client);
    tls_profile_destroy(first);
    tls_profile_destroy(second);
    return outcome.is_resumed;
}

/* Replicas with the same key file share sessions; another profile or policy does not, and neither
   does a profile with keys of its own. */
static void test_sessions_cross_replicas_but_no_policy(void **state)
{
    static const char *const patterns[] = {"uri:spiffe://example.org/*", NULL};
    const char *key_path = fixture_path(folder, "ticket.key");
    const char *const keys[] = {key_path, NULL};
    char both_path[PATH_MAX];
    unsigned char bytes[80];

    (void)state;
    memset(bytes, 7, sizeof(bytes));
    fixture_write(key_path, bytes, sizeof(bytes));
    snprintf(both_path, sizeof(both_path), "%s", fixture_path(folder, "two-cas.pem"));
    fixture_pem(both_path, &authority, false);
    fixture_append_pem(both_path, server_id.certificate, NULL);
    for (unsigned version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        struct tls_options one = server_options();
        struct tls_options other;

        one.max_version = (enum tls_version)version;
        one.verify = TLS_VERIFY_REQUIRED;
        one.ca_file = authority_path;
        assert_false(resumes_across(&one, &one)); /* random keys */
        one.ticket_key_files = keys;
        assert_true(resumes_across(&one, &one));
        other = one;
        other.name = "other";
        assert_false(resumes_across(&one, &other));
        other = one;
        other.verify = TLS_VERIFY_OPTIONAL;
        assert_false(resumes_across(&other, &one));
        other = one;
        other.verify = TLS_VERIFY_NONE;
        other.ca_file = NULL;
        assert_false(resumes_across(&other, &one));
        other = one;
        other.allow_san = patterns;
        assert_false(resumes_across(&one, &other));
        other = one;
        other.ca_file = both_path;
        assert_false(resumes_across(&one, &other));
    }
}

/* New trust begins without sessions: the old tickets are of another policy. */
static void test_a_reload_that_changes_trust_ends_resumption(void **state)
{
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    const char *ca_path = fixture_pem(fixture_path(folder, "trust.pem"), &authority, false);
    struct tls_context *contexts[WORKERS];
    struct error error = {0};
    struct tls_profile *server_profile;
    struct tls_profile *client_profile;
    struct outcome outcome;

    (void)state;
    client.cert = client_path;
    server.verify = TLS_VERIFY_REQUIRED;
    server.ca_file = ca_path;
    server_profile = create(&server, TLS_SERVER);
    client_profile = create(&client, TLS_CLIENT);
    meet(client_profile, 0, server_profile, 0, &to_server);
    /* The same files again: sessions go on. */
    assert_int_equal(tls_profile_look(server_profile, true, 0, contexts, &error), TLS_CHANGED);
    for (unsigned i = 0; i < WORKERS; i++)
        tls_profile_take(server_profile, i, contexts[i]);
    outcome = meet(client_profile, 0, server_profile, 0, &to_server);
    assert_true(outcome.is_resumed);
    fixture_append_pem(ca_path, server_id.certificate, NULL);
    assert_int_equal(tls_profile_look(server_profile, true, 0, contexts, &error), TLS_CHANGED);
    for (unsigned i = 0; i < WORKERS; i++)
        tls_profile_take(server_profile, i, contexts[i]);
    outcome = meet(client_profile, 0, server_profile, 0, &to_server);
    assert_true(is_accepted(&outcome));
    assert_false(outcome.is_resumed);
    tls_profile_destroy(server_profile);
    tls_profile_destroy(client_profile);
}

/* A resumed session is no way around allow_san or the end of a certificate: the check is made by
   what the session holds. */
static void test_a_resumed_identity_is_looked_at_again(void **state)
{
    static const char *const patterns[] = {"uri:spiffe://example.org/web", NULL};
    static const char *const others[] = {"uri:spiffe://example.org/db", NULL};
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct tls_profile *client_profile;
    struct tls_profile *server_profile;
    struct tls_policy policy;
    struct tls_context stricter;
    struct fixture_ends ends;
    struct error error = {0};
    struct outcome outcome;
    char words[256];

    (void)state;
    client.cert = client_path;
    server.verify = TLS_VERIFY_REQUIRED;
    server.ca_file = authority_path;
    server.allow_san = patterns;
    client_profile = create(&client, TLS_CLIENT);
    server_profile = create(&server, TLS_SERVER);
    outcome = meet(client_profile, 0, server_profile, 0, &to_server);
    assert_true(is_accepted(&outcome));
    server.allow_san = others;
    assert_true(tls_policy_init(&policy, &server, TLS_SERVER, &error));
    fixture_ends_open(&ends, tls_profile_context(client_profile, 0),
                      tls_profile_context(server_profile, 0), &to_server);
    assert_true(fixture_shake_hands(&ends.link));
    assert_true(SSL_session_reused(ends.link.server));
    stricter = *ends.server.context;
    stricter.policy = &policy;
    assert_false(tls_context_accepts(&stricter, ends.link.server, words, sizeof(words)));
    assert_string_equal(words, "not one of allow_san: uri:spiffe://example.org/web");
    ERR_clear_error();
    fixture_link_free(&ends.link);
    tls_policy_release(&policy);
    tls_profile_destroy(server_profile);
    tls_profile_destroy(client_profile);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

struct shaker {
    struct tls_profile *client;
    struct tls_profile *server;
    unsigned worker;
    int resumed;
};

static void *shake_often(void *argument)
{
    struct shaker *shaker = argument;

    for (int i = 0; i < 40; i++) {
        struct outcome outcome =
            meet(shaker->client, shaker->worker, shaker->server, shaker->worker, &to_server);

        shaker->resumed += is_accepted(&outcome) && outcome.is_resumed;
    }
    return NULL;
}

/* For the thread sanitizer: workers shake hands while the control thread loads and they take over.
   Contexts change hands through a join, as mailboxes do it with a mutex. */
static void test_workers_share_nothing_that_is_written_to(void **state)
{
    struct tls_options client = client_options();
    struct tls_options server = server_options();
    struct tls_context *contexts[WORKERS];
    struct error error = {0};
    struct shaker shakers[WORKERS];
    pthread_t threads[WORKERS];

    (void)state;
    client.cert = client_path;
    server.verify = TLS_VERIFY_REQUIRED;
    server.ca_file = authority_path;
    for (unsigned i = 0; i < WORKERS; i++)
        shakers[i] = (struct shaker){.worker = i};
    shakers[0].client = create(&client, TLS_CLIENT);
    shakers[0].server = create(&server, TLS_SERVER);
    shakers[1].client = shakers[0].client;
    shakers[1].server = shakers[0].server;
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < WORKERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, shake_often, &shakers[i]), 0);
        assert_int_equal(tls_profile_look(shakers[0].server, true, 0, contexts, &error),
                         TLS_CHANGED);
        for (unsigned i = 0; i < WORKERS; i++)
            pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < WORKERS; i++)
            tls_profile_take(shakers[0].server, i, contexts[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_true(shakers[i].resumed >= 3 * 40 - 1);
    tls_profile_destroy(shakers[0].client);
    tls_profile_destroy(shakers[0].server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_are_those_asked_for),
        cmocka_unit_test(test_nothing_below_tls_1_2_is_spoken),
        cmocka_unit_test(test_lists_of_algorithms_are_applied_and_checked),
        cmocka_unit_test(test_what_conns_and_policy_rely_on_is_set),
        cmocka_unit_test(test_alpn_goes_by_the_servers_order),
        cmocka_unit_test(test_the_certificate_is_chosen_by_name),
        cmocka_unit_test(test_an_unknown_name_is_refused_where_it_shall_be),
        cmocka_unit_test(test_rsa_and_ecdsa_are_served_side_by_side),
        cmocka_unit_test(test_servers_are_verified_by_name_unless_told_otherwise),
        cmocka_unit_test(test_allow_san_stands_in_for_the_servers_name),
        cmocka_unit_test(test_clients_are_verified_as_configured),
        cmocka_unit_test(test_an_expired_client_is_denied),
        cmocka_unit_test(test_sessions_are_resumed_on_any_worker),
        cmocka_unit_test(test_nothing_is_resumed_without_tickets),
        cmocka_unit_test(test_sessions_cross_replicas_but_no_policy),
        cmocka_unit_test(test_a_reload_that_changes_trust_ends_resumption),
        cmocka_unit_test(test_a_resumed_identity_is_looked_at_again),
        cmocka_unit_test(test_workers_share_nothing_that_is_written_to),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
