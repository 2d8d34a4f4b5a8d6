/* SPDX-License-Identifier: Apache-2.0 */
/* test_dns_channel.c - what each kind of channel tells, and which one takes questions. */
#include <arpa/nameser.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "discovery/dns_channel.h"
#include "discovery/dns_server.h"

struct fixture {
    struct event_base *base;
    struct dns_server server;
    struct dns_channels *channels;
    struct dns_channel *channel;
    unsigned rcode;
    unsigned answers;
    int status;
};

static void script(void *argument, const char *name, unsigned type, unsigned id, bool is_tcp,
                   struct message *answer)
{
    struct fixture *fixture = argument;

    (void)is_tcp;
    begin_answer(answer, id, fixture->rcode, name, type);
    if (fixture->rcode == RCODE_OK)
        put_a(answer, name, 60, "10.0.0.1");
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct resolver_options options = {.timeout_ms = 200, .attempts = 2};

    assert_non_null(fixture);
    fixture->base = event_base_new();
    assert_non_null(fixture->base);
    dns_server_open(&fixture->server, fixture->base, script, fixture);
    options.servers = fixture->server.address;
    fixture->channels = dns_channels_open(fixture->base, &options);
    assert_non_null(fixture->channels);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    dns_channels_close(fixture->channels);
    dns_server_close(&fixture->server);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

static void on_answer(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    struct fixture *fixture = argument;

    (void)timeouts;
    (void)message;
    (void)size;
    fixture->channel->questions--;
    fixture->status = status;
    fixture->answers++;
}

static bool is_answered(void *argument)
{
    struct fixture *fixture = argument;

    return fixture->answers > 0;
}

static int ask(struct fixture *fixture, enum dns_channel_kind kind)
{
    fixture->answers = 0;
    fixture->server.questions = 0;
    fixture->channel = dns_channels_take(fixture->channels, kind);
    fixture->channel->questions++;
    ares_query(fixture->channel->ares, "a.test", ns_c_in, ns_t_a, on_answer, fixture);
    dns_channels_arm(fixture->channels);
    assert_true(run_until(fixture->base, is_answered, fixture));
    return fixture->status;
}

static void test_both_kinds_hand_on_an_answer(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, DNS_CHANNEL_ASK), ARES_SUCCESS);
    assert_int_equal(ask(fixture, DNS_CHANNEL_WHY), ARES_SUCCESS);
}

static void test_one_kind_asks_again_and_the_other_tells_why(void **state)
{
    struct fixture *fixture = *state;

    fixture->rcode = RCODE_SERVFAIL;
    assert_int_not_equal(ask(fixture, DNS_CHANNEL_ASK), ARES_SUCCESS);
    assert_int_equal(ask(fixture, DNS_CHANNEL_WHY), ARES_ESERVFAIL);
    assert_int_equal(fixture->server.questions, 1);
    fixture->rcode = RCODE_REFUSED;
    assert_int_equal(ask(fixture, DNS_CHANNEL_WHY), ARES_EREFUSED);
}

static void test_closing_ends_questions(void **state)
{
    struct fixture *fixture = *state;

    fixture->channel = dns_channels_take(fixture->channels, DNS_CHANNEL_ASK);
    fixture->channel->questions++;
    ares_query(fixture->channel->ares, "a.test", ns_c_in, ns_t_a, on_answer, fixture);
    dns_channels_close(fixture->channels);
    fixture->channels = NULL;
    assert_int_equal(fixture->answers, 1);
    assert_int_equal(fixture->status, ARES_EDESTRUCTION);
}

static void test_channels_stay_while_nothing_changes(void **state)
{
    struct fixture *fixture = *state;
    struct dns_channel *channel = dns_channels_take(fixture->channels, DNS_CHANNEL_ASK);

    assert_ptr_equal(dns_channels_take(fixture->channels, DNS_CHANNEL_ASK), channel);
    assert_ptr_not_equal(dns_channels_take(fixture->channels, DNS_CHANNEL_WHY), channel);
}

static void touch(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool has_changed(void *argument)
{
    struct fixture *fixture = argument;

    return dns_channels_take(fixture->channels, DNS_CHANNEL_ASK) != fixture->channel;
}

/* The old channels have no question, so they go at the timer's next turn. */
static void test_changed_resolv_conf_makes_new_channels(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/culvert-test-XXXXXX";
    int fd = mkstemp(path);
    const struct resolver_options options = {
        .servers = fixture->server.address, .timeout_ms = 200, .attempts = 1, .resolv_conf = path};

    assert_true(fd != -1);
    close(fd);
    touch(path, "nameserver 127.0.0.1\n");
    dns_channels_close(fixture->channels);
    fixture->channels = dns_channels_open(fixture->base, &options);
    assert_non_null(fixture->channels);
    fixture->channel = dns_channels_take(fixture->channels, DNS_CHANNEL_ASK);
    touch(path, "nameserver 127.0.0.1\nsearch a.test\n");
    assert_true(run_until(fixture->base, has_changed, fixture));
    assert_int_equal(ask(fixture, DNS_CHANNEL_ASK), ARES_SUCCESS);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_kinds_hand_on_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_kind_asks_again_and_the_other_tells_why, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_closing_ends_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_channels_stay_while_nothing_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_resolv_conf_makes_new_channels, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
