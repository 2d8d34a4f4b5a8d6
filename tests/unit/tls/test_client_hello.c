/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_client_hello.c - each case whole, cut at every offset, and with bits flipped. Bytes are read
 * from an allocation of just their size, so that a sanitizer build sees a look beyond them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tls/client_hello.h"
#include "tls/hello_cases.h"

static enum client_hello_verdict read_copy(const unsigned char *bytes, size_t size,
                                           struct client_hello *hello)
{
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    enum client_hello_verdict verdict;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    memset(hello, 0xee, sizeof(*hello));
    verdict = client_hello_read(copy, size, hello);
    free(copy);
    assert_non_null(hello->detail);
    if (verdict != CLIENT_HELLO_WHOLE) {
        assert_string_equal(hello->name, "");
        assert_int_equal(hello->alpn_size, 0);
    }
    return verdict;
}

static bool is_same(const struct client_hello *a, const struct client_hello *b)
{
    return strcmp(a->name, b->name) == 0 && a->alpn_size == b->alpn_size &&
           memcmp(a->alpn, b->alpn, a->alpn_size) == 0 && a->detail == b->detail;
}

/* Of a prefix: PARTIAL, or exactly what is said of all. */
static enum client_hello_verdict read_cut(const struct bytes *bytes, size_t size,
                                          enum client_hello_verdict verdict,
                                          const struct client_hello *hello)
{
    struct client_hello cut;
    enum client_hello_verdict cut_verdict = read_copy(bytes->data, size, &cut);

    if (cut_verdict != CLIENT_HELLO_PARTIAL) {
        assert_int_equal(cut_verdict, verdict);
        assert_true(is_same(&cut, hello));
    }
    return cut_verdict;
}

static void check_case(const struct hello_case *example, struct client_hello *hello)
{
    enum client_hello_verdict verdict;
    enum client_hello_verdict before = CLIENT_HELLO_PARTIAL;
    struct bytes bytes = {.data = NULL};

    example->make(&bytes);
    verdict = read_copy(bytes.data, bytes.size, hello);
    if (verdict != example->verdict)
        print_error("%s: %s\n", example->label, hello->detail);
    assert_int_equal(verdict, example->verdict);
    if (verdict == CLIENT_HELLO_WHOLE)
        assert_string_equal(hello->name, example->name);
    else if (strstr(hello->detail, example->detail) == NULL)
        fail_msg("%s: %s", example->label, hello->detail);
    for (size_t cut = 0; cut < bytes.size;) {
        enum client_hello_verdict now = read_cut(&bytes, cut, verdict, hello);

        /* Once given, a verdict stays. */
        assert_true(before == CLIENT_HELLO_PARTIAL || now == before);
        before = now;
        cut += cut < 2000 || cut + 200 > bytes.size ? 1 : 101;
    }
    bytes_release(&bytes);
}

static void test_cases_whole_and_cut_at_every_offset(void **state)
{
    struct client_hello hello;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++)
        check_case(&hello_cases[i], &hello);
}

static const struct hello_case *find_case(const char *label)
{
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++) {
        if (strcmp(hello_cases[i].label, label) == 0)
            return &hello_cases[i];
    }
    fail_msg("no case '%s'", label);
    return NULL;
}

static void test_no_bytes_at_all_are_the_beginning_of_anything(void **state)
{
    struct client_hello hello;

    (void)state;
    assert_int_equal(client_hello_read(NULL, 0, &hello), CLIENT_HELLO_PARTIAL);
}

static void test_protocols_are_kept_as_they_were_sent(void **state)
{
    struct client_hello hello;

    (void)state;
    check_case(find_case("protocols"), &hello);
    assert_int_equal(hello.alpn_size, 12);
    assert_memory_equal(hello.alpn, "\x02h2\x08http/1.1", 12);
    check_case(find_case("protocol of 255"), &hello);
    assert_int_equal(hello.alpn_size, 256);
    assert_int_equal((unsigned char)hello.alpn[0], 255);
}

static void test_protocols_beyond_the_room_are_cut_between_two(void **state)
{
    struct client_hello hello;

    (void)state;
    check_case(find_case("102 protocols"), &hello);
    /* None behind the first that does not fit, though a shorter one would. */
    assert_int_equal(hello.alpn_size, 2 + 84 * 3);
    assert_memory_equal(hello.alpn + 2 + 83 * 3, "\x02\x30\x83", 3);
}

static void test_a_hello_is_the_same_in_records_of_any_size(void **state)
{
    struct client_hello expected;
    struct bytes bytes = {.data = NULL};

    (void)state;
    hello_split(&bytes, 0);
    assert_int_equal(read_copy(bytes.data, bytes.size, &expected), CLIENT_HELLO_WHOLE);
    for (size_t piece = 1; piece < 300; piece++) {
        struct client_hello hello;

        bytes.size = 0;
        hello_split(&bytes, piece);
        assert_int_equal(read_copy(bytes.data, bytes.size, &hello), CLIENT_HELLO_WHOLE);
        assert_true(is_same(&hello, &expected));
        /* Whole with its last byte, not before. */
        assert_int_equal(read_copy(bytes.data, bytes.size - 1, &hello), CLIENT_HELLO_PARTIAL);
    }
    bytes_release(&bytes);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* One bit of a case is turned over; the verdict may be any, but for a part it is that or PARTIAL.
 */
static void test_one_bit_flips(void **state)
{
    enum { FLIPS = 1000000, LONGEST = 2000 };
    struct bytes bytes[ARRAY_LENGTH(hello_cases)] = {{0}};
    uint64_t random = 1;
    size_t counts[5] = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++)
        hello_cases[i].make(&bytes[i]);
    for (size_t i = 0; i < FLIPS; i++) {
        struct bytes *victim = &bytes[next_random(&random) % ARRAY_LENGTH(hello_cases)];
        size_t length = victim->size < LONGEST ? victim->size : LONGEST;
        size_t bit = next_random(&random) % (length * 8);
        size_t size = i % 64 == 0 ? victim->size : length;
        enum client_hello_verdict verdict;
        struct client_hello hello;

        victim->data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        verdict = read_copy(victim->data, size, &hello);
        counts[verdict]++;
        if (i % 8 == 0)
            read_cut(victim, next_random(&random) % size, verdict, &hello);
        victim->data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    /* It was not one and the same answer all the time. */
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
        assert_true(counts[i] > FLIPS / 1000);
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++)
        bytes_release(&bytes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_whole_and_cut_at_every_offset),
        cmocka_unit_test(test_no_bytes_at_all_are_the_beginning_of_anything),
        cmocka_unit_test(test_protocols_are_kept_as_they_were_sent),
        cmocka_unit_test(test_protocols_beyond_the_room_are_cut_between_two),
        cmocka_unit_test(test_a_hello_is_the_same_in_records_of_any_size),
        cmocka_unit_test(test_one_bit_flips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
