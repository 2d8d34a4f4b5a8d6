/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres.c - a client's first bytes, cut anywhere, and the refusal in clear text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/postgres.h"

static const unsigned char gss_request[] = {0, 0, 0, 8, 4, 210, 22, 48};
static const unsigned char cancel_request[] = {0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 0, 0, 0, 0, 0};
static const unsigned char startup[] = {0, 0, 0, 9, 0, 3, 0, 0, 0};

static void test_requests_are_known_when_they_are_whole(void **state)
{
    for (size_t size = 0; size < POSTGRES_REQUEST_BYTES; size++) {
        assert_int_equal(postgres_opening_read(postgres_ssl_request, size), POSTGRES_PARTIAL);
        assert_int_equal(postgres_opening_read(gss_request, size), POSTGRES_PARTIAL);
    }
    assert_int_equal(postgres_opening_read(postgres_ssl_request, 8), POSTGRES_SSL_REQUEST);
    assert_int_equal(postgres_opening_read(gss_request, 8), POSTGRES_GSS_REQUEST);
}

static void test_what_comes_behind_a_request_does_not_change_it(void **state)
{
    unsigned char bytes[9];

    memcpy(bytes, postgres_ssl_request, 8);
    bytes[8] = 22;
    assert_int_equal(postgres_opening_read(bytes, 9), POSTGRES_SSL_REQUEST);
}

static void test_tls_is_known_by_its_first_byte(void **state)
{
    assert_int_equal(postgres_opening_read((const unsigned char *)"\x16", 1), POSTGRES_TLS);
}

static void test_a_start_in_clear_text_is_known_as_soon_as_it_differs(void **state)
{
    assert_int_equal(postgres_opening_read(startup, 3), POSTGRES_PARTIAL);
    for (size_t size = 4; size <= sizeof(startup); size++)
        assert_int_equal(postgres_opening_read(startup, size), POSTGRES_OTHER);
    for (size_t size = 4; size <= sizeof(cancel_request); size++)
        assert_int_equal(postgres_opening_read(cancel_request, size), POSTGRES_OTHER);
    assert_int_equal(postgres_opening_read((const unsigned char *)"GET / HTTP", 10),
                     POSTGRES_OTHER);
}

/* ErrorResponse: 'E', a length that counts itself, fields of a type and a string, a zero byte. */
static void test_the_refusal_is_a_well_formed_message(void **state)
{
    const unsigned char *at = postgres_tls_required;
    const unsigned char *end = at + postgres_tls_required_size;
    char seen[8] = "";
    size_t length = (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];

    assert_int_equal(at[0], 'E');
    assert_int_equal(length + 1, postgres_tls_required_size);
    for (at += 5; *at != 0; at += strlen((const char *)at) + 1) {
        assert_true(at < end - 1);
        seen[strlen(seen)] = (char)*at;
    }
    assert_ptr_equal(at, end - 1);
    assert_string_equal(seen, "SVCM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_known_when_they_are_whole),
        cmocka_unit_test(test_what_comes_behind_a_request_does_not_change_it),
        cmocka_unit_test(test_tls_is_known_by_its_first_byte),
        cmocka_unit_test(test_a_start_in_clear_text_is_known_as_soon_as_it_differs),
        cmocka_unit_test(test_the_refusal_is_a_well_formed_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
