/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_client_hello_openssl.c - culvert reads a ClientHello as OpenSSL's server does: the same
 * verdict and the same name, but where the header of client_hello.h says otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tls/hello_cases.h"
#include "tls/openssl_reading.h"

static void test_all_cases(void **state)
{
    SSL_CTX *context = openssl_reader_create();
    unsigned whole = 0;
    unsigned named = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++) {
        struct bytes bytes = {.data = NULL};
        const char *fault;

        hello_cases[i].make(&bytes);
        fault = compare_with_openssl(context, bytes.data, bytes.size);
        if (fault != NULL) {
            struct openssl_reading theirs = openssl_read(context, bytes.data, bytes.size);

            fail_msg("%s: %s (OpenSSL: '%s', '%s')", hello_cases[i].label, fault, theirs.name,
                     theirs.error);
        }
        if (hello_cases[i].verdict == CLIENT_HELLO_WHOLE) {
            whole++;
            named += openssl_read(context, bytes.data, bytes.size).has_name;
        }
        bytes_release(&bytes);
    }
    /* The comparison means something: OpenSSL gets as far as the name. */
    assert_true(named * 2 > whole);
    SSL_CTX_free(context);
}

/* Where OpenSSL is milder, it really is: else the list of differences is wrong. */
static void test_the_agreed_differences_are_there(void **state)
{
    static const char *const milder[] = {"control byte in name", "UTF-8 in name", "unknown twice",
                                         "empty record", "SSLv2 hello"};
    SSL_CTX *context = openssl_reader_create();

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(milder); i++) {
        for (size_t k = 0; k < ARRAY_LENGTH(hello_cases); k++) {
            struct bytes bytes = {.data = NULL};
            struct openssl_reading theirs;

            if (strcmp(hello_cases[k].label, milder[i]) != 0)
                continue;
            hello_cases[k].make(&bytes);
            theirs = openssl_read(context, bytes.data, bytes.size);
            if (!theirs.saw_hello)
                print_error("%s: OpenSSL refuses it, too: '%s'\n", milder[i], theirs.error);
            assert_true(theirs.saw_hello);
            bytes_release(&bytes);
        }
    }
    SSL_CTX_free(context);
}

/* An extension that OpenSSL refuses over TLS (use_srtp), in records of one byte each. */
static void test_foreign_type_in_small_records(void **state)
{
    static const unsigned char extension[] = {0x00, 0x0e, 0x00, 0x03, 0x00, 0x00, 0x00};
    SSL_CTX *context = openssl_reader_create();

    (void)state;
    for (size_t piece = 0; piece < 8; piece++) {
        struct hello_draft draft = draft_open(0x0303);
        struct bytes bytes = {.data = NULL};
        const char *fault;

        bytes_put(&draft.message, extension, sizeof(extension));
        draft_close_into(&draft, &bytes, piece);
        assert_false(openssl_read(context, bytes.data, bytes.size).saw_hello);
        fault = compare_with_openssl(context, bytes.data, bytes.size);
        if (fault != NULL)
            fail_msg("records of %zu bytes: %s", piece, fault);
        bytes_release(&bytes);
    }
    SSL_CTX_free(context);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void test_changed_bytes(void **state)
{
    enum { CHANGES = 20000, LONGEST = 1000 };
    SSL_CTX *context = openssl_reader_create();
    struct bytes bytes[ARRAY_LENGTH(hello_cases)] = {{.data = NULL}};
    uint64_t random = 3;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++)
        hello_cases[i].make(&bytes[i]);
    for (size_t i = 0; i < CHANGES;) {
        struct bytes *victim = &bytes[next_random(&random) % ARRAY_LENGTH(hello_cases)];
        size_t at = next_random(&random) % victim->size;
        unsigned char before = victim->data[at];
        const char *fault;

        if (victim->size > LONGEST)
            continue;
        i++;
        victim->data[at] = (unsigned char)next_random(&random);
        if (next_random(&random) % 2 == 0)
            victim->data[at] = (unsigned char)(before + 1 - 2 * (next_random(&random) % 2));
        fault = compare_with_openssl(
            context, victim->data,
            next_random(&random) % 4 != 0 ? victim->size : 1 + next_random(&random) % victim->size);
        if (fault != NULL)
            fail_msg("%s, byte %zu is %02x: %s", hello_cases[victim - bytes].label, at,
                     victim->data[at], fault);
        victim->data[at] = before;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(hello_cases); i++)
        bytes_release(&bytes[i]);
    SSL_CTX_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_cases),
        cmocka_unit_test(test_the_agreed_differences_are_there),
        cmocka_unit_test(test_foreign_type_in_small_records),
        cmocka_unit_test(test_changed_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
