/* SPDX-License-Identifier: Apache-2.0 */
/* test_srv_answer.c - SRV records read, refused and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "discovery/dns_message.h"
#include "discovery/srv_answer.h"

static struct message message;
static struct srv_answer answer;

/* From memory of just that size. */
static enum srv_verdict read_part(size_t size)
{
    unsigned char *copy = malloc(size + 1);
    enum srv_verdict verdict;

    assert_non_null(copy);
    memcpy(copy, message.bytes, size);
    srv_answer_release(&answer);
    verdict = srv_answer_read(copy, size, &answer);
    free(copy);
    return verdict;
}

static enum srv_verdict read_all(void)
{
    return read_part(message.size);
}

static void begin(void)
{
    begin_answer(&message, 7, RCODE_OK, "_pg._tcp.db.test", TYPE_SRV);
}

static int release(void **state)
{
    (void)state;
    srv_answer_release(&answer);
    return 0;
}

static void check_record(unsigned index, unsigned priority, unsigned weight, unsigned port,
                         const char *target)
{
    assert_true(index < answer.count);
    assert_int_equal(answer.records[index].priority, priority);
    assert_int_equal(answer.records[index].weight, weight);
    assert_int_equal(answer.records[index].port, port);
    assert_string_equal(answer.records[index].target, target);
}

static void test_records_come_sorted_with_the_shortest_ttl(void **state)
{
    (void)state;
    begin();
    put_srv(&message, "_pg._tcp.db.test", 60, 20, 0, 5433, "C.db.test");
    put_srv(&message, "_PG._tcp.db.test", 30, 10, 60, 5432, "b.db.test");
    put_srv(&message, "_pg._tcp.db.test", 90, 10, 40, 5432, "a.db.test");
    assert_int_equal(read_all(), SRV_READ);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.ttl_s, 30);
    assert_false(answer.is_cut);
    check_record(0, 10, 40, 5432, "a.db.test");
    check_record(1, 10, 60, 5432, "b.db.test");
    check_record(2, 20, 0, 5433, "c.db.test");
}

static void test_same_place_counts_once(void **state)
{
    (void)state;
    begin();
    put_srv(&message, "_pg._tcp.db.test", 60, 20, 5, 5432, "a.db.test");
    put_srv(&message, "_pg._tcp.db.test", 60, 10, 6, 5432, "a.db.test");
    put_srv(&message, "_pg._tcp.db.test", 60, 10, 7, 5433, "a.db.test");
    assert_int_equal(read_all(), SRV_READ);
    assert_int_equal(answer.count, 2);
    check_record(0, 10, 6, 5432, "a.db.test");
    check_record(1, 10, 7, 5433, "a.db.test");
}

static void test_aliases_are_followed(void **state)
{
    (void)state;
    begin();
    put_srv(&message, "pg.elsewhere.test", 60, 1, 1, 5432, "a.db.test");
    put_cname(&message, "x.test", 50, "pg.elsewhere.test");
    put_cname(&message, "_pg._tcp.db.test", 5, "x.test");
    assert_int_equal(read_all(), SRV_READ);
    assert_int_equal(answer.ttl_s, 5);
    check_record(0, 1, 1, 5432, "a.db.test");
}

static void test_alias_loop_is_malformed(void **state)
{
    (void)state;
    begin();
    put_cname(&message, "_pg._tcp.db.test", 5, "x.test");
    put_cname(&message, "x.test", 5, "_pg._tcp.db.test");
    put_srv(&message, "x.test", 60, 1, 1, 5432, "a.db.test");
    assert_int_equal(read_all(), SRV_MALFORMED);
}

static void test_records_of_other_names_do_not_count(void **state)
{
    (void)state;
    begin();
    put_srv(&message, "_pg._tcp.evil.test", 60, 1, 1, 5432, "a.db.test");
    assert_int_equal(read_all(), SRV_EMPTY);
    put_srv(&message, "_pg._tcp.db.test", 60, 1, 1, 5432, "b.db.test");
    assert_int_equal(read_all(), SRV_READ);
    assert_int_equal(answer.count, 1);
    check_record(0, 1, 1, 5432, "b.db.test");
}

static void test_no_records_and_the_root_are_empty(void **state)
{
    (void)state;
    begin();
    assert_int_equal(read_all(), SRV_EMPTY);
    put_srv(&message, "_pg._tcp.db.test", 60, 0, 0, 0, "");
    assert_int_equal(read_all(), SRV_EMPTY);
}

static void test_port_zero_is_no_place(void **state)
{
    (void)state;
    begin();
    put_srv(&message, "_pg._tcp.db.test", 60, 0, 0, 0, "a.db.test");
    assert_int_equal(read_all(), SRV_EMPTY);
}

static void test_targets_that_are_no_host_names_are_refused(void **state)
{
    static const char *const targets[] = {"a b.test",  "a\nb.test", "\x01.test",
                                          "\xff.test", "\"a",       "a/b.test"};

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        begin();
        put_srv(&message, "_pg._tcp.db.test", 60, 0, 0, 1, targets[i]);
        assert_int_equal(read_all(), SRV_MALFORMED);
    }
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    begin();
    put_srv(&message, "_pg._tcp.db.test", 60, 1, 1, 5432, "a.db.test");
    for (size_t size = 0; size < message.size; size++)
        assert_int_equal(read_part(size), SRV_MALFORMED);
    assert_int_equal(read_all(), SRV_READ);
}

static void test_short_data_and_wrong_counts_are_refused(void **state)
{
    (void)state;
    begin();
    begin_record(&message, "_pg._tcp.db.test", TYPE_SRV, 60, 6);
    put32(&message, 1);
    put16(&message, 5432);
    assert_int_equal(read_all(), SRV_MALFORMED);

    begin();
    put_srv(&message, "_pg._tcp.db.test", 60, 1, 1, 5432, "a.db.test");
    message.bytes[ANCOUNT_AT + 1] = 2;
    assert_int_equal(read_all(), SRV_MALFORMED);
    message.bytes[ANCOUNT_AT] = 255;
    assert_int_equal(read_all(), SRV_MALFORMED);
}

static void test_pointer_to_itself_is_refused(void **state)
{
    size_t at;

    (void)state;
    begin();
    begin_record(&message, "_pg._tcp.db.test", TYPE_SRV, 60, 8);
    put16(&message, 1);
    put16(&message, 1);
    put16(&message, 5432);
    at = message.size;
    put16(&message, 0xc000 | (unsigned)at);
    assert_int_equal(read_all(), SRV_MALFORMED);
}

static void test_records_are_bounded(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < SRV_RECORDS_MAX + 20; i++) {
        char target[16];

        snprintf(target, sizeof(target), "h%u.t", i);
        put_srv(&message, "_pg._tcp.db.test", 60, 1, 1, 5432, target);
    }
    assert_int_equal(read_all(), SRV_READ);
    assert_int_equal(answer.count, SRV_RECORDS_MAX);
    assert_true(answer.is_cut);
}

static void test_negative_ttl_is_none(void **state)
{
    (void)state;
    begin();
    put_srv(&message, "_pg._tcp.db.test", 0x80000001, 1, 1, 5432, "a.test");
    assert_int_equal(read_all(), SRV_READ);
    assert_int_equal(answer.ttl_s, 0);
}

static void test_weights_fit_those_of_servers(void **state)
{
    (void)state;
    assert_int_equal(srv_weight(0, 0), 1);
    assert_int_equal(srv_weight(0, 60), 1);
    assert_int_equal(srv_weight(60, 60), 60);
    assert_int_equal(srv_weight(256, 256), 256);
    assert_int_equal(srv_weight(65535, 65535), 256);
    assert_int_equal(srv_weight(32768, 65535), 128);
    assert_int_equal(srv_weight(1, 65535), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_come_sorted_with_the_shortest_ttl),
        cmocka_unit_test(test_same_place_counts_once),
        cmocka_unit_test(test_aliases_are_followed),
        cmocka_unit_test(test_alias_loop_is_malformed),
        cmocka_unit_test(test_records_of_other_names_do_not_count),
        cmocka_unit_test(test_no_records_and_the_root_are_empty),
        cmocka_unit_test(test_port_zero_is_no_place),
        cmocka_unit_test(test_targets_that_are_no_host_names_are_refused),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_short_data_and_wrong_counts_are_refused),
        cmocka_unit_test(test_pointer_to_itself_is_refused),
        cmocka_unit_test(test_records_are_bounded),
        cmocka_unit_test(test_negative_ttl_is_none),
        cmocka_unit_test(test_weights_fit_those_of_servers),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
