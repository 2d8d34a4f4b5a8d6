/* SPDX-License-Identifier: Apache-2.0 */
/* test_resolver.c - questions to a DNS server that does as it is told. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "discovery/dns_server.h"
#include "discovery/resolver.h"
#include "discovery/srv_answer.h"

/* For a failing code: no answer at all. */
#define SILENCE 99

/* For `failures_left`: the last failure is over. */
#define MENDED UINT_MAX

struct fixture {
    struct event_base *base;
    struct dns_server server;
    struct resolver *resolver;
    unsigned answers;
    enum resolver_result result;
    unsigned unknown;
    enum resolver_result unknown_result;
    unsigned failing_type; /* of half.test, with this code */
    unsigned failing_code;
    unsigned failures_left; /* 0: it always fails */
    unsigned mended_questions;
    uint32_t ttl_s;
    bool from_files;
    struct addr addrs[8];
    size_t addr_count;
    enum srv_verdict srv_verdict;
    unsigned srv_count;
};

static void on_answer(void *argument, const struct resolver_answer *answer)
{
    struct fixture *fixture = argument;

    fixture->answers++;
    fixture->result = answer->result;
    fixture->unknown = answer->unknown;
    fixture->unknown_result = answer->unknown_result;
    fixture->ttl_s = answer->ttl_s;
    fixture->from_files = answer->from_files;
    fixture->addr_count = answer->addr_count;
    for (size_t i = 0; i < answer->addr_count && i < 8; i++)
        fixture->addrs[i] = answer->addrs[i];
    if (answer->message != NULL) {
        struct srv_answer srv;

        fixture->srv_verdict = srv_answer_read(answer->message, answer->message_size, &srv);
        fixture->srv_count = srv.count;
        srv_answer_release(&srv);
    }
}

static bool is_answered(void *argument)
{
    struct fixture *fixture = argument;

    return fixture->answers > 0;
}

static void begin(struct fixture *fixture, unsigned id, unsigned rcode, const char *name,
                  unsigned type, struct message *answer)
{
    (void)fixture;
    begin_answer(answer, id, rcode, name, type);
}

/* A name with an address of each family, unless one of the questions is to fail. */
static void script_half(struct fixture *fixture, const char *name, unsigned type, unsigned id,
                        struct message *answer)
{
    if (type == fixture->failing_type && fixture->failures_left != MENDED) {
        if (fixture->failures_left > 0 && --fixture->failures_left == 0)
            fixture->failures_left = MENDED;
        if (fixture->failing_code == SILENCE)
            answer->size = 0;
        else
            begin(fixture, id, fixture->failing_code, name, type, answer);
        return;
    }
    if (type == TYPE_A)
        put_a(answer, name, 60, "10.0.0.1");
    else if (type == TYPE_AAAA)
        put_aaaa(answer, name, 20, "fd00::1");
}

/* What the server says about each name. */
static void script(void *argument, const char *name, unsigned type, unsigned id, bool is_tcp,
                   struct message *answer)
{
    struct fixture *fixture = argument;

    if (strcmp(name, "silent.test") == 0)
        return;
    begin(fixture, id, RCODE_OK, name, type, answer);
    if (strcmp(name, "half.test") == 0 || strcmp(name, "half.example.test") == 0) {
        script_half(fixture, name, type, id, answer);
    } else if (strcmp(name, "fails4.test") == 0) {
        /* No address of IPv6, and none that could be learned of IPv4. */
        begin(fixture, id, type == TYPE_A ? RCODE_SERVFAIL : RCODE_OK, name, type, answer);
    } else if (strcmp(name, "two.test") == 0 && type == TYPE_A) {
        put_a(answer, name, 90, "10.0.0.2");
        put_a(answer, name, 60, "10.0.0.1");
        put_a(answer, name, 60, "10.0.0.1");
    } else if (strcmp(name, "both.test") == 0) {
        if (type == TYPE_A)
            put_a(answer, name, 60, "10.0.0.1");
        else
            put_aaaa(answer, name, 20, "fd00::1");
    } else if (strcmp(name, "alias.test") == 0 && type == TYPE_A) {
        put_cname(answer, name, 7, "x.test");
        put_cname(answer, "x.test", 60, "y.test");
        put_a(answer, "y.test", 60, "10.0.0.9");
    } else if (strcmp(name, "loop.test") == 0) {
        put_cname(answer, name, 7, "loop2.test");
        put_cname(answer, "loop2.test", 7, "loop.test");
    } else if (strcmp(name, "zero.test") == 0 && type == TYPE_A) {
        put_a(answer, name, 0, "10.0.0.5");
    } else if (strcmp(name, "large.test") == 0 && type == TYPE_A) {
        if (!is_tcp)
            answer->bytes[2] |= 0x02; /* truncated */
        for (unsigned i = 0; is_tcp && i < 200; i++) {
            char addr[16];

            snprintf(addr, sizeof(addr), "10.1.0.%u", i);
            put_a(answer, name, 60, addr);
        }
    } else if (strcmp(name, "fail.test") == 0) {
        begin(fixture, id, RCODE_SERVFAIL, name, type, answer);
    } else if (strcmp(name, "refused.test") == 0) {
        begin(fixture, id, RCODE_REFUSED, name, type, answer);
    } else if (strcmp(name, "notimp.test") == 0) {
        begin(fixture, id, RCODE_NOTIMP, name, type, answer);
    } else if (strcmp(name, "formerr.test") == 0) {
        begin(fixture, id, RCODE_FORMERR, name, type, answer);
    } else if (strcmp(name, "mended.test") == 0) {
        fixture->mended_questions++;
        if (fixture->mended_questions <= 2)
            begin(fixture, id, RCODE_SERVFAIL, name, type, answer);
    } else if (strcmp(name, "nowhere.test") == 0 || strcmp(name, "nowhere") == 0) {
        begin(fixture, id, RCODE_NXDOMAIN, name, type, answer);
    } else if (strcmp(name, "spoofed.test") == 0 && type == TYPE_A) {
        begin(fixture, id ^ 0x1234, RCODE_OK, name, type, answer);
        put_a(answer, name, 60, "10.6.6.6");
    } else if (strcmp(name, "other.test") == 0 && type == TYPE_A) {
        begin(fixture, id, RCODE_OK, "something.test", type, answer);
        put_a(answer, "something.test", 60, "10.6.6.6");
    } else if (strcmp(name, "garbage.test") == 0) {
        answer->bytes[ANCOUNT_AT + 1] = 9;
        put_bytes(answer, "\xc0\xff\xff\xff\xff\xff", 6);
    } else if (strcmp(name, "_pg._tcp.db.test") == 0 && type == TYPE_SRV) {
        put_srv(answer, name, 30, 10, 60, 5432, "a.db.test");
        put_srv(answer, name, 30, 20, 60, 5432, "b.db.test");
    } else if (strcmp(name, "short.example.test") == 0 && type == TYPE_A) {
        put_a(answer, name, 60, "10.0.0.7");
    } else if (strcmp(name, "short") == 0 || strcmp(name, "half") == 0) {
        begin(fixture, id, RCODE_NXDOMAIN, name, type, answer);
    }
}

static void open_resolver(struct fixture *fixture, const struct resolver_options *options)
{
    struct error error;

    fixture->resolver = resolver_open(fixture->base, options, &error);
    assert_non_null(fixture->resolver);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct resolver_options options = {.timeout_ms = 300, .attempts = 2};

    assert_non_null(fixture);
    fixture->base = event_base_new();
    assert_non_null(fixture->base);
    dns_server_open(&fixture->server, fixture->base, script, fixture);
    options.servers = fixture->server.address;
    open_resolver(fixture, &options);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    resolver_close(fixture->resolver);
    dns_server_close(&fixture->server);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

static enum resolver_result ask(struct fixture *fixture, const char *name)
{
    fixture->answers = 0;
    resolver_ask_addresses(fixture->resolver, name, RESOLVER_IPV4 | RESOLVER_IPV6, on_answer,
                           fixture);
    assert_true(run_until(fixture->base, is_answered, fixture));
    assert_int_equal(fixture->answers, 1);
    return fixture->result;
}

static void test_addresses_come_once_each_with_the_shortest_ttl(void **state)
{
    struct fixture *fixture = *state;
    char text[ADDR_TEXT_BYTES];

    assert_int_equal(ask(fixture, "two.test"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 2);
    assert_int_equal(fixture->ttl_s, 60);
    assert_false(fixture->from_files);
    assert_string_equal(addr_text(&fixture->addrs[0], text), "10.0.0.2:0");
}

static void test_both_families_are_asked_for(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "both.test"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 2);
    assert_int_equal(fixture->ttl_s, 20);
    assert_true(fixture->addrs[0].family != fixture->addrs[1].family);
}

static void test_ttl_of_an_alias_counts(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "alias.test"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 1);
    assert_int_equal(fixture->ttl_s, 7);
}

static void test_ttl_zero_is_told(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "zero.test"), RESOLVER_OK);
    assert_int_equal(fixture->ttl_s, 0);
    assert_false(fixture->from_files);
}

static void test_truncated_answer_is_fetched_by_tcp(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "large.test"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 200);
    assert_true(fixture->server.tcp_questions > 0);
}

static void test_each_failure_has_its_result(void **state)
{
    static const struct {
        const char *name;
        enum resolver_result result;
    } cases[] = {{"nowhere.test", RESOLVER_NXDOMAIN},   {"empty.test", RESOLVER_NODATA},
                 {"loop.test", RESOLVER_NODATA},        {"fail.test", RESOLVER_SERVFAIL},
                 {"refused.test", RESOLVER_REFUSED},    {"notimp.test", RESOLVER_NOTIMP},
                 {"formerr.test", RESOLVER_FORMERR},    {"silent.test", RESOLVER_TIMEOUT},
                 {"garbage.test", RESOLVER_BAD_ANSWER}, {"fails4.test", RESOLVER_SERVFAIL}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        assert_int_equal(ask(fixture, cases[i].name), cases[i].result);
    }
}

static void test_answers_with_a_wrong_id_or_question_do_not_count(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "spoofed.test"), RESOLVER_TIMEOUT);
    assert_int_equal(ask(fixture, "other.test"), RESOLVER_TIMEOUT);
}

/* The servers are asked each, so the one that knows is not hidden by the one that fails. */
static void test_failed_servers_are_passed_over(void **state)
{
    struct fixture *fixture = *state;
    char servers[64];
    const struct resolver_options options = {.servers = servers, .timeout_ms = 200, .attempts = 1};

    snprintf(servers, sizeof(servers), "127.0.0.1:1,%s", fixture->server.address);
    resolver_close(fixture->resolver);
    open_resolver(fixture, &options);
    assert_int_equal(ask(fixture, "two.test"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 2);
}

static void test_failure_of_a_server_that_has_recovered_is_one_still(void **state)
{
    struct fixture *fixture = *state;
    const struct resolver_options options = {
        .servers = fixture->server.address, .timeout_ms = 2000, .attempts = 1};

    resolver_close(fixture->resolver);
    open_resolver(fixture, &options);
    assert_int_equal(ask(fixture, "mended.test"), RESOLVER_SERVER_FAILURE);
}

static void test_failure_of_srv_records_has_its_result(void **state)
{
    static const struct {
        const char *name;
        enum resolver_result result;
    } cases[] = {{"nowhere.test", RESOLVER_NXDOMAIN},
                 {"empty.test", RESOLVER_NODATA},
                 {"fail.test", RESOLVER_SERVFAIL},
                 {"refused.test", RESOLVER_REFUSED},
                 {"silent.test", RESOLVER_TIMEOUT}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        fixture->answers = 0;
        resolver_ask_srv(fixture->resolver, cases[i].name, on_answer, fixture);
        assert_true(run_until(fixture->base, is_answered, fixture));
        assert_int_equal(fixture->result, cases[i].result);
    }
}

static void test_known_family_whose_question_fails_is_unknown(void **state)
{
    static const struct {
        unsigned code;
        enum resolver_result result;
    } cases[] = {{RCODE_SERVFAIL, RESOLVER_SERVFAIL},
                 {RCODE_REFUSED, RESOLVER_REFUSED},
                 {SILENCE, RESOLVER_TIMEOUT}};
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 6; i++) {
        fixture->failing_type = i % 2 == 0 ? TYPE_AAAA : TYPE_A;
        fixture->failing_code = cases[i / 2].code;
        assert_int_equal(ask(fixture, "half.test"), RESOLVER_OK);
        assert_int_equal(fixture->addr_count, 1);
        assert_int_equal(fixture->addrs[0].family, i % 2 == 0 ? AF_INET : AF_INET6);
        assert_int_equal(fixture->unknown, i % 2 == 0 ? RESOLVER_IPV6 : RESOLVER_IPV4);
        assert_int_equal(fixture->unknown_result, cases[i / 2].result);
    }
}

static void test_known_family_that_is_really_gone_is_not_unknown(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 4; i++) {
        fixture->failing_type = i % 2 == 0 ? TYPE_AAAA : TYPE_A;
        fixture->failing_code = i / 2 == 0 ? RCODE_OK : RCODE_NXDOMAIN;
        assert_int_equal(ask(fixture, "half.test"), RESOLVER_OK);
        assert_int_equal(fixture->addr_count, 1);
        assert_int_equal(fixture->unknown, 0);
    }
}

/* Nothing more is asked for when nothing is missing. */
static void test_known_families_cost_no_question(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "half.test"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 2);
    assert_int_equal(fixture->server.questions, 2);
}

static void test_missing_family_is_added_when_it_answers_alone(void **state)
{
    struct fixture *fixture = *state;
    const struct resolver_options options = {
        .servers = fixture->server.address, .timeout_ms = 5000, .attempts = 1};

    resolver_close(fixture->resolver);
    open_resolver(fixture, &options);
    fixture->failing_type = TYPE_AAAA;
    fixture->failing_code = RCODE_SERVFAIL;
    fixture->failures_left = 1;
    assert_int_equal(ask(fixture, "half.test"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 2);
    assert_int_equal(fixture->unknown, 0);
    assert_int_equal(fixture->ttl_s, 20);
}

static void test_dead_dns_server_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    const struct resolver_options options = {
        .servers = "127.0.0.1:1", .timeout_ms = 200, .attempts = 1};

    resolver_close(fixture->resolver);
    open_resolver(fixture, &options);
    assert_int_equal(ask(fixture, "two.test"), RESOLVER_UNREACHABLE);
}

static void test_srv_records_are_asked_for(void **state)
{
    struct fixture *fixture = *state;

    resolver_ask_srv(fixture->resolver, "_pg._tcp.db.test", on_answer, fixture);
    assert_true(run_until(fixture->base, is_answered, fixture));
    assert_int_equal(fixture->result, RESOLVER_OK);
    assert_int_equal(fixture->srv_verdict, SRV_READ);
    assert_int_equal(fixture->srv_count, 2);
}

static void test_hosts_file_is_read_first(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ask(fixture, "localhost"), RESOLVER_OK);
    assert_true(fixture->from_files);
    assert_int_equal(fixture->server.questions, 0);
}

static void test_closing_forgets_questions(void **state)
{
    struct fixture *fixture = *state;

    resolver_ask_addresses(fixture->resolver, "silent.test", 0, on_answer, fixture);
    resolver_ask_srv(fixture->resolver, "silent.test", on_answer, fixture);
    resolver_close(fixture->resolver);
    fixture->resolver = NULL;
    assert_int_equal(fixture->answers, 0);
}

/* The file names the server by a port that c-ares does not know of: so only the search list and
   that it is read again are seen here. */
static void write_conf(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_changed_resolv_conf_counts(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/culvert-test-XXXXXX";
    int fd = mkstemp(path);
    struct resolver_options options = {
        .timeout_ms = 500, .attempts = 1, .search = true, .resolv_conf = path};
    const struct timeval pause = {.tv_sec = 1, .tv_usec = 50000};

    assert_true(fd != -1);
    close(fd);
    write_conf(path, "nameserver 127.0.0.1\nsearch nothing.test\n");
    resolver_close(fixture->resolver);
    options.servers = fixture->server.address;
    open_resolver(fixture, &options);
    assert_int_not_equal(ask(fixture, "short"), RESOLVER_OK);
    write_conf(path, "nameserver 127.0.0.1\nsearch nothing.test example.test\n");
    /* A question that is out lives on with the old one. */
    resolver_ask_addresses(fixture->resolver, "silent.test", 0, on_answer, fixture);
    event_base_loopexit(fixture->base, &pause);
    event_base_dispatch(fixture->base);
    assert_int_equal(ask(fixture, "short"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 1);
    unlink(path);
}

/* The search list has a name of the other family for the next suffix, which is another host. */
static void test_missing_family_is_asked_for_by_the_name_that_was_found(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/culvert-test-XXXXXX";
    int fd = mkstemp(path);
    struct resolver_options options = {.servers = fixture->server.address,
                                       .timeout_ms = 200,
                                       .attempts = 1,
                                       .search = true,
                                       .resolv_conf = path};

    assert_true(fd != -1);
    close(fd);
    write_conf(path, "nameserver 127.0.0.1\nsearch example.test test\n");
    resolver_close(fixture->resolver);
    open_resolver(fixture, &options);
    fixture->failing_type = TYPE_AAAA;
    fixture->failing_code = RCODE_OK;
    assert_int_equal(ask(fixture, "half"), RESOLVER_OK);
    assert_int_equal(fixture->addr_count, 1);
    assert_int_equal(fixture->unknown, 0);
    assert_int_equal(fixture->server.questions, 3);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_addresses_come_once_each_with_the_shortest_ttl, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_both_families_are_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl_of_an_alias_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl_zero_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_answer_is_fetched_by_tcp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_failure_has_its_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_with_a_wrong_id_or_question_do_not_count,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_servers_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_of_a_server_that_has_recovered_is_one_still,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure_of_srv_records_has_its_result, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_known_family_whose_question_fails_is_unknown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_known_family_that_is_really_gone_is_not_unknown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_known_families_cost_no_question, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_family_is_added_when_it_answers_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_missing_family_is_asked_for_by_the_name_that_was_found,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_dns_server_is_a_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_srv_records_are_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hosts_file_is_read_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closing_forgets_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_resolv_conf_counts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
