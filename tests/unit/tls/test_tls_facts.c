/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_facts.c - what is told of a handshake: with and without a certificate, resumed or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tls/tls_facts.h"
#include "tls/tls_fixture.h"

static SSL *asked; /* of whom the facts are taken */

SSL *__wrap_tls_conn_ssl(const struct conn *conn);

SSL *__wrap_tls_conn_ssl(const struct conn *conn)
{
    return asked;
}

struct world {
    struct fixture_id authority;
    struct fixture_id server;
    struct fixture_id client;
    SSL_CTX *server_ctx;
    SSL_CTX *client_ctx;
    struct fixture_link link;
};

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *size,
                     const unsigned char *in, unsigned in_size, void *argument)
{
    static const unsigned char protocols[] = "\2h2";

    return SSL_select_next_proto((unsigned char **)out, size, protocols, 3, in, in_size) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/* `names`: common names of the client's certificate; NULL: it has none. */
static void open_world(struct world *world, const char *common_name)
{
    memset(world, 0, sizeof(*world));
    world->authority = fixture_authority("authority");
    world->server = fixture_issue(&world->authority, (struct fixture_wish){.common_name = "s"});
    world->client =
        fixture_issue(&world->authority, (struct fixture_wish){.common_name = common_name});
    world->server_ctx = SSL_CTX_new(TLS_server_method());
    world->client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_use_certificate(world->server_ctx, world->server.certificate);
    SSL_CTX_use_PrivateKey(world->server_ctx, world->server.key);
    SSL_CTX_set_alpn_select_cb(world->server_ctx, choose_h2, NULL);
    SSL_CTX_set_session_id_context(world->server_ctx, (const unsigned char *)"test", 4);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(world->server_ctx), world->authority.certificate);
}

static void show_certificate(struct world *world)
{
    SSL_CTX_set_verify(world->server_ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_use_certificate(world->client_ctx, world->client.certificate);
    SSL_CTX_use_PrivateKey(world->client_ctx, world->client.key);
}

static void shake_hands(struct world *world, SSL_SESSION *session)
{
    world->link = fixture_link(world->client_ctx, world->server_ctx);
    SSL_set_alpn_protos(world->link.client, (const unsigned char *)"\2h2\1x", 5);
    if (session != NULL)
        assert_int_equal(SSL_set_session(world->link.client, session), 1);
    assert_true(fixture_shake_hands(&world->link));
    asked = world->link.server;
}

static void close_world(struct world *world)
{
    fixture_link_free(&world->link);
    SSL_CTX_free(world->server_ctx);
    SSL_CTX_free(world->client_ctx);
    fixture_id_free(&world->authority);
    fixture_id_free(&world->server);
    fixture_id_free(&world->client);
}

static void test_a_client_without_a_certificate(void **state)
{
    struct world world;
    struct tls_facts facts;

    open_world(&world, "al");
    shake_hands(&world, NULL);
    assert_true(tls_facts_take(NULL, &facts));
    assert_string_equal(facts.version, "TLSv1.3");
    assert_string_equal(facts.cipher, SSL_get_cipher_name(world.link.client));
    assert_int_equal(facts.alpn_size, 2);
    assert_memory_equal(facts.alpn, "h2", 2);
    assert_false(facts.is_resumed);
    assert_false(facts.has_certificate);
    assert_false(facts.is_verified);
    assert_null(facts.common_name);
    tls_facts_release(&facts);
    close_world(&world);
}

static void test_a_certificate_is_told_by_its_common_name(void **state)
{
    struct world world;
    struct tls_facts facts;

    open_world(&world, "Zo\xc3\xab");
    show_certificate(&world);
    shake_hands(&world, NULL);
    assert_true(tls_facts_take(NULL, &facts));
    assert_true(facts.has_certificate);
    assert_true(facts.is_verified);
    assert_int_equal(facts.common_name_size, 4);
    assert_memory_equal(facts.common_name, "Zo\xc3\xab", 4);
    tls_facts_release(&facts);
    assert_null(facts.common_name);
    tls_facts_release(&facts);
    close_world(&world);
}

static void test_a_certificate_of_a_resumed_session(void **state)
{
    struct world world;
    struct tls_facts facts;
    SSL_SESSION *session;

    open_world(&world, "al");
    show_certificate(&world);
    shake_hands(&world, NULL);
    session = SSL_get1_session(world.link.client);
    fixture_link_free(&world.link);
    shake_hands(&world, session);
    assert_true(tls_facts_take(NULL, &facts));
    assert_true(facts.is_resumed);
    assert_true(facts.has_certificate);
    assert_memory_equal(facts.common_name, "al", 2);
    tls_facts_release(&facts);
    SSL_SESSION_free(session);
    close_world(&world);
}

/* Of several names the last; one with a NUL in it, or none: nothing. */
static void test_odd_common_names(void **state)
{
    static const struct {
        const char *bytes;
        int size;
        const char *told;
    } rows[] = {{"last", 4, "last"}, {"good\0bad", 8, NULL}};

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct world world;
        struct tls_facts facts;
        X509_NAME *name;

        open_world(&world, "first");
        name = X509_get_subject_name(world.client.certificate);
        assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                                    (const unsigned char *)rows[i].bytes,
                                                    rows[i].size, -1, 0),
                         1);
        assert_true(X509_sign(world.client.certificate, world.authority.key, EVP_sha256()) > 0);
        show_certificate(&world);
        shake_hands(&world, NULL);
        assert_true(tls_facts_take(NULL, &facts));
        if (rows[i].told == NULL) {
            assert_null(facts.common_name);
        } else {
            assert_int_equal(facts.common_name_size, strlen(rows[i].told));
            assert_memory_equal(facts.common_name, rows[i].told, facts.common_name_size);
        }
        tls_facts_release(&facts);
        close_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_without_a_certificate),
        cmocka_unit_test(test_a_certificate_is_told_by_its_common_name),
        cmocka_unit_test(test_a_certificate_of_a_resumed_session),
        cmocka_unit_test(test_odd_common_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
