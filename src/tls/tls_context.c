/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_context.c - what OpenSSL is told, and what it asks back during a handshake.
 *
 * Every callback runs on the worker that owns the context and finds it as the SSL_CTX's app data.
 * Certificates, keys and anchors are OpenSSL's own counted objects, shared with other workers and
 * never written to.
 */
#include "tls/tls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "core/clock.h"
#include "tls/tls_error.h"
#include "tls/tls_keylog.h"
#include "tls/tls_sessions.h"

/* OpenSSL's two tickets per handshake are for browsers; a relay's client opens one connection, and
   each one that resumes brings a new ticket. */
#define TICKETS_PER_HANDSHAKE 1

/* Goes before the names of a peer that is believed but not admitted. */
#define NOT_ALLOWED "not one of allow_san: "

static struct tls_context *context_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* `what` and OpenSSL's reason. */
static bool refuse(const char *what, struct error *error)
{
    char words[256];
    struct text text = text_over(words, sizeof(words));

    (void)tls_error_take(NULL, &text);
    return error_set(error, 0, "%s: %s", what, text.length == 0 ? "out of memory" : words);
}

/* ---- choosing a certificate -------------------------------------------------------------------
 */

/* The certificates for the name that the client asks for; the default ones when it is unknown. */
static const struct tls_choice *choose(const struct tls_material *material, const char *name,
                                       bool *is_known)
{
    const struct tls_choice *choice = name == NULL ? NULL : tls_names_find(&material->names, name);

    *is_known = name == NULL || choice != NULL;
    return choice != NULL ? choice : &material->fallback;
}

static bool use_credential(SSL *ssl, const struct tls_credential *credential)
{
    return SSL_use_cert_and_key(ssl, credential->leaf, credential->key, credential->chain, 1) == 1;
}

/* SSL_CTX_set_cert_cb(3): only where there is a choice. 0 ends the handshake. */
static int on_certificate(SSL *ssl, void *argument)
{
    const struct tls_context *context = argument;
    const struct tls_material *material = context->material;
    const struct tls_choice *choice;
    bool is_known;

    choice = choose(material, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), &is_known);
    if (choice == &material->fallback)
        return 1; /* the SSL_CTX has them */
    SSL_certs_clear(ssl);
    for (int type = 0; type < TLS_KEY_TYPES; type++) {
        uint32_t number = choice->by_type[type];

        if (number != 0 && !use_credential(ssl, &material->credentials.items[number - 1]))
            return 0;
    }
    return 1;
}

/* SSL_CTX_set_tlsext_servername_callback(3). The answer OK also lets a session of TLS 1.2 keep the
   name, so that it is known of a resumed one. */
static int on_server_name(SSL *ssl, int *alert, void *argument)
{
    const struct tls_context *context = argument;
    bool is_known;

    if (!context->policy->options.sni_mismatch_alert)
        return SSL_TLSEXT_ERR_OK;
    choose(context->material, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), &is_known);
    if (is_known)
        return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- other questions of OpenSSL's -------------------------------------------------------------
 */

/* SSL_CTX_set_alpn_select_cb(3): our order counts. */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                   const unsigned char *offered, unsigned offered_size, void *argument)
{
    const struct tls_policy *policy = argument;
    unsigned char *match;

    (void)ssl;
    if (SSL_select_next_proto(&match, chosen_size, policy->alpn, policy->alpn_size, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol (RFC 7301, 3.2) */
    *chosen = match;
    return SSL_TLSEXT_ERR_OK;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    int use = tls_ticket_box_use(context_of(ssl)->tickets, name, iv, cipher, mac, is_sealing != 0,
                                 clock_now_ms());

    /* In TLS 1.3 a client spends a ticket once (RFC 8446, C.4): 2 gives it the next one. */
    return use == 1 && is_sealing == 0 && SSL_version(ssl) >= TLS1_3_VERSION ? 2 : use;
}

/* SSL_CTX_set_tlsext_status_cb(3), server: the client asks for an OCSP response. */
static int on_status(SSL *ssl, void *argument)
{
    const struct tls_staple *staple = argument;
    unsigned char *copy;

    if (SSL_get_certificate(ssl) != staple->leaf || staple->next_update_s <= (int64_t)time(NULL))
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(staple->bytes, staple->size);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->size);
    return SSL_TLSEXT_ERR_OK;
}

static void on_key(const SSL *ssl, const char *line)
{
    tls_keylog_write(context_of(ssl)->policy->keylog_fd, line);
}

/* ---- setting up -------------------------------------------------------------------------------
 */

static bool set_protocol(SSL_CTX *ssl_ctx, const struct tls_options *options, struct error *error)
{
    if (SSL_CTX_set_min_proto_version(ssl_ctx, (int)options->min_version) != 1 ||
        SSL_CTX_set_max_proto_version(ssl_ctx, (int)options->max_version) != 1)
        return refuse("min_version, max_version", error);
    if (options->ciphers != NULL && SSL_CTX_set_cipher_list(ssl_ctx, options->ciphers) != 1)
        return refuse("ciphers", error);
    if (options->ciphersuites != NULL &&
        SSL_CTX_set_ciphersuites(ssl_ctx, options->ciphersuites) != 1)
        return refuse("ciphersuites", error);
    if (options->groups != NULL && SSL_CTX_set1_groups_list(ssl_ctx, options->groups) != 1)
        return refuse("groups", error);
    return true;
}

static bool use_in_context(SSL_CTX *ssl_ctx, const struct tls_credential *credential,
                           struct error *error)
{
    if (SSL_CTX_use_cert_and_key(ssl_ctx, credential->leaf, credential->key, credential->chain,
                                 1) == 1)
        return true;
    return refuse(credential->file, error);
}

static bool set_certificates(const struct tls_context *context, struct error *error)
{
    const struct tls_material *material = context->material;

    for (int type = 0; type < TLS_KEY_TYPES; type++) {
        uint32_t number = material->fallback.by_type[type];

        if (number != 0 &&
            !use_in_context(context->ssl_ctx, &material->credentials.items[number - 1], error))
            return false;
    }
    return true;
}

/* The names of the authorities, so that a client can choose among its certificates. */
static bool name_authorities(SSL_CTX *ssl_ctx, const struct tls_trust *trust)
{
    for (int i = 0; i < sk_X509_num(trust->anchors); i++) {
        if (SSL_CTX_add_client_CA(ssl_ctx, sk_X509_value(trust->anchors, i)) != 1)
            return false;
    }
    return true;
}

/*
 * The verify callback: also whether a certificate that is believed is one of allow_san, so that the
 * other side gets an alert. What the handshake does not verify again, a resumed session, is looked
 * at by tls_context_accepts().
 */
static int on_verified(int is_good, X509_STORE_CTX *verification)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_identity *identity = context_of(ssl)->policy->identity;
    X509 *certificate = X509_STORE_CTX_get_current_cert(verification);
    char names[256];

    is_good = tls_trust_verify(is_good, verification);
    if (!is_good || identity == NULL || X509_STORE_CTX_get_error_depth(verification) > 0 ||
        tls_identity_admits(identity, certificate))
        return is_good;
    tls_identity_describe(certificate, names, sizeof(names));
    ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "%s%s", NOT_ALLOWED, names);
    X509_STORE_CTX_set_error(verification, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static bool set_verification(const struct tls_context *context, struct error *error)
{
    const struct tls_trust *trust = &context->material->trust;
    int mode = SSL_VERIFY_NONE;

    switch (context->policy->options.verify) {
    case TLS_VERIFY_NONE:
        SSL_CTX_set_verify(context->ssl_ctx, mode, NULL);
        return true;
    case TLS_VERIFY_OPTIONAL:
        mode = SSL_VERIFY_PEER;
        break;
    case TLS_VERIFY_REQUIRED:
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        break;
    }
    SSL_CTX_set_verify(context->ssl_ctx, mode, on_verified);
    if (!tls_trust_apply(trust, context->ssl_ctx))
        return refuse("ca_file", error);
    /* The system's are too many for a handshake. */
    if (context->role == TLS_SERVER && !trust->is_system &&
        !name_authorities(context->ssl_ctx, trust))
        return refuse("ca_file", error);
    return true;
}

static bool set_tickets(struct tls_context *context, const struct tls_tickets *tickets,
                        struct error *error)
{
    SSL_CTX *ssl_ctx = context->ssl_ctx;

    /* Also without tickets: a session of another policy must not be known here (RFC 5077, 5.6). */
    if (SSL_CTX_set_session_id_context(ssl_ctx, context->material->policy_digest,
                                       sizeof(context->material->policy_digest)) != 1)
        return refuse("session_tickets", error);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    if (tickets == NULL) {
        SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl_ctx, 0);
        return true;
    }
    context->tickets = calloc(1, sizeof(*context->tickets));
    if (context->tickets == NULL || !tls_ticket_box_init(context->tickets, tickets))
        return refuse("session_tickets", error);
    SSL_CTX_set_num_tickets(ssl_ctx, TICKETS_PER_HANDSHAKE);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket);
    return true;
}

static bool set_server_role(struct tls_context *context, const struct tls_tickets *tickets,
                            struct error *error)
{
    const struct tls_policy *policy = context->policy;
    struct tls_material *material = context->material;
    SSL_CTX *ssl_ctx = context->ssl_ctx;

    /* Our order of ciphers, but ChaCha20 for a client that puts it first: it has no AES. */
    SSL_CTX_set_options(ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (tls_material_has_choice(material))
        SSL_CTX_set_cert_cb(ssl_ctx, on_certificate, context);
    SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(ssl_ctx, context);
    if (policy->alpn != NULL)
        SSL_CTX_set_alpn_select_cb(ssl_ctx, on_alpn, (void *)policy);
    if (material->staple.bytes != NULL) {
        SSL_CTX_set_tlsext_status_cb(ssl_ctx, on_status);
        SSL_CTX_set_tlsext_status_arg(ssl_ctx, &material->staple);
    }
    return set_tickets(context, tickets, error);
}

/* ---- client role: sessions to resume ----------------------------------------------------------
 */

/* SSL_CTX_sess_set_new_cb(3): a session that can be resumed; 1 keeps the reference. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_peer *peer = SSL_get_app_data(ssl);
    struct tls_context *context = context_of(ssl);

    if (peer == NULL || context->sessions == NULL)
        return 0;
    tls_sessions_put(context->sessions, peer->session_key, session);
    return 1;
}

static bool set_client_role(struct tls_context *context, struct error *error)
{
    const struct tls_policy *policy = context->policy;
    SSL_CTX *ssl_ctx = context->ssl_ctx;

    if (policy->alpn != NULL && SSL_CTX_set_alpn_protos(ssl_ctx, policy->alpn, policy->alpn_size))
        return refuse("alpn", error);
    if (!policy->options.session_tickets) {
        SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
        return true;
    }
    context->sessions = tls_sessions_create();
    if (context->sessions == NULL)
        return refuse("session_tickets", error);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl_ctx, on_new_session);
    return true;
}

/* ---- a context's life -------------------------------------------------------------------------
 */

static bool set_up(struct tls_context *context, const struct tls_tickets *tickets,
                   struct error *error)
{
    const struct tls_policy *policy = context->policy;
    SSL_CTX *ssl_ctx = context->ssl_ctx;
    bool is_set;

    if (ssl_ctx == NULL || SSL_CTX_set_app_data(ssl_ctx, context) != 1)
        return refuse("out of memory", error);
    tls_conn_configure(ssl_ctx);
    SSL_CTX_set_timeout(ssl_ctx, (long)(policy->options.session_timeout_ms / 1000));
    if (policy->may_use_ktls)
        SSL_CTX_set_options(ssl_ctx, SSL_OP_ENABLE_KTLS);
    if (policy->keylog_fd != -1)
        SSL_CTX_set_keylog_callback(ssl_ctx, on_key);
    is_set = set_protocol(ssl_ctx, &policy->options, error) && set_certificates(context, error) &&
             set_verification(context, error);
    if (!is_set)
        return false;
    switch (context->role) {
    case TLS_SERVER:
        return set_server_role(context, tickets, error);
    case TLS_CLIENT:
        return set_client_role(context, error);
    }
    return false;
}

struct tls_context *tls_context_create(const struct tls_policy *policy,
                                       struct tls_material *material,
                                       const struct tls_tickets *tickets, struct error *error)
{
    struct tls_context *context = calloc(1, sizeof(*context));
    bool is_set;

    if (context == NULL) {
        error_set(error, 0, "out of memory");
        return NULL;
    }
    ERR_clear_error();
    *context = (struct tls_context){
        .references = 1,
        .role = policy->role,
        .lenient_truncation = policy->options.lenient_truncation,
        .policy = policy,
        .material = tls_material_ref(material),
        .ssl_ctx =
            SSL_CTX_new(policy->role == TLS_SERVER ? TLS_server_method() : TLS_client_method()),
    };
    is_set = set_up(context, tickets, error);
    ERR_clear_error();
    if (!is_set) {
        tls_context_free(context);
        return NULL;
    }
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL || --context->references > 0)
        return;
    SSL_CTX_free(context->ssl_ctx);
    if (context->tickets != NULL)
        tls_ticket_box_release(context->tickets);
    free(context->tickets);
    tls_sessions_destroy(context->sessions);
    tls_material_unref(context->material);
    free(context);
}

bool tls_context_admits_all(const struct tls_context *context, struct error *error)
{
    const struct tls_credentials *credentials = &context->material->credentials;
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    bool is_good =
        scratch != NULL && set_protocol(scratch, &context->policy->options, error); /* @SECLEVEL */

    if (scratch == NULL)
        refuse("out of memory", error);
    for (size_t i = 0; is_good && i < credentials->count; i++)
        is_good = use_in_context(scratch, &credentials->items[i], error);
    SSL_CTX_free(scratch);
    ERR_clear_error();
    return is_good;
}

/* ---- one connection ---------------------------------------------------------------------------
 */

static bool is_ip_literal(const char *name)
{
    struct in6_addr unused;

    return inet_pton(AF_INET, name, &unused) == 1 || inet_pton(AF_INET6, name, &unused) == 1;
}

/* Whether the certificate must be for the server's name: unless allow_san says whose it must be. */
static bool verifies_name(const struct tls_policy *policy)
{
    return policy->options.verify != TLS_VERIFY_NONE && policy->identity == NULL;
}

static bool set_name(const struct tls_policy *policy, SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    char host[256];
    size_t length = strlen(name);

    if (is_ip_literal(name))
        return !verifies_name(policy) || X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1;
    if (length > 0 && name[length - 1] == '.') /* the root is not part of the name (RFC 6066, 3) */
        length--;
    if (length == 0 || length >= sizeof(host))
        return false;
    memcpy(host, name, length);
    host[length] = 0;
    /* The common name is no host name (RFC 9525, 2). */
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set_tlsext_host_name(ssl, host) == 1 &&
           (!verifies_name(policy) || X509_VERIFY_PARAM_set1_host(parameters, host, length) == 1);
}

static bool resume(struct tls_sessions *sessions, SSL *ssl, uint64_t key)
{
    SSL_SESSION *session = tls_sessions_take(sessions, key);
    bool is_set = session == NULL || SSL_set_session(ssl, session) == 1;

    SSL_SESSION_free(session);
    return is_set;
}

bool tls_context_prepare(struct tls_context *context, SSL *ssl, const struct tls_target *target)
{
    const struct tls_policy *policy = context->policy;
    struct tls_peer *peer = SSL_get_app_data(ssl);
    const char *name;

    if (context->role == TLS_SERVER)
        return true;
    name = target->server_name != NULL ? target->server_name : policy->options.server_name;
    if (name != NULL) {
        if (!set_name(policy, ssl, name))
            return false;
        peer->verifies_name = verifies_name(policy);
        /* A session proves the name that it was made with, no other. */
        peer->session_key = XXH3_64bits_withSeed(name, strlen(name), target->session_key);
    }
    return context->sessions == NULL || resume(context->sessions, ssl, peer->session_key);
}

/* What the certificate of a resumed session is now, other than when it was verified. */
static bool is_still_valid(SSL *ssl, X509 *certificate)
{
    return !SSL_session_reused(ssl) || X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/* NULL: accepted; "": the certificate's own names say it; else why not. */
static const char *find_objection(const struct tls_context *context, SSL *ssl)
{
    const struct tls_policy *policy = context->policy;
    const struct tls_peer *peer = SSL_get_app_data(ssl);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    long result = SSL_get_verify_result(ssl);

    if (policy->options.verify == TLS_VERIFY_NONE)
        return NULL;
    if (certificate == NULL)
        return policy->options.verify == TLS_VERIFY_OPTIONAL && context->role == TLS_SERVER
                   ? NULL
                   : "the peer has no certificate";
    if (result != X509_V_OK)
        return X509_verify_cert_error_string(result);
    if (!is_still_valid(ssl, certificate))
        return "the certificate of the resumed session has expired";
    if (context->role == TLS_CLIENT && verifies_name(policy) && !peer->verifies_name)
        return "no server_name to verify the certificate by";
    if (policy->identity != NULL && !tls_identity_admits(policy->identity, certificate))
        return "";
    return NULL;
}

bool tls_context_accepts(const struct tls_context *context, SSL *ssl, char *text, size_t size)
{
    const char *objection = find_objection(context, ssl);
    struct text words = text_over(text, size);
    char names[256];

    if (objection == NULL)
        return true;
    if (*objection == 0) {
        tls_identity_describe(SSL_get0_peer_certificate(ssl), names, sizeof(names));
        text_append(&words, NOT_ALLOWED);
        objection = names;
    }
    text_append(&words, objection);
    return false;
}
