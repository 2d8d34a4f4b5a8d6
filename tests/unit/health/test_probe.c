/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_probe.c - one check against servers that behave, and against those that do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <cmocka.h>

#include "core/clock.h"
#include "net/tcp_pair.h"
#include "tls/tls_fixture.h"
#include "tls/tls_line.h"
#include "tls/tls_profile.h"
#include "health/probe.h"

#define DEADLINE_MS 5000

struct bench {
    struct event_base *base;
    struct descriptor_reserve reserve;
    struct probe probe;
    struct exchange_options exchange;
    struct probe_options options;
    struct probe_target target;
    int listening;
    int server; /* the accepted end, -1: none */
    unsigned done_count;
    bool starts_again;
    struct probe_result result;
};

static void on_done(void *argument, const struct probe_result *result)
{
    struct bench *bench = argument;

    bench->result = *result;
    bench->done_count++;
    assert_false(probe_is_busy(&bench->probe));
    if (bench->starts_again && bench->done_count == 1)
        probe_start(&bench->probe, &bench->options, &bench->target);
}

static void bench_open(struct bench *bench, enum exchange_type type, int64_t timeout_ms)
{
    uint16_t port;

    *bench = (struct bench){.base = event_base_new(), .server = -1};
    descriptor_reserve_init(&bench->reserve);
    probe_init(&bench->probe, bench->base, &bench->reserve, on_done, bench);
    bench->listening = tcp_listen(&port, 0);
    bench->exchange.type = type;
    bench->options = (struct probe_options){.exchange = &bench->exchange, .timeout_ms = timeout_ms};
    bench->target = (struct probe_target){
        .addr = {.family = AF_INET, .port = port, .v4.s_addr = htonl(INADDR_LOOPBACK)},
        .host = "server.test",
        .tls_name = NULL,
        .session_key = 1};
}

static void bench_close(struct bench *bench)
{
    probe_release(&bench->probe);
    descriptor_reserve_release(&bench->reserve);
    event_base_free(bench->base);
    peer_close(&bench->listening);
    peer_close(&bench->server);
}

static void turn(struct bench *bench)
{
    struct timeval pause = {.tv_usec = 1000};

    event_base_loopexit(bench->base, &pause);
    event_base_dispatch(bench->base);
}

static void start(struct bench *bench)
{
    probe_start(&bench->probe, &bench->options, &bench->target);
}

/* The server accepts. */
static void accept_it(struct bench *bench)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    while (bench->server == -1) {
        assert_true(clock_now_ms() < deadline_ms);
        turn(bench);
        bench->server = accept4(bench->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
}

static void finish(struct bench *bench)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    while (bench->done_count == 0) {
        assert_true(clock_now_ms() < deadline_ms);
        turn(bench);
    }
    assert_int_equal(bench->done_count, 1);
}

static void assert_outcome(const struct bench *bench, enum probe_outcome outcome, const char *cause)
{
    assert_string_equal(bench->result.cause, cause);
    assert_int_equal(bench->result.outcome, outcome);
}

/* What the server hears next: the count, 0 for the end, -1 with errno. */
static ssize_t hear(struct bench *bench, void *bytes, size_t size)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;
    ssize_t count;

    do {
        assert_true(clock_now_ms() < deadline_ms);
        turn(bench);
        count = recv(bench->server, bytes, size, 0);
    } while (count == -1 && errno == EAGAIN);
    return count;
}

static void say(struct bench *bench, const char *bytes)
{
    assert_int_equal(send(bench->server, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

/* ---- ends -------------------------------------------------------------------------------------
 */

static void test_a_server_that_accepts_is_good_and_sees_a_clean_end(void **state)
{
    struct bench bench;
    char byte;

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 2000);
    start(&bench);
    assert_true(probe_is_busy(&bench.probe));
    accept_it(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_OK, "");
    assert_true(bench.result.duration_us > 0);
    /* Bytes that nobody reads would make the end a reset. */
    say(&bench, "220 ready\r\n");
    assert_int_equal(hear(&bench, &byte, 1), 0);
    peer_close(&bench.server);
    for (int i = 0; i < DEADLINE_MS && bench.probe.phase != PROBE_IDLE; i++)
        turn(&bench);
    assert_int_equal(bench.probe.phase, PROBE_IDLE);
    bench_close(&bench);
}

static void test_a_reset_ends_the_check_where_it_is_asked_for(void **state)
{
    struct bench bench;
    char byte;

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 2000);
    bench.options.resets = true;
    start(&bench);
    accept_it(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_OK, "");
    assert_int_equal(hear(&bench, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    bench_close(&bench);
}

static void test_a_server_that_keeps_the_connection_open_is_left(void **state)
{
    struct bench bench;
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 100);
    start(&bench);
    accept_it(&bench);
    finish(&bench);
    while (bench.probe.phase != PROBE_IDLE && clock_now_ms() < deadline_ms)
        turn(&bench);
    assert_int_equal(bench.probe.phase, PROBE_IDLE);
    assert_int_equal(bench.done_count, 1);
    bench_close(&bench);
}

/* ---- connects ---------------------------------------------------------------------------------
 */

static void test_a_refused_connect_is_told(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 2000);
    peer_close(&bench.listening);
    start(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_REFUSED, "connect: Connection refused");
    bench_close(&bench);
}

static void test_a_connect_without_an_answer_times_out(void **state)
{
    struct bench bench;
    int fillers[8];

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 200);
    assert_int_equal(listen(bench.listening, 0), 0);
    for (int i = 0; i < 8; i++)
        fillers[i] = tcp_connect(bench.target.addr.port);
    start(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_TIMED_OUT, "connect timeout after 0.2 s");
    for (int i = 0; i < 8; i++)
        peer_close(&fillers[i]);
    bench_close(&bench);
}

static void test_a_unix_server_is_checked(void **state)
{
    struct bench bench;
    static const char name[] = "culvert-probe-nobody";

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 2000);
    bench.target.addr = (struct addr){.family = AF_UNIX, .is_abstract = true, .path = name};
    start(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_REFUSED, "connect: Connection refused");
    bench_close(&bench);
}

/* The address that the next check came from. */
static in_addr_t source_of_next(struct bench *bench)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);

    bench->done_count = 0;
    start(bench);
    accept_it(bench);
    assert_int_equal(getpeername(bench->server, (struct sockaddr *)&peer, &length), 0);
    finish(bench);
    assert_outcome(bench, PROBE_OK, "");
    probe_release(&bench->probe);
    peer_close(&bench->server);
    return ntohl(peer.sin_addr.s_addr);
}

static void test_checks_take_the_sources_in_turn(void **state)
{
    const struct addr own[] = {{.family = AF_INET, .v4.s_addr = htonl(INADDR_LOOPBACK + 1)},
                               {.family = AF_INET, .v4.s_addr = htonl(INADDR_LOOPBACK + 2)}};
    struct bench bench;

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 2000);
    bench.target.sources = own;
    bench.target.source_count = 2;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(source_of_next(&bench), INADDR_LOOPBACK + 1 + i % 2);
    bench.target.source_count = 0;
    assert_int_equal(source_of_next(&bench), INADDR_LOOPBACK);
    bench_close(&bench);
}

/* 203.0.113.0/24 is for documentation (RFC 5737). */
static void test_a_source_that_is_not_there_is_passed_over(void **state)
{
    struct addr sources[4];
    struct bench bench;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(sources); i++)
        sources[i] = (struct addr){.family = AF_INET, .v4.s_addr = htonl(0xcb007101 + i)};
    bench_open(&bench, EXCHANGE_TCP, 2000);
    bench.target.sources = sources;
    bench.target.source_count = 3;
    start(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_LOCAL,
                   "connect from 203.0.113.3:0: Cannot assign requested address");
    sources[3].v4.s_addr = htonl(INADDR_LOOPBACK + 1);
    bench.target.source_count = 4;
    assert_int_equal(source_of_next(&bench), INADDR_LOOPBACK + 1); /* the third tried: 1, 2, 3 */
    bench_close(&bench);
}

static void test_a_check_takes_a_descriptor_from_the_reserve(void **state)
{
    struct bench bench;
    struct rlimit before;
    struct rlimit full;

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 2000);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    full = before;
    full.rlim_cur = 0; /* no new number at all: open ones stay */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
    start(&bench);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    finish(&bench);
    assert_outcome(&bench, PROBE_LOCAL, "connect: Too many open files");

    /* The numbers of the reserve are the highest in use. */
    bench.done_count = 0;
    descriptor_reserve_fill(&bench.reserve);
    full.rlim_cur = 0;
    for (int i = 0; i < bench.reserve.count; i++) {
        rlim_t above = (rlim_t)bench.reserve.fds[i] + 1;

        full.rlim_cur = above > full.rlim_cur ? above : full.rlim_cur;
    }
    int filler[64];
    int fillers = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
    while (fillers < 64 && (filler[fillers] = dup(STDERR_FILENO)) != -1)
        fillers++;
    assert_true(fillers < 64);
    start(&bench);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    accept_it(&bench);
    say(&bench, "+PONG\r\n");
    finish(&bench);
    assert_outcome(&bench, PROBE_OK, "");
    while (fillers > 0)
        close(filler[--fillers]);
    bench_close(&bench);
    descriptor_reserve_release(&bench.reserve);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void test_a_good_answer_is_good(void **state)
{
    struct bench bench;
    char bytes[64];

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 2000);
    start(&bench);
    accept_it(&bench);
    assert_int_equal(hear(&bench, bytes, sizeof(bytes)), 6);
    assert_memory_equal(bytes, "PING\r\n", 6);
    assert_int_equal(bench.done_count, 0);
    say(&bench, "+PO");
    turn(&bench);
    assert_int_equal(bench.done_count, 0);
    say(&bench, "NG\r\n");
    finish(&bench);
    assert_outcome(&bench, PROBE_OK, "");
    bench_close(&bench);
}

static void test_a_proxy_header_comes_first(void **state)
{
    struct bench bench;
    char bytes[64];
    size_t heard = 0;

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 2000);
    bench.options.sends_proxy = true;
    start(&bench);
    accept_it(&bench);
    while (heard < 22)
        heard += (size_t)hear(&bench, bytes + heard, sizeof(bytes) - heard);
    assert_memory_equal(bytes, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0PING\r\n", 22);
    bench_close(&bench);
}

static void test_silence_times_out(void **state)
{
    struct bench bench;
    int64_t began_ms = clock_now_ms();

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 200);
    start(&bench);
    accept_it(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_TIMED_OUT, "answer timeout after 0.2 s");
    assert_true(clock_now_ms() - began_ms >= 190);
    bench_close(&bench);
}

static void test_a_trickle_does_not_prolong_a_check(void **state)
{
    struct bench bench;
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 200);
    start(&bench);
    accept_it(&bench);
    while (bench.done_count == 0 && clock_now_ms() < deadline_ms) {
        (void)!send(bench.server, "+", 1, MSG_NOSIGNAL);
        for (int i = 0; i < 10; i++)
            turn(&bench);
    }
    assert_int_equal(bench.done_count, 1);
    assert_outcome(&bench, PROBE_TIMED_OUT, "answer timeout after 0.2 s");
    bench_close(&bench);
}

static void test_a_flood_is_not_read_to_its_end(void **state)
{
    static char flood[16384];
    struct bench bench;

    (void)state;
    memset(flood, '+', sizeof(flood));
    bench_open(&bench, EXCHANGE_REDIS, 1000);
    start(&bench);
    accept_it(&bench);
    for (int i = 0; i < DEADLINE_MS && bench.probe.phase != PROBE_IDLE; i++) {
        for (int k = 0; k < 64 && send(bench.server, flood, sizeof(flood), MSG_NOSIGNAL) > 0; k++)
            ;
        turn(&bench);
    }
    assert_int_equal(bench.done_count, 1);
    assert_outcome(&bench, PROBE_BAD_ANSWER, "no end of the answer within 4096 bytes");
    assert_int_equal(bench.probe.phase, PROBE_IDLE);
    bench_close(&bench);
}

static void test_an_end_without_an_answer_is_bad(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 2000);
    start(&bench);
    accept_it(&bench);
    shutdown(bench.server, SHUT_WR);
    finish(&bench);
    assert_outcome(&bench, PROBE_BAD_ANSWER, "closed without an answer");
    bench_close(&bench);
}

static void test_a_reset_is_told(void **state)
{
    struct bench bench;
    char bytes[16];

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 2000);
    start(&bench);
    accept_it(&bench);
    assert_int_equal(hear(&bench, bytes, sizeof(bytes)), 6);
    peer_reset(&bench.server);
    finish(&bench);
    assert_outcome(&bench, PROBE_RESET, "answer: Connection reset by peer");
    bench_close(&bench);
}

static void test_who_hears_the_verdict_may_start_the_next_check(void **state)
{
    struct bench bench;
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    (void)state;
    bench_open(&bench, EXCHANGE_TCP, 2000);
    bench.starts_again = true;
    start(&bench);
    while (bench.done_count < 2 && clock_now_ms() < deadline_ms)
        turn(&bench);
    assert_int_equal(bench.done_count, 2);
    assert_outcome(&bench, PROBE_OK, "");
    bench_close(&bench);
}

static void test_a_check_that_is_given_up_says_nothing(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, EXCHANGE_REDIS, 50);
    start(&bench);
    accept_it(&bench);
    probe_release(&bench.probe);
    for (int i = 0; i < 100; i++)
        turn(&bench);
    assert_int_equal(bench.done_count, 0);
    bench_close(&bench);
}

/* ---- TLS --------------------------------------------------------------------------------------
 */

static SSL_CTX *server_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    assert_non_null(ctx);
    make_certificate(ctx, -86400, 86400);
    return ctx;
}

static struct tls_profile *client_profile(enum tls_verify verify)
{
    struct tls_options options = fixture_options(TLS_CLIENT);
    struct error error = {.text = ""};
    struct tls_profile *profile;

    options.verify = verify;
    options.ca_file = "system";
    profile = tls_profile_create(&options, TLS_CLIENT, 2, &error);
    if (profile == NULL)
        fail_msg("%s", error.text);
    return profile;
}

/* The server's handshake, until the check has a verdict. */
static void shake_hands(struct bench *bench, SSL *ssl)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;

    SSL_set_fd(ssl, bench->server);
    while (bench->done_count == 0) {
        assert_true(clock_now_ms() < deadline_ms);
        (void)SSL_accept(ssl);
        ERR_clear_error();
        turn(bench);
    }
    (void)SSL_accept(ssl);
    ERR_clear_error();
}

/* The server's handshake is complete, and the end that it reads is announced by close_notify. */
static void assert_clean_tls_end(struct bench *bench, SSL *ssl)
{
    int64_t deadline_ms = clock_now_ms() + DEADLINE_MS;
    char byte;
    int result;

    assert_int_equal(SSL_is_init_finished(ssl), 1);
    do {
        assert_true(clock_now_ms() < deadline_ms);
        turn(bench);
        result = SSL_get_error(ssl, SSL_read(ssl, &byte, 1));
    } while (result == SSL_ERROR_WANT_READ);
    assert_int_equal(result, SSL_ERROR_ZERO_RETURN);
}

static void check_tls(struct bench *bench, enum tls_verify verify, SSL *ssl, bool is_offered)
{
    struct tls_profile *profile = client_profile(verify);

    bench->options.tls = profile;
    bench->options.tls_slot = 1;
    start(bench);
    accept_it(bench);
    if (is_offered) {
        char bytes[16];

        assert_int_equal(hear(bench, bytes, sizeof(bytes)), 8);
        say(bench, "S");
    }
    shake_hands(bench, ssl);
    if (bench->result.outcome == PROBE_OK)
        assert_clean_tls_end(bench, ssl);
    probe_release(&bench->probe);
    tls_profile_destroy(profile);
}

static void test_a_complete_handshake_is_good(void **state)
{
    struct bench bench;
    SSL_CTX *ctx = server_context();
    SSL *ssl = SSL_new(ctx);

    (void)state;
    bench_open(&bench, EXCHANGE_TLS, 2000);
    check_tls(&bench, TLS_VERIFY_NONE, ssl, false);
    assert_outcome(&bench, PROBE_OK, "");
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    bench_close(&bench);
}

static void test_a_certificate_that_is_not_trusted_is_bad(void **state)
{
    struct bench bench;
    SSL_CTX *ctx = server_context();
    SSL *ssl = SSL_new(ctx);

    (void)state;
    bench_open(&bench, EXCHANGE_TLS, 2000);
    bench.target.tls_name = "culvert.test";
    check_tls(&bench, TLS_VERIFY_REQUIRED, ssl, false);
    assert_int_equal(bench.result.outcome, PROBE_TLS_FAILED);
    assert_non_null(strstr(bench.result.cause, "TLS: "));
    assert_non_null(strstr(bench.result.cause, "self-signed certificate"));
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    bench_close(&bench);
}

static void test_postgres_is_spoken_to_in_tls_where_it_offers_it(void **state)
{
    struct bench bench;
    SSL_CTX *ctx = server_context();
    SSL *ssl = SSL_new(ctx);

    (void)state;
    bench_open(&bench, EXCHANGE_POSTGRES, 2000);
    check_tls(&bench, TLS_VERIFY_NONE, ssl, true);
    assert_outcome(&bench, PROBE_OK, "");
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    bench_close(&bench);
}

static void test_postgres_without_the_tls_that_is_asked_for_is_bad(void **state)
{
    struct bench bench;
    struct tls_profile *profile = client_profile(TLS_VERIFY_NONE);

    (void)state;
    bench_open(&bench, EXCHANGE_POSTGRES, 2000);
    bench.options.tls = profile;
    start(&bench);
    accept_it(&bench);
    say(&bench, "N");
    finish(&bench);
    assert_outcome(&bench, PROBE_TLS_FAILED, "TLS: the server does not offer it");
    bench_close(&bench);
    tls_profile_destroy(profile);
}

static void test_bytes_behind_the_offer_of_tls_are_refused(void **state)
{
    struct bench bench;
    struct tls_profile *profile = client_profile(TLS_VERIFY_NONE);

    (void)state;
    bench_open(&bench, EXCHANGE_POSTGRES, 2000);
    bench.options.any_tls = profile;
    start(&bench);
    accept_it(&bench);
    say(&bench, "Sx");
    finish(&bench);
    assert_outcome(&bench, PROBE_BAD_ANSWER, "unencrypted bytes behind the offer of TLS");
    bench_close(&bench);
    tls_profile_destroy(profile);
}

static void test_a_handshake_without_an_answer_times_out(void **state)
{
    struct bench bench;
    struct tls_profile *profile = client_profile(TLS_VERIFY_NONE);

    (void)state;
    bench_open(&bench, EXCHANGE_TLS, 200);
    bench.options.tls = profile;
    start(&bench);
    accept_it(&bench);
    finish(&bench);
    assert_outcome(&bench, PROBE_TIMED_OUT, "TLS handshake timeout after 0.2 s");
    bench_close(&bench);
    tls_profile_destroy(profile);
}

static void test_each_outcome_has_its_word(void **state)
{
    static const char *const words[] = {"ok",    "refused", "timeout", "unreachable",
                                        "reset", "tls",     "answer",  "local"};

    (void)state;
    for (int i = PROBE_OK; i < PROBE_OUTCOMES; i++)
        assert_string_equal(probe_outcome_word((enum probe_outcome)i), words[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_accepts_is_good_and_sees_a_clean_end),
        cmocka_unit_test(test_a_reset_ends_the_check_where_it_is_asked_for),
        cmocka_unit_test(test_a_server_that_keeps_the_connection_open_is_left),
        cmocka_unit_test(test_a_refused_connect_is_told),
        cmocka_unit_test(test_a_connect_without_an_answer_times_out),
        cmocka_unit_test(test_a_unix_server_is_checked),
        cmocka_unit_test(test_checks_take_the_sources_in_turn),
        cmocka_unit_test(test_a_source_that_is_not_there_is_passed_over),
        cmocka_unit_test(test_a_check_takes_a_descriptor_from_the_reserve),
        cmocka_unit_test(test_a_good_answer_is_good),
        cmocka_unit_test(test_a_proxy_header_comes_first),
        cmocka_unit_test(test_silence_times_out),
        cmocka_unit_test(test_a_trickle_does_not_prolong_a_check),
        cmocka_unit_test(test_a_flood_is_not_read_to_its_end),
        cmocka_unit_test(test_an_end_without_an_answer_is_bad),
        cmocka_unit_test(test_a_reset_is_told),
        cmocka_unit_test(test_who_hears_the_verdict_may_start_the_next_check),
        cmocka_unit_test(test_a_check_that_is_given_up_says_nothing),
        cmocka_unit_test(test_a_complete_handshake_is_good),
        cmocka_unit_test(test_a_certificate_that_is_not_trusted_is_bad),
        cmocka_unit_test(test_postgres_is_spoken_to_in_tls_where_it_offers_it),
        cmocka_unit_test(test_postgres_without_the_tls_that_is_asked_for_is_bad),
        cmocka_unit_test(test_bytes_behind_the_offer_of_tls_are_refused),
        cmocka_unit_test(test_a_handshake_without_an_answer_times_out),
        cmocka_unit_test(test_each_outcome_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
