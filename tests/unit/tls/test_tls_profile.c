/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_profile.c - loading, reloading, and what a broken file changes: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/clock.h"
#include "tls/tls_fixture.h"
#include "tls/tls_profile.h"

#define WORKERS 2

static struct fixture_id authority;
static struct fixture_id first;
static struct fixture_id second;

static int set_up_all(void **state)
{
    (void)state;
    authority = fixture_authority("Test CA");
    first = fixture_issue(&authority, (struct fixture_wish){.names = "DNS:first.example"});
    second = fixture_issue(&authority, (struct fixture_wish){.names = "DNS:second.example"});
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    fixture_id_free(&authority);
    fixture_id_free(&first);
    fixture_id_free(&second);
    return 0;
}

static struct tls_profile *create(const struct tls_options *options, enum tls_role role)
{
    struct error error = {0};
    struct tls_profile *profile = tls_profile_create(options, role, WORKERS, &error);

    if (profile == NULL)
        fail_msg("%s", error.text);
    return profile;
}

static void take_all(struct tls_profile *profile, struct tls_context *contexts[WORKERS])
{
    for (unsigned i = 0; i < WORKERS; i++)
        tls_profile_take(profile, i, contexts[i]);
}

static const char *subject(const struct tls_profile *profile)
{
    static struct tls_certificate certificate;

    assert_int_equal(tls_profile_certificates(profile, &certificate, 1), 1);
    return certificate.subject;
}

static void test_every_worker_has_a_context_of_its_own(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_profile *profile;
    struct tls_certificate certificates[2];

    (void)state;
    options.cert = fixture_pem(fixture_path(fixture_here, "a.pem"), &first, true);
    profile = create(&options, TLS_SERVER);
    assert_string_equal(tls_profile_name(profile), "test");
    assert_int_equal(tls_profile_role(profile), TLS_SERVER);
    assert_ptr_not_equal(tls_profile_context(profile, 0), tls_profile_context(profile, 1));
    assert_ptr_not_equal(tls_profile_context(profile, 0)->ssl_ctx,
                         tls_profile_context(profile, 1)->ssl_ctx);
    /* Keys and certificates are common. */
    assert_ptr_equal(SSL_CTX_get0_privatekey(tls_profile_context(profile, 0)->ssl_ctx),
                     SSL_CTX_get0_privatekey(tls_profile_context(profile, 1)->ssl_ctx));
    assert_int_equal(tls_profile_certificates(profile, NULL, 0), 1);
    assert_int_equal(tls_profile_certificates(profile, certificates, 2), 1);
    assert_string_equal(certificates[0].subject, "first.example");
    assert_string_equal(certificates[0].file, options.cert);
    assert_true(certificates[0].not_after_s > (int64_t)time(NULL));
    assert_string_equal(tls_profile_warning(profile), "");
    assert_false(tls_profile_is_stale(profile));
    tls_profile_destroy(profile);
    tls_profile_destroy(NULL);
}

static void test_looks_are_due_by_the_interval(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_context *contexts[WORKERS];
    struct tls_profile *profile;
    struct error error = {0};
    int64_t now_ms = clock_now_ms();
    int64_t due_ms;

    (void)state;
    options.cert = fixture_pem(fixture_path(fixture_here, "a.pem"), &first, true);
    options.session_timeout_ms = 12 * 3600 * 1000;
    profile = create(&options, TLS_SERVER);
    due_ms = tls_profile_look_due_ms(profile);
    assert_true(due_ms >= now_ms + 60000 && due_ms <= clock_now_ms() + 60000);
    assert_int_equal(tls_profile_look(profile, false, due_ms, contexts, &error), TLS_UNCHANGED);
    assert_int_equal(tls_profile_look_due_ms(profile), due_ms + 60000);
    /* Changed, but not looked at yet. */
    fixture_pem(options.cert, &second, true);
    assert_int_equal(tls_profile_look(profile, false, due_ms + 1, contexts, &error), TLS_UNCHANGED);
    assert_int_equal(tls_profile_look(profile, false, due_ms + 60000, contexts, &error),
                     TLS_CHANGED);
    take_all(profile, contexts);
    tls_profile_destroy(profile);

    /* Only on request: nothing but the change of ticket keys is due. */
    options.reload_interval_ms = 0;
    profile = create(&options, TLS_SERVER);
    assert_true(tls_profile_look_due_ms(profile) >= now_ms + 12 * 3600 * 1000);
    tls_profile_destroy(profile);
    options.session_tickets = false;
    profile = create(&options, TLS_SERVER);
    assert_int_equal(tls_profile_look_due_ms(profile), INT64_MAX);
    assert_int_equal(tls_profile_look(profile, true, now_ms, contexts, &error), TLS_CHANGED);
    take_all(profile, contexts);
    tls_profile_destroy(profile);
}

/* As kubelet does it, files and all. */
static void test_a_kubernetes_secret_is_swapped_as_a_whole(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_context *contexts[WORKERS];
    struct tls_profile *profile;
    struct error error = {0};

    (void)state;
    mkdir(fixture_path(fixture_here, "..1"), 0700);
    mkdir(fixture_path(fixture_here, "..2"), 0700);
    fixture_pem(fixture_path(fixture_here, "..1/tls.crt"), &first, false);
    fixture_append_pem(fixture_path(fixture_here, "..1/tls.key"), NULL, first.key);
    fixture_pem(fixture_path(fixture_here, "..2/tls.crt"), &second, false);
    fixture_append_pem(fixture_path(fixture_here, "..2/tls.key"), NULL, second.key);
    assert_int_equal(symlink("..1", fixture_path(fixture_here, "..data")), 0);
    assert_int_equal(symlink("..data/tls.crt", fixture_path(fixture_here, "tls.crt")), 0);
    assert_int_equal(symlink("..data/tls.key", fixture_path(fixture_here, "tls.key")), 0);
    options.cert = fixture_here;
    profile = create(&options, TLS_SERVER);
    assert_string_equal(subject(profile), "first.example");
    assert_int_equal(symlink("..2", fixture_path(fixture_here, "..new")), 0);
    assert_int_equal(
        rename(fixture_path(fixture_here, "..new"), fixture_path(fixture_here, "..data")), 0);
    assert_int_equal(tls_profile_look(profile, false, clock_now_ms() + 60001, contexts, &error),
                     TLS_CHANGED);
    assert_string_equal(subject(profile), "second.example");
    /* The worker still has the old one until it takes the new one over. */
    assert_ptr_not_equal(tls_profile_context(profile, 0), contexts[0]);
    take_all(profile, contexts);
    assert_ptr_equal(tls_profile_context(profile, 1), contexts[1]);
    tls_profile_destroy(profile);
}

/* A connection that lives keeps the context that it began with. */
static void test_an_old_context_lives_as_long_as_its_connections(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_context *contexts[WORKERS];
    struct tls_profile *profile;
    struct tls_context *held;
    struct error error = {0};
    char names[64];

    (void)state;
    options.cert = fixture_pem(fixture_path(fixture_here, "a.pem"), &first, true);
    profile = create(&options, TLS_SERVER);
    held = tls_context_ref(tls_profile_context(profile, 0));
    fixture_pem(options.cert, &second, true);
    assert_int_equal(tls_profile_look(profile, true, 0, contexts, &error), TLS_CHANGED);
    take_all(profile, contexts);
    X509_NAME_oneline(X509_get_issuer_name(SSL_CTX_get0_certificate(held->ssl_ctx)), names,
                      sizeof(names));
    assert_string_equal(names, "/CN=Test CA");
    tls_context_free(held);
    tls_profile_destroy(profile);
}

/* What can be wrong with a new certificate, and what is said of it. */
enum damage { GONE, CUT_SHORT, OTHER_KEY, EXPIRED, NO_KEY, JUNK, SHORT_KEY };

static void break_file(const char *path, enum damage damage)
{
    struct fixture_id bad;
    struct stat status;

    switch (damage) {
    case GONE:
        unlink(path);
        return;
    case CUT_SHORT:
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(truncate(path, status.st_size - 40), 0);
        return;
    case OTHER_KEY:
        bad = (struct fixture_id){.certificate = first.certificate, .key = second.key};
        fixture_pem(path, &bad, true);
        return;
    case EXPIRED:
        bad = fixture_issue(&authority, (struct fixture_wish){.from_days = -9, .to_days = -1});
        fixture_pem(path, &bad, true);
        fixture_id_free(&bad);
        return;
    case NO_KEY:
        fixture_pem(path, &first, false);
        return;
    case JUNK:
        fixture_write(path, "junk\n", 5);
        return;
    case SHORT_KEY:
        bad = fixture_issue(
            &authority,
            (struct fixture_wish){.is_rsa = true, .rsa_bits = 1024, .names = "DNS:short.example"});
        fixture_pem(path, &bad, true);
        fixture_id_free(&bad);
        return;
    }
}

static void test_a_broken_file_keeps_the_old_and_is_reported_once(void **state)
{
    static const char *const words[] = {
        [GONE] = "cannot be opened: No such file",
        [CUT_SHORT] = "broken or cut short",
        [OTHER_KEY] = "the key does not fit the certificate",
        [EXPIRED] = "expired on",
        [NO_KEY] = "holds no private key",
        [JUNK] = "holds no certificate",
        [SHORT_KEY] = "key too small",
    };
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_context *contexts[WORKERS];
    struct tls_context *before;
    struct tls_profile *profile;
    struct error error = {0};
    int64_t now_ms;

    (void)state;
    options.cert = fixture_pem(fixture_path(fixture_here, "a.pem"), &first, true);
    profile = create(&options, TLS_SERVER);
    now_ms = tls_profile_look_due_ms(profile);
    before = tls_profile_context(profile, 0);
    for (unsigned damage = 0; damage < ARRAY_LENGTH(words); damage++) {
        fixture_pem(options.cert, &first, true);
        break_file(options.cert, (enum damage)damage);
        assert_int_equal(tls_profile_look(profile, false, now_ms += 60001, contexts, &error),
                         TLS_BROKEN);
        if (strstr(error.text, words[damage]) == NULL || strstr(error.text, options.cert) == NULL)
            fail_msg("'%s' lacks '%s'", error.text, words[damage]);
        assert_true(tls_profile_is_stale(profile));
        /* Once. */
        assert_int_equal(tls_profile_look(profile, false, now_ms += 60001, contexts, &error),
                         TLS_UNCHANGED);
        assert_ptr_equal(tls_profile_context(profile, 0), before);
        assert_string_equal(subject(profile), "first.example");
    }
    /* Asked again, said again. */
    assert_int_equal(tls_profile_look(profile, true, now_ms, contexts, &error), TLS_BROKEN);
    /* And mended. */
    fixture_pem(options.cert, &second, true);
    assert_int_equal(tls_profile_look(profile, false, now_ms += 60001, contexts, &error),
                     TLS_CHANGED);
    assert_false(tls_profile_is_stale(profile));
    assert_string_equal(subject(profile), "second.example");
    take_all(profile, contexts);
    tls_profile_destroy(profile);
}

/* The file is well, the process is not: no descriptor is free for the moment. */
static void test_a_load_that_failed_for_another_reason_is_made_up_for(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_context *contexts[WORKERS];
    struct tls_profile *profile;
    struct error error = {0};
    struct rlimit limit, none;
    int64_t now_ms;

    (void)state;
    options.cert = fixture_pem(fixture_path(fixture_here, "a.pem"), &first, true);
    profile = create(&options, TLS_SERVER);
    now_ms = tls_profile_look_due_ms(profile);
    fixture_pem(options.cert, &second, true);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 2; i++) {
        enum tls_change change = tls_profile_look(profile, false, now_ms, contexts, &error);

        if (change != (i == 0 ? TLS_BROKEN : TLS_UNCHANGED)) {
            setrlimit(RLIMIT_NOFILE, &limit);
            fail_msg("look %d answered %d", i, (int)change);
        }
        now_ms += 60001;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_non_null(strstr(error.text, "Too many open files"));
    assert_true(tls_profile_is_stale(profile));
    assert_int_equal(tls_profile_look(profile, false, now_ms, contexts, &error), TLS_CHANGED);
    assert_false(tls_profile_is_stale(profile));
    assert_string_equal(subject(profile), "second.example");
    take_all(profile, contexts);
    tls_profile_destroy(profile);
}

static void test_what_does_not_load_at_start_is_an_error(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct error error = {0};

    (void)state;
    options.cert = fixture_pem(fixture_path(fixture_here, "a.pem"), &first, true);
    break_file(options.cert, EXPIRED);
    assert_null(tls_profile_create(&options, TLS_SERVER, WORKERS, &error));
    assert_non_null(strstr(error.text, "expired on"));
    break_file(options.cert, GONE);
    assert_null(tls_profile_create(&options, TLS_SERVER, WORKERS, &error));
    assert_non_null(strstr(error.text, "No such file"));
}

static SSL_SESSION *newest_session;
static int sessions_given;

static int count_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(newest_session);
    newest_session = session;
    sessions_given++;
    return 1;
}

/* A client of TLS 1.3 uses a ticket once: each connection that resumes must bring the next. */
static void test_a_resumed_session_brings_the_next_ticket(void **state)
{
    struct tls_options options = fixture_options(TLS_SERVER);
    struct tls_profile *profile;
    struct tls_context *context;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());

    (void)state;
    options.cert = fixture_pem(fixture_path(fixture_here, "a.pem"), &first, true);
    profile = create(&options, TLS_SERVER);
    context = tls_profile_context(profile, 0);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, count_session);
    for (int connection = 0; connection < 3; connection++) {
        struct fixture_link link = fixture_link(client, context->ssl_ctx);
        struct tls_peer peer = {.context = context};

        sessions_given = 0;
        SSL_set_app_data(link.server, &peer);
        assert_true(tls_context_prepare(context, link.server, NULL));
        if (connection > 0)
            assert_int_equal(SSL_set_session(link.client, newest_session), 1);
        assert_true(fixture_shake_hands(&link));
        assert_string_equal(SSL_get_version(link.client), "TLSv1.3");
        assert_int_equal(SSL_session_reused(link.client), connection > 0);
        assert_int_equal(sessions_given, 1);
        fixture_link_free(&link);
    }
    SSL_SESSION_free(newest_session);
    newest_session = NULL;
    SSL_CTX_free(client);
    tls_profile_destroy(profile);
}

/* New contexts are dropped when nobody takes them. */
static void test_contexts_that_nobody_takes_are_freed(void **state)
{
    struct tls_options options = fixture_options(TLS_CLIENT);
    struct tls_context *contexts[WORKERS];
    struct tls_profile *profile;
    struct error error = {0};

    (void)state;
    options.ca_file = fixture_pem(fixture_path(fixture_here, "ca.pem"), &authority, false);
    profile = create(&options, TLS_CLIENT);
    assert_int_equal(tls_profile_certificates(profile, NULL, 0), 0);
    assert_int_equal(tls_profile_look(profile, true, 0, contexts, &error), TLS_CHANGED);
    for (unsigned i = 0; i < WORKERS; i++)
        tls_context_free(contexts[i]);
    tls_context_free(NULL);
    tls_profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_worker_has_a_context_of_its_own,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_looks_are_due_by_the_interval, fixture_enter_folder,
                                        fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_kubernetes_secret_is_swapped_as_a_whole,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_an_old_context_lives_as_long_as_its_connections,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_broken_file_keeps_the_old_and_is_reported_once,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_load_that_failed_for_another_reason_is_made_up_for,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_what_does_not_load_at_start_is_an_error,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_a_resumed_session_brings_the_next_ticket,
                                        fixture_enter_folder, fixture_leave_folder),
        cmocka_unit_test_setup_teardown(test_contexts_that_nobody_takes_are_freed,
                                        fixture_enter_folder, fixture_leave_folder),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
